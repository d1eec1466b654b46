"""The journal of submissions: what was handed to Slurm, written before and after each sbatch.

A submission is one call of sbatch: a job array, with one element for each run. The journal lies
beside the runs, in `<results>/<protocol>/jobs/`, one file for each submission. It says which job a
run was given; whether the run is done, only the run's own folder says.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import functools
import socket
from collections.abc import Collection, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from vswin.errors import VswinError
from vswin.files import DamagedFileError, read_json, require_writable, write_json
from vswin.launch.slurm.private import log_path
from vswin.runs.store import Store

Kind = Literal["runs", "notebook"]


class JournalError(VswinError):
    """The journal cannot be kept here."""


@dataclasses.dataclass(frozen=True)
class Submission:
    """One call of sbatch."""

    token: str
    """Its name, in Slurm (the job's name) and in the journal."""
    kind: Kind
    state: Literal["intended", "submitted"]
    """Intended until sbatch's answer has been noted: a submitter that dies before leaves it so."""
    items: tuple[str, ...]
    """Run ids (or tables, whose notebooks are executed), in the order of the array."""
    code: str
    """Folder of the snapshot of the code."""
    folder: str
    """submitit's folder: pickles and logs."""
    gpus: int = 0
    """GPUs of each run, over all its nodes."""
    job_ids: tuple[str, ...] = ()
    """In the order of `items`; empty until sbatch has answered."""
    created: str = ""
    """When it was intended; UTC, ISO 8601."""
    host: str = ""
    """The machine that submitted."""

    def log(self, job_id: str, process: int = 0) -> Path:
        """What a process of a job printed, over all its attempts; they count from 0."""
        return log_path(Path(self.folder), job_id, process)

    def process_logs(self, job_id: str) -> dict[int, Path]:
        """Those of a job that exist, by process: each has a file of its own."""
        found: dict[int, Path] = {}
        process = 0
        # On GPUs there is one for each; on the CPU, how many there were is not noted.
        while (path := self.log(job_id, process)).exists() or process < self.gpus:
            if path.exists():
                found[process] = path
            process += 1
        return found


@dataclasses.dataclass(frozen=True)
class Journal:
    """All submissions of a store."""

    store: Store

    @property
    def folder(self) -> Path:
        """<results>/<protocol>/jobs."""
        return self.store.runs_dir.parent / "jobs"

    @contextlib.contextmanager
    def lock(self) -> Iterator[bool]:
        """Lets one submitter at a time in; the kernel frees it when that one dies.

        Yields:
            Whether it was free at once. If not, another submitter has been waited for.

        Raises:
            NotWritableError: if the folder cannot be written.
            JournalError: if the file system has no locks.
        """
        require_writable(self.folder)
        with (self.folder / "lock").open("a") as file:
            at_once = True
            try:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    at_once = False
                    fcntl.flock(file, fcntl.LOCK_EX)
            except OSError as error:
                raise JournalError(
                    f"{self.folder}: this file system has no locks ({error.strerror}), so two "
                    "submissions at once could double runs; choose another --results-dir"
                ) from error
            yield at_once

    def intend(self, submission: Submission) -> Submission:
        """Notes what is about to be handed to Slurm."""
        now = datetime.now(timezone.utc).isoformat(timespec="microseconds")
        noted = dataclasses.replace(submission, created=now, host=socket.gethostname())
        self._write(noted)
        return noted

    def submitted(self, submission: Submission, job_ids: tuple[str, ...]) -> Submission:
        """Notes sbatch's answer."""
        noted = dataclasses.replace(submission, state="submitted", job_ids=job_ids)
        self._write(noted)
        return noted

    def drop(self, submission: Submission) -> None:
        """Removes the entry of a submission that Slurm never had."""
        (self.folder / f"{submission.token}.json").unlink(missing_ok=True)

    def submissions(self) -> list[Submission]:
        """All of them, oldest first.

        Raises:
            DamagedFileError: if an entry is not what `intend` writes.
        """
        found = []
        for path in self.folder.glob("*.json"):
            content = read_json(path)
            if content is None and not path.exists():  # dropped since the folder was listed
                continue
            try:
                found.append(_entry().validate_python(content))
            except ValidationError as error:
                raise DamagedFileError(
                    f"{path} is no entry of the journal; remove it if none of its jobs is queued"
                ) from error
        return sorted(found, key=lambda submission: submission.created)

    def placements(self) -> dict[str, list[tuple[str, Submission]]]:
        """The jobs that each run has been given, with their submissions, oldest first."""
        found: dict[str, list[tuple[str, Submission]]] = {}
        for submission in self.submissions():
            if submission.kind == "runs":
                for item, job_id in zip(submission.items, submission.job_ids, strict=False):
                    found.setdefault(item, []).append((job_id, submission))
        return found

    def rendered_mark(self, table: str) -> Path:
        """What a job that executes a notebook leaves, as old as the store that it has seen."""
        return self.folder / "rendered" / table

    def is_rendered(self, table: str, runs: Collection[str]) -> bool:
        """Whether a job has executed a table's notebook since the newest of the runs' results."""
        results = [self.store.run(run_id).path / "result.json" for run_id in runs]
        newest = max((path.stat().st_mtime for path in results if path.exists()), default=0.0)
        mark = self.rendered_mark(table)
        return not newest or (mark.exists() and mark.stat().st_mtime >= newest)

    def _write(self, submission: Submission) -> None:
        write_json(self.folder / f"{submission.token}.json", dataclasses.asdict(submission))


@functools.cache
def _entry() -> TypeAdapter[Submission]:
    return TypeAdapter(Submission)
