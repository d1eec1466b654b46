"""What Slurm's words are taken for, and what is made of an answer that did not come or is odd."""

import os
import stat
import time
from pathlib import Path

import pytest

from vswin.launch.slurm.queue import CHUNK, CancelError, cancel_jobs, phase_of, read_queue

# Slurm's manual, "JOB STATE CODES", by what they mean for a run that can be resumed.
MEANING = {
    "waiting": "PENDING PD CONFIGURING CF REQUEUED RQ REQUEUE_FED RF REQUEUE_HOLD RH RESV_DEL_HOLD "
    "RD SPECIAL_EXIT SE POWER_UP_NODE EXPEDITING PENDING+ REQUEUE+ pending",
    "active": "RUNNING R COMPLETING CG RESIZING RS SIGNALING SI STAGE_OUT SO STOPPED ST SUSPENDED "
    "S COMPLETI+ Running",
    "completed": "COMPLETED CD COMPLETED+ COMPLETE+",
    "cancelled": "CANCELLED CA CANCELLED+ CANCEL+ cancelled",
    "interrupted": "TIMEOUT TO NODE_FAIL NF PREEMPTED PR BOOT_FAIL BF DEADLINE DL REVOKED RV "
    "LAUNCH_FAILED RECONFIG_FAIL NODE_FA+",
    "failed": "FAILED F OUT_OF_MEMORY OOM OUT_OF_ME+",
    "unknown": "UNKNOWN NODEFAIL FAIL RUN X + COMP+ RE+ 7 None",
}


@pytest.mark.parametrize(("phase", "words"), MEANING.items())
def test_every_state_has_its_meaning(phase, words):
    assert {word: phase_of(word) for word in words.split()} == dict.fromkeys(words.split(), phase)


def test_what_follows_a_state_is_ignored():
    assert phase_of("CANCELLED by 1000") == "cancelled"
    assert phase_of(" FAILED ") == "failed"
    assert phase_of("") == phase_of("  ") == "unknown"


