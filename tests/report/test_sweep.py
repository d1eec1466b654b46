"""Top-1 and what is left of the pre-training, by the ratio of the learning rates (Table 7)."""

import dataclasses
import math

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from scipy import stats

from tests.results import complete, of_top1
from vswin.experiments.planning import plan_study
from vswin.report import drawing, load_study
from vswin.report.page import make_page
from vswin.report.sweep import sweep, sweep_of
from vswin.runs.result import Stills


def run(results, rows, seeds=2):
    """Table 7, where these rows were run: top-1 is 60 % at a ratio of 1, and higher with a seed."""
    plan = plan_study("table7", "smoke", seeds, results)
    for planned in plan.runs:
        if planned.row.id in rows:
            folder = plan.folder(planned)
            folder.create(planned.config)
            ratio = planned.config.recipe.backbone_lr_ratio
            result = of_top1(60 + 10 * math.log10(ratio) + 2 * planned.seed)
            kept = Stills(0.9, 0.8 - 0.1 * ratio + 0.02 * planned.seed, ratio)
            complete(folder, result, details=dataclasses.replace(result.details, stills=kept))
    return load_study("table7", "smoke", results_dir=results)


ROWS = ["ratio_0_03_1k", "ratio_0_1_1k", "ratio_0_3_1k", "ratio_1_0_1k"]


def test_rows_that_differ_in_the_ratio_alone_are_a_line(tmp_path):
    study = run(tmp_path, [*ROWS, "ratio_1_0_lr_0_1_1k", "ratio_0_1_21k", "ratio_1_0_21k"])
    top1, stills = sweep_of(study).panels
    labels = [line.label for line in top1.lines]
    assert labels == ["ImageNet-1K", "ImageNet-21K", "1.0× at a tenth of the rate, ImageNet-1K"]
    found = {line.label: [point.ratio for point in line.points] for line in top1.lines}
    assert list(found.values()) == [[0.03, 0.1, 0.3, 1.0], [0.1, 1.0], [1.0]]
    point = top1.lines[0].points[1]
    wide = stats.t.ppf(0.975, 1)  # of two values that are 2 points apart
    assert [point.mean, point.low, point.high] == pytest.approx([51, 51 - wide, 51 + wide])
    assert point.n == 2
    assert [p.mean for p in stills.lines[0].points] == pytest.approx([80.7, 80, 78, 71])
    assert [line.before for line in stills.lines[:2]] == pytest.approx([90, 90])
    assert stills.lines[2].before is None  # its line has it
    assert {line.before for line in top1.lines} == {None}


def test_it_is_drawn_and_stands_on_the_page(tmp_path):
    study = run(tmp_path, [*ROWS, "ratio_1_0_lr_0_1_1k"])
    figure = drawing.draw(sweep_of(study))
    FigureCanvasAgg(figure).draw()
    assert len(figure.axes) == 2
    line, single = figure.axes[0].lines[:2]
    assert line.get_color() == single.get_color()  # both are of ImageNet-1K
    assert single.get_markerfacecolor() == "white"
    for axis in figure.axes:
        assert [text.get_text() for text in axis.texts] == ["2"] * 5  # seeds, point by point
        texts = [label.get_text() for label in axis.get_xticklabels()]
        assert texts == ["0.03×", "0.1×", "0.3×", "1×"]
    page = make_page(study)
    assert "sweep" in page.pictures
    assert [s.title for s in page.sections if s.picture == "sweep"] == ["The ratio over its range"]


def test_lines_without_a_common_word_are_called_after_their_rows(tmp_path):
    """Rows of one's own without titles: none of two lines is lost."""
    study = run(tmp_path, [*ROWS, *(row.replace("1k", "21k") for row in ROWS)])
    rows = tuple(dataclasses.replace(row, labels={"row": row.id}) for row in study.all_rows)
    found = sweep_of(dataclasses.replace(study, all_rows=rows)).panels[0].lines
    others = [row.replace("1k", "21k") for row in ROWS]
    assert [line.label for line in found] == [", ".join(ROWS), ", ".join(others)]


def test_a_row_that_lacks_a_seed_stays_on_its_line(tmp_path):
    study = run(tmp_path, ROWS, seeds=3)
    runs = {**study.runs, ROWS[0]: {seed: study.runs[ROWS[0]][seed] for seed in (1, 2)}}
    (line,) = sweep_of(dataclasses.replace(study, runs=runs)).panels[0].lines
    assert [point.ratio for point in line.points] == [0.03, 0.1, 0.3, 1.0]


@pytest.mark.parametrize(("rows", "seeds"), [(ROWS[:2], 2), (ROWS, 1), ([], 1)])
def test_there_is_none_of_two_ratios_or_of_one_seed(tmp_path, rows, seeds):
    study = run(tmp_path, rows, seeds)
    assert sweep_of(study) is None
    assert sweep(study).is_empty


def test_each_ratio_is_set_beside_the_highest_one_seed_by_seed(tmp_path):
    lines = sweep(run(tmp_path, ROWS)).lines
    assert [number for _, number, _ in lines] == [  # equal in both seeds
        "−15.23 [−15.23, −15.23]",
        "−10.00 [−10.00, −10.00]",
        "−5.23 [−5.23, −5.23]",
    ]
    assert lines[0][0].startswith("ratio_0_03_1k")
    assert lines[0][2] == "2"
