"""Tables that compare systems: all rows, what a whole test costs, and the picture of it."""

import itertools

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Annotation, Text

from tests.command import vswin
from vswin.paper.printed import printed_table
from vswin.report import drawing, load_study
from vswin.report.audit.collect import load_audit
from vswin.report.claims import judge_claims
from vswin.report.first_screen import first_screen
from vswin.report.sections import suspicious
from vswin.report.table import the_table
from vswin.report.tradeoff import tradeoff, tradeoff_of

BY_HAND = {  # views × FLOPs in 10^9, as printed
    ("table1", "R(2+1)D [37]"): "0.750 ?",  # 10×1, 75, which is in doubt
    ("table1", "SlowFast R101+NL [13]"): "7.020",  # 10×3, 234
    ("table1", "X3D-XXL [12]"): "4.320 ?",  # 10×3, 144, which is in doubt
    ("table1", "MViT-B, 32×3 [10]"): "0.850 / 0.849",  # 170; 169.796 counted; 1×5 may be 5×1
    ("table1", "MViT-B, 64×3 [10]"): "4.095 / 4.093",  # 3×3, 455; 454.737
    ("table1", "ViT-B-VTN [29]"): "4.218 ?",  # 1×1; without products of attention
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
    names = [line[place].removesuffix(" ?") for line in section.lines]
    assert names == [r.cells[first.id] for r in printed.rows]
    top1 = section.header.index("top-1 printed")
    assert [line[top1] for line in section.lines] == [r.cells["top1"] for r in printed.rows]
    ids = [line[0] for line in section.lines if line[0]]  # rows that this project has
    assert ids == [r.id for r in printed.rows if r.id in {x.id for x in studies[table].all_rows}]
    assert all(row.family for row in printed.rows)


def test_a_cell_is_in_doubt_on_a_page_where_it_is_in_the_audit(studies):
    audited = load_audit().cells
    for table, study in studies.items():
        doubted = [c for c in audited if c.table == table and c.finding.status == "suspicious"]
        assert sorted(study.doubts) == sorted((cell.row, cell.column) for cell in doubted)
        texts = "\n".join(" ".join(line) for line in the_table(study).lines)
        assert all(f"{cell.printed} ?" in texts for cell in doubted)
        said = "\n".join(suspicious(study))
        assert all(cell.finding.evidence in said for cell in doubted)
    hollow = [s.label for s in tradeoff_of(studies["table1"]).systems if s.in_doubt]
    assert hollow == ["R(2+1)D", "X3D-XXL", "ViT-B-VTN"]


def test_a_claim_that_rests_on_a_printed_number_in_doubt_says_so(studies):
    found = {j.claim.id: j for j in judge_claims(studies["table1"])}
    assert found["small_costs_as_x3d"].verdict == "holds"
    doubted = {name: judgement.doubt for name, judgement in found.items() if judgement.doubt}
    assert doubted == {"small_costs_as_x3d": "what is printed of x3d_xxl is in doubt"}
    assert found["small_costs_as_x3d"].reason.endswith(doubted["small_costs_as_x3d"])
    page = first_screen(studies["table1"], [*found.values()], [])
    (line,) = [c for c in page.claims if "X3D-XXL take similar" in c.says]
    assert line.why.endswith(
        "Other systems are counted as printed. What is printed of x3d_xxl is in doubt."
    )


def test_views_alone_are_in_doubt_for_their_order_only(studies):
    """Else the cost of the whole test were in doubt, too."""
    assert {
        (table, row)
        for table, study in studies.items()
        for row, column in study.doubts
        if column == "views" and (row, "flops") not in study.doubts
    } == {("table1", "mvit_b_32x3")}


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
    lines = [
        (line[name], float(line[top1]), line[-1].split(" / ")[0].removesuffix(" ?"))
        for line in section.lines
    ]
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
    hollow = [line.get_markerfacecolor() == "white" for line in axis.lines]
    assert hollow == [s.in_doubt for s in picture.systems]
    labels = [child for child in axis.get_children() if isinstance(child, Annotation)]
    assert len(labels) == len(axis.lines)
    renderer = canvas.get_renderer()
    frames = [Text.get_window_extent(label, renderer) for label in labels]  # without the arrows
    assert not any(a.overlaps(b) for a, b in itertools.combinations(frames, 2))
    points = [axis.transData.transform(point) for point in drawn]
    assert not any(frame.contains(*point) for frame in frames for point in points)
    inside = axis.get_window_extent(renderer)
    assert all(inside.x0 <= f.x0 and f.x1 <= inside.x1 and f.y1 <= inside.y1 for f in frames)
