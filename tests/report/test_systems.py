"""Tables that compare systems: all rows, what a whole test costs, and the picture of it."""

import itertools

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Annotation, Text

from tests.command import vswin
from vswin.paper.printed import printed_table
from vswin.report import drawing, load_study
from vswin.report.table import the_table
from vswin.report.tradeoff import tradeoff, tradeoff_of

BY_HAND = {  # views × FLOPs in 10^9, as printed
    ("table1", "R(2+1)D [37]"): "0.750",  # 10×1, 75
    ("table1", "SlowFast R101+NL [13]"): "7.020",  # 10×3, 234
    ("table1", "MViT-B, 32×3 [10]"): "0.850 / 0.849",  # 1×5, 170; 169.796 counted
    ("table1", "MViT-B, 64×3 [10]"): "4.095 / 4.093",  # 3×3, 455; 454.737
    ("table1", "ViT-B-VTN [29]"): "4.218",  # 1×1
    ("table1", "ViViT-H/16x2 [1]"): "99.792",  # 4×3, 8316
    ("table1", "I3D [6]"): "n/a",  # no views are printed
    ("table1", "Swin-T"): "1.056 / 1.055",  # 4×3, 88; 87.889
    ("table2", "MViT-B-24, 32×3 [9]"): "1.180 / 1.180",  # 5×1, 236; 236.045
    ("table2", "TimeSformer-HR [3]"): "5.109",  # 1×3, 1703
    ("table3", "TSM-RGB [27]"): "0.372",  # 2×3, 62
    ("table3", "ViViT-L/16x2 [1]"): "n/a",
    ("table3", "Swin-B"): "0.963 / 0.962",  # 1×3, 321; 320.599
    ("tableA1", "SlowFast 16×8 +NL [35]"): "7.020",  # 234×3×10, in one cell
    ("tableA1", "MViT-B, 16×4"): "0.353 / 0.353",  # 70.5×1×5, halves up; 70.518
}
TABLES = sorted({table for table, _ in BY_HAND})


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    results = tmp_path_factory.mktemp("none")
    return {table: load_study(table, results_dir=results) for table in TABLES}


def test_a_whole_test_is_views_times_flops(studies):
    found = {}
    for table, study in studies.items():
        section = the_table(study)
        place = section.header.index(study.printed.columns[0].label)
        found |= {(table, line[place]): line[-1] for line in section.lines}
    assert {key: found[key] for key in BY_HAND} == BY_HAND
    swin_l = [line for line in the_table(studies["table1"]).lines if line[1] == "Swin-L (384↑)"]
    assert [line[-1] for line in swin_l] == ["25.284 / 25.289", "105.350 / 105.373"]  # 12, 50 views


@pytest.mark.parametrize("table", TABLES)
def test_every_printed_row_is_there_in_the_printed_order(table, studies):
    section, printed = the_table(studies[table]), printed_table(table)
    first = printed.columns[0]
    place = section.header.index(first.label)
    assert [line[place] for line in section.lines] == [r.cells[first.id] for r in printed.rows]
    top1 = section.header.index("top-1 printed")
    assert [line[top1] for line in section.lines] == [r.cells["top1"] for r in printed.rows]
    ids = [line[0] for line in section.lines if line[0]]  # rows that this project has
    assert ids == [r.id for r in printed.rows if r.id in {x.id for x in studies[table].all_rows}]
    assert all(row.family for row in printed.rows)


def test_the_list_names_those_that_are_only_printed():
    said = vswin("list", "table3").stdout
    assert "not counted or run here: timesformer_hr, slowfast_r101_8x8, tsm_rgb, msnet," in said


def test_a_table_that_compares_no_systems_has_neither(tmp_path):
    for table in ("table5", "figureA4"):
        study = load_study(table, results_dir=tmp_path)
        assert not any("whole test" in heading for heading in the_table(study).header)
        assert tradeoff(study).is_empty
        assert tradeoff_of(study) is None


@pytest.mark.parametrize("table", TABLES)
def test_the_points_are_the_rows_of_the_table(table, studies):
    """All of which accuracy and cost are printed; the others are named beside the picture."""
    section, study = the_table(studies[table]), studies[table]
    name, top1 = (
        section.header.index(h) for h in (study.printed.columns[0].label, "top-1 printed")
    )
    lines = [(line[name], float(line[top1]), line[-1].split(" / ")[0]) for line in section.lines]
    shown = tradeoff_of(study).systems
    known = [(accuracy, float(cost)) for _, accuracy, cost in lines if cost != "n/a"]
    assert [s.top1 for s in shown] == [accuracy for accuracy, _ in known]
    assert [s.tera for s in shown] == pytest.approx([cost for _, cost in known], abs=0.00051)
    left_out = [text.split(" [")[0] for text, _, cost in lines if cost == "n/a"]
    assert all(text in tradeoff(study).text for text in left_out)
    assert ("Not in the picture" in tradeoff(study).text) == bool(left_out)


@pytest.mark.parametrize("table", ["table1", "table3"])
def test_points_are_drawn_where_they_are_and_no_label_covers_another_or_a_point(table, studies):
    picture = tradeoff_of(studies[table])
    figure = drawing.draw(picture)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    axis = figure.axes[0]
    drawn = [tuple(map(float, line.get_xydata()[0])) for line in axis.lines]
    assert drawn == [(s.tera, s.top1) for s in picture.systems]
    labels = [child for child in axis.get_children() if isinstance(child, Annotation)]
    assert len(labels) == len(axis.lines)
    renderer = canvas.get_renderer()
    frames = [Text.get_window_extent(label, renderer) for label in labels]  # without the arrows
    assert not any(a.overlaps(b) for a, b in itertools.combinations(frames, 2))
    points = [axis.transData.transform(point) for point in drawn]
    assert not any(frame.contains(*point) for frame in frames for point in points)
    inside = axis.get_window_extent(renderer)
    assert all(inside.x0 <= f.x0 and f.x1 <= inside.x1 and f.y1 <= inside.y1 for f in frames)
