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
from typing import Any, Literal

from vswin.files import DamagedFileError, read_json
from vswin.launch.printed_errors import logged_errors, newest
from vswin.launch.slurm.cancelled import cancelled_jobs
from vswin.launch.slurm.journal import Journal, Kind, Submission
from vswin.launch.slurm.queue import PRESENT, Job, Phase, Queue, read_queue
from vswin.runs.config import read_config
from vswin.runs.store import RunFolder, State

Standing = Literal[
    "done",
    "running",
    "queued",
    "failed",
    "blocked",
    "cancelled",
    "interrupted",
    "missing",
    "unknown",
]
"""`blocked`: it starts from a run that failed. `interrupted`: it stopped, and goes on when it is
run or submitted again. `missing`: nothing has been done for it. `unknown`: nobody can tell."""

Placements = Mapping[str, list[tuple[str, Submission]]]
"""The jobs that each run (or table, whose notebook is executed) was given, with their submissions,
oldest first."""


@dataclasses.dataclass(frozen=True)
class Seen:
    """Where one run stands."""

    run: RunFolder
    standing: Standing
    detail: str = ""
    """Why: the last line of an error, what Slurm says, what is being done."""
    job_id: str | None = None
    """The job that it is or was last in."""
    log: Path | None = None
    """The newest of what its processes printed."""
    attempts: int = 0
    """How often it was begun."""
    state: str = ""
    """What its process last said that it was doing: training, testing."""
    step: int = 0
    steps: int = 0
    """Training steps, or tested videos, of that."""
    epoch: int | None = None
    """Epochs finished."""
    loss: float | None = None
    """Mean training loss of the last epoch."""
    top1: float | None = None
    """In [0, 1]: the test's where it is done, else the last epoch's in training."""
    eta_s: float | None = None
    """Seconds that what it is doing will still take."""
    seconds: float | None = None
    """Time spent on it, all attempts together; None where that was not noted."""
    gpus: int = 0
    """GPUs that it used at a time; 0 on the CPU."""
    host: str | None = None
    """Where its process runs, or last ran."""

    @property
    def gpu_hours(self) -> float | None:
        """GPU-hours spent; None on the CPU or where that was not noted."""
        if not self.gpus or self.seconds is None:
            return None
        return self.seconds * self.gpus / 3600


