"""The printed tables: whole, and as printed."""

import re
import shutil
from typing import get_args

import pytest
import yaml

from vswin.costs.counting import Rule
from vswin.paper.printed import FOLDER, PAPER, printed_table, read_paper, read_printed_table
from vswin.reading import ExperimentError

ROWS = {"1": 24, "2": 9, "3": 10, "4": 3, "5": 6, "6": 3, "7": 4, "8": 2, "9": 2}
ROWS |= {"A1": 3, "A2": 3, "A3": 4, "A4": 6, "A5": 6, "A6": 6, "A7": 3, "A8": 4, "A9": 4}
PAPERS = sorted(path.parent.name for path in FOLDER.glob(f"*/{PAPER}"))
FILES = [path for path in FOLDER.glob("*/*.yaml") if path.name != PAPER]
TABLES = sorted(path.stem for path in FILES)
"""All that are printed, paper by paper; their ids are unique."""
LETTER = {"top1": 0, "top5": 1, "flops": 2, "params": 3}
PRINTED = {  # top-1, top-5, FLOPs and parameters of some rows, read off the paper a second time
    "table1": {
        "r2plus1d": "72.0 90.0 75 61.8",
        "corrnet_101": "79.2 - 224 -",
        "vit_b_vtn": "78.6 93.7 4218 11.04",
        "vivit_h": "84.8 95.8 8316 647.5",
        "swin_b": "82.7 95.5 282 88.1",
        "swin_l_384_50": "84.9 96.7 2107 200.0",
    },
    "table2": {
        "x3d_xl": "81.9 95.5 48 11.0",
        "timesformer_hr": "82.4 96 1703 121.4",
        "swin_b": "84.0 96.5 282 88.1",
        "swin_l_384": "85.9 97.1 2107 200.0",
        "swin_l_384_50": "86.1 97.3 2107 200.0",
    },
    "table3": {
        "tea": "65.1 89.9 70 -",
        "mvit_b_24_32x3": "68.7 91.5 236 53.2",
        "swin_b": "69.6 92.7 321 88.8",
    },
    "table7": {
        "ratio_0_1_1k": "80.6 94.6",
        "ratio_1_0_1k": "80.2 94.2",
        "ratio_0_1_21k": "82.6 95.7",
        "ratio_1_0_21k": "82.0 95.3",
    },
    "tableA1": {
        "slowfast_nl": "71.0 89.6 234×3×10 59.9",
        "mvit_b_16x4": "71.2 90.0 70.5×1×5 36.8",
        "mvit_b_24_32x3": "74.0 91.7 236×1×5 52.9",
    },
    "tableA7": {"normalized": "77.2 93.1", "unnormalized": "74.6 91.3", "none": "74.7 91.8"},
}
OF_MVIT = {  # top-1, FLOPs, parameters and memory of every row, where the table has them
    "tableA2": ["68.5 179.6 16.8", "71.0 111.1 9.8", "69.1 148.4 8.9"],
    "tableA3": ["75.8 36.2", "76.7 36.5", "76.5 38.6", "77.2 36.5"],
    "tableA4": [
        *("74.5 69.4 36.5", "75.6 69.6 36.5", "75.9 70.5 36.5"),
        *("77.2 70.5 36.5", "77.2 70.5 36.5", "77.3 70.5 36.5"),
    ],
    "tableA5": [
        *("76.3 90.2 29.5 11.0", "75.9 86.9 42.8 10.3", "76.6 88.3 32.2 10.5"),
        *("76.7 85.0 45.5 9.7", "77.1 83.6 36.5 9.1", "76.9 86.4 34.9 11.3"),
    ],
    "tableA6": [
        *("77.6 130.8 16.3", "75.9 71.4 8.2", "74.8 64.3 6.6"),
        *("77.1 83.6 9.1", "77.2 70.5 6.8", "75.8 63.7 6.3"),
    ],
    "tableA8": ["77.0", "67.4", "78.0", "61.6"],
    "tableA9": ["81.6 7.2 9.0", "82.5 7.8 11.9", "81.8 9.0 13.2", "82.3 10.4 17.3"],
}


def test_every_table_is_there_with_all_its_rows():
    assert {table: len(printed_table(table).rows) for table in TABLES} == {
        f"table{number}": rows for number, rows in ROWS.items()
    } | {"figureA4": 8, "figureA6": 4}


def test_ids_are_unique_over_all_papers():
    assert len(set(TABLES)) == len(TABLES)
    for table in TABLES:
        printed = printed_table(table)
        assert (FOLDER / printed.paper / f"{table}.yaml").is_file()


