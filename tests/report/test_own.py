"""Pages and pictures of an ablation of one's own: they speak of no paper, and nothing is empty."""

import dataclasses
import re

import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

import vswin
from tests.command import vswin as command
from tests.own import MINE, own_project, use_project
from tests.results import CELL, complete, of_top1
from vswin.errors import UsageError
from vswin.experiments.planning import plan_study
from vswin.project import project_root
from vswin.reading import ExperimentError
from vswin.report import load_study, write_report
from vswin.report.page import make_page, render, verdict_lines
from vswin.report.pictures.shown import levels_of

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
ON_VIDEOS = (
    MINE
    + """\
start: {from: imagenet_1k}
videos: {dataset: kinetics400}
"""
)


@pytest.fixture(params=[0, 1, 2], ids=["not run", "a seed", "two seeds"])
def seeds(request):
    return request.param


@pytest.fixture
def project(tmp_path, monkeypatch):
    folder = own_project(tmp_path)
    use_project(monkeypatch, folder)
    return folder


def study(project, seeds, text=MINE, protocol="smoke"):
    (project / "experiments" / "mine.yaml").write_text(text)
    results = project / "results"
    for planned in plan_study("mine", protocol, seeds, results).runs if seeds else ():
        folder = plan_study("mine", protocol, seeds, results).folder(planned)
        folder.create(planned.config)
        result = of_top1(40 + 10 * planned.seed)
        details = dataclasses.replace(result.details, easiest=ORDERED)
        complete(folder, result, details=details)
    return load_study("mine", protocol, results_dir=results)


def test_its_page_speaks_of_no_paper_and_nothing_is_empty(project, seeds):
    page = make_page(study(project, seeds))
    for template in ("report.md.j2", "report.html.j2"):
        text = render(template, page)
        text = text[text.index("</style>") :] if "</style>" in text else text
        text = text.replace("under counting rule `paper`", "").replace("</section", "")
        for words in OF_PAPERS:
            assert words not in re.sub("<code>paper</code>", "", text), words
    assert page.source.startswith("Not in a paper; `experiments/mine.yaml` says what its rows are.")
    assert all(line[-2:] != ["", ""] for section in page.sections for line in section.lines)


def test_a_row_with_a_title_is_called_so_beside_its_id(project):
    found = study(project, 1, MINE.replace("{id: long,", "{id: long, title: all of the time,"))
    assert [row.label for row in found.rows] == ["short", "long: all of the time", "split"]
    (table,) = [s for s in make_page(found).sections if s.title == "The table"]
    assert table.header[:2] == ["row", "what it is"]
    assert [line[:2] for line in table.lines] == [
        ["short", "short"],
        ["long", "all of the time"],
        ["split", "split"],
    ]
    assert list(found.table()["row"]) == ["short", "long", "split"]
    assert found.table()["title"].tolist()[1] == "all of the time"


def test_a_title_that_nothing_would_show_is_refused(project):
    table = (project / "experiments" / "table6.yaml").read_text()
    (project / "experiments" / "table6.yaml").write_text(
        table.replace("{id: shift_3d,", "{id: shift_3d, title: all,")
    )
    with pytest.raises(UsageError, match=r"table6\.yaml, row shift_3d: title is for rows that no"):
        load_study("table6", "smoke", results_dir=project / "results")
    control = MINE + "  - {id: one, preset: swin_t, control: single_frame, title: one}\n"
    with pytest.raises(ExperimentError, match="called after what it checks; leave title out"):
        study(project, 0, control)


@pytest.mark.parametrize("protocol", ["paper", "paper_printed", "rehearsal", "proxy"])
def test_under_no_protocol_are_its_numbers_a_papers(protocol, project):
    found = study(project, 0, ON_VIDEOS, protocol)
    page = make_page(found)
    said = [page.verdict[0], *page.verdict[2:], page.source, page.shows, *levels_of(found).notes]
    assert page.shows
    for words in ("rinted acc", "as printed", "paper's", "the paper", "discussed", "claims"):
        assert not [line for line in said if words in line], words
    (notes,) = levels_of(found).notes
    assert notes == f"{found.terms.title}: nothing was run."


def test_what_a_paper_prints_is_said_to_be_no_measure_of_ours(tmp_path):
    shows = make_page(load_study("table3", "rehearsal", results_dir=tmp_path)).shows
    assert shows.endswith("They are never subtracted from printed accuracies.")
    of_papers = make_page(load_study("table4", "paper", results_dir=tmp_path))
    assert "never subtracted" not in of_papers.shows
    assert "Printed accuracies, within 1 points: 6 not run." in of_papers.verdict[2:]


def test_a_list_has_no_column_that_says_nothing(project):
    study(project, 0)
    said = command("list", "mine").stdout
    assert "printed" not in said
    assert "not printed" not in command("list", "table5").stdout
    assert "printed as" in command("list", "table4").stdout


def display_table(study):
    """The table of its page."""
    (section,) = [s for s in make_page(study).sections if s.title == "The table"]
    return pd.DataFrame(section.lines, columns=section.header)


