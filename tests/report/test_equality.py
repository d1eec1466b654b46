"""Where the same seed gives the same result, and where not, is said wherever results are shown."""

import dataclasses
import re

import pytest

from vswin.project import project_root
from vswin.report import load_study
from vswin.report.provenance import EQUALITY, MIXED, origins, provenance
from vswin.report.table import the_table

RECORD = project_root() / "results" / "reference"
PAGES = sorted((RECORD / "reports").glob("*.md"))


def test_a_report_says_what_is_equal_and_what_to_compare(smoke_results):
    study = load_study("table5", "smoke", None, smoke_results)
    assert origins(study).note == EQUALITY
    assert origins(study).is_folded
    where = ("same kind of processor", "same versions", "threads", "one process", "killed")
    for words in (*where, "same bits", "distributions over seeds", "never single runs"):
        assert words in EQUALITY
    assert "the same one on another kind of processor" in the_table(study).note


def test_runs_from_several_kinds_of_processors_are_called_so(smoke_results):
    study = load_study("table5", "smoke", None, smoke_results)
    run = study.runs["dim8"][0]
    other = dataclasses.replace(run, provenance=run.provenance | {"device": "Z80"})
    study = dataclasses.replace(study, runs={**study.runs, "dim8": {0: other}})
    assert provenance(study).note == MIXED


def test_a_report_without_runs_says_nothing_of_them(tmp_path):
    assert provenance(load_study("table5", "smoke", None, tmp_path)).is_empty


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_committed_page_with_runs_says_it(page):
    text = page.read_text()
    assert (EQUALITY in text) == ("## Provenance" in text)
    processors = re.findall(r"; ((?:AMD|Intel)[^,;]*), \d+ thread", text)
    assert (MIXED in text) == (len(set(processors)) > 1)
