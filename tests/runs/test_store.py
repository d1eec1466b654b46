"""The store: complete or recognisably not, one writer at a time."""

import dataclasses
import fcntl
import json
import multiprocessing
import os
import socket
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from tests.results import ON_DIGITS, ON_VIDEOS, complete
from tests.runs.test_identity import BASE
from vswin.files import (
    DamagedFileError,
    NotWritableError,
    atomic_write,
    require_writable,
    write_json,
    write_text,
)
from vswin.runs.lock import STALE_S, LockedError, is_locked, run_lock
from vswin.runs.store import Store, StoreError


@pytest.fixture
def folder(tmp_path):
    run = Store(tmp_path, "smoke").run(BASE.run_id)
    run.create(BASE)
    return run


def test_a_write_that_fails_leaves_the_old_content(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"x": 1})
    with pytest.raises(RuntimeError), atomic_write(path) as file:
        file.write(b"half")
        raise RuntimeError("killed here")
    assert json.loads(path.read_text()) == {"x": 1}
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(path, {"x": float("nan")})
    assert json.loads(path.read_text()) == {"x": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def _write_forever(path):
    while True:
        write_text(path, "x" * 200_000)


def test_a_writer_killed_anywhere_leaves_whole_files(tmp_path):
    path = tmp_path / "result.json"
    for _ in range(5):
        process = multiprocessing.get_context("spawn").Process(target=_write_forever, args=(path,))
        process.start()
        deadline = time.monotonic() + 60
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.02)
        process.kill()
        process.join()
        assert path.read_text() == "x" * 200_000


def test_an_unwritable_folder_is_said_by_name(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(NotWritableError, match="file/results.*--results-dir"):
        require_writable(tmp_path / "file" / "results")


def test_run_json_describes_the_run(folder):
    assert folder.config() == BASE
    content = json.loads((folder.path / "run.json").read_text())
    content["seed"] = 5
    write_json(folder.path / "run.json", content)
    with pytest.raises(StoreError, match="not what it is named after"):
        folder.config()
    write_text(folder.path / "run.json", "{")
    with pytest.raises(StoreError, match="remove the folder"):
        folder.config()


def test_whole_numbers_make_the_same_run_as_decimals(tmp_path):
    """YAML says 0 where Python says 0.0; what is read back must be what was written."""
    model = dataclasses.replace(BASE.model, drop_path=0, mlp_ratio=4)
    config = dataclasses.replace(BASE, model=model)
    run = Store(tmp_path, "smoke").run(config.run_id)
    run.create(config)
    assert run.config() == config


def test_damaged_files_are_named_and_a_damaged_status_says_nothing(folder):
    (folder.path / "status.json").write_text("{")
    assert folder.status() == {}
    for content in ("{", "{}", "[]"):
        (folder.path / "result.json").write_text(content)
        with pytest.raises(DamagedFileError, match="result.json.*remove it"):
            folder.result()


@pytest.mark.parametrize("result", [ON_DIGITS, ON_VIDEOS])
def test_a_result_is_read_as_it_was_written(folder, result):
    complete(folder, result)
    assert folder.result() == result


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 1}, "of version 1, this is vswin with version 3"),
        ({"metrics": {"top1": 78.8}}, r"metrics.top1: .* less than or equal to 1"),
        ({"details": {"kind": "audio"}}, "details: .*'audio'"),
        ({"n": None}, "n: "),
    ],
)
def test_another_result_is_refused_in_one_line(folder, change, words):
    complete(folder)
    path = folder.path / "result.json"
    write_json(path, json.loads(path.read_text()) | change)
    with pytest.raises(DamagedFileError, match=words) as raised:
        folder.result()
    assert "\n" not in str(raised.value)


def test_states_are_read_off_the_folder(folder):
    assert folder.state() == "missing"
    folder.write_status(state="training", step=3)
    assert folder.state() == "interrupted"  # no living writer
    with run_lock(folder.path):
        assert folder.state() == "running"
    write_json(folder.path / "error.json", {"type": "X", "message": "y"})
    assert folder.state() == "failed"
    complete(folder)
    assert folder.state() == "done"


def test_metrics_of_a_repeated_epoch_count_once_and_a_cut_line_not(folder):
    for epoch, loss in ((1, 3.0), (2, 2.0), (2, 2.5)):
        folder.append_metrics({"epoch": epoch, "loss": loss})
    with (folder.path / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 3, "lo')
    expected = [{"epoch": 1, "loss": 3.0}, {"epoch": 2, "loss": 2.5}]
    assert folder.metrics() == expected
    folder.append_metrics({"epoch": 3, "loss": 1.5})  # the next writer's line is not lost with it
    assert folder.metrics() == [*expected, {"epoch": 3, "loss": 1.5}]


def test_predictions_round_trip(folder):
    folder.write_predictions(label=np.arange(3, dtype=np.uint8))
    assert folder.predictions()["label"].tolist() == [0, 1, 2]


def test_the_lock_lets_one_writer_in(folder):
    with run_lock(folder.path):
        assert is_locked(folder.path)
        with pytest.raises(LockedError, match=str(os.getpid())), run_lock(folder.path):
            pass
        assert is_locked(folder.path)
    assert not is_locked(folder.path)


def test_a_dead_writer_is_taken_over(folder):
    child = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"],
        capture_output=True,
        text=True,
        check=True,
    )
    lock = folder.path / "lock"
    lock.write_text(
        json.dumps({"token": "x", "host": socket.gethostname(), "pid": int(child.stdout)})
    )
    assert not is_locked(folder.path)
    with run_lock(folder.path):
        assert is_locked(folder.path)


