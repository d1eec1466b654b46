"""Printed accuracies stand in `vswin/paper/` and nowhere else.

An accuracy has two digits, a point and one digit. Outside of the data, no Python file, document,
experiment or notebook may hold one that a table prints as an accuracy, unless it is named here.
(The tests are a second reading of the papers, and the record is written by the code.)
"""

import re
import subprocess

import pytest

from vswin.paper.printed import FOLDER, printed_table
from vswin.project import project_root
from vswin.report.audit.cells import ACCURACIES

ROOT = project_root()
ACCURACY = re.compile(r"(?<![\d.,])\d\d\.\d(?![\d]|\.\d)")
SEARCHED = (".py", ".md", ".yaml", ".yml", ".ipynb", ".toml", ".j2", "Makefile")
APART = ("vswin/paper/", "tests/", "results/")
ALLOWED = {
    "README.md": "the table of models; `tests/test_docs.py` compares it with Table 1",
    "vswin/report/drawing/levels.py": "as wide as the widest text of its kind; no result",
    "vswin/runs/lock.py": "seconds",
}


def accuracies(table):
    """What a table prints as accuracies."""
    printed = printed_table(table)
    columns = [column.id for column in printed.columns if column.metric in ACCURACIES]
    texts = (row.cells[column] for row in printed.rows for column in columns)
    return {found for text in texts for found in ACCURACY.findall(text)}


NAMES = [f.stem for kind in ("table", "figure") for f in sorted(FOLDER.glob(f"*/{kind}*.yaml"))]
PRINTED = {name: accuracies(name) for name in NAMES}
ALL = set().union(*PRINTED.values())


def files():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("no clone")
    found = listed.stdout.splitlines()
    return [f for f in found if f.endswith(SEARCHED) and not f.startswith(APART)]


def found_in(file):
    text = (ROOT / file).read_text(encoding="utf-8") if (ROOT / file).exists() else ""
    return {number for number in ACCURACY.findall(text) if number in ALL}


def test_there_is_something_to_search_for():
    assert len(ALL) > 50
    assert ACCURACY.findall("78.8 and 80.65, 1.78.8, 178.8 or 93.6%") == ["78.8", "93.6"]


def test_no_printed_accuracy_stands_outside_the_data():
    for file in files():
        if file in ALLOWED or file.removeprefix("experiments/").removesuffix(".yaml") in PRINTED:
            continue
        assert not found_in(file), f"{file}: read it from vswin/paper, or name the file in ALLOWED"


def test_what_the_heads_of_experiments_say_is_printed_in_their_table():
    for table, numbers in PRINTED.items():
        path = ROOT / "experiments" / f"{table}.yaml"
        if path.exists():
            said = set(ACCURACY.findall(path.read_text(encoding="utf-8"))) & ALL
            assert said <= numbers, f"{path.name} says {said - numbers}"


def test_every_exception_is_needed():
    assert all(found_in(file) for file in ALLOWED)
