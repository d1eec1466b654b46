"""Where runs stand, from their folders, the journal and what Slurm says: every case."""

import dataclasses
import json
import os

import pytest

from tests.results import complete
from tests.runs.test_identity import BASE
from vswin.files import DamagedFileError, write_json
from vswin.launch.slurm.cancelled import note_cancelled
from vswin.launch.slurm.journal import Journal, Submission
from vswin.launch.slurm.queue import Job, Queue, phase_of
from vswin.launch.status import current_statuses, statuses_of
from vswin.models.swin.config import PRESETS
from vswin.runs.config import FromRun, TestOnly
from vswin.runs.lock import STALE_S, run_lock
from vswin.runs.store import Store

STATUS = {
    "state": "training",
    "step": 30,
    "steps": 600,
    "eta_s": 95,
    "epoch": 2,
    "loss": 1.25,
    "top1": 0.5,
    "attempt": 3,
    "heartbeat": 1.0,
    "pid": 1,
    "host": "n7",
    "job": "7_2",
    "seconds": 7200.0,
    "gpus": 8,
}
ERROR = {"type": "DivergedError", "message": "loss is nan\n  at step 7\n", "traceback": ""}
NOT_THERE = "slurm_load_jobs error: Unable to contact slurm controller"


class Place:
    """A store with a journal, and a queue to be asked."""

    def __init__(self, folder):
        self.store = Store(folder, "smoke")
        self.journal = Journal(self.store)
        self.jobs = {}
        self.problem = None

    def run(self, config=BASE, exists=True):
        run = self.store.run(config.run_id)
        if exists:
            run.create(config)
        return run

    def submit(self, *items, ids, token="t", state="submitted", kind="runs"):
        self.journal.folder.mkdir(parents=True, exist_ok=True)
        folder = self.journal.folder / token
        folder.mkdir()
        items = tuple(item if isinstance(item, str) else item.run_id for item in items)
        noted = self.journal.intend(Submission(token, kind, "intended", items, "", str(folder)))
        return self.journal.submitted(noted, tuple(ids)) if state == "submitted" else noted

    def slurm(self, job_id, state, reason="", nodes="", name="t"):
        self.jobs[job_id] = Job(job_id, name, state, phase_of(state), reason, 5, nodes)

    def see(self, *runs, sources=None):
        queue = Queue(self.jobs, self.problem)
        found = statuses_of(runs, self.journal, queue, sources)
        assert [s.run for s in found] == list(runs)
        return found[0]


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


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


def test_the_newest_job_counts_but_one_that_lives_counts_more(place):
    run = place.run()
    place.submit(run, ids=["5"], token="a")
    place.submit(run, ids=["6"], token="b")
    place.slurm("5", "CANCELLED", name="a")
    place.slurm("6", "TIMEOUT", name="b")
    seen = place.see(run)
    assert (seen.state, seen.job_id) == ("interrupted", "6")
    place.slurm("5", "RUNNING", nodes="n1", name="a")
    seen = place.see(run)
    assert (seen.state, seen.job_id) == ("running", "5")


def test_the_log_is_the_one_that_was_written_last(place):
    run = place.run()
    assert place.see(run).log is None
    run.log.write_text("here")
    submission = place.submit("another", run, ids=["7_0", "7_1"])
    assert place.see(run).log == run.log
    log = submission.log("7_1")
    log.write_text("there")
    os.utime(run.log, (1, 1))
    assert place.see(run).log == log
    assert str(log) in place.see(run).detail


def test_jobs_that_the_submitter_died_before_noting(place):
    """sbatch had taken them: their name is the submission's token."""
    first, second = place.run(), place.run(dataclasses.replace(BASE, seed=1))
    submission = place.submit(first, second, ids=[], token="t-9", state="intended")
    assert place.see(first).state == place.see(second).state == "missing"
    place.slurm("8_1", "PENDING", "Resources", name="t-9")
    place.slurm("8_0", "RUNNING", name="another-token")
    assert place.see(first).state == "missing"
    seen = place.see(second)
    assert (seen.state, seen.detail, seen.job_id) == ("queued", "Resources", "8_1")
    place.jobs = {}
    place.slurm("9", "PENDING", name=submission.token)  # one run alone is no array
    assert (place.see(first).state, place.see(second).state) == ("queued", "missing")


