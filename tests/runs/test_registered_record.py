"""The committed record is what was registered before: the same claims, rows, seeds and dials.

What the functions find in records that are not as they should be, is tested in
tests/experiments/test_preregistration.py.
"""

import datetime
import subprocess

import pytest

from vswin.experiments.library import Library
from vswin.experiments.preregistration import differences, read_preregistration
from vswin.experiments.registered_runs import registration_problems
from vswin.project import experiments_dir, preregistration_file, project_root
from vswin.report.statistics import LEVEL
from vswin.runs.provenance import preregistration_digest
from vswin.runs.record import read_records, read_runs
from vswin.runs.store import Store

ROOT = project_root()
RECORD = ROOT / "results" / "reference"
LIBRARY = Library(experiments_dir())


@pytest.fixture(scope="module")
def registered():
    found = read_preregistration(preregistration_file())
    if found is None:
        recorded = [*RECORD.glob("proxy*/record/*")]
        assert not recorded, f"recorded, but never registered: {recorded}"
        pytest.skip("nothing is registered yet, and nothing recorded")
    return found


def git(*words):
    done = subprocess.run(
        ["git", *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout.strip() if done.returncode == 0 else ""


def commit_of_registration():
    """The commit that last changed the file; empty where history does not go back so far."""
    if git("rev-parse", "--is-shallow-repository") != "false":
        return ""
    return git("log", "-1", "--format=%H", "--", str(preregistration_file()))


def recorded(registered):
    """The runs of the record that were to be registered, by protocol and id."""
    found = {}
    for study in registered.studies:
        of_it = found.setdefault(study.protocol, {})
        for folder in sorted((RECORD / study.protocol / "record").glob("*")):
            of_it |= read_runs(folder)
    return found


def test_what_is_judged_is_what_was_registered(registered):
    assert differences(registered, LIBRARY, LEVEL) == []


def test_every_recorded_run_was_registered_and_made_afterwards(registered):
    since = registered.written
    if commit := commit_of_registration():
        committed = datetime.datetime.fromisoformat(git("show", "-s", "--format=%cI", commit))
        since = max(since, committed)
    digest = preregistration_digest(ROOT)
    wrong, _ = registration_problems(registered, LIBRARY, recorded(registered), digest, since)
    assert wrong == []


def test_every_page_says_how_much_of_what_was_registered_is_there(registered):
    study = registered.studies[0]
    for table, rows in study.tables.items():
        page = RECORD / "reports" / f"{table}.md"
        if not page.exists():
            continue
        wanted = {(row.first, seed) for row in rows.values() for seed in range(row.seeds)}
        recorded = read_records(Store(RECORD, study.protocol)).runs.values()
        there = wanted & {(run.config.with_seed(0).run_id, run.config.seed) for run in recorded}
        said = f"{len(there)} of {len(wanted)}" if there else f"none of {len(wanted)}"
        assert f"{said} registered runs" in page.read_text(), table


def test_the_code_that_made_the_runs_has_the_registration_in_its_history(registered):
    registration = commit_of_registration()
    runs = [run for by_id in recorded(registered).values() for run in by_id.values()]
    commits = {run.provenance["commit"] for run in runs}
    known = [commit for commit in sorted(commits) if registration and git("cat-file", "-t", commit)]
    if not known:
        pytest.skip("no history here that goes back to the runs")
    for commit in known:
        done = subprocess.run(
            ["git", "merge-base", "--is-ancestor", registration, commit], cwd=ROOT, check=False
        )
        assert done.returncode == 0, f"{commit} is not later than {registration}"