class Commands:
    """Programs that print what a test wants, on a PATH with nothing else."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()

    def make(self, name, out="", err="", code=0, before=""):
        (self.folder / f"{name}.out").write_bytes(out.encode() if isinstance(out, str) else out)
        path = self.folder / name
        path.write_text(
            f'#!/bin/sh\nprintf "%s\\n" "$*" >> "$0.calls"\n/usr/bin/env > "$0.env"\n'
            f"PATH=/usr/bin:/bin\n{before}\n"
            f"cat '{self.folder}/{name}.out'\nprintf '%s' '{err}' >&2\nexit {code}\n"
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def calls(self, name):
        path = self.folder / f"{name}.calls"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def commands(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path / "commands"))  # nothing of this machine's Slurm
    monkeypatch.setattr("vswin.launch.slurm.queue.RETRY_S", 0.01)
    found = Commands(tmp_path / "commands")
    for name in ("squeue", "sacct", "scancel"):  # whatever this machine has
        found.make(name, err=f"{name}: not of this test", code=1)
    return found


SQUEUE = """\
12_0|RUNNING|1-02:03:04|n1|None|table5-3f9a1c|.
12_[1-3,7%2]|PENDING|0:00||JobArrayTaskLimit|table5-3f9a1c|.
13|COMPLETED|0:59|n[1-2]|None|a name | with bars|.
14|NEW_STATE|INVALID||(null)||.
15+1|PENDING|0:00||Dependency|het|.
16_[0-8:4]|PENDING|0:00||Priority|stepped|.
"""


def test_squeues_answer(commands):
    commands.make("squeue", SQUEUE)
    queue = read_queue()
    assert queue.problem is None
    assert list(queue.jobs) == [
        *("12_0", "12_1", "12_2", "12_3", "12_7", "13", "14", "15+1", "16_0", "16_4", "16_8"),
    ]
    running, waiting = queue.jobs["12_0"], queue.jobs["12_7"]
    assert (running.state, running.phase, running.nodes) == ("RUNNING", "active", "n1")
    assert running.elapsed_s == ((24 + 2) * 60 + 3) * 60 + 4
    assert (running.name, running.reason) == ("table5-3f9a1c", "")
    assert (waiting.phase, waiting.reason) == ("waiting", "JobArrayTaskLimit")
    assert queue.jobs["13"].name == "a name | with bars"
    assert queue.jobs["13"].nodes == "n[1-2]"
    assert (queue.jobs["14"].phase, queue.jobs["14"].elapsed_s) == ("unknown", None)
    assert commands.calls("sacct") == []  # nobody asked about jobs that are gone


def test_an_empty_queue_is_an_answer(commands):
    commands.make("squeue", "")
    assert read_queue(["1"]) == read_queue(())
    assert read_queue().problem is None


def test_what_users_set_for_their_own_eyes_hides_nothing(commands, monkeypatch):
    monkeypatch.setenv("SQUEUE_PARTITION", "other")
    monkeypatch.setenv("SACCT_FORMAT", "jobid")
    monkeypatch.setenv("SLURM_CONF", "/kept")
    commands.make("squeue", "")
    read_queue()
    seen = (commands.folder / "squeue.env").read_text()
    assert "SQUEUE_PARTITION" not in seen
    assert "SACCT_FORMAT" not in seen
    assert "SLURM_CONF=/kept" in seen
    assert "SLURM_BITSTR_LEN=0" in seen
    assert f"--user={os.getuid()}" in commands.calls("squeue")[0]


@pytest.mark.parametrize(
    "line",
    [
        "12_1|RUNN",  # cut off in the middle
        "12_1|RUNNING|0:01|n1|None|table5-3f9",  # cut off in the name
        "12_[1-3,...]|PENDING|0:00||Priority|table5|.",  # shortened by squeue itself
        "12_x|PENDING|0:00||Priority|table5|.",
        "1",
    ],
)
def test_a_line_that_cannot_be_read_is_a_problem_for_its_job_seems_gone(commands, line):
    commands.make("squeue", f"11|RUNNING|0:01|n1|None|whole|.\n{line}\n")
    queue = read_queue()
    assert list(queue.jobs) == ["11"]
    assert queue.problem.startswith("squeue: cannot be understood: ")
    assert line[:20] in queue.problem


@pytest.mark.parametrize("text", ["<html>502</html>", b"\xff\xfe\x00garbage\n", "None\nNone\n"])
def test_garbage_is_no_empty_queue(commands, text):
    commands.make("squeue", text)
    queue = read_queue()
    assert queue.jobs == {}
    assert "cannot be understood" in queue.problem


def test_a_sites_greeting_is_ignored(commands):
    commands.make("squeue", f"CLUSTER: big\nMaintenance on Sunday!\n{SQUEUE}")
    queue = read_queue()
    assert (len(queue.jobs), queue.problem) == (11, None)
    commands.make("squeue", "CLUSTER: big\n")
    assert read_queue().problem is None


def test_no_squeue_here(commands):
    (commands.folder / "squeue").unlink()
    begun = time.monotonic()
    queue = read_queue()
    assert queue.jobs == {}
    assert queue.problem == "squeue: there is no such command on this machine"
    assert time.monotonic() - begun < 5


def test_squeues_own_words_reach_the_user_after_a_second_try(commands):
    words = "slurm_load_jobs error: Unable to contact slurm controller (connect failure)"
    commands.make("squeue", SQUEUE, err=f"squeue: warning: slow\nsqueue: {words}", code=1)
    queue = read_queue()
    assert (queue.jobs, queue.problem) == ({}, f"squeue: {words}")
    assert len(commands.calls("squeue")) == 2
    commands.make("squeue", SQUEUE, code=3)
    assert read_queue().problem == "squeue: ended with code 3"


def test_a_controller_that_was_only_busy(commands):
    commands.make("squeue", SQUEUE, before='[ $(wc -l < "$0.calls") -gt 1 ] || exit 1')
    assert (len(read_queue().jobs), read_queue().problem) == (11, None)


def gone(pid):
    """Whether a process ends within seconds; a zombie, which nobody here can bury, has ended."""
    state = Path(f"/proc/{pid}/stat")
    for _ in range(100):
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


def test_a_squeue_that_hangs_is_given_up(commands):
    # A child of the command, as in a wrapper; each of the two notes its number.
    commands.make("squeue", SQUEUE, before='sleep 60 & echo $! >> "$0.child"; wait')
    commands.make("sacct", "9|FAILED|00:00:01|n1|x")
    begun = time.monotonic()
    queue = read_queue(["9"], timeout_s=0.3)
    assert time.monotonic() - begun < 20
    assert queue.problem == "squeue: no answer within 0.3 s"
    assert queue.jobs["9"].phase == "failed"  # what accounting knows is known all the same
    children = (commands.folder / "squeue.child").read_text().split()
    assert len(children) == 2
    for child in map(int, children):  # and nothing is left hanging
        assert gone(child)


SACCT = """\
12_1|CANCELLED by 1000|00:10:00|n1|table5-3f9a1c
12_2|OUT_OF_ME+|01:00:00|n2|table5-3f9a1c
12_[3-4]|TIMEOUT|1-00:00:00|None assigned|table5-3f9a1c
99|FAILED|00:00:01|n1|somebody else's
"""


def test_sacct_is_asked_for_what_squeue_does_not_list(commands):
    commands.make("squeue", "12_0|RUNNING|0:01|n1|None|table5-3f9a1c|.\n")
    commands.make("sacct", SACCT)
    queue = read_queue(["12_0", "12_1", "12_2", "12_3", "12_5"])
    assert {i: job.phase for i, job in queue.jobs.items()} == {
        "12_0": "active",
        "12_1": "cancelled",
        "12_2": "failed",
        "12_3": "interrupted",
    }
    assert queue.jobs["12_1"].state == "CANCELLED by 1000"
    assert (queue.jobs["12_3"].elapsed_s, queue.jobs["12_3"].nodes) == (86400, "")
    assert " -j 12_1,12_2,12_3,12_5 " in commands.calls("sacct")[0]


def test_accounting_that_lags_does_not_revive_a_job(commands):
    commands.make("squeue", "")
    commands.make("sacct", "12_1|RUNNING|00:10:00|n1|x\n12_2|PENDING|00:00:00||x\n12_3|ODD|0|n|x\n")
    assert read_queue(["12_1", "12_2", "12_3"]).jobs == {}
    commands.make("squeue", err="down", code=1)  # then it is the best there is
    assert read_queue(["12_1", "12_2"]).jobs["12_1"].phase == "active"


@pytest.mark.parametrize(
    ("out", "err", "code", "before"),
    [
        ("", "Slurm accounting storage is disabled", 1, ""),
        ("", "sacct: error: slurm_persist_conn_open: Connection refused", 1, ""),
        (SACCT, "", 1, ""),
        ("12_1|FAIL", "", 0, ""),
        ("12_1|FAILED\n|||||\n\n12_x|FAILED|0|n|x\n", "", 0, ""),
        (b"\xff\x00|\xfe|\x00|1|2\n", "", 0, ""),
        (SACCT, "", 0, "exec sleep 60"),
    ],
)
def test_a_sacct_that_knows_nothing_is_no_problem(commands, out, err, code, before):
    commands.make("squeue", "")
    commands.make("sacct", out, err, code, before)
    queue = read_queue(["12_1"], timeout_s=5.0 if not before else 0.3)
    assert (dict(queue.jobs), queue.problem) == ({}, None)


def test_without_any_sacct(commands):
    commands.make("squeue", SQUEUE)
    (commands.folder / "sacct").unlink()
    assert len(read_queue(["77"]).jobs) == 11


def test_many_jobs_are_asked_about_and_cancelled_in_several_commands(commands):
    ids = [f"8_{k}" for k in range(2 * CHUNK + 1)]
    commands.make("squeue", "")
    commands.make("sacct", "".join(f"{i}|FAILED|0:01|n1|x\n" for i in ids))
    assert read_queue(ids).jobs.keys() == set(ids)
    commands.make("scancel")
    cancel_jobs(ids)
    assert len(commands.calls("sacct")) == len(commands.calls("scancel")) == 3
    assert " ".join(commands.calls("scancel")).split() == ids


def test_scancels_own_words_reach_the_user_and_the_others_are_cancelled(commands):
    ids = [f"8_{k}" for k in range(CHUNK + 1)]
    commands.make("scancel", err="scancel: error: Kill job error: Access denied", code=1)
    with pytest.raises(CancelError, match="scancel: error: Kill job error: Access denied"):
        cancel_jobs(ids)
    assert len(commands.calls("scancel")) == 2
    (commands.folder / "scancel").unlink()
    with pytest.raises(CancelError, match="no such command"):
        cancel_jobs(["1"])