def job(job_id, name="t"):
    """One that waits."""
    return Job(job_id, name, "PENDING", "waiting", "", None, "")


def test_a_job_that_was_cancelled_from_here_before_it_began(place):
    """Slurm forgets it at once."""
    run = place.run()
    place.submit(run, ids=["7"])
    assert place.see(run).state == "unknown"
    note_cancelled(place.journal, [job("6"), job("7")])
    assert (place.see(run).state, place.see(run).job_id) == ("cancelled", "7")
    place.slurm("7", "RUNNING")  # Slurm knows better
    assert place.see(run).state == "running"
    place.slurm("7", "FAILED")
    write_json(run.path / "status.json", STATUS | {"state": "interrupted", "job": "7"})
    assert place.see(run).state == "cancelled"  # though it was told to stop, for that is how


def test_a_job_of_the_same_id_on_another_cluster_is_not_the_runs(place):
    run = place.run()
    place.submit(run, ids=["7"], token="mine")
    for state in ("PENDING", "RUNNING", "FAILED", "CANCELLED"):
        place.slurm("7", state, nodes="n1", name="yours")
        seen = place.see(run)
        assert seen.state == "unknown", state
        assert "job 7 is not in the queue any more" in seen.detail
    note_cancelled(place.journal, [job("7", "yours")])
    assert place.see(run).state == "unknown"
    note_cancelled(place.journal, [job("7", "mine")])
    assert place.see(run).state == "cancelled"
    place.submit(run, ids=["7"], token="again")  # and the new cluster gives the number once more
    assert place.see(run).state == "unknown"
    place.slurm("7", "RUNNING", nodes="n1", name="again")
    assert place.see(run).state == "running"


def test_the_error_of_another_process_is_told(place):
    """Each process of a job has its own log, and error.json is the main one's alone."""
    run = place.run()
    log = place.submit(run, ids=["7"]).log
    place.slurm("7", "FAILED")
    failed = "vswin.launch.slurm.job.RunFailedError: x ended with code 1; see above\n"
    log("7").write_text("training\nerror: connection closed by peer\n" + failed)
    log("7", 1).write_text("[rank1]: Traceback ...\n[rank1]: ValueError: no frame 3\n" + failed)
    log("7", 2).write_text("RuntimeError: connection closed by peer\n" + failed)
    log("7", 3).write_text("training\nslurmstepd: error: *** STEP 7.0 ON n1 CANCELLED ***\n")
    for process, time in ((0, 50), (1, 40), (2, 60), (3, 30)):
        os.utime(log("7", process), (time, time))
    seen = place.see(run)
    assert (seen.state, seen.log) == ("failed", log("7", 1))  # the first to fall silent
    assert seen.detail == "job 7: FAILED: ValueError: no frame 3"
    write_json(run.path / "error.json", ERROR)
    seen = place.see(run)
    assert (seen.log, "at step 7" in seen.detail) == (log("7"), True)


def test_an_error_that_scrolled_away_or_words_like_one_are_none(place):
    run = place.run()
    log = place.submit(run, ids=["7"]).log("7")
    place.slurm("7", "FAILED")
    log.write_text("ValueError: long ago\n" + "step\n" * 20_000 + "no errors: fine\nErrors\n")
    assert place.see(run).detail == "job 7: FAILED"
    log.write_bytes(b"\xff\xfe\nKilled\nFatal Python error: Segmentation fault\n")
    assert place.see(run).detail == "job 7: FAILED: Fatal Python error: Segmentation fault"


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
