"""Pages and pictures of an ablation of one's own: they speak of no paper, and nothing is empty."""

import dataclasses
import re

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

import vswin
from tests.command import vswin as command
from tests.own import MINE, own_project
from tests.results import CELL, complete, of_top1
from vswin.experiments.planning import plan_study
from vswin.report import load_study, write_report
from vswin.report.page import make_page, render, verdict_lines

OF_PAPERS = ("printed", "paper's", "discussed", "section", "claims", "–", "None", " nan")
ORDERED = dataclasses.replace(CELL, order_accuracy=0.5)
ALIKE = """\
table: mine
title: Two shifts
choices: [Both have the same windows.]
rows:
  - {id: both, preset: swin_t}
  - {id: spatial, preset: swin_t, model: {shift: spatial}}
"""


@pytest.fixture(params=[0, 1, 2], ids=["not run", "a seed", "two seeds"])
def seeds(request):
    return request.param


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = own_project(tmp_path)
    monkeypatch.setattr("vswin.project.project_root", lambda: folder)
    return folder


def study(project, seeds, text=MINE):
    (project / "experiments" / "mine.yaml").write_text(text)
    results = project / "results"
    for planned in plan_study("mine", "smoke", seeds, results).runs if seeds else ():
        folder = plan_study("mine", "smoke", seeds, results).folder(planned)
        folder.create(planned.config)
        result = of_top1(40 + 10 * planned.seed)
        details = dataclasses.replace(result.details, in_distribution=ORDERED)
        complete(folder, result, details=details)
    return load_study("mine", "smoke", results_dir=results)


def test_its_page_speaks_of_no_paper_and_nothing_is_empty(project, seeds):
    page = make_page(study(project, seeds))
    for template in ("report.md.j2", "report.html.j2"):
        text = render(template, page, picture="x.png")
        text = text[text.index("</style>") :] if "</style>" in text else text
        text = text.replace("under counting rule `paper`", "").replace("</section", "")
        for words in OF_PAPERS:
            assert words not in re.sub("<code>paper</code>", "", text), words
    assert page.source.startswith("Not in a paper; `experiments/mine.yaml` says what its rows are.")
    assert all(line[-2:] != ["", ""] for section in page.sections for line in section.lines)


def display_table(study):
    """The table of its page."""
    section = make_page(study).sections[0]
    return pd.DataFrame(section.lines, columns=section.header)


def test_its_table_has_what_there_is(project, seeds):
    found = study(project, seeds)
    shown = display_table(found)
    counts = ["seeds × test clips"] if seeds else []
    wanted = ["row", "top-1 (%), smoke", "top-5 (%), smoke", *counts, "FLOPs (G)", "params (M)"]
    assert [*shown] == wanted
    assert [*shown["FLOPs (G)"]] == ["78.920", "105.827", "83.334"]
    top1 = {0: "not run", 1: "40.0 [27.6, 53.8]", 2: "45.0 [0.0, 100.0]"}[seeds]
    assert [*shown["top-1 (%), smoke"]] == [top1.replace("27.6, 53.8", brackets(found))] * 3
    frame = found.table()
    assert not [c for c in frame if c.startswith("paper_") or c.endswith("_exact")]
    assert "comparable" not in frame
    assert [*frame["params"].round(3)] == [27.971, 28.531, 42.007]


def brackets(found):
    interval = found.interval("short")
    return f"{interval.low:.1f}, {interval.high:.1f}" if interval else ""


def test_what_was_chosen_is_not_left_open_by_a_paper(project):
    page = render("report.md.j2", make_page(study(project, 1, ALIKE)), picture="")
    assert "- Chosen: Both have the same windows." in page
    assert "## What protocol smoke trains and tests" in page


@pytest.mark.parametrize(("text", "panels"), [(MINE, 2), (ALIKE, 1)])
def test_its_picture_has_no_empty_panel(text, panels, project, seeds):
    drawn = study(project, seeds, text).plot()
    assert len(drawn.axes) == panels  # costs only where they differ
    labels = [axis.get_ylabel() for axis in drawn.axes]
    assert labels[0] == "top-1, %\nours (protocol smoke)"
    assert labels[1:] == ["cost of the row's model,\nG multiply-accumulates"][: panels - 1]
    texts = [t.get_text() for axis in drawn.axes for t in axis.texts] + [
        t.get_text() for t in drawn.texts
    ]
    assert not any("printed" in text or "paper" in text for text in [*texts, *labels])
    assert all(axis.get_legend() is None for axis in drawn.axes)
    assert drawn.axes[-1].get_xlabel() == "row"
    assert ("not run" in texts) == (seeds == 0)


def test_long_names_and_titles_stay_within_the_picture(project):
    names = [f"a_row_with_a_name_that_is_long_{n}" for n in range(7)]
    rows = "".join(f"  - {{id: {n}, preset: swin_t}}\n" for n in names)
    title = "Names that are longer than names should be, and a title that is longer than a line"
    drawn = study(project, 1, f"table: mine\ntitle: {title}\nrows:\n{rows}").plot()
    canvas = FigureCanvasAgg(drawn)
    canvas.draw()
    renderer = canvas.get_renderer()
    boxes = [label.get_window_extent(renderer) for label in drawn.axes[-1].get_xticklabels()]
    boxes += [text.get_window_extent(renderer) for text in drawn.texts]
    boxes += [drawn._suptitle.get_window_extent(renderer)]
    for box in boxes:
        assert drawn.bbox.x0 - 1 <= box.x0 <= box.x1 <= drawn.bbox.x1 + 1
        assert drawn.bbox.y0 - 1 <= box.y0 <= box.y1 <= drawn.bbox.y1 + 1
    assert {label.get_rotation() for label in drawn.axes[-1].get_xticklabels()} == {30}


def test_its_costs_are_counted(project):
    study(project, 0, f"{MINE}protocols: [smoke]\n")
    said = command("cost", "mine").stdout
    for words in ("short │ 78.920", "long  │ 105.827", "split │ 83.334   │ 42.007", "FLOPs, G"):
        assert words in said
    assert "printed" not in said
    by_macs = command("cost", "mine", "--rule", "macs").stdout
    assert "78.920" not in by_macs
    assert "27.971" in by_macs


def test_a_table_without_printed_costs_has_rows_too():
    """Tables 6, 8 and 9 print none."""
    assert "inflate │ 87.889   │ 28.158" in command("cost", "table8").stdout
    shown = display_table(load_study("table8", results_dir="/nowhere"))
    assert [*shown["FLOPs ours (G)"]] == ["87.889", "87.889"]
    assert "top-1 printed" in shown


def test_what_protocols_cannot_run_is_counted_alone(project):
    text = "table: mine\ntitle: t\nrows: [{id: large, preset: swin_b}]\n"
    found = study(project, 0, text)
    assert [*display_table(found)] == ["row", "FLOPs (G)", "params (M)"]
    assert verdict_lines(found) == ["Accuracies: not run; not an ablation of protocol smoke."]


def test_code_on_a_page_is_code(project):
    files = write_report(study(project, 1))
    text = files.html.read_text()
    assert "<code>experiments/mine.yaml</code>" in text
    assert "&lt;code" not in text
    assert "unknown commit;" in text or re.search(r"[0-9a-f]{12}( with uncomm|;)|not known", text)


def test_the_figure_of_a_study_can_be_saved(project, tmp_path):
    drawn = vswin.load_study("mine", "smoke", results_dir=tmp_path / "none").plot()
    drawn.savefig(tmp_path / "own.png")
    assert (tmp_path / "own.png").stat().st_size > 5000
