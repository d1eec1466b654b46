"""Stopping runs wherever they are: jobs that wait or run, and processes on this machine."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
from collections.abc import Collection, Iterable

from vswin.launch.slurm.cancelled import note_cancelled
from vswin.launch.slurm.journal import Journal
from vswin.launch.slurm.queue import Job, Queue, cancel_jobs, read_queue
from vswin.launch.status import holder, live_jobs, placements
from vswin.place import host
from vswin.runs.store import RunFolder


@dataclasses.dataclass(frozen=True)
class Targets:
    """What there is to stop."""

    jobs: dict[str, tuple[Job, str]]
    """Jobs that wait or run, by id, each with its run (or the table whose notebook it renders)."""
    processes: dict[str, int]
    """Runs that are executed on this machine outside Slurm, with the process to stop."""
    beyond: dict[str, str]
    """Runs that cannot be stopped from here, with where they are executed."""
    problem: str | None
    """Why the queue could not be asked."""


def find_targets(runs: Iterable[RunFolder], tables: Collection[str], journal: Journal) -> Targets:
    """Finds where runs are executed, or wait for it.

    Args:
        runs: their folders.
        tables: whose notebooks are meant, too.
        journal: of the store that the runs are in.

    Raises:
        DamagedFileError: if the journal cannot be read.
    """
    submissions = journal.submissions()
    queue = read_queue([i for s in submissions for i in s.job_ids]) if submissions else Queue({})
    places, notebooks = placements(journal, queue), placements(journal, queue, "notebook")
    jobs: dict[str, tuple[Job, str]] = {}
    processes: dict[str, int] = {}
    beyond: dict[str, str] = {}
    for run in runs:
        own = live_jobs(queue, places.get(run.run_id, []))
        jobs |= {job.job_id: (job, run.run_id) for job in own if not job.is_ending}
        if not own and run.state() == "running":
            owner = holder(run)
            job, pid = owner.get("job"), owner.get("pid")
            if job is None and owner.get("host") == host() and isinstance(pid, int):
                processes[run.run_id] = pid
            else:
                where = f"process {pid} on {owner.get('host')}"
                beyond[run.run_id] = where + (f", Slurm job {job}" if job else "")
    for table in tables:
        for job in live_jobs(queue, notebooks.get(table, [])):
            jobs[job.job_id] = (job, f"notebook of {table}")
    return Targets(jobs, processes, beyond, queue.problem)


def stop(targets: Targets, journal: Journal) -> None:
    """Cancels the jobs and asks the processes to stop. Runs keep their checkpoints.

    Args:
        targets: from `find_targets`; a process that is another user's goes to its `beyond`.
        journal: where it is noted which jobs were cancelled.

    Raises:
        CancelError: if Slurm did not cancel them; the processes were asked all the same.
        NotWritableError: if it cannot be noted.
    """
    for run_id, pid in targets.processes.items():
        try:
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.kill(pid, signal.SIGTERM)
        except PermissionError:
            targets.beyond[run_id] = f"process {pid} here, which is another user's"
    for run_id in targets.beyond:
        targets.processes.pop(run_id, None)
    if targets.jobs:
        cancel_jobs(list(targets.jobs))
        note_cancelled(journal, [job for job, _ in targets.jobs.values()])
