"""Notebooks: thin, clean, and executed for real."""

import json
import os
import shutil
import subprocess
import sys

import nbformat
import papermill
import pytest

from tests.own import MINE, own_project
from tools import make_notebooks
from vswin.errors import UsageError
from vswin.experiments.library import Library
from vswin.paper.printed import printed_table
from vswin.project import experiments_dir, notebooks_dir, project_root
from vswin.report.notebook_template import notebook_of
from vswin.report.notebooks import PARAMETERS, NotebookError, check_parameters, execute_notebook

NOTEBOOKS = sorted(notebooks_dir().glob("*.ipynb"))


def test_there_is_a_notebook_for_every_printed_table():
    tables = filter(printed_table, Library(experiments_dir()).tables())
    assert sorted([*tables, "overview"]) == [path.stem for path in NOTEBOOKS]


def test_a_table_that_cannot_be_trained_yet_has_a_notebook_of_its_costs(tmp_path):
    executed, final = execute_notebook("tableA5", {"results_dir": str(tmp_path)})
    assert final["run_missing"] is False
    found = texts(executed)
    assert "12 of 12 printed cells reproduced" in found
    assert "Accuracies: not run. tableA5 cannot be trained yet" in found
    with pytest.raises(UsageError, match="tableA5 cannot be trained yet"):
        execute_notebook("tableA5", {"results_dir": str(tmp_path), "run_missing": True})


def test_notebooks_are_what_the_template_says():
    made = make_notebooks.notebooks()
    assert sorted(made) == NOTEBOOKS
    differing = [path.name for path, text in made.items() if path.read_text() != text]
    assert not differing, "run tools/make_notebooks.py"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebooks_are_thin_and_clean(path):
    content = json.loads(path.read_text())
    assert content["metadata"]["kernelspec"]["name"] == "python3"
    code = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
    assert all(len(cell["source"]) <= 8 for cell in code)
    assert len(code) <= 12
    taken = {"protocol", "results_dir"} if path.stem == "overview" else set(PARAMETERS)
    assert set(papermill.inspect_notebook(str(path))) == taken


def test_a_notebook_says_the_paper_of_its_table(monkeypatch):
    """The next paper's tables get theirs from the same template."""
    other = printed_table("table4").model_copy(
        update={"source": "arXiv 2104.11227v1, Table 4", "section": "B.2", "title": "Table A.4"}
    )
    monkeypatch.setattr("vswin.report.notebook_template.printed_table", lambda table: other)
    text = notebook_of("table4", Library(experiments_dir()))
    assert "# Table A.4: Designs" in text
    assert "arXiv 2104.11227v1, Table 4; discussed in section B.2." in text
    assert "Swin" not in text
    assert "2106" not in text


def test_a_notebook_of_an_own_ablation_speaks_of_no_paper(tmp_path):
    library = Library(own_project(tmp_path) / "experiments")
    text = notebook_of("mine", library)
    for words in ("paper's", "printed", "discussed in", "claim"):
        assert words not in text, words
    assert "experiments/mine.yaml" in text
    assert 'protocol: str = \\"proxy\\"' in text
    assert "run_missing: bool = True" in text


@pytest.mark.parametrize(
    ("added", "protocol", "trains"),
    [
        ("protocols: [smoke]", "smoke", True),
        ("videos: {dataset: ssv2}\nprotocols: [paper_printed]", "paper_printed", False),
        ("videos: {dataset: ssv2}", "proxy", True),
    ],
)
def test_a_notebook_begins_with_a_protocol_of_its_experiment(added, protocol, trains, tmp_path):
    library = Library(own_project(tmp_path, MINE + added) / "experiments")
    text = notebook_of("mine", library)
    assert f'protocol: str = \\"{protocol}\\"' in text
    assert f"run_missing: bool = {trains}" in text


def outputs_of(executed, words):
    """The outputs of the one cell that says `words`."""
    cells = json.loads(executed.read_text())["cells"]
    (cell,) = [cell for cell in cells if words in "".join(cell["source"])]
    return cell["outputs"]


