"""Jobs that were cancelled with `vswin cancel`; Slurm forgets one that had not begun at once."""

from __future__ import annotations

from collections.abc import Iterable

from vswin.files import naming
from vswin.runs.slurm.journal import Journal

NAME = "cancelled"
"""File in the journal's folder; a job's id in each line."""


def note_cancelled(journal: Journal, job_ids: Iterable[str]) -> None:
    """Notes that Slurm has cancelled jobs.

    Raises:
        NotWritableError: if that cannot be written.
    """
    path = journal.folder / NAME
    with naming(path), path.open("a", encoding="utf-8") as file:
        file.write("".join(f"{job_id}\n" for job_id in job_ids))


def cancelled_jobs(journal: Journal) -> frozenset[str]:
    """The ids of all that were noted."""
    try:
        return frozenset((journal.folder / NAME).read_text(encoding="utf-8").split())
    except OSError:  # none was, or it cannot be told
        return frozenset()
