"""The printed tables: whole, and as printed."""

import re

import pytest
import yaml

from vswin.paper.printed import FOLDER, printed_table, read_printed_table
from vswin.reading import ExperimentError

ROWS = {1: 24, 2: 9, 3: 10, 4: 3, 5: 6, 6: 3, 7: 4, 8: 2, 9: 2}
TABLES = sorted(path.stem for path in FOLDER.glob("*/*.yaml"))
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
}


def test_every_table_is_there_with_all_its_rows():
    assert {table: len(printed_table(table).rows) for table in TABLES} == {
        f"table{number}": rows for number, rows in ROWS.items()
    }


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
                assert re.fullmatch(r"-|\d+(\.\d+)?", row.cells[column.id])


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
    ],
)
def test_a_broken_file_is_refused_by_file_and_line(tmp_path, old, new, words):
    broken(tmp_path, old, new)
    with pytest.raises(ExperimentError, match=r"table5\.yaml, line \d+") as refused:
        read_printed_table(tmp_path / "table5.yaml")
    assert words in str(refused.value)


def test_what_is_printed_is_text():
    """YAML would make 200.0 a number, and its digits would be lost."""
    for table in TABLES:
        content = yaml.safe_load((FOLDER / "video_swin" / f"{table}.yaml").read_text())
        for row in content["rows"]:
            assert all(isinstance(cell, str) for cell in row["cells"].values())
