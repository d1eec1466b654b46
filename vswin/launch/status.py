"""Where every run stands. The store is the truth; the journal and Slurm's queue add what it lacks.

A run's own folder says whether it is done, being written, or has failed. Only for the others is it
asked which job they were given last, and what Slurm says of that. Nothing here needs Slurm.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from vswin.files import DamagedFileError, read_json
from vswin.launch.printed_errors import logged_errors, newest
from vswin.launch.slurm.cancelled import cancelled_jobs
from vswin.launch.slurm.journal import Journal, Kind, Submission
from vswin.launch.slurm.queue import PRESENT, Job, Phase, Queue, read_queue
from vswin.runs.config import read_config
from vswin.runs.status import RunStatus, read_status
from vswin.runs.store import RunFolder, State

Placements = Mapping[str, list[tuple[str, Submission]]]
"""The jobs that each run (or table, whose notebook is executed) was given, with their submissions,
oldest first."""


def current_statuses(
    runs: Iterable[RunFolder], journal: Journal, sources: Mapping[str, str] | None = None
) -> tuple[list[RunStatus], Queue]:
    """`statuses_of` with Slurm's queue as it is now, which is only asked if it can tell anything.

    Args:
        runs: folders, whether they exist or not.
        journal: of the store that they are in.
        sources: see `statuses_of`.

    Raises:
        DamagedFileError: if the journal cannot be read.
    """
    runs = list(runs)
    submissions = [s for s in journal.submissions() if s.kind == "runs"]
    open_runs = {run.run_id for run in runs if submissions and run.state() != "done"}
    submissions = [s for s in submissions if open_runs & {*s.items}]
    ids = [i for s in submissions for i, item in zip(s.job_ids, s.items, strict=False)
           if item in open_runs]  # fmt: skip
    queue = read_queue(ids) if submissions else Queue({})
    return statuses_of(runs, journal, queue, sources), queue


def statuses_of(
    runs: Iterable[RunFolder],
    journal: Journal,
    queue: Queue,
    sources: Mapping[str, str] | None = None,
) -> list[RunStatus]:
    """Says where each run stands.

    Args:
        runs: folders, whether they exist or not.
        journal: of the store that they are in.
        queue: what Slurm said, of the journal's jobs at least.
        sources: of runs without a folder, the run that each starts from, by id; the others' own
            run.json says it.

    Raises:
        DamagedFileError: if the journal cannot be read.
    """
    places = placements(journal, queue)
    reader = _Reader(places, queue, cancelled_jobs(journal), sources or {})
    return [reader.status_of(run) for run in runs]


def placements(journal: Journal, queue: Queue, kind: Kind = "runs") -> Placements:
    """The journal's, and those that Slurm alone knows, since their submitter died too early."""
    found: dict[str, list[tuple[str, Submission]]] = {}
    unnoted: dict[str, list[str]] = {}
    for job in queue.jobs.values():
        unnoted.setdefault(job.name, []).append(job.job_id)
    for submission in journal.submissions():
        if submission.kind != kind:
            continue
        places = list(zip(submission.items, submission.job_ids, strict=False))
        if submission.state == "intended":
            for job_id in unnoted.get(submission.token, []):
                index = int(job_id.partition("_")[2] or 0)
                places += [(item, job_id) for item in submission.items[index : index + 1]]
        for item, job_id in places:
            found.setdefault(item, []).append((job_id, submission))
    return found


def job_of(queue: Queue, job_id: str, submission: Submission) -> Job | None:
    """What the queue says of a submission's job; None where it does not list that one.

    Its name must fit, too: ids may begin anew, and several clusters may share a file system.
    """
    job = queue.jobs.get(job_id)
    return job if job is not None and job.name == submission.token else None


def live_jobs(queue: Queue, places: Iterable[tuple[str, Submission]]) -> list[Job]:
    """Those of the placements' jobs that wait or run."""
    found = (job_of(queue, job_id, submission) for job_id, submission in places)
    return [job for job in found if job is not None and job.phase in PRESENT]


def holder(run: RunFolder) -> dict[str, Any]:
    """Who holds, or held, the run's lock: host, pid, job. Empty if nobody does."""
    with contextlib.suppress(DamagedFileError):
        owner = read_json(run.path / "lock")
        return owner if isinstance(owner, dict) else {}
    return {}


def source_of(run: RunFolder) -> str | None:
    """The id of the run whose weights this one starts from, as its run.json says; None: of none."""
    with contextlib.suppress(DamagedFileError):
        content = read_json(run.path / "run.json")
        init = content.get("init") if isinstance(content, dict) else None
        if isinstance(init, dict) and isinstance(init.get("run"), dict):
            return _run_id(json.dumps(init["run"], sort_keys=True))
    return None


@functools.lru_cache(maxsize=4096)  # dozens of runs start from the same one
def _run_id(config: str) -> str | None:
    with contextlib.suppress(ValueError):
        return read_config(json.loads(config)).run_id
    return None


@dataclasses.dataclass(frozen=True)
class _Place:
    """A run's place in a submission."""

    job_id: str
    submission: Submission
    job: Job | None
    """What the queue says of it, if anything."""