def look(
    runs: Iterable[RunFolder], journal: Journal, sources: Mapping[str, str] | None = None
) -> tuple[list[Seen], Queue]:
    """`survey` with Slurm's queue as it is now, which is only asked if it can tell anything.

    Args:
        runs: folders, whether they exist or not.
        journal: of the store that they are in.
        sources: see `survey`.

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
    return survey(runs, journal, queue, sources), queue


def survey(
    runs: Iterable[RunFolder],
    journal: Journal,
    queue: Queue,
    sources: Mapping[str, str] | None = None,
) -> list[Seen]:
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
    surveyor = _Surveyor(places, queue, cancelled_jobs(journal), sources or {})
    return [surveyor.look_at(run) for run in runs]


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
class _Surveyor:
    placements: Placements
    queue: Queue
    cancelled: Collection[tuple[str, str]]
    """Jobs that were cancelled from here, by id and name."""
    sources: Mapping[str, str]
    seen: dict[str, Seen] = dataclasses.field(default_factory=dict)
    """What has been found out, since many runs start from one."""

    def look_at(self, run: RunFolder) -> Seen:
        if run.run_id not in self.seen:
            try:
                self.seen[run.run_id] = self._look_at(run)
            except DamagedFileError as error:  # one broken run must not hide the others
                self.seen[run.run_id] = Seen(run, "failed", str(error), log=_existing(run.log))
        return self.seen[run.run_id]

    def _look_at(self, run: RunFolder) -> Seen:
        state, status = run.state(), run.status()
        places = self.placements.get(run.run_id, [])
        base = _from_status(run, status, places)
        if state == "done":
            result = run.result()
            top1 = result.metrics["top1"] if result is not None else None
            return dataclasses.replace(base, standing="done", top1=top1, eta_s=None)
        if state == "running":
            return _running(base, holder(run))
        place = self._newest(places)
        job_id = place.job_id if place is not None else base.job_id
        base = dataclasses.replace(base, job_id=job_id, eta_s=None)
        standing, detail = self._at_rest(state, status, place, base)
        if standing == "failed" and state != "failed" and place is not None:
            for first in logged_errors(place.submission.process_logs(place.job_id))[:1]:
                base = dataclasses.replace(base, log=first.path)
                detail = f"{detail}: {first.line}"
        return dataclasses.replace(base, standing=standing, detail=detail)

    def _at_rest(
        self, state: State, status: dict[str, Any], place: _Place | None, base: Seen
    ) -> tuple[Standing, str]:
        """Where a run stands that nobody is writing, and why."""
        job = place.job if place is not None else None
        if job is not None and job.phase == "waiting":
            return "queued", job.reason or job.state.lower()
        if job is not None and job.phase == "active" and not _has_failed(state, status, job):
            where = f" on {job.nodes}" if job.nodes else ""
            return "running", f"{'ending' if job.is_ending else 'starting'}{where}"
        if state == "failed":
            return "failed", _last_words(base.run)
        if (blocker := self._blocker(base.run)) is not None:
            return "blocked", f"starts from {blocker.run.run_id}, which {_how(blocker)}"
        if place is not None and _has_put_off(status, place) and not self._is_cancelled(place):
            # It was told to stop, or could not begin yet; to Slurm that may be a failure.
            words = f"job {place.job_id} stopped without an error"
            return "interrupted", words + (f": {job.state}" if job else "")
        return self._after(state, place, base)

    def _newest(self, places: list[tuple[str, Submission]]) -> _Place | None:
        """The job that counts: the newest that waits or runs, else the newest."""
        known = [_Place(i, s, job_of(self.queue, i, s)) for i, s in places]
        live = [p for p in known if p.job is not None and p.job.phase in PRESENT]
        return (live or known or [None])[-1]

    def _is_cancelled(self, place: _Place) -> bool:
        """Whether somebody cancelled a job that has ended."""
        noted = (place.job_id, place.submission.token) in self.cancelled
        return noted or (place.job is not None and place.job.phase == "cancelled")

    def _after(self, state: State, place: _Place | None, base: Seen) -> tuple[Standing, str]:
        """What a run is that nobody executes and that left no error, and why."""
        begun = f"stopped{f' in {base.state}' if base.state else ''}"
        begun += f", {base.step} of {base.steps}" if base.steps else ""
        if (base.run.path / "result.json").exists():
            return "interrupted", "complete but for its weights, which runs that start from it need"
        if place is None:
            return ("missing", "") if state == "pending" else ("interrupted", begun)
        if (known := self._end_of(place)) is not None:
            return known
        job = place.job
        words = f"job {place.job_id}" + (
            f": {job.state}" if job else " is not in the queue any more"
        )
        if state != "pending":
            return "interrupted", f"{begun}; {words}"
        left = f"its log: {base.log}" if base.log else "there is no log"
        return "unknown", f"{words} and left nothing; {left}"

    def _end_of(self, place: _Place) -> tuple[Standing, str] | None:
        """How a job ended, and what that makes of its run; None if that must tell by itself."""
        job = place.job
        if self._is_cancelled(place):
            if job is not None and job.phase == "cancelled":
                return "cancelled", f"job {place.job_id}: {job.state}"
            return "cancelled", f"job {place.job_id} was cancelled with `vswin cancel`"
        if job is not None:
            ends: dict[Phase, Standing] = {"failed": "failed", "interrupted": "interrupted"}
            end = ends.get(job.phase)
            return None if end is None else (end, f"job {place.job_id}: {job.state}")
        return None if self.queue.problem is None else ("unknown", self.queue.problem)

    def _blocker(self, run: RunFolder) -> Seen | None:
        """The run that this one starts from, if that failed or is blocked itself."""
        source = self.sources.get(run.run_id) or source_of(run)
        if source is None:
            return None
        seen = self.look_at(RunFolder(run.path.with_name(source)))
        return seen if seen.standing in ("failed", "blocked") else None


def _from_status(
    run: RunFolder, status: dict[str, Any], places: list[tuple[str, Submission]]
) -> Seen:
    """What status.json says; what it lacks, or says in another form, is left out."""

    def number(name: str) -> Any:
        value = status.get(name)
        return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None

    logs = [run.log, *(submission.log(job_id) for job_id, submission in places)]
    return Seen(
        run,
        "unknown",
        job_id=status.get("job") or (places[-1][0] if places else None),
        log=newest(logs),
        attempts=number("attempt") or 0,
        state=str(status.get("state") or ""),
        step=number("step") or 0,
        steps=number("steps") or 0,
        epoch=number("epoch"),
        loss=number("loss"),
        top1=number("top1"),
        eta_s=number("eta_s"),
        seconds=number("seconds"),
        gpus=number("gpus") or 0,
        host=status.get("host"),
    )


def _running(base: Seen, owner: dict[str, Any]) -> Seen:
    host = owner.get("host") or base.host
    what = base.state if base.state in ("training", "testing", "starting") else "starting"
    return dataclasses.replace(
        base,
        standing="running",
        detail=f"{what} on {host}" if host else what,
        job_id=owner.get("job") or None,
        host=host,
    )


def _has_failed(state: State, status: dict[str, Any], job: Job) -> bool:
    """Whether a job that still has its nodes is only ending, after its run has failed in it."""
    return state == "failed" and (job.is_ending or status.get("job") == job.job_id)


def _has_put_off(status: dict[str, Any], place: _Place) -> bool:
    """Whether a job said of its run that it can go on later."""
    return (status.get("state"), status.get("job")) == ("interrupted", place.job_id)


def _last_words(run: RunFolder) -> str:
    error = run.error() or {}
    lines = [line for line in str(error.get("message", "")).splitlines() if line.strip()]
    return f"{error.get('type')}: {lines[-1].strip()}" if lines else str(error.get("type"))


def _how(blocker: Seen) -> str:
    return "failed" if blocker.standing == "failed" else f"is blocked: it {blocker.detail}"


def _existing(path: Path) -> Path | None:
    return path if path.exists() else None
