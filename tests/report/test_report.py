"""Collecting, comparing, judging and writing: on a study that was run, and on made-up results."""

import base64
import dataclasses
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

import vswin
from vswin import report
from vswin.errors import UsageError
from vswin.files import DamagedFileError, NotWritableError
from vswin.paper.printed import printed_table
from vswin.report import digits, load_study, write_report
from vswin.report.compare import compare
from vswin.report.page import make_page, markdown, render, verdict_lines
from vswin.report.provenance import initialisations
from vswin.runs.result import Stills


def test_table_of_a_run_study(smoke_results):
    table = vswin.load_study("table5", protocol="smoke", results_dir=smoke_results).table()
    assert list(table["row"]) == ["dim16", "dim8", "dim4", "win16", "win8", "win4"]
    assert list(table["paper_top1"]) == [79.1, 78.5, 76.7, 79.1, 78.8, 78.6]
    assert table["flops_exact"].all()
    assert table["params_exact"].all()
    assert (table["seeds"] == 1).all()
    assert (table["n"] == 48).all()
    assert not table["comparable"].any()
    assert table["top1"].between(0, 100).all()
    assert (table["top1_low"] <= table["top1"]).all()
    assert (table["top1"] <= table["top1_high"]).all()
    # The two rows that print one run show one result.
    rows = table.set_index("row")
    assert rows.loc["dim16", "top1"] == rows.loc["win16", "top1"]


def test_nothing_run_is_not_run_and_costs_are_there(tmp_path):
    study = load_study("table5", results_dir=tmp_path)
    table = study.table()
    assert (table["state"] == "not run").all()
    assert table["top1"].isna().all()
    assert table["flops_exact"].all()
    assert verdict_lines(study) == [
        "Claims that need training on Moving Digits: 4 not run; checks of the benchmark: 2 not "
        "run.",
        "Claims that need no training: 3 hold, 1 contradicted.",
        "Costs: 10 of 10 printed cells reproduced to the digit.",
        "Accuracies: 0 of 5 rows trained under protocol proxy (0 runs; a row that is printed twice "
        "counts once), not comparable with the printed ones.",
    ]
    write_report(study)
    assert "not run" in (tmp_path / "reports" / "table5.md").read_text()


def test_a_damaged_file_is_refused_by_name(smoke_results, tmp_path):
    results = tmp_path / "results"
    shutil.copytree(smoke_results, results)
    run = next((results / "smoke" / "runs").glob("swin_t-t2-*"))
    name = "result.json"
    for content in ('{"top1": 0.5', "{}"):
        whole = (run / name).read_text()
        (run / name).write_text(content)
        with pytest.raises(DamagedFileError, match=f"{run.name}/{name}.*remove it"):
            load_study("table5", protocol="smoke", results_dir=results)
        (run / name).write_text(whole)


def test_seeds_are_checked_and_limit_what_is_read(smoke_results, tmp_path):
    study = load_study("table5", protocol="smoke", results_dir=smoke_results)
    assert load_study("table5", protocol="smoke", seeds=1, results_dir=smoke_results) == study
    for seeds in (0, "2", True):
        with pytest.raises(UsageError, match="seeds="):
            load_study("table5", protocol="smoke", seeds=seeds, results_dir=tmp_path)


def test_written_files_agree_with_the_table(smoke_results):
    study = load_study("table5", protocol="smoke", results_dir=smoke_results)
    files = write_report(study)
    assert files.csv == smoke_results / "smoke" / "tables" / "table5.csv"
    assert files.html == smoke_results / "reports" / "table5.smoke.html"
    frame = pd.read_csv(
        files.csv, dtype={"temporal dimension": str, "paper_flops": float, "n": "int64"}
    )
    pd.testing.assert_frame_equal(frame, study.table(), check_exact=False, rtol=1e-5)
    html, markdown = files.html.read_text(), files.markdown.read_text()
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', html)
    assert len(pictures) == len(files.pictures) == 3
    for inside, path in zip(pictures, files.pictures.values(), strict=True):
        assert base64.b64decode(inside) == path.read_bytes()
        assert f"({path.name})" in markdown
    for page in (html, markdown):
        assert "Costs: 10 of 10 printed cells reproduced to the digit." in page
        assert "not comparable with the printed ones" in page
        assert f"vswin report table5 --protocol smoke --results-dir {smoke_results}" in page
        trains = f"vswin run table5 --protocol smoke --seeds 1 --results-dir {smoke_results}"
        assert trains in page
        assert "16×7×7" in page
        assert "torch 2.13.0" in page


