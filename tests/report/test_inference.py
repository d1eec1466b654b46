"""What a whole test of a video costs by the number of clips (Figure A.4)."""

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from typer.testing import CliRunner

from tests.own import own_project, use_project
from vswin.cli.main import app
from vswin.report import drawing, load_costs, load_study, write_report
from vswin.report.inference import header, inference, inference_of, lines

CLIPS = (1, 3, 5, 7, 10)


@pytest.fixture(scope="module")
def study():
    return load_costs("figureA4")


def test_costs_are_those_of_a_clip_times_the_clips(study):
    assert header(study)[1:-1] == ["1 clip (T)", *(f"{k} clips (T)" for k in CLIPS[1:])]
    found = {row[0]: row[1:] for row in lines(study)}
    assert found["mvit_b_16x4"][:-1] == ["0.071", "0.212", "0.353", "0.494", "0.705"]
    assert found["mvit_b_64x3"][:-1] == ["0.455", "1.364", "2.274", "3.183", "4.547"]
    assert found["slowfast_r50_8x8"][:-1] == ["0.066", "0.197", "0.329", "0.460", "0.657"]
    assert found["slowfast_r101_8x8"][:-1] == ["0.126", "0.378", "0.630", "0.881", "1.259"]


def test_the_test_that_the_text_prints_is_as_printed(study):
    """5 clips of 170 G, 0.85 T, top-1 80.2; and of ViViT what follows from its printed cost."""
    found = {row[0]: row[-1] for row in lines(study)}
    assert found["mvit_b_32x3"] == "5×1: 0.85 T ✓, top-1 80.2"
    assert {said for row, said in found.items() if row != "mvit_b_32x3"} == {"–"}
    vivit = next(line for line in inference_of(study).lines if line.label.startswith("vivit_l"))
    assert (vivit.points, vivit.printed.clips, vivit.printed.tera) == ((), 4, 5.784)
    assert vivit.top1 == "80.3"


def test_the_picture_has_a_linear_and_a_logarithmic_axis(study):
    figure = drawing.draw(inference_of(study))
    FigureCanvasAgg(figure).draw()
    linear, log = figure.axes
    assert (linear.get_xscale(), log.get_xscale()) == ("linear", "log")
    names = [label.get_text() for label in linear.get_yticklabels()]
    assert names == [line.label for line in inference_of(study).lines]
    for axis in (linear, log):
        drawn = {float(x) for line in axis.lines for x in line.get_xdata()}
        assert {0.849, 5.784} <= {round(x, 3) for x in drawn}
        assert [text.get_text() for text in axis.texts if "%" in text.get_text()] == [
            "80.2 %",
            "80.3 %, 4 clips",
        ]


def test_it_is_in_the_report_and_on_the_command_line(tmp_path):
    files = write_report(load_study("figureA4", "proxy", results_dir=tmp_path))
    assert files.pictures["inference"].exists()
    page = files.markdown.read_text()
    assert "What a whole test of a video costs" in page
    assert "vswin eval --views 1x1,3x1,5x1,7x1,10x1" in page
    printed = CliRunner().invoke(app, ["cost", "figureA4"], env={"COLUMNS": "200"})
    assert printed.exit_code == 0, printed.output
    assert "5×1: 0.85 T ✓, top-1 80.2" in printed.output


def test_an_ablation_of_ones_own_can_ask_for_it(tmp_path, monkeypatch):
    text = "{table: mine, title: t, test_clips: [2, 4], rows: [{id: tiny, preset: swin_t}]}"
    project = own_project(tmp_path, text)
    use_project(monkeypatch, project)
    study = load_costs("mine")
    gflops = study.counted("tiny", "flops")
    assert lines(study) == [["tiny", f"{gflops / 500:.3f}", f"{gflops / 250:.3f}", "–"]]
    assert inference_of(study).lines[0].printed is None


def test_others_have_no_such_part():
    study = load_costs("table5")
    assert inference(study).is_empty
    assert inference_of(study) is None