def test_a_living_writer_keeps_its_lock_however_silent(folder):
    with run_lock(folder.path):
        silent = time.time() - STALE_S - 1
        os.utime(folder.path / "lock", (silent, silent))
        assert is_locked(folder.path)
        # A new process with the number of a dead one is another one.
        owner = json.loads((folder.path / "lock").read_text())
        (folder.path / "lock").write_text(json.dumps(owner | {"start": "1"}))
        assert not is_locked(folder.path)


def test_a_writer_on_another_host_is_dead_when_it_is_silent(folder):
    lock = folder.path / "lock"
    lock.write_text(json.dumps({"token": "x", "host": "elsewhere", "pid": 1}))
    assert is_locked(folder.path)
    with pytest.raises(LockedError, match="elsewhere"), run_lock(folder.path):
        pass
    silent = time.time() - STALE_S - 1
    os.utime(lock, (silent, silent))
    assert not is_locked(folder.path)
    with run_lock(folder.path):
        pass


@pytest.fixture
def fast_heart(monkeypatch):
    monkeypatch.setattr("vswin.runs.lock.HEARTBEAT_S", 0.02)


def _succeed(lock):
    """Another host's process takes the lock over, long ago."""
    write_text(lock, json.dumps({"token": "successor", "host": "elsewhere", "pid": 1}))
    os.utime(lock, (1000, 1000))


def test_a_writer_that_lost_its_lock_neither_beats_nor_removes_the_successors(folder, fast_heart):
    lock = folder.path / "lock"
    with run_lock(folder.path) as is_ours:
        assert is_ours()
        os.utime(lock, (1000, 1000))
        deadline = time.monotonic() + 30
        while lock.stat().st_mtime == 1000:  # the heart of a holder beats
            assert time.monotonic() < deadline
            time.sleep(0.01)
        _succeed(lock)
        assert not is_ours()
        time.sleep(0.2)
        assert lock.stat().st_mtime == 1000
    assert json.loads(lock.read_text())["token"] == "successor"
    assert lock.stat().st_mtime == 1000


def test_a_lock_is_removed_only_under_the_guard(folder):
    """A writer that was stopped between a look and the removal would remove its successor's."""
    lock, end = folder.path / "lock", threading.Event()

    def write():
        with run_lock(folder.path):
            end.wait(30)

    writer = threading.Thread(target=write)
    writer.start()
    deadline = time.monotonic() + 30
    while not lock.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    with (folder.path / "lock.guard").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        end.set()
        writer.join(0.3)
        assert writer.is_alive()
        assert lock.exists()
        _succeed(lock)
    writer.join(30)
    assert json.loads(lock.read_text())["token"] == "successor"


def test_a_lock_that_cannot_be_read_is_neither_lost_nor_free(folder):
    lock, aside = folder.path / "lock", folder.path / "aside"
    with run_lock(folder.path) as is_ours:
        lock.rename(aside)
        assert not is_ours()  # gone is lost
        lock.mkdir()  # as a file server that stumbles, this gives an OSError
        assert is_ours()
        assert is_locked(folder.path)
        assert folder.state() == "running"
        words = r"lock cannot be read .*try again"
        with pytest.raises(LockedError, match=words), run_lock(folder.path):
            pass
        lock.rmdir()
        lock.write_text("{")
        assert is_ours()  # nobody else says that it is his
        aside.replace(lock)
    assert not lock.exists()


def _race(path, barrier, queue):
    barrier.wait()
    try:
        with run_lock(path):
            queue.put(1)
            time.sleep(1)
    except LockedError:
        queue.put(0)


def test_of_two_racing_writers_one_wins(folder):
    (folder.path / "lock").write_text("{")  # a dead writer's half-written lock ...
    os.utime(folder.path / "lock", (0, 0))  # ... from long ago
    context = multiprocessing.get_context("fork")
    barrier, queue = context.Barrier(4), context.Queue()
    racers = [context.Process(target=_race, args=(folder.path, barrier, queue)) for _ in range(4)]
    for racer in racers:
        racer.start()
    assert sum(queue.get(timeout=30) for _ in racers) == 1
    for racer in racers:
        racer.join()