def test_the_columns_are_the_documented_ones_and_no_difference_is_among_them(smoke_results):
    """Accuracies of an embedded protocol are never subtracted from printed ones."""
    table = load_study("table5", protocol="smoke", results_dir=smoke_results).table()
    accuracy = ["paper_top1", "top1", "top1_low", "top1_high", "paper_top5", "top5"]
    run = ["seeds", "n", "protocol", "comparable", "state"]
    cost = [n for m in ("flops", "params") for n in (f"paper_{m}", m, f"{m}_exact")]
    assert list(table) == ["row", "temporal dimension", "window size", *accuracy, *run, *cost]


def test_reports_of_two_protocols_do_not_overwrite_each_other(smoke_results, tmp_path):
    a = write_report(
        dataclasses.replace(
            load_study("table5", protocol="smoke", results_dir=smoke_results),
            results_dir=tmp_path,
        )
    )
    b = write_report(load_study("table5", protocol="proxy", results_dir=tmp_path))
    assert not {a.csv, a.html, *a.pictures.values()} & {b.csv, b.html, *b.pictures.values()}


def test_an_unwritable_folder_is_refused(smoke_results, tmp_path):
    (tmp_path / "file").write_text("")
    study = load_study("table5", protocol="smoke", results_dir=tmp_path / "file" / "below")
    with pytest.raises(NotWritableError):
        write_report(study)


@pytest.mark.parametrize("table", ["table1", "table3"])
def test_tables_of_another_protocol_report_their_costs(table, tmp_path):
    study = load_study(table, results_dir=tmp_path)
    text = write_report(study).markdown.read_text()
    assert f"Accuracies: not run. {table} cannot be run under protocol proxy, which has no " in text
    for row in printed_table(table).rows:
        assert all(f" {cell} " in text for cell in row.cells.values())
    assert f"vswin report {table}" in text
    assert "Moving Digits" not in text


@pytest.mark.parametrize(
    ("ours", "printed", "exact"),
    [
        (87.889, "88", True),
        (87.4, "88", False),
        (28.158, "28.2", True),
        (28.04, "28.0", True),
        (197.04, "197.0", True),
        (88.049, "88.1", False),
    ],
)
def test_comparing_to_the_printed_digit(ours, printed, exact):
    assert compare(ours, printed).exact == exact


def test_a_row_that_is_printed_twice_has_one_result(smoke_results):
    study = load_study("table5", protocol="smoke", results_dir=smoke_results)
    assert [row.id for row in study.rows if row.repeats] == ["win16"]
    (table,) = [s for s in make_page(study).sections if s.title == "The table"]
    ours = table.header.index("top-1 ours, smoke")
    assert [line[ours] for line in table.lines if line[0] == "win16"] == ["as above"]
    assert not [heading for heading in table.header if "top-5 ours" in heading]


def test_the_appearance_task_has_checks_of_its_own(appearance_results):
    study = load_study("table9", protocol="smoke", results_dir=appearance_results)
    assert study.chance == 5
    assert {"digit", "motion"} <= set(study.checks().columns)
    page = render("report.md.j2", make_page(study))
    assert "digit, easiest, %" in page
    assert "order, %" not in page
    assert "order of events" not in page
    assert "at most 50 %" in page
    (source,) = (appearance_results / "smoke" / "runs").glob("*stills*")
    assert source.name in page
    assert "nothing is learnt" in page  # the task's own deviations


def test_what_runs_started_from_is_said_once(appearance_results):
    study = load_study("table9", protocol="smoke", results_dir=appearance_results)
    run = study.runs["center"][0]
    alike = dataclasses.replace(study, runs={"duplicate": {0: run}, "center": {0: run, 1: run}})
    text = markdown(initialisations(alike))
    assert re.findall(r"^- (.*), seed (\d): ", text, re.MULTILINE) == [
        ("duplicate, center", "0"),
        ("center", "1"),
    ]


