"""Executing runs for real: killed, failed, shared and resumed ones."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests import processes
from tests.results import without_times
from tests.runs.test_identity import BASE
from vswin.files import NotWritableError
from vswin.launch.pool import launch, prepare
from vswin.launch.processes import NoProcessError, Processes
from vswin.runs.execute import execute
from vswin.runs.lock import LockedError, run_lock
from vswin.runs.store import Store

TINY = dataclasses.replace(
    BASE,
    model=dataclasses.replace(
        BASE.model, embed_dim=8, depths=(1, 1), num_heads=(1, 2), in_channels=1, drop_path=0.2
    ),
    data=dataclasses.replace(BASE.data, frames=4, digits=2),
    recipe=dataclasses.replace(BASE.recipe, steps_per_epoch=2, epochs=6, batch_size=4),
    test=dataclasses.replace(BASE.test, clips_per_cell=24, control_clips=24),
)
ENDLESS = dataclasses.replace(TINY, recipe=dataclasses.replace(TINY.recipe, epochs=100_000))
LONG = dataclasses.replace(TINY, recipe=dataclasses.replace(TINY.recipe, epochs=30))


def prepared(tmp_path, *configs):
    store = Store(tmp_path, "smoke")
    return prepare(configs, store)


def test_a_run_from_folder_to_result(tmp_path):
    (run,) = prepared(tmp_path, TINY)
    result = execute(run)
    assert run.state() == "done"
    assert result == run.result() == execute(run)  # a second call trains nothing
    assert result.n == 24
    assert len(run.predictions()["label"]) == 24
    assert result.metrics["top1"] == pytest.approx(float((run.predictions()["rank"] == 0).mean()))
    assert [line["epoch"] for line in run.metrics()] == [1, 2, 3, 4, 5, 6]
    origin = run.provenance()
    assert origin["packages"]["torch"].startswith("2.13.0")
    assert origin["started"] <= origin["finished"]
    assert run.status()["attempt"] == 1
    assert list(run.checkpoints.iterdir()) == []
    assert set(result.details.tested_on) == {"single_frame", "shuffled_frames"}


def start(run):
    return processes.start("vswin.runs.execute", run.path, "--threads", "1")


def wait_for_epoch(run, epoch, process):
    deadline = time.monotonic() + 120
    while len(run.metrics()) < epoch:
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_run_resumes_and_ends_bitwise_like_an_undisturbed_one(tmp_path, signum):
    (calm,) = prepared(tmp_path / "calm", LONG)
    execute(calm)
    (run,) = prepared(tmp_path / "killed", LONG)
    for epoch in (3, 12):
        process = start(run)
        wait_for_epoch(run, epoch, process)
        process.send_signal(signum)
        process.wait(timeout=60)
        assert run.state() == "interrupted"
    finished = len(run.metrics())
    (snapshot,) = launch([run], jobs=1)
    assert snapshot.state == "done"
    assert without_times(run.result()) == without_times(calm.result())
    for name, values in calm.predictions().items():
        assert np.array_equal(run.predictions()[name], values)
    losses = [[line["loss"] for line in r.metrics()] for r in (run, calm)]
    assert losses[0] == losses[1]
    # At most the epoch that was cut is trained twice.
    lines = (run.path / "metrics.jsonl").read_text().splitlines()
    assert len(lines) <= 30 + 2
    assert finished >= 12


def test_runs_asked_for_twice_are_one(tmp_path):
    runs = prepared(tmp_path, TINY, TINY, dataclasses.replace(TINY, seed=1))
    assert len(runs) == 2


def test_a_failing_run_is_reported_and_takes_nothing_with_it(tmp_path):
    bad = dataclasses.replace(TINY, recipe=dataclasses.replace(TINY.recipe, lr=1e30))
    seen = []
    found = launch(prepared(tmp_path, bad, TINY), jobs=2, on_poll=seen.append)
    assert [s.state for s in found] == ["failed", "done"]
    assert "DivergedError" in found[0].detail
    error = json.loads((found[0].run.path / "error.json").read_text())
    assert "Traceback" in error["traceback"]
    assert "lower the learning rate" in found[0].run.log.read_text()
    assert len(seen) > 1
    # The next call tries it again.
    assert launch([found[0].run], jobs=1)[0].run.status()["attempt"] == 2


def test_a_run_that_another_process_executes_is_watched_and_then_taken_over(tmp_path):
    (run,) = prepared(tmp_path, TINY)
    with run_lock(run.path), pytest.raises(LockedError):
        execute(run)
    assert run.result() is None
    polls = []

    def give_up_after_three(snapshots):
        polls.append(snapshots[0].state)
        if len(polls) == 3:
            assert run.status() == {}  # nothing was started so far
            holder.__exit__(None, None, None)

    holder = run_lock(run.path)
    holder.__enter__()
    (found,) = launch([run], jobs=1, on_poll=give_up_after_three)
    assert polls[:3] == ["running"] * 3
    assert found.state == "done"


def test_a_run_that_was_taken_over_stops(tmp_path):
    (run,) = prepared(tmp_path, ENDLESS)
    process = start(run)
    wait_for_epoch(run, 2, process)
    (run.path / "lock").write_text('{"token": "x", "host": "elsewhere", "pid": 1}')
    assert process.wait(timeout=60) == 130
    assert json.loads((run.path / "lock").read_text())["token"] == "x"


def test_an_interrupt_stops_the_runs_and_leaves_them_resumable(tmp_path):
    (run,) = prepared(tmp_path, LONG)

    def interrupt(snapshots):
        if len(run.metrics()) >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch([run], jobs=1, on_poll=interrupt)
    assert run.state() == "interrupted"
    assert launch([run], jobs=1)[0].state == "done"


def test_a_run_stops_when_its_parent_is_gone(tmp_path):
    (run,) = prepared(tmp_path, ENDLESS)
    code = (
        "import sys, pathlib; from vswin.launch.pool import launch; "
        "from vswin.runs.store import RunFolder; "
        "launch([RunFolder(pathlib.Path(sys.argv[1]))], 1)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(run.path)])
    wait_for_epoch(run, 2, parent)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 60
    while run.state() == "running" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert run.state() == "interrupted"


@pytest.mark.parametrize("how", ["fork", "spawn"])
def test_both_ways_to_start_a_run_give_it_its_own_environment_and_log(tmp_path, monkeypatch, how):
    runs = prepared(tmp_path, TINY, dataclasses.replace(TINY, seed=1))
    monkeypatch.setenv("VSWIN_TEST", "of the test")
    processes = Processes(threads=1)
    processes.how = how
    for number, run in enumerate(runs):
        processes.start(run, ["--no-such-option"], {"COLUMNS": str(200 + number)})
    codes = {}
    while processes.alive:
        codes |= processes.ended()
        time.sleep(0.02)
    assert codes == {run.run_id: 2 for run in runs}
    assert all("unrecognized arguments: --no-such-option" in run.log.read_text() for run in runs)
    processes.start(runs[0], ["--threads", "1"], {})
    processes.stop()
    assert (runs[0].state(), processes.alive) == ("missing", set())  # before it could begin


def test_the_death_of_what_starts_runs_is_said_and_stops_them(tmp_path):
    (run,) = prepared(tmp_path, ENDLESS)
    processes = Processes(threads=1)
    processes.start(run, ["--threads", "1"], {})
    wait_for_epoch(run, 1, processes.warm)
    processes.warm.kill()
    with pytest.raises(NoProcessError, match="has died"):
        while True:
            processes.ended()
    processes.stop()
    deadline = time.monotonic() + 60
    while run.state() == "running" and time.monotonic() < deadline:
        time.sleep(0.1)
    assert run.state() == "interrupted"


def test_a_crash_of_one_run_takes_no_other_with_it(tmp_path):
    runs = prepared(tmp_path, LONG, dataclasses.replace(LONG, seed=1))
    killed = []

    def kill(snapshots):
        status = runs[0].status()
        if not killed and status.get("state") == "training":
            os.kill(status["pid"], signal.SIGSEGV)
            killed.append(status["pid"])

    found = launch(runs, jobs=2, on_poll=kill)
    assert [s.state for s in found] == ["interrupted", "done"]
    assert "its process was ended by SIGSEGV" in found[0].detail


def test_an_unwritable_store_is_said_before_anything_starts(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotWritableError, match="cannot write results"):
        prepared(tmp_path / "file", TINY)
