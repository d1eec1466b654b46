"""What Slurm says of jobs: squeue of those that wait or run, sacct of those that it remembers.

Both are hints. Many sites have no sacct for users, squeue forgets a job minutes after its end, and
either may be down; so a job that nobody knows is not failed, and an answer that did not come is not
an empty one: `Queue.problem` says which it was.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import signal
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Literal

from vswin.errors import VswinError

Phase = Literal["waiting", "active", "completed", "cancelled", "interrupted", "failed", "unknown"]
"""What a state of Slurm means for a run. `interrupted` is the infrastructure's doing (a time limit,
a lost node, a preemption): the run has not failed, and can go on."""

PRESENT: tuple[Phase, ...] = ("waiting", "active")
"""Phases of jobs that the queue still has."""
TIMEOUT_S = 30.0
"""How long an answer of Slurm is waited for."""
RETRY_S = 1.0
"""Pause before squeue is asked a second time; controllers are often just busy."""
CHUNK = 200
"""Jobs that are named in one command."""

_STATES: dict[Phase, dict[str, str]] = {
    "waiting": {
        "PENDING": "PD",
        "CONFIGURING": "CF",
        "REQUEUED": "RQ",
        "REQUEUE_FED": "RF",
        "REQUEUE_HOLD": "RH",
        "RESV_DEL_HOLD": "RD",
        "SPECIAL_EXIT": "SE",
        "POWER_UP_NODE": "PU",
        "EXPEDITING": "EX",
    },
    "active": {
        "RUNNING": "R",
        "COMPLETING": "CG",
        "RESIZING": "RS",
        "SIGNALING": "SI",
        "STAGE_OUT": "SO",
        "STOPPED": "ST",
        "SUSPENDED": "S",
    },
    "completed": {"COMPLETED": "CD"},
    "cancelled": {"CANCELLED": "CA"},
    "interrupted": {
        "TIMEOUT": "TO",
        "NODE_FAIL": "NF",
        "PREEMPTED": "PR",
        "BOOT_FAIL": "BF",
        "DEADLINE": "DL",
        "REVOKED": "RV",
        "LAUNCH_FAILED": "LF",
        "RECONFIG_FAIL": "",
    },
    "failed": {"FAILED": "F", "OUT_OF_MEMORY": "OOM"},
}
"""Every state that Slurm's manuals up to 25.05 name, with its short form where it has one."""
_PHASES: dict[str, Phase] = {
    word: phase
    for phase, states in _STATES.items()
    for pair in states.items()
    for word in pair
    if word
}
_CUT = 4
"""Letters of a state that sacct cut off ("CANCEL+") from which on it is recognised."""

# The job's name stands last but for a mark of the line's end: it is the only field that could hold
# the separator, and a line without the mark was cut off.
_SQUEUE_FORMAT = "%i|%T|%M|%N|%r|%j|."
_SACCT_FORMAT = "JobID,State,Elapsed,NodeList,JobName"
_JOB_ID = re.compile(r"(?P<job>\d+)(?P<part>\+\d+)?(?:_(?P<index>\d+)|_\[(?P<indices>[^]]*)\])?$")
_RANGE = re.compile(r"(\d+)(?:-(\d+)(?::(\d+))?)?$")
_ELAPSED = re.compile(r"(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+)(?:\.\d+)?$")


class CancelError(VswinError):
    """Slurm did not cancel jobs."""


@dataclasses.dataclass(frozen=True)
class Job:
    """One job, or one element of a job array."""

    job_id: str
    """"A_k" of an array's element, "A" of a job of its own."""
    name: str
    state: str
    """Slurm's word."""
    phase: Phase
    reason: str
    """Why it waits, in Slurm's word; empty where it says none."""
    elapsed_s: int | None
    """Time that it has been running."""
    nodes: str
    """Where; empty before it has started."""

    @property
    def is_ending(self) -> bool:
        """Whether it only keeps its nodes until the last process is gone."""
        return self.state.upper() in ("COMPLETING", "CG")


@dataclasses.dataclass(frozen=True)
class Queue:
    """What Slurm knew of this user's jobs, at one time."""

    jobs: Mapping[str, Job]
    """By id. A job that is missing here is unknown; only if there is no `problem`, it has ended."""
    problem: str | None = None
    """Why the queue could not be asked, or not be understood."""


def phase_of(state: str) -> Phase:
    """What a state means, in its long or short form and whatever Slurm writes after it.

    "CANCELLED by 1000", "PENDING+" and "out_of_me+" are understood, too; anything else is unknown.
    """
    words = state.upper().split()
    word = words[0] if words else ""
    if word in _PHASES:
        return _PHASES[word]
    if word.endswith("+"):
        word = word.rstrip("+")
        if word in _PHASES:
            return _PHASES[word]
        fitting = {p for name, p in _PHASES.items() if len(word) >= _CUT and name.startswith(word)}
        if len(fitting) == 1:
            return fitting.pop()
    return "unknown"


def read_queue(ids: Collection[str] = (), timeout_s: float = TIMEOUT_S) -> Queue:
    """Asks squeue for all jobs of this user, and sacct for those of `ids` that it does not list.

    Args:
        ids: jobs that are of interest, "A_k" or "A".
        timeout_s: how long each answer is waited for; squeue is asked twice.

    Returns:
        What they said. It never raises: what could not be learnt is said in `problem`, and an
        absent, disabled or confused sacct is no more than no information.
    """
    listed, problem = _ask_squeue(timeout_s)
    remembered = _ask_sacct(sorted(set(ids) - listed.keys()), timeout_s)
    if problem is None:
        # The controller has just said that these jobs are gone; accounting can be behind for days.
        over = ("waiting", "active", "unknown")
        remembered = {i: job for i, job in remembered.items() if job.phase not in over}
    return Queue({**remembered, **listed}, problem)


