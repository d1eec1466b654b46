"""What a run's processes printed: here (the run's own log.txt), and in the jobs it was given."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from vswin.launch.printed_errors import logged_errors, newest
from vswin.launch.slurm.journal import Journal
from vswin.launch.slurm.queue import Queue
from vswin.launch.status import current_statuses, placements
from vswin.runs.lock import is_locked
from vswin.runs.status import RunStatus
from vswin.runs.store import RunFolder, Store

POLL_S = 0.5
"""Time between two reads of a log that is followed."""
JOURNAL_S = 3.0
"""Time between two reads of the journal, for new jobs of that run."""
QUEUE_S = 30.0
"""Time between two questions to Slurm, whose administrators ask not to be asked in a loop."""
MOST_NAMED = 4
"""Other processes' errors that are named."""
_BLOCK = 1 << 16


def run_logs(run: RunFolder, journal: Journal, process: int = 0) -> list[Path]:
    """The files that a process of a run prints to, in all its jobs, whether they exist yet or not.

    Here, outside Slurm, all processes print to the main one's.
    """
    places = placements(journal, Queue({})).get(run.run_id, [])
    here = [] if process else [run.log]
    return [*here, *(submission.log(job_id, process) for job_id, submission in places)]


def print_log(run: RunFolder, store: Store, lines: int, process: int = 0) -> None:
    """Prints the end of the log that was written last.

    Errors of the run's other processes are named, with where they are, unless the run is done or
    goes on: the main process may know no more than that another one is gone.

    Args:
        run: whose.
        store: where it is.
        lines: how many lines; 0 means all.
        process: of several that execute the run in a job; they count from 0.
    """
    journal = Journal(store)
    path = newest(run_logs(run, journal, process))
    if path is None:
        _say(f"{_name(run, process)} has printed nothing yet")
    else:
        _say(f"{path}:")
        _copy(path, _start_of_tail(path, lines))
    _name_errors(run, journal, process)


def _name(run: RunFolder, process: int) -> str:
    return f"process {process} of {run.run_id}" if process else run.run_id


def _name_errors(run: RunFolder, journal: Journal, shown: int) -> None:
    """Names the errors of the processes that are not shown, in the run's last job."""
    places = placements(journal, Queue({})).get(run.run_id, [])
    if not places or run.state() in ("done", "running"):
        return
    job_id, submission = places[-1]
    others = {p: path for p, path in submission.process_logs(job_id).items() if p != shown}
    errors = logged_errors(others)
    for error in errors[:MOST_NAMED]:
        _say(f"process {error.process} of job {job_id} printed: {error.line}")
        _say(f"  all of it: vswin logs {run.run_id} --process {error.process}")
    if len(errors) > MOST_NAMED:
        _say(f"and {len(errors) - MOST_NAMED} more processes printed errors")


def follow_log(run: RunFolder, store: Store, lines: int, process: int = 0) -> None:
    """The same, and then what is added, until the run is neither running nor queued.

    A job that Slurm starts again goes on with its file. If the run goes on in another one (another
    job, or here), that is followed.
    """
    journal = Journal(store)
    shown: Path | None = None
    offset, last = 0, False
    goes_on = _Watch(run, journal)
    paths: list[Path] = []
    listed = -JOURNAL_S
    while True:
        if last or time.monotonic() - listed >= JOURNAL_S:
            paths, listed = run_logs(run, journal, process), time.monotonic()
        path = newest(paths)
        if path is not None and path != shown:
            _say(f"{path}:")
            offset = _start_of_tail(path, lines) if shown is None else 0
            shown = path
        if shown is not None:
            offset = _copy(shown, offset)
        if last:
            _say(f"{run.run_id}: {goes_on.ended_as()}")
            _name_errors(run, journal, process)
            return
        last = not goes_on()  # then one more read: something was printed meanwhile
        if not last:
            time.sleep(POLL_S)


class _Watch:
    """Whether a run goes on; asks Slurm seldom, and not at all while a living process holds it."""

    def __init__(
        self, run: RunFolder, journal: Journal, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.run, self.journal, self.clock = run, journal, clock
        self.asked = -QUEUE_S
        self.status: RunStatus | None = None

    def __call__(self) -> bool:
        if is_locked(self.run.path):
            self.status = None
            return True
        is_done = self.run.state() == "done"
        if is_done or self.status is None or self.clock() - self.asked >= QUEUE_S:
            (self.status,), _ = current_statuses([self.run], self.journal)
            self.asked = self.clock()
        return self.status.state in ("running", "queued")

    def ended_as(self) -> str:
        """Where the run stands."""
        status = self.status
        return (
            ""
            if status is None
            else f"{status.state}{f': {status.detail}' if status.detail else ''}"
        )


def _start_of_tail(path: Path, lines: int) -> int:
    """Where the last `lines` lines of a file begin; 0 lines means all."""
    with path.open("rb") as file:
        end = file.seek(0, 2)
        if not lines:
            return 0
        found, position = 0, end
        for position, byte_string in _blocks_from_end(file, end):
            # A newline at the very end ends the last line; it does not begin another.
            part = byte_string[:-1] if position + len(byte_string) == end else byte_string
            count = part.count(b"\n")
            if found + count >= lines:
                for _ in range(lines - found):
                    part = part[: part.rindex(b"\n")]
                return position + len(part) + 1
            found += count
    return 0


def _blocks_from_end(file: BinaryIO, end: int) -> Iterable[tuple[int, bytes]]:
    while end:
        start = max(0, end - _BLOCK)
        file.seek(start)
        yield start, file.read(end - start)
        end = start


def _copy(path: Path, offset: int) -> int:
    """Prints a file from `offset` on; says where it ended."""
    with path.open("rb") as file:
        if file.seek(0, 2) < offset:  # it was emptied: begin anew
            offset = 0
        file.seek(offset)
        sys.stdout.flush()
        while block := file.read(_BLOCK):
            sys.stdout.buffer.write(block)
        sys.stdout.buffer.flush()
        return file.tell()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