@dataclasses.dataclass
class _Reader:
    placements: Placements
    queue: Queue
    cancelled: Collection[tuple[str, str]]
    """Jobs that were cancelled from here, by id and name."""
    sources: Mapping[str, str]
    known: dict[str, RunStatus] = dataclasses.field(default_factory=dict)
    """What has been found out, since many runs start from one."""

    def status_of(self, run: RunFolder) -> RunStatus:
        if run.run_id not in self.known:
            try:
                self.known[run.run_id] = self._status_of(run)
            except DamagedFileError as error:  # one broken run must not hide the others
                self.known[run.run_id] = RunStatus(
                    run, "failed", str(error), log=_existing(run.log)
                )
        return self.known[run.run_id]

    def _status_of(self, run: RunFolder) -> RunStatus:
        told = read_status(run)
        places = self.placements.get(run.run_id, [])
        logs = [run.log, *(submission.log(job_id) for job_id, submission in places)]
        job_id = told.job_id or (places[-1][0] if places else None)
        base = dataclasses.replace(told, job_id=job_id, log=newest(logs))
        if told.state == "done":
            return base
        if told.state == "running":
            return _running(base, holder(run))
        place = self._newest(places)
        if place is not None:
            base = dataclasses.replace(base, job_id=place.job_id)
        state, detail = self._at_rest(told, place, base)
        if state == "failed" and told.state != "failed" and place is not None:
            for first in logged_errors(place.submission.process_logs(place.job_id))[:1]:
                base = dataclasses.replace(base, log=first.path)
                detail = f"{detail}: {first.line}"
        return dataclasses.replace(base, state=state, detail=detail)

    def _at_rest(self, told: RunStatus, place: _Place | None, base: RunStatus) -> tuple[State, str]:
        """Where a run stands that nobody is writing, and why.

        Args:
            told: what its folder says.
            place: the job that counts, if it was given one.
            base: the same as `told`, with that job and the newest log.
        """
        job = place.job if place is not None else None
        if job is not None and job.phase == "waiting":
            return "queued", job.reason or job.state.lower()
        if job is not None and job.phase == "active" and not _has_failed(told, job):
            where = f" on {job.nodes}" if job.nodes else ""
            return "running", f"{'ending' if job.is_ending else 'starting'}{where}"
        if told.state == "failed":
            return "failed", told.detail
        if (blocker := self._blocker(base.run)) is not None:
            return "blocked", f"starts from {blocker.run.run_id}, which {_how(blocker)}"
        if place is not None and _has_put_off(told, place) and not self._is_cancelled(place):
            # It was told to stop, or could not begin yet; to Slurm that may be a failure.
            words = f"job {place.job_id} stopped without an error"
            return "interrupted", words + (f": {job.state}" if job else "")
        return self._after(told.state, place, base)

    def _newest(self, places: list[tuple[str, Submission]]) -> _Place | None:
        """The job that counts: the newest that waits or runs, else the newest."""
        known = [_Place(i, s, job_of(self.queue, i, s)) for i, s in places]
        live = [p for p in known if p.job is not None and p.job.phase in PRESENT]
        found = live or known
        return found[-1] if found else None

    def _is_cancelled(self, place: _Place) -> bool:
        """Whether somebody cancelled a job that has ended."""
        noted = (place.job_id, place.submission.token) in self.cancelled
        return noted or (place.job is not None and place.job.phase == "cancelled")

    def _after(self, state: State, place: _Place | None, base: RunStatus) -> tuple[State, str]:
        """What a run is that nobody executes and that left no error, and why."""
        begun = f"stopped{f' in {base.activity}' if base.activity else ''}"
        begun += f", {base.step} of {base.steps}" if base.steps else ""
        if (base.run.path / "result.json").exists():
            return "interrupted", "complete but for its weights, which runs that start from it need"
        if place is None:
            return ("missing", "") if state == "missing" else ("interrupted", begun)
        if (known := self._end_of(place)) is not None:
            return known
        job = place.job
        words = f"job {place.job_id}" + (
            f": {job.state}" if job else " is not in the queue any more"
        )
        if state != "missing":
            return "interrupted", f"{begun}; {words}"
        left = f"its log: {base.log}" if base.log else "there is no log"
        return "unknown", f"{words} and left nothing; {left}"

    def _end_of(self, place: _Place) -> tuple[State, str] | None:
        """How a job ended, and what that makes of its run; None if that must tell by itself."""
        job = place.job
        if self._is_cancelled(place):
            if job is not None and job.phase == "cancelled":
                return "cancelled", f"job {place.job_id}: {job.state}"
            return "cancelled", f"job {place.job_id} was cancelled with `vswin cancel`"
        if job is not None:
            ends: dict[Phase, State] = {"failed": "failed", "interrupted": "interrupted"}
            end = ends.get(job.phase)
            return None if end is None else (end, f"job {place.job_id}: {job.state}")
        return None if self.queue.problem is None else ("unknown", self.queue.problem)

    def _blocker(self, run: RunFolder) -> RunStatus | None:
        """The run that this one starts from, if that failed or is blocked itself."""
        source = self.sources.get(run.run_id) or source_of(run)
        if source is None:
            return None
        source_status = self.status_of(RunFolder(run.path.with_name(source)))
        return source_status if source_status.state in ("failed", "blocked") else None


def _running(base: RunStatus, owner: dict[str, Any]) -> RunStatus:
    host = owner.get("host") or base.host
    what = base.activity if base.activity in ("training", "testing") else "starting"
    return dataclasses.replace(
        base,
        state="running",
        detail=f"{what} on {host}" if host else what,
        job_id=owner.get("job") or None,
        host=host,
    )


def _has_failed(told: RunStatus, job: Job) -> bool:
    """Whether a job that still has its nodes is only ending, after its run has failed in it."""
    return told.state == "failed" and (job.is_ending or told.job_id == job.job_id)


def _has_put_off(told: RunStatus, place: _Place) -> bool:
    """Whether a job said of its run that it can go on later."""
    return (told.activity, told.job_id) == ("interrupted", place.job_id)


def _how(blocker: RunStatus) -> str:
    return "failed" if blocker.state == "failed" else f"is blocked: it {blocker.detail}"


def _existing(path: Path) -> Path | None:
    return path if path.exists() else None
