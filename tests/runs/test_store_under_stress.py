"""What goes wrong around a run: rivals, dead hosts, broken files, full and read-only disks.

Each time the store is valid afterwards, the reason was said, and a further call ends with the bits
of an undisturbed run.
"""

import contextlib
import dataclasses
import errno
import fcntl
import json
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import processes
from tests.launch.test_pool import LONG, TINY, prepared, wait_for_epoch
from tests.results import without_times
from vswin.files import NotWritableError
from vswin.runs import lock as locking
from vswin.runs.execute import execute
from vswin.runs.lock import LockedError, NoLocksError, is_locked, run_lock
from vswin.runs.store import RunFolder

ENDURING = dataclasses.replace(TINY, recipe=dataclasses.replace(TINY.recipe, epochs=100))
ELSEWHERE = {"token": "x", "host": "elsewhere", "pid": 1, "job": "7_3"}


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    """TINY and LONG, undisturbed, with one thread as the processes below."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    runs = prepared(tmp_path_factory.mktemp("calm"), TINY, LONG)
    for run in runs:
        execute(run)
    torch.set_num_threads(threads)
    return {config.run_id: run for config, run in zip((TINY, LONG), runs, strict=True)}


def assert_same_bits(run, calm):
    other = calm[run.run_id]
    assert run.state() == "done"
    assert without_times(run.result()) == without_times(other.result())
    for name, values in other.predictions().items():
        assert np.array_equal(run.predictions()[name], values)
    assert [x["loss"] for x in run.metrics()] == [x["loss"] for x in other.metrics()]
    assert [p.name for p in run.path.rglob(".tmp-*")] == []


def start(run, *options):
    return processes.start("vswin.runs.execute", run.path, "--threads", "1", *options)


# Rivals.


def test_of_racing_processes_one_executes_and_the_others_say_who(tmp_path):
    (run,) = prepared(tmp_path, ENDURING)
    rivals = [start(run) for _ in range(4)]
    ends = [rival.communicate(timeout=120) for rival in rivals]
    codes = [rival.returncode for rival in rivals]
    assert sorted(codes) == [0, 1, 1, 1]
    winner = rivals[codes.index(0)]
    for rival, (_, said) in zip(rivals, ends, strict=True):
        if rival is not winner:
            assert f"by process {winner.pid} on {socket.gethostname()};" in said
            assert said.count("\n") == 1
    assert run.state() == "done"
    assert run.status()["attempt"] == 1
    assert len((run.path / "metrics.jsonl").read_text().splitlines()) == 100  # none twice


def test_a_process_killed_on_this_host_is_taken_over_at_once(tmp_path, calm):
    (run,) = prepared(tmp_path, LONG)
    process = start(run)
    wait_for_epoch(run, 3, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    before = run.status()["seconds"]
    assert (run.path / "lock").exists()
    begun = time.monotonic()
    execute(run)
    assert_same_bits(run, calm)
    status = run.status()
    assert status["attempt"] == 2
    assert 0 < before < status["seconds"] <= before + time.monotonic() - begun + 0.1
    assert {k: status[k] for k in ("host", "job", "gpus")} == {
        "host": socket.gethostname(),
        "job": None,
        "gpus": 0,
    }


@pytest.fixture
def foreign(tmp_path):
    """A run that was begun by a process on another host."""
    (run,) = prepared(tmp_path, TINY)
    (run.path / "lock").write_text(json.dumps(ELSEWHERE))
    return run


def age(run, seconds):
    then = time.time() - seconds
    os.utime(run.path / "lock", (then, then))


def test_a_process_on_another_host_is_taken_over_when_it_was_silent_for_long(foreign, calm):
    with pytest.raises(LockedError, match=r"process 1 on elsewhere \(Slurm job 7_3\).*dead after"):
        execute(foreign)
    age(foreign, locking.STALE_S + 1)
    execute(foreign)
    assert_same_bits(foreign, calm)


def test_a_clock_of_ours_that_is_wrong_kills_no_writer_and_keeps_no_dead_one(foreign, monkeypatch):
    ours = time.time
    monkeypatch.setattr(locking.time, "time", lambda: ours() + 3600)
    assert is_locked(foreign.path)
    with pytest.raises(LockedError), run_lock(foreign.path):
        pass
    monkeypatch.setattr(locking.time, "time", lambda: ours() - 3600)
    age(foreign, locking.STALE_S + 1)
    assert not is_locked(foreign.path)


def test_patience_outlasts_a_holder_that_just_died(foreign, monkeypatch):
    monkeypatch.setattr(locking, "STALE_S", 1.0)
    monkeypatch.setattr(locking, "WATCH_S", 0.05)
    with pytest.raises(LockedError), run_lock(foreign.path, patience_s=0.2):
        pass
    with run_lock(foreign.path, patience_s=5):
        assert json.loads((foreign.path / "lock").read_text())["pid"] == os.getpid()


def test_patience_ends_when_the_holder_is_seen_to_live(foreign, monkeypatch):
    monkeypatch.setattr(locking, "WATCH_S", 0.05)
    age(foreign, 10)
    beat = threading.Timer(0.3, os.utime, [foreign.path / "lock"])
    beat.start()
    begun = time.monotonic()
    with pytest.raises(LockedError, match="elsewhere"), run_lock(foreign.path, patience_s=60):
        pass
    assert 0.25 < time.monotonic() - begun < 30
    with (
        run_lock(foreign.path.parent),  # a folder like any other; held by a process of this host
        pytest.raises(LockedError, match=str(os.getpid())),
        run_lock(foreign.path.parent, patience_s=60),
    ):
        pass
    assert time.monotonic() - begun < 30


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    (run,) = prepared(tmp_path, TINY)

    def refuse(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(NoLocksError, match=r"lock.guard.*cannot lock files \(No locks.*NFS"):
        execute(run)
    assert run.state() == "missing"


# Broken files.


def test_a_truncated_newest_checkpoint_costs_one_epoch_and_no_bit(tmp_path, calm):
    (run,) = prepared(tmp_path, LONG)
    process = start(run)
    wait_for_epoch(run, 12, process)
    process.kill()
    process.communicate()
    newest = max(run.checkpoints.glob("step-*.pt"))
    os.truncate(newest, newest.stat().st_size // 2)
    process = start(run)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0
    assert newest.name in said
    assert "trying the one before" in said
    assert_same_bits(run, calm)


# Disks.


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 8 MB, and the file that fills it; an ordinary folder where that takes rights."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if not _mount("-t", "tmpfs", "-o", "size=8m", "none", str(disk)):
        yield disk, []
        return
    try:
        yield disk, [str(disk / "ballast")]
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def _mount(*words):
    if shutil.which("mount") is None:
        return False
    return subprocess.run(["mount", *words], capture_output=True, check=False).returncode == 0


def on_full_disk(run, target, ballast):
    """Executes a run that finds the disk full when it is about to write `target`."""
    script = Path(__file__).with_name("full_disk.py")
    done = processes.run(script, run.path, target, *ballast)
    for path in ballast:
        Path(path).unlink(missing_ok=True)
    return done


@pytest.mark.parametrize(
    ("target", "state"),
    [
        ("lock", "missing"),
        ("metrics.jsonl", "interrupted"),
        ("step-00000008.pt", "interrupted"),
        ("predictions.npz", "interrupted"),
        ("result.json", "interrupted"),
    ],
)
def test_a_full_disk_is_said_in_a_line_and_a_rerun_with_room_ends_alike(
    small_disk, calm, target, state
):
    disk, ballast = small_disk
    (run,) = prepared(disk, TINY)
    done = on_full_disk(run, target, ballast)
    assert done.returncode == 1
    reason = "No space left on device" if ballast else "File too large"
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: cannot write {run.path}/")
    assert f"{target}: {reason}; make room" in line
    assert run.result() is None
    assert run.state() == state  # no room for error.json either
    assert not is_locked(run.path)
    execute(run)
    assert_same_bits(run, calm)


def test_a_limit_on_the_size_of_files_ends_the_same_way(tmp_path, calm):
    (run,) = prepared(tmp_path, TINY)
    done = on_full_disk(run, "result.json", [])
    assert done.returncode == 1
    assert "result.json: File too large; make room" in done.stderr
    execute(run)
    assert_same_bits(run, calm)


def test_a_status_that_cannot_be_written_ends_no_training(small_disk, calm):
    disk, ballast = small_disk
    (run,) = prepared(disk, TINY)
    done = on_full_disk(run, "status.json", ballast)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("the run goes on without it") == 1
    assert run.status() == {}
    assert_same_bits(run, calm)


@pytest.fixture
def read_only():
    """Makes a folder read-only, as root by a mount; else by its permissions."""
    with contextlib.ExitStack() as stack:

        def protect(folder):
            folder.mkdir(parents=True, exist_ok=True)
            if os.geteuid() != 0:
                paths = [folder, *folder.rglob("*")]
                for path in paths:
                    path.chmod(path.stat().st_mode & ~0o222)
                    stack.callback(path.chmod, path.stat().st_mode | 0o200)
                return
            if not _mount("--bind", str(folder), str(folder)):
                pytest.skip("root may write everywhere, and may not mount here")
            stack.callback(subprocess.run, ["umount", "--lazy", str(folder)], check=True)
            assert _mount("-o", "remount,ro,bind", str(folder))

        yield protect


def contents(folder):
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


def test_a_read_only_results_folder_is_said_and_can_still_be_looked_at(tmp_path, calm, read_only):
    for run in calm.values():
        shutil.copytree(run.path, tmp_path / "smoke" / "runs" / run.run_id)
    done, begun = (RunFolder(tmp_path / "smoke" / "runs" / run_id) for run_id in calm)
    (begun.path / "result.json").unlink()
    (begun.path / "lock").write_text(json.dumps(ELSEWHERE))
    before = contents(tmp_path)
    read_only(tmp_path / "smoke")
    assert done.state() == "done"
    assert begun.state() == "running"
    with pytest.raises(NotWritableError, match="cannot write .*lock.guard: .*choose another"):
        execute(begun)
    command = [sys.executable, "-m", "vswin", "run", "table5", "-p", "smoke", "--results-dir"]
    said = subprocess.run(
        [*command, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert said.returncode == 1
    assert said.stderr.startswith(f"error: cannot write results to {tmp_path}/smoke/")
    assert said.stderr.count("\n") == 1
    assert contents(tmp_path) == before


def _execute_as_nobody(run, queue):
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    try:
        execute(run)
    except NotWritableError as error:
        queue.put(str(error))
    queue.put("no NotWritableError")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_somebody_elses_results_folder_is_said(tmp_path, session_folder):
    (run,) = prepared(tmp_path, TINY)
    private = {tmp_path, tmp_path.parent, session_folder, session_folder.parent}  # pytest's own
    for folder in private:
        folder.chmod(0o755)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    nobody = context.Process(target=_execute_as_nobody, args=(run, queue))
    nobody.start()
    said = queue.get(timeout=60)
    nobody.join()
    assert said.startswith(f"cannot write {run.path}/lock.guard: Permission denied")
    assert run.state() == "missing"
