"""Jobs that were cancelled with `vswin cancel`; Slurm forgets one that had not begun at once."""

from __future__ import annotations

from collections.abc import Iterable

from vswin.files import naming
from vswin.launch.slurm.journal import Journal
from vswin.launch.slurm.queue import Job

NAME = "cancelled"
"""File in the journal's folder; in each line a job's id and its name, its submission's token. The
id alone may be another job's one day: a new cluster counts from 1 again."""


def note_cancelled(journal: Journal, jobs: Iterable[Job]) -> None:
    """Notes that Slurm has cancelled jobs.

    Raises:
        NotWritableError: if that cannot be written.
    """
    path = journal.folder / NAME
    with naming(path), path.open("a", encoding="utf-8") as file:
        file.write("".join(f"{job.job_id} {job.name}\n" for job in jobs))


def cancelled_jobs(journal: Journal) -> frozenset[tuple[str, str]]:
    """The ids and names of all that were noted."""
    try:
        text = (journal.folder / NAME).read_text(encoding="utf-8", errors="replace")
    except OSError:  # none was, or it cannot be told
        return frozenset()
    lines = (line.partition(" ") for line in text.splitlines())
    return frozenset((job_id, name) for job_id, _, name in lines)
