"""`vswin logs --follow`, to the end of a run or to Ctrl-C."""

import os
import signal
import subprocess
import sys
import threading
import time

from tests.cli.jobs.by_hand import complete, planned, submit
from vswin.launch.slurm.journal import Journal
from vswin.runs.lock import run_lock


def start(*args, **options):
    """A command in a process of its own, which Ctrl-C reaches whatever started the tests."""

    def listen():
        signal.signal(signal.SIGINT, signal.default_int_handler)

    return subprocess.Popen(
        [sys.executable, "-m", "vswin", *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=listen,  # noqa: PLW1509  the child does nothing else before it is replaced
        **options,
    )


def read_until(process, words):
    """Its stdout up to some words."""
    os.set_blocking(process.stdout.fileno(), False)
    seen, deadline = b"", time.monotonic() + 60
    while words not in seen:
        seen += process.stdout.read() or b""
        assert time.monotonic() < deadline, seen
        assert process.poll() is None or words in seen, process.stderr.read()
        time.sleep(0.02)
    os.set_blocking(process.stdout.fileno(), True)
    return seen.decode()


def test_a_log_is_followed_into_the_next_job_to_the_end(results, slurm):
    store, runs = planned(results)
    run = runs["dim16", 0]
    run.log.write_text("old\nhere\n")
    with run_lock(run.path):
        process = start("logs", run.run_id, "-f", "-n", 1, "--results-dir", results)
        seen = read_until(process, b"here\n")
        with run.log.open("a") as file:
            file.write("more\n")
        seen += read_until(process, b"more\n")
        log = submit(store, [run.run_id], ["7"], ["PENDING"], slurm).log("7")
        time.sleep(1.1)  # longer than a step of the file system's clock
        log.write_text("all of it\nin a job\n")
        seen += read_until(process, b"in a job\n")
    with log.open("a") as file:  # requeued: nobody holds the run, but it is queued
        file.write("again\n")
    seen += read_until(process, b"again\n")
    with log.open("a") as file:
        file.write("last words\n")
    complete(run)
    out, err = process.communicate(timeout=60)
    assert seen + out.decode() == "here\nmore\nall of it\nin a job\nagain\nlast words\n"
    assert err.decode().splitlines() == [f"{run.log}:", f"{log}:", f"{run.run_id}: done"]
    assert process.returncode == 0


def test_ctrl_c_ends_following_quietly(results):
    _, runs = planned(results)
    run = runs["dim16", 0]
    run.log.write_text("here\n")
    with run_lock(run.path):
        process = start("logs", run.run_id, "--follow", "--results-dir", results)
        read_until(process, b"here\n")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err.decode()) == (130, b"", f"{run.log}:\n")


def test_a_log_that_is_followed_leaves_the_journal_alone_for_seconds(results, vswin, monkeypatch):
    """There may be hundreds of entries, on a file server."""
    _, runs = planned(results)
    run = runs["dim16", 0]
    run.log.write_text("here\n")
    read, reads = Journal.submissions, []
    monkeypatch.setattr(Journal, "submissions", lambda self: reads.append(1) or read(self))
    monkeypatch.setattr("vswin.launch.logs.POLL_S", 0.01)
    with run_lock(run.path):

        def end():
            complete(run)
            (run.path / "lock").unlink()

        timer = threading.Timer(1.0, end)
        timer.start()
        code, out, err = vswin("logs", run.run_id, "-f", "--results-dir", results)
        timer.join()
    assert (code, out) == (0, "here\n")
    assert err.splitlines()[-1] == f"{run.run_id}: done"
    assert len(reads) < 8  # of a hundred reads of the log


def test_the_last_job_is_not_missed_by_who_follows(results, vswin, slurm, monkeypatch):
    """It began and ended between two reads of the journal."""
    store, runs = planned(results)
    run = runs["dim16", 0]
    run.log.write_text("here\n")
    monkeypatch.setattr("vswin.launch.logs.JOURNAL_S", 1000.0)
    read, has_read = Journal.submissions, threading.Event()
    monkeypatch.setattr(Journal, "submissions", lambda self: (read(self), has_read.set())[0])
    with run_lock(run.path):

        def execute():
            has_read.wait(60)
            time.sleep(0.3)  # "here" is printed meanwhile
            log = submit(store, [run.run_id], ["7"], [None], slurm).log("7")
            log.write_text("in a job\n")
            complete(run)
            (run.path / "lock").unlink()

        job = threading.Thread(target=execute)
        job.start()
        code, out, _ = vswin("logs", run.run_id, "-f", "--results-dir", results)
        job.join()
    assert (code, out) == (0, "here\nin a job\n")
