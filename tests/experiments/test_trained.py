"""What was really trained in the place of each row is said wherever a table is shown."""

import pytest

from tests.command import vswin
from tests.own import own_project, use_project
from vswin.errors import UsageError
from vswin.experiments.planning import plan_study
from vswin.experiments.rows import runs_of_store
from vswin.report import load_study
from vswin.report.page import make_page, render
from vswin.runs.store import Store

MINE = """\
table: mine
title: Windows in time
rows:
  - {id: two, preset: swin_t, model: {window_size: [2, 7, 7]}}
  - {id: four, preset: swin_t, model: {window_size: [4, 7, 7]}}
  - {id: eight, preset: swin_t, model: {window_size: [8, 7, 7]}}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = own_project(tmp_path, MINE)
    use_project(monkeypatch, folder)
    return folder


def test_list_and_pages_say_what_was_trained_for_every_row(project, tmp_path):
    listed = vswin("list", "mine", "--protocol", "smoke").stdout
    page = render("report.md.j2", make_page(load_study("mine", "smoke", results_dir=tmp_path)))
    assert "## Trained as" in page
    for row, size in (("two", 2), ("four", 4), ("eight", 8)):
        small = f"{size}×7×7 → {size // 2}×3×3"
        assert f"  {row}: window_size {small}\n" in listed
        assert f"| {row} | {small} |\n" in page
    for text in (listed, page):
        assert (
            "In every row: frames 32 → 16; pixels 224 → 24; tokens 16 → 8; embed_dim 96 →" in text
        )
        assert "depths 2, 2, 6, 2 → 2, 2;" in text
        assert "start " not in text.partition("In every row")[2].partition("\n")[0]


def test_where_all_is_as_the_rows_say_nothing_is_said(tmp_path):
    study = load_study("table8", "paper", results_dir=tmp_path)
    assert "Trained as" not in [section.title for section in make_page(study).sections]
    assert "Trained as" not in vswin("list", "table8", "--protocol", "paper").stdout


def test_a_table_of_one_row_says_it_in_one_line(tmp_path):
    study = load_study("table3", "rehearsal", results_dir=tmp_path)
    (section,) = [s for s in make_page(study).sections if s.title == "Trained as"]
    (item,) = section.items
    assert "window_size 16×7×7 → 4×4×4; " in item.text
    assert "start kinetics400 → swin_b-t4-w4x4x4-digits_kinetics-pretrained" in item.text


@pytest.mark.parametrize(("protocol", "size"), [("smoke", 3), ("proxy", 3), ("rehearsal", 6)])
def test_a_window_that_cannot_be_is_refused_with_file_and_row_wherever_it_is_met(
    protocol, size, project, tmp_path
):
    text = MINE.replace("[2, 7, 7]", "[16, 7, 7]").replace("[4, 7, 7]", f"[{size}, 7, 7]")
    text += "videos: {dataset: kinetics400}\n"
    (project / "experiments" / "mine.yaml").write_text(text)
    said = f"mine.yaml, row four, cannot be run under protocol {protocol}: temporal window {size} "
    for act in (plan_study, load_study):
        with pytest.raises(UsageError) as error:
            act("mine", protocol, results_dir=tmp_path)
        assert said in str(error.value)
    for command in ("run", "report", "list") if protocol == "smoke" else ():
        done = vswin(command, "mine", "--protocol", protocol)
        assert done.returncode != 0
        assert said in " ".join(done.stderr.split())
    if protocol == "smoke":
        assert "│ four  │" in vswin("cost", "mine").stdout  # no protocol is asked
    rows = [planned.row.id for planned in plan_study("mine", protocol, rows=["eight"]).runs]
    assert rows == ["eight"]  # the others can be run


def test_one_bad_row_hides_no_other_tables_runs(project, tmp_path):
    (project / "experiments" / "mine.yaml").write_text(MINE.replace("[4, 7, 7]", "[3, 7, 7]"))
    store = Store(tmp_path / "results", "smoke")
    (planned, *_) = plan_study("table5", "smoke", rows=["win8"]).runs
    store.run(planned.config.run_id).create(planned.config)
    (table,) = runs_of_store(store)
    assert planned.config.run_id in table.run_ids
    assert table.table is not None
