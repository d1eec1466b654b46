"""Where runs stand, from their folders, the journal and what Slurm says: every case."""

import dataclasses
import json
import os

import pytest

from tests.launch.place import ERROR, NOT_THERE, STATUS
from tests.results import complete
from tests.runs.test_identity import BASE
from vswin.files import DamagedFileError, write_json
from vswin.launch.slurm.queue import Queue, phase_of
from vswin.launch.status import current_statuses
from vswin.runs.lock import STALE_S, run_lock

# What the folder holds | what Slurm says of the job (None: nothing; "-": there was no job)
# -> where the run stands, and words of the reason
CASES = [
    ("result status", "-", "done", ""),
    ("result status error", "RUNNING", "done", ""),
    ("result", "FAILED", "done", ""),
    ("", "-", "missing", ""),
    ("no folder", "-", "missing", ""),
    ("status", "-", "interrupted", "stopped in training, 30 of 600"),
    ("error status", "-", "failed", "DivergedError: at step 7"),
    ("", "PENDING", "queued", "Priority"),
    ("status", "CONFIGURING", "queued", "Priority"),
    ("error status", "REQUEUED", "queued", "Priority"),
    ("", "RUNNING", "running", "starting on n3"),
    ("status", "SUSPENDED", "running", "starting on n3"),
    ("status", "COMPLETING", "running", "ending on n3"),
    ("error", "RUNNING", "running", "starting on n3"),  # an older attempt's error
    ("error own", "RUNNING", "failed", "at step 7"),  # this job's: it has yet to end
    ("error", "COMPLETING", "failed", "at step 7"),
    ("error status", "FAILED", "failed", "at step 7"),
    ("error status", "TIMEOUT", "failed", "at step 7"),
    ("", "FAILED", "failed", "job 7_1: FAILED"),
    ("status", "OUT_OF_MEMORY", "failed", "job 7_1: OUT_OF_MEMORY"),
    ("status", "CANCELLED by 1000", "cancelled", "job 7_1: CANCELLED by 1000"),
    ("", "CANCELLED", "cancelled", "job 7_1"),
    ("status", "TIMEOUT", "interrupted", "TIMEOUT"),
    ("", "NODE_FAIL", "interrupted", "NODE_FAIL"),
    ("status", "PREEMPTED", "interrupted", "PREEMPTED"),
    ("status", None, "interrupted", "job 7_1 is not in the queue any more"),
    ("", None, "unknown", "job 7_1 is not in the queue any more and left nothing; there is no log"),
    ("", "COMPLETED", "unknown", "job 7_1: COMPLETED and left nothing"),
    ("status", "COMPLETED", "interrupted", "job 7_1: COMPLETED"),
    ("", "NEW_STATE", "unknown", "job 7_1: NEW_STATE"),
    ("status", "NEW_STATE", "interrupted", "NEW_STATE"),
    ("status", "no answer", "unknown", NOT_THERE),
    ("", "no answer", "unknown", NOT_THERE),
    ("error", "no answer", "failed", "at step 7"),
    ("told", "FAILED", "interrupted", "job 7_1 stopped without an error: FAILED"),
    ("told", "COMPLETED", "interrupted", "job 7_1 stopped without an error: COMPLETED"),
    ("told", None, "interrupted", "job 7_1 stopped without an error"),
    ("told", "CANCELLED by 1000", "cancelled", "job 7_1: CANCELLED by 1000"),
    ("told", "PENDING", "queued", "Priority"),
    ("told error", "FAILED", "failed", "at step 7"),
    ("another told", "FAILED", "failed", "job 7_1: FAILED"),  # and since then this job failed
    ("another told", None, "interrupted", "job 7_1 is not in the queue any more"),
    ("result", "no answer", "done", ""),
]


@pytest.mark.parametrize(("holds", "says", "state", "words"), CASES)
def test_where_a_run_stands(place, holds, says, state, words):
    run = place.run(exists=holds != "no folder")
    if "result" in holds:
        complete(run)
    if "status" in holds or "own" in holds:
        write_json(run.path / "status.json", STATUS | ({"job": "7_1"} if "own" in holds else {}))
    if "told" in holds:
        told = {"state": "interrupted", "job": "7_2" if "another" in holds else "7_1"}
        write_json(run.path / "status.json", STATUS | told)
    if "error" in holds:
        write_json(run.path / "error.json", ERROR)
    if says != "-":
        place.submit("another", run, ids=["7_0", "7_1"])
    if says == "no answer":
        place.problem = NOT_THERE
    elif says not in ("-", None):
        waits = phase_of(says) == "waiting"
        place.slurm("7_1", says, "Priority" if waits else "", "" if waits else "n3")
    seen = place.see(run)
    assert (seen.state, words in seen.detail) == (state, True), seen.detail
    assert (seen.detail == "") == (words == "")