def texts(executed):
    content = json.loads(executed.read_text())
    return json.dumps([cell.get("outputs") for cell in content["cells"]], ensure_ascii=False)


def test_papermill_runs_the_notebook_from_a_folder_inside_the_repository(smoke_results, tmp_path):
    """As a user calls it; the study is complete, so nothing is trained."""
    results = tmp_path / "results"
    shutil.copytree(smoke_results, results)
    shutil.rmtree(results / "reports")
    shutil.rmtree(results / "smoke" / "tables")
    out = tmp_path / "out.ipynb"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "papermill",
            "table5.ipynb",
            str(out),
            "-p",
            "protocol",
            "smoke",
            "-p",
            "results_dir",
            str(results),
        ],
        cwd=project_root() / "notebooks",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = texts(out)
    assert "10 of 10 printed cells reproduced" in found
    assert "image/png" in found
    for name in ("table5.smoke.html", "table5.smoke.png", "table5.smoke.md"):
        assert (results / "reports" / name).stat().st_size > 1000
    assert (results / "smoke" / "tables" / "table5.csv").exists()


def test_the_command_runs_what_is_missing_and_fills_in_the_output_path(smoke_results, tmp_path):
    results = tmp_path / "results"
    shutil.copytree(smoke_results, results)
    (missing,) = (results / "smoke" / "runs").glob("swin_t-t2-*")
    shutil.rmtree(missing)
    executed, final = execute_notebook("table5", {"protocol": "smoke", "results_dir": str(results)})
    assert executed == results / "reports" / "table5.smoke.ipynb"
    assert final["seeds"] == 1
    assert (missing / "result.json").exists()
    (shown,) = outputs_of(executed, "vswin.run_study")  # updated in place
    text = "".join(shown["data"]["text/plain"])
    assert text == "7 of 7 runs done"
    assert "<p>7 of 7 runs done</p>" in "".join(shown["data"]["text/html"])
    assert str(notebooks_dir()) not in executed.read_text()


@pytest.fixture(scope="module")
def shared_results(smoke_results, appearance_results, tmp_path_factory):
    """Table 5 and Tables 8 and 9, whose runs the other tables share or add to."""
    results = tmp_path_factory.mktemp("shared") / "results"
    shutil.copytree(smoke_results, results)
    shutil.copytree(appearance_results, results, dirs_exist_ok=True)
    return results


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("table4", ["6 of 6 printed cells reproduced", "3 of 3 rows trained", "42.007", "36.489"]),
        ("table6", ["3 of 3 rows trained", "w/o temporal shifting", "order"]),
        ("table8", ["2 of 2 rows trained", "embedding center, bias duplicate", "digit"]),
        ("table9", ["2 of 2 rows trained", "embedding inflate, bias center", "motion"]),
    ],
)
def test_the_other_tables_run_under_smoke(table, words, shared_results):
    executed, _ = execute_notebook(table, {"protocol": "smoke", "results_dir": str(shared_results)})
    found = texts(executed)
    assert "image/png" in found
    for word in words:
        assert word in found, word
    page = (shared_results / "reports" / f"{table}.smoke.md").read_text()
    assert "no verdict below 3 paired seeds" in page