def test_its_table_has_what_there_is(project, seeds):
    found = study(project, seeds)
    shown = display_table(found)
    counts = ["seeds × test clips"] if seeds else []
    wanted = ["row", "top-1 (%), smoke", *counts, "FLOPs (G)", "params (M)"]
    assert [*shown] == wanted
    assert [*shown["FLOPs (G)"]] == ["78.920", "105.827", "83.334"]
    top1 = {0: "not run", 1: "40.0 [27.6, 53.8]", 2: "45.0 [−18.5, 108.5]"}[seeds]
    assert [*shown["top-1 (%), smoke"]] == [top1.replace("27.6, 53.8", brackets(found))] * 3
    frame = found.table()
    assert not [c for c in frame if c.startswith("paper_") or c.endswith("_exact")]
    assert "comparable" not in frame
    assert [*frame["params"].round(3)] == [27.971, 28.531, 42.007]


def brackets(found):
    interval = found.interval("short")
    return f"{interval.low:.1f}, {interval.high:.1f}" if interval else ""


def test_what_was_chosen_is_not_left_open_by_a_paper(project):
    page = render("report.md.j2", make_page(study(project, 1, ALIKE)))
    assert "- Chosen: Both have the same windows." in page
    assert "## What protocol smoke trains and tests where a row says nothing else" in page


def drawn_texts(drawn):
    """Everything that a figure says, and the boxes of it."""
    FigureCanvasAgg(drawn).draw()
    texts = [*drawn.texts, *(text for axis in drawn.axes for text in axis.texts)]
    texts += [label for axis in drawn.axes for label in axis.get_yticklabels()]
    return [text for text in texts if text.get_text()]


def test_its_picture_speaks_of_no_paper_and_says_what_was_not_run(project, seeds):
    drawn = study(project, seeds).plot()
    (axis,) = drawn.axes
    assert axis.get_xlabel() == "top-1 on Moving Digits, %"
    said = [text.get_text() for text in drawn_texts(drawn)]
    assert not [text for text in said if "printed" in text or "paper" in text]
    assert ("not run" in said) == (seeds == 0)
    assert [label.get_text() for label in axis.get_yticklabels()] == ["short", "long", "split"]


def test_names_and_titles_that_are_long_or_many_stay_within_the_picture(project, seeds):
    names = [f"a_row_with_a_name_that_is_long_{n:02}" for n in range(14)]
    rows = "".join(f"  - {{id: {n}, preset: swin_t}}\n" for n in names)
    title = "Names that are longer than names should be, and a title that is longer than a line"
    drawn = study(project, seeds, f"table: mine\ntitle: {title}\nrows:\n{rows}").plot()
    for text in drawn_texts(drawn):
        box = text.get_window_extent()
        assert drawn.bbox.x0 - 1 <= box.x0 <= box.x1 <= drawn.bbox.x1 + 1, text
        assert drawn.bbox.y0 - 1 <= box.y0 <= box.y1 <= drawn.bbox.y1 + 1, text


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
    assert verdict_lines(found) == [
        "Accuracies: not run. mine cannot be run under protocol smoke, which has no small model of "
        "swin_b (row large); it can be run under: none; `vswin cost mine` counts its costs."
    ]


def made_by(page):
    return render("report.md.j2", page).splitlines()[-1]


def test_a_page_says_what_writes_it_again_and_what_trains(project, seeds):
    found = study(project, seeds)
    count = max(seeds, 1)
    assert made_by(make_page(found)) == (
        "Made by `vswin report mine --protocol smoke`. "
        f"`vswin run mine --protocol smoke --seeds {count}` trains what is missing."
    )
    html = render("report.html.j2", make_page(found))
    assert "Made by <code>vswin report mine --protocol smoke</code>. <code>vswin run mine" in html
    first = load_study("mine", "smoke", 1, found.results_dir)
    which = "--seeds 1" if seeds == 2 else ""  # else there are no others
    assert make_page(first).command == f"vswin report mine --protocol smoke {which}".strip()
    assert make_page(first).training == "vswin run mine --protocol smoke --seeds 1"


def test_a_page_of_costs_alone_and_one_in_a_folder_with_spaces_say_it_too(project):
    found = study(project, 0, "table: mine\ntitle: t\nrows: [{id: large, preset: swin_b}]\n")
    assert made_by(make_page(found)) == "Made by `vswin report mine --protocol smoke`."
    elsewhere = load_study("mine", "smoke", results_dir=project / "in a folder" / ".." / "b c")
    wanted = f"vswin report mine --protocol smoke --results-dir '{project}/b c'"
    assert make_page(elsewhere).command == wanted.replace(f"{project}/", "")


def test_a_page_of_a_record_trains_nothing():
    found = load_study("table3", "rehearsal", results_dir=project_root() / "results" / "reference")
    assert make_page(found).training == ""
    assert made_by(make_page(found)).endswith("--results-dir results/reference`.")


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