@pytest.mark.parametrize(("table", "row"), [(t, row) for t in PRINTED for row in PRINTED[t]])
def test_cells_are_as_printed(table, row):
    cells = printed_table(table).row(row).cells
    texts = PRINTED[table][row].split()
    assert [cells[metric] for metric in list(LETTER)[: len(texts)]] == texts


@pytest.mark.parametrize("table", OF_MVIT)
def test_numbers_of_the_appendix_are_as_printed(table):
    printed = printed_table(table)
    metrics = [m for m in ("top1", "flops", "params", "memory") if printed.column(m)]
    found = [" ".join(printed.number(row.id, m) for m in metrics) for row in printed.rows]
    assert found == OF_MVIT[table]


def test_a_number_is_what_a_cell_begins_with():
    assert printed_table("tableA2").row("two_scale").cells["flops"] == "111.1 (−68.5)"
    assert printed_table("tableA2").number("two_scale", "flops") == "111.1"
    assert printed_table("tableA1").number("mvit_b_16x4", "flops") == "70.5"


def test_every_paper_says_how_it_counts():
    assert PAPERS == ["mvit", "video_swin"]
    assert [read_paper(paper).rule for paper in PAPERS] == ["macs", "paper"]
    assert {read_paper(paper).rule for paper in PAPERS} <= set(get_args(Rule))
    assert printed_table("paper") is None  # an ablation may be called so


def test_costs_that_a_paper_takes_from_another_are_counted_as_there():
    printed = printed_table("table1")
    assert printed.counted_as("swin_t").paper == "video_swin"
    assert printed.counted_as("mvit_b_32x3").paper == "mvit"
    for table in TABLES:
        assert {row.from_paper for row in printed_table(table).rows} <= {None, *PAPERS}


def test_a_paper_in_another_folder_is_refused(tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    shutil.copy(FOLDER / "mvit" / PAPER, tmp_path / "other")
    monkeypatch.setattr("vswin.paper.printed.FOLDER", tmp_path)
    with pytest.raises(ExperimentError, match="key 'paper' is 'mvit'; the folder is 'other'"):
        read_paper("other")


def test_a_dash_is_a_cell_and_no_number():
    printed = printed_table("table1")
    assert printed.row("corrnet_101").cells["params"] == "-"
    assert printed.number("corrnet_101", "params") is None
    assert printed.number("corrnet_101", "flops") == "224"
    assert printed.number("single_frame", "flops") is None


@pytest.mark.parametrize("table", TABLES)
def test_every_column_that_is_compared_has_a_unit_and_numbers(table):
    printed = printed_table(table)
    for column in printed.columns:
        assert (column.unit != "") == (column.metric is not None)
        if column.metric:
            for row in printed.rows:
                assert re.fullmatch(
                    r"(-|\d+(\.\d+)?)( \([−+]\d+\.\d\)|×\d×\d+)?", row.cells[column.id]
                )


SUSPICIOUS = "suspicious: [{{row: {row}, column: {column}, evidence: e}}]\nrows:\n"


def broken(tmp_path, old, new):
    text = (FOLDER / "video_swin" / "table5.yaml").read_text()
    assert old in text
    (tmp_path / "table5.yaml").write_text(text.replace(old, new, 1))
    return text[: text.index(old)].count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("caption:", "captoin:", "captoin: unknown key"),
        ('top1: "79.1"', "top1: 79.1", "quoted"),
        ('top1: "79.1", ', "", "row dim16: cells and columns differ: top1"),
        ("rows:\n", SUSPICIOUS.format(row="dim32", column="top1"), "dim32 is no row"),
        ("rows:\n", SUSPICIOUS.format(row="dim16", column="top2"), "top2 is no column"),
        ("id: dim8,", "id: dim16,", "repeated: dim16"),
        ('top1: "79.1"', 'top1: "about 79"', "row dim16: top1 'about 79' begins with no number"),
    ],
)
def test_a_broken_file_is_refused_by_file_and_line(tmp_path, old, new, words):
    broken(tmp_path, old, new)
    with pytest.raises(ExperimentError, match=r"table5\.yaml, line \d+") as refused:
        read_printed_table(tmp_path / "table5.yaml")
    assert words in str(refused.value)


def test_what_is_printed_is_text():
    """YAML would make 200.0 a number, and its digits would be lost."""
    for path in FILES:
        content = yaml.safe_load(path.read_text())
        for row in content["rows"]:
            assert all(isinstance(cell, str) for cell in row["cells"].values())
