"""What a user sees of the package at a prompt: names, help, and what values look like."""

import pydoc
import subprocess
import sys

import pytest
import torch

import vswin
from tests.own import own_project, use_project
from tests.results import complete, of_top1
from tests.videos import numbered, write_video
from vswin.data.annotations import Video, VideoList
from vswin.data.video import open_video
from vswin.experiments.library import Library
from vswin.experiments.planning import plan_study
from vswin.experiments.rows import runs_of_table
from vswin.paper.printed import printed_table
from vswin.project import experiments_dir
from vswin.report import load_study
from vswin.report.page import make_page
from vswin.weights.checkpoint import checkpoint_of

COMPLETE = """
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.Completer.use_jedi = {jedi}
shell.run_cell("import vswin")
with provisionalcompleter():
    found = shell.Completer.completions("vswin.", 6)
    print(*sorted(c.text.lstrip(".") for c in found if not c.text.startswith((".__", "__"))))
"""


def test_the_public_names_are_listed():
    shown = [name for name in dir(vswin) if not name.startswith("__")]
    assert shown == sorted(vswin.__all__) == sorted(vswin.HOME)
    assert all(callable(getattr(vswin, name)) for name in shown)
    assert {"__version__", "__doc__", "__all__"} <= set(dir(vswin))


@pytest.mark.parametrize("jedi", [True, False])
def test_ipython_completes_them(jedi, tmp_path):
    """In a process that has used none of them yet."""
    done = subprocess.run(
        [sys.executable, "-c", COMPLETE.format(jedi=jedi)],
        env={"PYTHONPATH": ":".join(p for p in sys.path if p), "IPYTHONDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert set(vswin.__all__) <= set(done.stdout.split()), done.stderr


def test_help_says_what_each_name_is():
    text = pydoc.render_doc(vswin, renderer=pydoc.plaintext)
    for name in vswin.__all__:
        assert text.count(f"{name}(") >= 2, name  # in the summary, and with its own words
    assert "Reads what is on disk for a table under a protocol." in text


def values(tmp_path):
    """One of everything that a user meets, with its size."""
    results = tmp_path / "results"
    plan = plan_study("table5", "smoke", 3, results)
    for planned in plan.runs:
        folder = plan.folder(planned)
        if not folder.path.exists():
            folder.create(planned.config)
            complete(folder, of_top1(50))
    study, library = load_study("table5", "smoke", results_dir=results), Library(experiments_dir())
    record = study.runs["win8"][0]
    with torch.device("meta"):
        model = vswin.build_model("swin_t")
    small = vswin.build_model("swin_t", embed_dim=8, depths=(1, 1), num_heads=(1, 2))
    videos = tuple(Video(tmp_path / f"{n}.mp4", 0, str(n)) for n in range(1000))
    paper = plan_study("table1", "paper", 1, results)
    yield from (study, plan, plan.experiment, plan.protocol, paper, paper.protocol)
    yield from (plan.runs[0], plan.runs[0].config, paper.runs[-1].config, record, record.result)
    yield from (record.result.details, study.terms, study.rows[0], plan.experiment.rows[0])
    yield from (plan.store, plan.folder(plan.runs[0]), library, library.protocol("paper").book)
    yield from (load_study("table1", "paper", results_dir=results).terms.recipe,)
    yield from (printed_table("table1"), make_page(study), make_page(study).sections[0])
    yield from make_page(study).pictures.values()
    yield from (runs_of_table("table5", "smoke", 3, results),)
    yield from (vswin.cost(model, (3, 8, 32, 32)), model.config)
    yield from (vswin.load_weights(small, small.state_dict()), checkpoint_of(small))
    yield VideoList("kinetics400", "train", tmp_path / "train.csv", videos)
    with open_video(write_video(tmp_path / "a.mp4", numbered(3))) as reader:
        assert repr(reader) == f"<VideoReader {tmp_path / 'a.mp4'}: 3 frames of 64×48, h264>"
        yield reader


def test_every_value_is_shown_in_a_few_lines(tmp_path):
    for value in values(tmp_path):
        for shown in (repr(value), str(value)):
            kind = type(value).__name__
            assert kind in shown or len(shown.splitlines()) > 1, shown
            assert len(shown.replace(str(tmp_path), "")) <= 400, f"{kind}: {shown}"
            assert len(shown.splitlines()) <= 8, shown


def test_a_summary_says_what_a_value_is(smoke_results):
    study = load_study("table5", "smoke", results_dir=smoke_results)
    assert repr(study) == (
        "<Study Table 5: Temporal dimension of 3D tokens and temporal window size; protocol smoke, "
        "6 of 6 rows done, 7 runs>"
    )
    plan = plan_study("table5", "smoke", 2, smoke_results)
    assert repr(plan) == (
        "<StudyPlan table5 under protocol smoke, 2 seeds of dim16, dim8, dim4 and 5 more; "
        f"{smoke_results}/smoke/runs>"
    )
    run = plan.runs[0]
    assert repr(run.config) == f"<RunConfig {run.config.run_id}: 2 epochs>"
    assert run.config.run_id in repr(study.runs["dim16"][0])


def test_a_notebook_shows_a_study_as_its_table(smoke_results, tmp_path, monkeypatch):
    shown = load_study("table5", "smoke", results_dir=smoke_results)._repr_html_()
    assert "<th>top-1 printed</th>" in shown
    assert shown.count("<tr") == 7
    project = own_project(tmp_path)
    use_project(monkeypatch, project)
    own = load_study("mine", "smoke", results_dir=tmp_path / "results")._repr_html_()
    assert own.startswith("<p>mine: Windows in time. Protocol smoke: smoke test (")
    assert "<td>split</td>" in own
    assert "printed" not in own
