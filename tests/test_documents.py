"""Every command in the documents is one; those that can run here are executed.

Some documents have tests of their own, which execute more of them: tests/test_own_dataset.py,
tests/weights/test_named.py, tests/experiments/test_readme.py.
"""

import ast
import inspect
import re
import shutil

import pytest

import vswin
from tests.documents import DOCUMENTS, blocks, commands, execute, require_known, spoken
from tools import api
from vswin.experiments.laying import lay_project


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_is_one(document):
    for words in commands(document):
        require_known(words)
    for words in spoken(document):
        require_known(words, whole=False)


def test_what_is_not_one_is_found():
    require_known(["vswin", "run", "table5", "--seeds", "3"])
    require_known(["vswin", "run"], whole=False)
    require_known(["make", "tableA5", "SEEDS=3"])
    for wrong in (
        "vswin train table5",
        "vswin run",
        "vswin run table5 --epochs 3",
        "vswin run table5 --seeds many",
        "vswin data split x --tests 3",
        "make tabel5",
        "cp data.yaml.example data.yaml",
        "pip install vswin[all]",
        "python tools/nothing.py",
    ):
        with pytest.raises(AssertionError):
            require_known(wrong.split())
    with pytest.raises(KeyError):
        require_known(["torchrun", "train.py"])


PUBLIC = {f"vswin.{name}" for name in vswin.__all__}


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if name != "docs/api.md"])
def test_python_calls_what_there_is(document):
    """Blocks can be parsed, and call public functions with arguments that these have."""
    for block in blocks(document, "python"):
        for call in ast.walk(ast.parse(block)):
            if isinstance(call, ast.Call) and ast.unparse(call.func) in PUBLIC:
                given = {word.arg: None for word in call.keywords}
                function = getattr(vswin, ast.unparse(call.func).removeprefix("vswin."))
                inspect.signature(function).bind(*call.args, **given)


def test_the_page_of_functions_is_what_they_say():
    assert api.PAGE.read_text() == api.page(), "run python tools/api.py"


def small(words):
    """Whether a command takes seconds on this machine alone."""
    line = " ".join(words)
    if words[0] != "vswin" or re.search(r" (list|cost table1|weights|audit|report all)$", line):
        return False
    return "--protocol" not in words or "smoke" in words


def test_reproduce_a_table(smoke_results, tmp_path):
    project = lay_project(tmp_path / "project")
    shutil.copytree(smoke_results, project / "results", dirs_exist_ok=True)
    said = execute("docs/table.md", project, lambda w: small(w) and w[1] not in ("eval", "audit"))
    assert [line.split()[1] for line in said] == [
        *("list", "run", "status", "report", "claims", "cost")
    ]
    assert "7 runs complete" in said["vswin run table5 --protocol smoke"]
    assert (project / "results" / "reports" / "table5.smoke.html").exists()


def test_an_ablation_of_ones_own(tmp_path):
    project = lay_project(tmp_path / "project")
    path = project / "experiments" / "my_windows.yaml"
    written, claims = blocks("docs/own_ablation.md", "yaml")

    def ready(words):
        if words[1] == "list":  # what `new` wrote is as shown, and is added to as said
            assert path.read_text().split("\n", 1)[1] == written
            path.write_text(path.read_text() + claims)
        return small(words)

    said = execute("docs/own_ablation.md", project, ready)
    assert [line.split()[1] for line in said] == ["new", "list", "cost", "run", "report"]
    report = (project / "results" / "reports" / "my_windows.smoke.md").read_text()
    assert "A longer window in time has a higher top-1." in report


def test_without_a_clone(tmp_path, monkeypatch):
    monkeypatch.setattr("vswin.project.CODE", tmp_path / "site-packages")
    (tmp_path / "here").mkdir()

    def can_be(words):
        return words[0] == "cd" or (words[0] == "vswin" and words[1] in ("init", "list"))

    said = execute("docs/installed.md", tmp_path / "here", can_be)
    assert [*said] == ["vswin init mine", "vswin list"]
    assert "table5" in said["vswin list"]
