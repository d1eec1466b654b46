"""Where a run stands that starts from another one."""

import dataclasses

import pytest

from tests.launch.place import ERROR
from tests.results import complete
from tests.runs.test_identity import BASE
from vswin.files import write_json
from vswin.models.swin.config import PRESETS
from vswin.runs.config import FromRun, TestOnly


@pytest.fixture
def family():
    """Two runs that start from a third."""
    image = dataclasses.replace(PRESETS["swin_t"], num_classes=10, window_size=(1, 3, 3))
    stills = dataclasses.replace(BASE.data, task="stills", frames=1)
    source = dataclasses.replace(BASE, model=image, data=stills, is_pretraining=True)
    first = dataclasses.replace(BASE, init=FromRun(source))
    return source, first, dataclasses.replace(first, init=FromRun(source, {"bias": "center"}))


def test_a_run_whose_source_failed_is_blocked(place, family):
    source, first, second = family
    before, run = place.run(source), place.run(first)
    assert place.see(run).state == "missing"
    write_json(before.path / "error.json", ERROR)
    seen = place.see(run, before)
    assert seen.state == "blocked"
    assert seen.detail == f"starts from {source.run_id}, which failed"
    place.submit(run, ids=["7"])
    place.slurm("7", "FAILED")
    assert place.see(run).state == "blocked"  # says more than FAILED
    place.slurm("7", "PENDING")
    assert place.see(run).state == "queued"
    complete(run)
    assert place.see(run).state == "done"
    # Without a folder, only the plan knows.
    other = place.run(second, exists=False)
    assert place.see(other).state == "missing"
    assert place.see(other, sources={other.run_id: before.run_id}).state == "blocked"
    # And it is passed on.
    third = dataclasses.replace(BASE, seed=3, init=TestOnly(second))
    last = place.run(third)
    place.run(second)
    assert f"is blocked: it starts from {source.run_id}" in place.see(last).detail


def test_a_job_that_could_not_begin_is_given_again_once_its_source_is_repaired(place, family):
    """It ended as a failure to Slurm, and says in status.json that it was none."""
    source, first, _ = family
    before, run = place.run(source), place.run(first)
    write_json(before.path / "error.json", ERROR)
    place.submit(run, ids=["7"])
    place.slurm("7", "FAILED")
    run.write_status(state="interrupted", job="7")
    assert place.see(run).state == "blocked"
    (before.path / "error.json").unlink()
    complete(before)
    before.weights.write_bytes(b"")
    seen = place.see(run)
    assert (seen.state, seen.attempts) == ("interrupted", 0)
    assert seen.detail == "job 7 stopped without an error: FAILED"


def test_a_source_that_is_made_again_blocks_nobody(place, family):
    source, first, _ = family
    before, run = place.run(source), place.run(first)
    write_json(before.path / "error.json", ERROR)
    place.submit(before, ids=["7"])
    place.slurm("7", "PENDING")
    assert place.see(run).state == "missing"


def test_a_source_without_its_weights_is_not_done(place, family):
    before = place.run(family[0])
    complete(before)
    seen = place.see(before)
    assert (seen.state, "but for its weights" in seen.detail) == ("interrupted", True)
    before.weights.write_bytes(b"")
    assert place.see(before).state == "done"