def test_a_living_writer_outweighs_all_but_a_result(place):
    run = place.run()
    write_json(run.path / "error.json", ERROR)
    write_json(run.path / "status.json", STATUS)
    place.submit(run, ids=["7"])
    place.slurm("7", "TIMEOUT")
    with run_lock(run.path):
        seen = place.see(run)
        assert (seen.state, seen.eta_s) == ("running", 95)
        assert seen.detail == f"training on {os.uname().nodename}"
        place.problem = NOT_THERE
        assert place.see(run).state == "running"
        complete(run)
        assert place.see(run).state == "done"


def test_a_writer_elsewhere_is_silent_before_it_is_dead(place):
    run = place.run()
    lock = run.path / "lock"
    lock.write_text(json.dumps({"token": "x", "host": "n9", "pid": 1, "job": "7_5"}))
    seen = place.see(run)
    assert (seen.state, seen.detail, seen.job_id) == ("running", "starting on n9", "7_5")
    silent = lock.stat().st_mtime - STALE_S - 5
    os.utime(lock, (silent, silent))
    assert place.see(run).state == "missing"


def test_what_is_told_of_a_run(place):
    run = place.run()
    write_json(run.path / "status.json", STATUS)
    seen = place.see(run)
    assert (seen.attempts, seen.epoch, seen.loss, seen.top1) == (3, 2, 1.25, 0.5)
    assert (seen.step, seen.steps, seen.gpus, seen.host, seen.job_id) == (30, 600, 8, "n7", "7_2")
    assert seen.gpu_hours == 16.0
    assert seen.eta_s is None  # nobody is at it
    write_json(run.path / "status.json", STATUS | {"gpus": 0})
    assert place.see(run).gpu_hours is None
    complete(run)
    assert place.see(run).top1 == 0.75


def test_a_status_of_another_age_or_kind_is_no_error(place):
    run = place.run()
    old = {"state": "training", "attempt": 1, "heartbeat": 1.0, "pid": 1}
    write_json(run.path / "status.json", old)
    seen = place.see(run)
    assert (seen.attempts, seen.seconds, seen.gpu_hours, seen.host) == (1, None, None, None)
    write_json(
        run.path / "status.json", {"attempt": "x", "seconds": None, "gpus": True, "top1": []}
    )
    seen = place.see(run)
    assert (seen.state, seen.attempts, seen.seconds, seen.gpus) == ("interrupted", 0, None, 0)
    (run.path / "status.json").write_text("{")
    assert place.see(run).state == "missing"


def test_one_broken_run_does_not_hide_the_others(place):
    run, other = place.run(), place.run(dataclasses.replace(BASE, seed=1))
    (run.path / "result.json").write_text("{")
    complete(other)
    seen = place.see(run, other)
    assert seen.state == "failed"
    assert "result.json cannot be read" in seen.detail
    assert place.see(other).state == "done"


def test_slurm_is_only_asked_when_it_can_tell_something(place, tmp_path, monkeypatch):
    calls = tmp_path / "calls"
    for name in ("squeue", "sacct"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho {name} >> "{calls}"\n')
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    run, done = place.run(), place.run(dataclasses.replace(BASE, seed=1))
    complete(done)
    (seen, _), queue = current_statuses([run, done], place.journal)
    assert (seen.state, queue) == ("missing", Queue({}))
    place.submit("elsewhere", done, ids=["6_0", "6_1"], token="a")
    current_statuses([run, done], place.journal)
    assert not calls.exists()
    place.submit(run, ids=["7"], token="b")
    (seen, _), _ = current_statuses([run, done], place.journal)
    assert seen.state == "unknown"
    assert calls.read_text().split() == ["squeue", "sacct"]


def test_a_damaged_journal_is_an_error_that_names_it(place):
    run = place.run()
    place.submit(run, ids=["7"])
    (place.journal.folder / "t.json").write_text("{")
    with pytest.raises(DamagedFileError, match=r"t\.json"):
        place.see(run)