def cancel_jobs(ids: Sequence[str], timeout_s: float = TIMEOUT_S) -> None:
    """Cancels jobs.

    Args:
        ids: "A_k" or "A". Those that have ended meanwhile do no harm.
        timeout_s: how long an answer is waited for.

    Raises:
        CancelError: if scancel could not be called, or says that it could not do it.
    """
    refusal: _NoAnswerError | None = None
    for chunk in _chunks(ids):
        try:
            _call(["scancel", *chunk], timeout_s)
        except _NoAnswerError as error:  # the others can be cancelled all the same
            refusal = refusal or error
    if refusal is not None:
        raise CancelError(f"scancel: {refusal}") from refusal


class _NoAnswerError(Exception):
    """A command of Slurm gave no answer; the message is why."""


def _ask_squeue(timeout_s: float) -> tuple[dict[str, Job], str | None]:
    command = [
        *("squeue", f"--user={os.getuid()}", "--all", "--array", "--noheader", "--states=all"),
        f"--format={_SQUEUE_FORMAT}",
    ]
    try:
        try:
            text = _call(command, timeout_s)
        except _NoAnswerError as error:
            if isinstance(error.__cause__, OSError):  # there is none: asking again does not help
                raise
            time.sleep(RETRY_S)
            text = _call(command, timeout_s)
    except _NoAnswerError as error:
        return {}, f"squeue: {error}"
    return _read_squeue(text)


def _read_squeue(text: str) -> tuple[dict[str, Job], str | None]:
    """The jobs of an answer, and what is wrong with it.

    Lines that are no jobs' are ignored (sites print greetings); a job's line that cannot be read is
    a problem, since that job would seem to be gone.
    """
    jobs: dict[str, Job] = {}
    odd = []
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in lines:
        fields = line.removesuffix("|.").split("|", 5)
        ids = _job_ids(fields[0]) if line.endswith("|.") and len(fields) == 6 else []
        if not ids and line[0].isdigit():
            odd.append(line)
        for job_id in ids:
            state, elapsed, nodes, reason, name = fields[1:]
            reason = "" if reason in ("None", "(null)") else reason
            jobs[job_id] = _job(job_id, name, state, elapsed, nodes, reason)
    if not jobs and not odd:
        odd = [line for line in lines if not line.startswith("CLUSTER:")]
    return jobs, f"squeue: cannot be understood: {odd[0][:80]!r}" if odd else None


def _ask_sacct(ids: Sequence[str], timeout_s: float) -> dict[str, Job]:
    jobs: dict[str, Job] = {}
    for chunk in _chunks(ids):
        command = ["sacct", "-X", "-n", "-P", "-j", ",".join(chunk), "-o", _SACCT_FORMAT]
        try:
            text = _call(command, timeout_s)
        except _NoAnswerError:
            return jobs  # the next chunk would fare no better
        for line in text.splitlines():
            fields = line.split("|", 4)
            if len(fields) == 5:
                state, elapsed, nodes, name = fields[1:]
                nodes = "" if nodes.startswith("None") else nodes
                for job_id in _job_ids(fields[0]):
                    jobs[job_id] = _job(job_id, name, state, elapsed, nodes, "")
    wanted = set(ids)
    return {job_id: job for job_id, job in jobs.items() if job_id in wanted}


def _job(job_id: str, name: str, state: str, elapsed: str, nodes: str, reason: str) -> Job:
    return Job(job_id, name, state, phase_of(state), reason, _seconds(elapsed), nodes)


def _call(command: Sequence[str], timeout_s: float) -> str:
    """What a command prints.

    Raises:
        _NoAnswerError: if there is none, it fails or takes too long.
    """
    # What users set for their own eyes (SQUEUE_PARTITION, say) would hide jobs from us; and unless
    # Slurm is told not to, it ends long lists of array elements in dots.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("SQUEUE_", "SACCT_"))}
    environment |= {"SLURM_BITSTR_LEN": "0"}
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environment,
            start_new_session=True,  # many sites wrap these commands; what hangs is their child
        )
    except FileNotFoundError as error:
        raise _NoAnswerError("there is no such command on this machine") from error
    except OSError as error:
        raise _NoAnswerError(error.strerror or str(error)) from error
    with process:
        try:
            text, complaint = process.communicate(timeout=timeout_s)
        except BaseException as error:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            if isinstance(error, subprocess.TimeoutExpired):
                raise _NoAnswerError(f"no answer within {timeout_s:g} s") from error
            raise
    if process.returncode:
        words = [line.strip() for line in complaint.splitlines() if line.strip()]
        last = words[-1].removeprefix(f"{command[0]}: ") if words else ""
        raise _NoAnswerError(last or f"ended with code {process.returncode}")
    return text


def _job_ids(word: str) -> list[str]:
    """The jobs that an id stands for: "7_[3-5,9%2]" for four. None if it is no id."""
    found = _JOB_ID.match(word)
    if not found:
        return []
    if (indices := found["indices"]) is None:
        return [word]
    return [f"{found['job']}_{index}" for index in _indices(indices)]


def _indices(expression: str) -> Iterator[int]:
    ranges = [_RANGE.match(part) for part in expression.partition("%")[0].split(",")]
    if all(ranges):
        for first, last, step in (found.groups() for found in ranges if found):
            yield from range(int(first), int(last or first) + 1, int(step or 1))


def _seconds(elapsed: str) -> int | None:
    """Seconds of [[days-]hours:]minutes:seconds; None for what else Slurm may write."""
    found = _ELAPSED.match(elapsed)
    if not found:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]
