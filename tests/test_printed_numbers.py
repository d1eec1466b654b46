"""Printed numbers stand in `vswin/paper/` and nowhere else.

Searched for are the accuracies, costs (FLOPs, parameters, memory) and other metrics of all tables
of both papers, and what their text states as a result, a gain, a ratio or a size. No Python file,
document, experiment, notebook or template may hold one of them, unless it is named here. A hit is
a number as it is printed (2,107 is 2107), where its digits mean something by themselves:

* with a decimal point and three or more significant digits: 78.8, 5.78, 179.6;
* else with two or more digits, and a unit that it is printed in right behind it: 88 G, 17 %.

What is left are small numbers and whole ones without a unit: 224 and 400 are sizes of much else.
(The tests are a second reading of the papers, the record is written by the code, and what the
tables of docs/models.md print is compared in `tests/test_docs.py`.)
"""

import re
import subprocess

import pytest

from vswin.paper.printed import FOLDER, NUMBER, PAPER, printed_table
from vswin.paper.text import paper_text, papers
from vswin.project import project_root

ROOT = project_root()
FOUND = re.compile(r"(?<![\w.,])(\d[\d,]*(?:\.\d+)?)(?![.,]?\d|f)(?: ?([A-Za-z%×]+))?")
"""A number, and what may be its unit; `10.3f` is a format."""
GIGA = {"G", "GFLOPs", "GMACs"}
PERCENT = {"%", "points"}
UNITS = {
    "flops": GIGA,
    "whole": {"T", "TFLOPs"},
    "params": {"M"},
    "memory": {"G", "GB", "GiB"},
    "top1": PERCENT,
    "top5": PERCENT,
}
"""Of metrics."""
OF_TEXT = {*GIGA, *PERCENT, "TFLOPs", "T", "M", "GB", "k", "K", "×", "seconds"}
"""Of numbers of the text; others (`400 classes`) are no units, but what is counted."""
SEARCHED = (".py", ".md", ".yaml", ".yml", ".ipynb", ".toml", ".j2", "Makefile")
APART = re.compile(r"vswin/paper/.*\.yaml|tests/.*|results/.*|benchmarks/README\.md")
"""The last one is written from what was measured; what writes it is searched."""
ALLOWED = {
    ("experiments/protocols/proxy.yaml", "0.3 points"): "measured, in the calibration",
    ("pyproject.toml", "11.0"): "a version",
    ("vswin/data/rand_augment.py", "33 %"): "the strength of an operation",
    ("vswin/paper/quantities.py", "1.28"): "images, by ImageNet's own papers",
    ("vswin/report/digits.py", "50 %"): "chance",
    ("vswin/report/digits.py", "90.0"): "motion accuracy of a run that learnt, as calibrated",
    ("vswin/report/drawing/levels.py", "83.8"): "as wide as the widest text of its kind; no result",
    ("vswin/report/drawing/tradeoff.py", "10.5"): "the size of letters",
    ("vswin/runs/lock.py", "90.0"): "seconds",
}


def number(text):
    return text.replace(",", "")


def stands_alone(text):
    return "." in text and len(text.replace(".", "").lstrip("0")) >= 3


def printed_numbers():
    """Every printed number with its units."""
    found = {}
    for path in FOLDER.glob("*/*.yaml"):
        table = printed_table(path.stem) if path.name != PAPER else None
        for row in table.rows if table else ():
            for column in table.columns:
                text = NUMBER.match(row.cells[column.id]) if column.metric else None
                if text:
                    found.setdefault(text[0], set()).update(UNITS.get(column.metric, ()))
    for paper in papers():
        for each in (each for sentence in paper_text(paper) for each in sentence.numbers):
            if each.kind != "setting":
                for text, unit in FOUND.findall(each.number):
                    found.setdefault(number(text), set()).update({unit, each.unit} & OF_TEXT)
    return found


PRINTED = printed_numbers()


def found_in(text):
    hits = set()
    for said, unit in FOUND.findall(text):
        units = PRINTED.get(number(said), {})
        if len(said) > 1 and unit in units:
            hits.add(f"{said} {unit}")
        elif number(said) in PRINTED and stands_alone(number(said)):
            hits.add(said)
    return hits


def searched():
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("no clone")
    names = [f for f in listed.stdout.splitlines() if f.endswith(SEARCHED)]
    names = [f for f in names if not APART.fullmatch(f) and (ROOT / f).exists()]
    texts = {name: (ROOT / name).read_text(encoding="utf-8") for name in names}
    made = re.compile(r"<!-- python tools/readme.py.*?<!-- end", re.DOTALL)
    texts["README.md"] = made.sub("", texts["README.md"])
    texts["docs/models.md"] = re.sub(r"^\|.*", "", texts["docs/models.md"], flags=re.MULTILINE)
    return texts


def test_no_printed_number_stands_outside_the_data():
    found = {(file, hit) for file, text in searched().items() for hit in found_in(text)}
    unnamed, unneeded = sorted(found - ALLOWED.keys()), sorted(ALLOWED.keys() - found)
    assert not unnamed, "read it from vswin/paper, or name it in ALLOWED"
    assert not unneeded, "an exception that nothing needs"


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ("78.8 and 80.65, 1.78.8, 178.8 or 93.6%", {"78.8", "93.6 %"}),
        ("2,107 G, 88G of 224 pixels, for 88 clips", {"2,107 G", "88 G"}),
        ("36.6 M, 5.78 T, 0.85 TFLOPs and 9.8 GB", {"36.6 M", "5.78 T", "0.85 TFLOPs", "9.8 GB"}),
        ("17 % less in 17 rows; 1.7 G", {"17 %"}),
    ],
)
def test_what_is_a_hit(text, hits):
    assert found_in(text) == hits
