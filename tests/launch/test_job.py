"""A run in a job, as submitit executes it: signals, requeues and failures."""

import os
import subprocess
import sys

import pytest

from tests.launch.requests import request
from vswin.files import write_json
from vswin.launch.pool import prepare
from vswin.launch.slurm.job import RunJob
from vswin.runs.reporter import Interrupted


@pytest.mark.parametrize(("requeue", "scontrol"), [(False, True), (True, False), (True, True)])
def test_a_signal_where_the_job_cannot_be_put_back(tmp_path, slurm, monkeypatch, requeue, scontrol):
    job = RunJob(str(tmp_path), (), requeue)
    if not scontrol:
        monkeypatch.setenv("PATH", "/nowhere")
    if requeue and scontrol:
        assert job.checkpoint().function == job
        return
    with pytest.raises(Interrupted, match="submit again to go on"):
        job.checkpoint()


JOB = """
import os, signal, sys, threading, time
from pathlib import Path
from submitit.core import submission, utils
from vswin.launch.slurm.job import RunJob

folder, run = sys.argv[1:]
delayed = utils.DelayedSubmission(RunJob(run, ("--threads", "1"), True))
delayed.set_timeout(30, int(os.environ["TIMEOUTS"]))
delayed.dump(Path(folder) / "7_submitted.pkl")

def signal_in_training():
    status = Path(run) / "status.json"
    while not (status.exists() and '"training"' in status.read_text()):
        time.sleep(0.02)
    if os.fork() == 0:  # as a process that decodes, which the signals reach, too
        os.kill(os.getpid(), signal.SIGUSR2)
        os.kill(os.getpid(), signal.SIGTERM)
        Path(folder, "child").write_text("alive")
        os._exit(0)
    while not Path(folder, "child").exists():
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGUSR2)

if "SIGNAL" in os.environ:
    threading.Thread(target=signal_in_training, daemon=True).start()
import vswin.launch.slurm.signals as signals
signals.PAUSES_S = (0.1,)
submission.process_job(folder)
"""


def as_a_job(tmp_path, run, **variables):
    """A run executed by submitit, in a process of its own."""
    folder = tmp_path / "submitit"
    folder.mkdir(exist_ok=True)
    inside = {"SUBMITIT_EXECUTOR": "slurm", "SLURM_JOB_ID": "7", "TIMEOUTS": "9", **variables}
    command = [sys.executable, "-c", JOB, str(folder), str(run.path)]
    return subprocess.run(
        command, env=os.environ | inside, capture_output=True, text=True, check=False, timeout=200
    )


@pytest.fixture
def run(tmp_path):
    asked = request(tmp_path)
    config = next(iter(asked.configs.values()))
    (folder,) = prepare([config], asked.store)
    return folder


def test_a_signal_puts_the_job_back_once(tmp_path, slurm, run):
    (slurm.folder / "scontrol").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n')
    (tmp_path / "submitit").mkdir()
    for name in ("7_submitted", "7_0_result"):  # a former attempt was killed while it wrote these
        (tmp_path / "submitit" / f"{name}.pkl.save_tmp").touch()
    done = as_a_job(tmp_path, run, SIGNAL="1")
    assert done.returncode == 255, done.stderr  # submitit's way to end
    assert (tmp_path / "asked").read_text() == "requeue 7\n"
    assert not (run.path / "error.json").exists()
    assert run.state() == "interrupted"
    again = as_a_job(tmp_path, run)
    assert again.returncode == 0, again.stderr
    assert run.state() == "done"


def test_a_requeue_that_slurm_refuses_is_no_failure(tmp_path, slurm, run):
    refusal = f"#!/bin/sh\necho x >> {tmp_path}/asked\necho 'Unable to contact' >&2\nexit 1\n"
    (slurm.folder / "scontrol").write_text(refusal)
    done = as_a_job(tmp_path, run, SIGNAL="1")
    assert done.returncode == 1
    assert (tmp_path / "asked").read_text() == "x\nx\n"
    assert "submit again to go on" in done.stderr
    assert (run.state(), run.status()["state"]) == ("interrupted", "interrupted")
    assert run.status()["job"] == "7"


def test_a_run_that_fails_fails_its_job(tmp_path, slurm, run):
    (run.path / "checkpoints").write_text("no folder\n")
    done = as_a_job(tmp_path, run)
    assert done.returncode == 1
    assert run.state() == "failed"


def test_a_job_whose_source_failed_says_so_and_is_no_failure(tmp_path, slurm):
    asked = request(tmp_path, "table8")
    dependent = next(c for c in asked.configs.values() if c.ancestors)
    source, run = prepare([*dependent.ancestors, dependent], asked.store)
    write_json(source.path / "error.json", {"type": "E", "message": "bad"})
    done = as_a_job(tmp_path, run)
    assert done.returncode == 1
    assert f"starts from {source.run_id}, which failed" in done.stderr
    assert (run.status()["state"], run.status()["job"]) == ("interrupted", "7")
