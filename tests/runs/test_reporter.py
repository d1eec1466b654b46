"""What a run says of itself: where it is, how long it took, a line for what is worth one."""

import os
import re
import socket

import pytest

from tests.launch.test_pool import TINY, prepared
from vswin.place import slurm_job
from vswin.runs.reporter import Reporter
from vswin.training.loop import Progress
from vswin.wording import duration

PROGRESS = Progress(
    epoch=1,
    step=20,
    steps=60,
    loss=2.34567,
    top1=0.125,
    lr=0.1,
    clips_per_second=471.4,
    train_seconds=3.0,
)


@pytest.mark.parametrize(
    ("variables", "job"),
    [
        ({}, None),
        ({"SLURM_JOB_ID": "41"}, "41"),
        (
            {"SLURM_JOB_ID": "45", "SLURM_ARRAY_JOB_ID": "41", "SLURM_ARRAY_TASK_ID": "0"},
            "41_0",
        ),
        ({"SLURM_JOB_ID": ""}, None),
    ],
)
def test_the_job_is_called_as_squeue_calls_it(variables, job):
    assert slurm_job(variables) == job


@pytest.fixture
def run(tmp_path):
    (run,) = prepared(tmp_path, TINY)
    return run


def reporter(run, attempt=1, **options):

    return Reporter(run, attempt, lambda: True, os.getppid(), **options)


def test_a_status_says_where_the_run_is(run, monkeypatch):
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "41")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    reporter(run, gpus=4)
    status = run.status()
    expected = {"state": "starting", "attempt": 1, "host": socket.gethostname(), "gpus": 4}
    assert {key: status[key] for key in expected} == expected
    assert status["job"] == "41_3"
    assert status["seconds"] < 5


class Clock:
    """Time that passes when told to."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr("vswin.runs.reporter.time.monotonic", lambda: self.now)


def test_seconds_add_up_over_attempts_and_count_nothing_twice(run, monkeypatch):
    clock = Clock(monkeypatch)
    first = reporter(run)
    clock.now += 10
    first.state("training")
    clock.now += 5
    first.state("interrupted")
    assert run.status()["seconds"] == 15
    clock.now += 1000  # nobody works on it
    second = reporter(run, attempt=2)
    assert run.status()["seconds"] == 15
    clock.now += 7
    second.state("done")
    assert run.status()["seconds"] == 22
    # Of an attempt that was killed, what it last said counts.
    run.write_status(**(run.status() | {"seconds": "?"}))
    reporter(run, attempt=3)
    assert run.status()["seconds"] == 0


def test_the_log_has_a_line_for_a_state_and_for_an_epoch_and_none_for_a_step(
    run, monkeypatch, capsys
):
    clock = Clock(monkeypatch)
    told = reporter(run, attempt=2, gpus=2)
    for step in range(1, 21):
        clock.now += 0.5
        told.step(step, 60)
    told.epoch(PROGRESS)
    told.state("testing")
    for video in (1, 2):
        told.video(video, 2)
    told.state("done")
    lines = capsys.readouterr().out.splitlines()
    stamp = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ")
    assert all(stamp.match(line) for line in lines)
    assert [stamp.sub("", line) for line in lines] == [
        f"starting (attempt 2, {socket.gethostname()}, 2 GPUs)",
        "training, 1 of 60 steps",
        "epoch 1 of 3, loss 2.346, top-1 12.5 %, 471 clips/s, 0:20 left",
        "testing",
        "testing, 1 of 2 videos",
        "done",
    ]
    assert [line["epoch"] for line in run.metrics()] == [1]


def test_durations():
    assert [duration(s) for s in (9.6, 309, 3909, 2 * 86400 + 11400)] == [
        "0:10",
        "5:09",
        "1:05:09",
        "2d 03:10",
    ]