def test_runs_that_started_from_different_weights_are_called_so(appearance_results):
    study = load_study("table9", protocol="smoke", results_dir=appearance_results)
    assert not any("different weights" in line for line in verdict_lines(study))
    center = study.runs["center"][0]
    loaded = dataclasses.replace(center.result.loaded, digest="0" * 64)
    other = dataclasses.replace(center, result=dataclasses.replace(center.result, loaded=loaded))
    mixed = dataclasses.replace(study, runs={**study.runs, "center": {0: other}})
    assert any("started from 2 different weights" in line for line in verdict_lines(mixed))


def test_what_is_left_of_the_pretraining_is_shown_row_by_row(appearance_results):
    study = load_study("table9", protocol="smoke", results_dir=appearance_results)
    run = study.runs["center"][0]

    def with_stills(before, after, moved):
        details = dataclasses.replace(run.result.details, stills=Stills(before, after, moved))
        return dataclasses.replace(run, result=dataclasses.replace(run.result, details=details))

    seeds = {0: with_stills(0.8, 0.6, 0.1), 1: with_stills(0.9, 0.7, 0.3)}
    runs = {"duplicate": {0: seeds[0]}, "center": seeds}
    section = digits.stills(study.rows, runs)
    assert [line[1:] for line in section.lines] == [
        ["80.0", "60.0", "0.10", "1"],
        ["85.0", "65.0 [1.5, 128.5]", "0.20", "2"],  # of two values 10 apart: 5 x 12.706
    ]
    assert digits.stills(study.rows, {}).is_empty


def test_the_long_frame_has_every_number_once(smoke_results):
    study = load_study("table5", protocol="smoke", results_dir=smoke_results)
    frame = study.frame()
    assert list(frame) == ["paper", "table", "row", "column", "seed", "value", "comparable"]
    assert set(frame["paper"]) == {"video_swin"}
    assert not frame.duplicated(["table", "row", "column", "seed"]).any()
    trained = frame[frame["seed"].notna() & (frame["row"] == "win8")].set_index("column")["value"]
    assert {"top1", "top5", "n", "easiest"} <= set(trained.index)
    assert trained["top1"] == study.table().set_index("row").loc["win8", "top1"]
    assert not frame.loc[frame["seed"].notna(), "comparable"].any()
    counted = frame[(frame["row"] == "win8") & (frame["column"] == "flops")]
    assert round(float(counted["value"].iloc[0]), 3) == 87.889


def test_markdown_html_and_notebooks_show_the_same_sections(smoke_results):
    page = make_page(load_study("table5", protocol="smoke", results_dir=smoke_results))
    pictures = {name: f"{name}.png" for name in page.pictures}
    text = render("report.md.j2", page, pictures)
    html = render("report.html.j2", page, pictures)
    headings = [s.title for s in page.sections if not s.is_folded]
    assert re.findall(r"^##+ (.*)$", text, re.MULTILINE) == headings
    assert len(re.findall("<h[23]>", html)) == len(headings)
    for found in (text, html):
        assert found.count("<details>") == len(page.sections) - len(headings) > 0
    assert html.count("<img") == text.count("![") == len(pictures)
    for section in page.sections:
        assert section.picture in pictures or markdown(section) in text
        for cell in [cell for line in section.lines for cell in line]:
            assert cell in text
            assert cell in html


def test_parts_stand_in_the_order_of_a_reproducibility_report(smoke_results):
    page = make_page(load_study("table5", protocol="smoke", results_dir=smoke_results))
    parts = [section.title for section in page.sections if section.level == 2]
    assert parts == [
        "The paper's claims",
        "What was not confirmed",
        "Scope",
        "Method",
        "Results",
        "What was easy",
        "What was hard",
        "Provenance",
    ]


def test_what_a_paper_prints_of_other_systems_and_is_suspicious_is_said(tmp_path):
    page = make_page(load_study("table1", results_dir=tmp_path))
    (hard,) = [s for s in page.sections if s.title == "What was hard"]
    assert any("params of vit_b_vtn, printed 11.04." in item.text for item in hard.items)


def test_no_code_of_the_report_knows_a_table():
    for path in Path(report.__file__).parent.rglob("*"):
        if path.suffix in (".py", ".j2"):
            assert not re.search(r"table\d|tableA\d", path.read_text()), path