def test_a_study_and_its_plot_show_themselves(smoke_results, tmp_path):
    """As the last lines of cells, without `%matplotlib inline` and with it."""
    load = f'import vswin\nstudy = vswin.load_study("table5", "smoke", None, "{smoke_results}")'
    cells = [f"{load}\nstudy", "study.plot()", "%matplotlib inline\nstudy.plot()"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    nbformat.write(notebook, tmp_path / "in.ipynb")
    made = papermill.execute_notebook(
        str(tmp_path / "in.ipynb"), None, kernel_name="python3", progress_bar=False
    )
    shown = [[sorted(o.data) for o in cell.outputs] for cell in made.cells]
    assert shown == [
        [["text/html", "text/plain"]],
        [["image/png", "text/plain"]],
        [["image/png", "text/plain"]],
    ]


def test_missing_runs_render_as_not_run(tmp_path):
    executed, _ = execute_notebook(
        "table5", {"protocol": "smoke", "results_dir": str(tmp_path), "run_missing": False}
    )
    assert "0 of 5 rows trained" in texts(executed)
    assert not (tmp_path / "smoke" / "runs").exists()


def test_a_failing_cell_is_reported_and_its_notebook_kept(tmp_path):
    with pytest.raises(NotebookError, match=r"UsageError: jobs=-1.*table5.smoke.failed.ipynb"):
        execute_notebook("table5", {"protocol": "smoke", "results_dir": str(tmp_path), "jobs": -1})
    names = [path.name for path in (tmp_path / "reports").iterdir()]
    assert names == ["table5.smoke.failed.ipynb"]


def test_a_notebook_that_papermill_could_not_write_is_no_riddle(tmp_path, monkeypatch):
    def full(source, target, *_):
        target.write_text("")
        return 1, "OSError: [Errno 28] No space left on device"

    monkeypatch.setattr("vswin.report.notebooks._papermill", full)
    at = {"protocol": "smoke", "results_dir": str(tmp_path), "run_missing": False}
    with pytest.raises(NotebookError, match=r"stopped: OSError: .* No space left on device$"):
        execute_notebook("table5", at)


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        ({"protcol": "smoke"}, "UsageError: unknown notebook parameter 'protcol'; known: protocol"),
        ({"protocol": "smok"}, "UsageError: unknown protocol 'smok'; known: finetune, paper, "),
        ({"seeds": "abc"}, "UsageError: notebook parameter seeds='abc': wanted int"),
    ],
)
def test_a_wrong_parameter_stops_the_notebook_itself_with_one_line(parameter, words, tmp_path):
    """Papermill alone only warns of an unknown one and goes on with the defaults."""
    with pytest.raises(papermill.PapermillExecutionError) as stopped:
        papermill.execute_notebook(
            str(notebooks_dir() / "table5.ipynb"),
            str(tmp_path / "out.ipynb"),
            parameters=parameter | {"results_dir": str(tmp_path)},
            progress_bar=False,
        )
    said = str(stopped.value).strip().splitlines()
    assert said[-1].startswith(words)
    assert "Traceback" not in str(stopped.value)
    assert len(said) <= 3  # the others are papermill's own


def test_parameters_are_checked_by_name_and_type():
    good = {"protocol": "smoke", "seeds": 1, "results_dir": "x", "jobs": 0, "run_missing": True}
    # A second pass in the same kernel: what the notebook has made meanwhile is no parameter.
    check_parameters(good | {"_part": "x", "In": [], "plan": object(), "dials": ["a"]})
    for bad, words in (
        ({"seed": 1}, "did you mean 'seeds'"),
        ({"seeds": "2"}, "wanted int"),
        ({"seeds": True}, "wanted int"),
        ({"run_missing": 1}, "wanted bool"),
        ({"protocol": ["smoke"]}, "wanted str"),
        ({"seeds": None}, "wanted int"),
    ):
        with pytest.raises(UsageError, match=words):
            check_parameters(good | bad)


def test_results_in_the_project_are_named_from_its_folder(tmp_path):
    """What is committed names no folder of this machine; a notebook counts from the project's."""
    project = own_project(tmp_path)
    words = ["notebook", "mine", "--protocol", "smoke", "--no-run-missing"]
    done = subprocess.run(
        [sys.executable, "-m", "vswin", *words, "--results-dir", "there"],
        cwd=project / "experiments",
        env=os.environ | {"PYTHONPATH": str(project)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    executed = project / "experiments" / "there" / "reports" / "mine.smoke.ipynb"
    text = executed.read_text()
    assert 'results_dir = \\"experiments/there\\"' in text
    assert str(project) not in text
