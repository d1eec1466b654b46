"""What a report says of the preregistration of its study."""

import dataclasses
import datetime
import hashlib

import pytest

from tests.own import MINE, own_project, use_project
from vswin.experiments.library import Library
from vswin.experiments.preregistration import Plan, as_yaml, register
from vswin.report import load_study
from vswin.report.registration import registration_line
from vswin.runs.provenance import preregistration_digest
from vswin.runs.store import Store

NOW = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)


@pytest.fixture
def registered(smoke_results, tmp_path, monkeypatch):
    """A study of smoke runs in a project that has registered them; as `line(seeds, digest)`."""
    folder = own_project(tmp_path, MINE)
    use_project(monkeypatch, folder)
    file = folder / "experiments" / "preregistration.yaml"
    study = load_study("table5", "smoke", results_dir=smoke_results)

    def line(seeds, digest=None):
        library = Library(folder / "experiments")
        text = as_yaml(register(library, [Plan("smoke", ("table5",), seeds)], NOW, 0.95))
        file.write_text(text)
        digest = digest or hashlib.sha256(text.encode()).hexdigest()
        runs = {
            row: {
                seed: dataclasses.replace(
                    run, provenance=run.provenance | {"preregistration": digest}
                )
                for seed, run in by_seed.items()
            }
            for row, by_seed in study.runs.items()
        }
        return registration_line(dataclasses.replace(study, runs=runs)), digest

    seeds = {len(by_seed) for by_seed in study.runs.values()}
    assert len(seeds) == 1
    distinct = {run.run_id for by_seed in study.runs.values() for run in by_seed.values()}
    line.seeds, line.study = seeds.pop(), study
    line.rows = len(distinct) // line.seeds  # one row of Table 5 is printed twice
    assert line.rows == len(study.runs) - 1
    return line


def test_a_complete_study_says_that_it_is(registered):
    said, digest = registered(registered.seeds)
    n = registered.rows * registered.seeds
    assert said == (
        "Preregistered on 2026-01-02 03:04 UTC: `experiments/preregistration.yaml`, SHA-256 "
        f"{digest[:12]}; {n} of {n} registered runs are complete; each made afterwards, and with "
        "the digest of the file."
    )


def test_a_run_notes_what_was_registered_when_it_began(smoke_results):
    runs = list(Store(smoke_results, "smoke"))
    assert runs
    for run in runs:
        assert run.provenance()["preregistration"] == preregistration_digest()


def test_what_is_missing_too_much_or_made_otherwise_is_counted(registered):
    more, _ = registered(registered.seeds + 1)
    n = registered.rows * registered.seeds
    assert f"; {n} of {n + registered.rows} registered runs are complete; each made" in more
    without, _ = registered(registered.seeds, "0" * 64)
    assert f"complete; {n} of them do not carry the file's digest." in without
    if registered.seeds > 1:
        fewer, _ = registered(registered.seeds - 1)
        assert f"; {registered.rows} runs beside them not registered." in fewer


def test_a_study_that_was_not_registered_says_nothing(registered):
    registered(1)
    assert registration_line(dataclasses.replace(registered.study, name="table6")) == ""
    terms = dataclasses.replace(registered.study.terms, protocol="proxy")
    assert registration_line(dataclasses.replace(registered.study, terms=terms)) == ""
