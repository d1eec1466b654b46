"""`vswin cancel` as a user types it."""

import io
import json
import os
import subprocess
import sys

import pytest

from tests.cli.jobs.by_hand import planned, submit
from vswin.files import write_json
from vswin.runs.lock import is_locked, run_lock


@pytest.mark.parametrize(
    ("words", "why"),
    [((), "say what to cancel"), (("--run", "nothing"), "there is no run 'nothing'")],
)
def test_mistakes_are_one_line(results, vswin, words, why):
    planned(results)
    code, out, err = vswin("cancel", *words, "--results-dir", results)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert err.startswith("error: ")
    assert why in err


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_cancel(results, vswin, slurm, monkeypatch):
    store, runs = planned(results, seeds=2)
    ids = list(dict.fromkeys(run.run_id for run in runs.values()))
    states = ["RUNNING", "PENDING", "PENDING", "COMPLETING", "FAILED", None]
    jobs = [f"7_{k}" for k in range(len(states))]
    submit(store, ids[: len(states)], jobs, states, slurm)
    submit(store, ["table4", "table5"], ["8_0", "8_1"], ["PENDING"] * 2, slurm, "notebook", "t-2")
    at = ("-p", "smoke", "--results-dir", results)
    code, out, err = vswin("cancel", "table5", *at)
    assert (code, out) == (2, "")
    assert "cancel 4 jobs, 0 processes on this machine? There is no terminal" in err
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    code, _, err = vswin("cancel", "table5", *at)
    assert (code, err) == (1, "error: nothing was cancelled\n")
    assert len(slurm.queue) == 7
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    code, out, _ = vswin("cancel", "table5", *at)
    out = out.partition("? [y/N]: ")[2]
    assert code == 0
    assert out.splitlines()[:4] == [
        f"cancelled job 7_0 (active): {ids[0]}",
        f"cancelled job 7_1 (waiting): {ids[1]}",
        f"cancelled job 7_2 (waiting): {ids[2]}",
        "cancelled job 8_1 (waiting): notebook of table5",
    ]
    assert {job["id"] for job in slurm.queue} == {"7_3", "7_4", "8_0"}
    found = json.loads(vswin("status", "table5", *at, "--json")[1])
    assert found["states"]["cancelled"] == 3  # though Slurm has forgotten them
    assert vswin("cancel", "table5", *at, "--yes")[:2] == (0, "nothing to cancel\n")


def test_cancel_leaves_a_job_of_the_same_id_alone(results, vswin, slurm):
    """Of another project or cluster: ids may begin anew."""
    store, runs = planned(results)
    submit(store, [runs["dim16", 0].run_id], ["7"], [None], slurm)
    submit(store, ["table5"], ["8"], [None], slurm, "notebook", "t-2")
    others = [{"id": i, "name": "other", "state": "RUNNING"} for i in ("7", "8")]
    (slurm.folder / "queue.json").write_text(json.dumps(others))
    at = ("-p", "smoke", "--results-dir", results, "--yes")
    assert vswin("cancel", "table5", *at)[:2] == (0, "nothing to cancel\n")
    assert slurm.queue == others


def test_cancel_of_single_runs_leaves_the_others_and_the_notebook(results, vswin, slurm):
    store, runs = planned(results)
    ids = list(dict.fromkeys(run.run_id for run in runs.values()))
    submit(store, ids[:3], ["7_0", "7_1", "7_2"], ["PENDING"] * 3, slurm)
    submit(store, ["table5"], ["8"], ["PENDING"], slurm, "notebook", "t-2")
    names = ("--run", ids[0], "--run", ids[2])
    code, _, _ = vswin("cancel", *names, "-p", "smoke", "--results-dir", results, "-y")
    assert code == 0
    assert [job["id"] for job in slurm.queue] == ["7_1", "8"]


HOLDER = """
import signal, sys, time
from pathlib import Path
from vswin.runs.lock import run_lock
def stop(*_): raise SystemExit(130)
signal.signal(signal.SIGTERM, stop)
with run_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_cancel_stops_processes_here_and_names_what_it_cannot_reach(results, vswin):
    _, runs = planned(results)
    here, elsewhere, in_a_job = runs["dim16", 0], runs["dim8", 0], runs["dim4", 0]
    owner = {"token": "x", "host": "n9", "pid": 4}
    write_json(elsewhere.path / "lock", owner)
    own = {"host": os.uname().nodename, "pid": os.getpid(), "job": "77_1"}
    with run_lock(in_a_job.path):  # of a job that Slurm does not tell us about
        lock = json.loads((in_a_job.path / "lock").read_text())
        write_json(in_a_job.path / "lock", lock | own)
        with subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(here.path)], stdout=subprocess.PIPE
        ) as process:
            assert process.stdout.readline() == b"held\n"
            at = ("-p", "smoke", "--results-dir", results, "--yes")
            code, out, err = vswin("cancel", "table5", *at)
            assert process.wait(30) == 130
    assert code == 1  # not all of what was asked for
    assert f"asked process {process.pid} to stop: {here.run_id}" in out
    assert not is_locked(here.path)
    assert err.splitlines() == [
        f"cannot be stopped from here: {elsewhere.run_id}, process 4 on n9",
        f"cannot be stopped from here: {in_a_job.run_id}, "
        f"process {os.getpid()} on {os.uname().nodename}, Slurm job 77_1",
    ]


def test_a_scancel_that_fails_is_said_in_its_words(results, vswin, slurm):
    store, runs = planned(results)
    run_id = runs["dim16", 0].run_id
    submit(store, [run_id], ["7"], ["PENDING"], slurm)
    scancel = slurm.folder / "scancel"
    scancel.write_text("#!/bin/sh\necho 'scancel: error: Access/permission denied' >&2\nexit 1\n")
    at = ("-p", "smoke", "--results-dir", results)
    code, _, err = vswin("cancel", "table5", *at, "--yes")
    assert (code, err) == (1, "error: scancel: error: Access/permission denied\n")
    assert "1 queued" in vswin("status", "table5", *at)[1].splitlines()[-1]
    (slurm.folder / "down").touch()
    code, out, err = vswin("cancel", "table5", *at, "--yes")
    assert (code, out) == (1, "")
    assert "the queue cannot be asked: squeue: error: Unable to contact" in err
