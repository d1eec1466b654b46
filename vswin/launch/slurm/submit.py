"""Handing studies to Slurm so that calling it again submits only what is missing.

What is asked for is compared with the store, the journal and the queue: runs that are complete,
running or queued are left alone. What remains becomes job arrays, runs that others start from
before those; a notebook job comes after all of them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
import shutil
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from vswin.errors import VswinError
from vswin.experiments.planning import StudyPlan
from vswin.launch.pool import prepare
from vswin.launch.slurm.job import NotebookJob, RunJob
from vswin.launch.slurm.journal import Journal, Submission
from vswin.launch.slurm.profile import Profile
from vswin.launch.slurm.queue import PRESENT, Queue, cancel_jobs, read_queue
from vswin.launch.slurm.sbatch import (
    Shape,
    SubmissionError,
    data_file_of_jobs,
    notebook_parameters,
    run_parameters,
    script,
    shape_of,
    submit_array,
)
from vswin.launch.slurm.snapshot import freeze_code
from vswin.launch.status import Seen, Standing, live_jobs, survey
from vswin.project import notebooks_dir
from vswin.runs.identity import RunConfig
from vswin.runs.store import Store

ABSENT: tuple[Standing, ...] = ("missing", "interrupted", "cancelled", "unknown")
"""Standings of runs that are submitted without being asked for by name."""
FAILED: tuple[Standing, ...] = ("failed", "blocked")
PICKLE = "_submitted.pkl"
"""How the names of submitit's pickles end; they begin with the job's id."""


@dataclasses.dataclass(frozen=True)
class Request:
    """What shall be submitted."""

    plans: tuple[StudyPlan, ...]
    """Tables under one protocol, in one store."""
    profile: Profile
    standings: tuple[Standing, ...] = ABSENT
    """Runs that stand so are submitted."""
    only: frozenset[str] | None = None
    """Ids of the only runs that are meant; None means all."""
    notebook: bool = True
    """Whether a job shall render the notebooks afterwards."""

    @property
    def store(self) -> Store:
        """Where the runs are or will be."""
        return self.plans[0].store

    @property
    def configs(self) -> dict[str, RunConfig]:
        """What is asked for and what that starts from, by id; sources first."""
        asked = [planned.config for plan in self.plans for planned in plan.runs]
        found = {config.run_id: config for config in asked}
        for config in asked:
            found |= {source.run_id: source for source in config.sources}
        return dict(sorted(found.items(), key=lambda item: len(item[1].sources)))

    def shape(self, config: RunConfig) -> Shape:
        """What a run gets of the cluster."""
        return shape_of(self.profile, self.plans[0].protocol.threads, config.is_on_videos)


@dataclasses.dataclass(frozen=True)
class Array:
    """Runs that go to Slurm with one sbatch."""

    level: int
    """How many runs each of these starts from, one after the other."""
    shape: Shape
    configs: tuple[RunConfig, ...]


@dataclasses.dataclass(frozen=True)
class Proposal:
    """How what is asked for stands, and what would be submitted."""

    seen: dict[str, Seen]
    """Every run that is asked for or that one of those starts from, by id."""
    arrays: tuple[Array, ...]
    tables: tuple[str, ...]
    """Whose notebooks would be rendered."""
    live: dict[str, str]
    """Runs that the queue has, with their jobs."""
    problem: str | None
    """Why the queue could not be asked."""

    @property
    def configs(self) -> list[RunConfig]:
        """The runs that would be submitted."""
        return [config for array in self.arrays for config in array.configs]


def propose(request: Request) -> Proposal:
    """Says what is missing, and how it would be submitted. Writes nothing."""
    journal = Journal(request.store)
    configs = request.configs
    queue = _queue(journal, configs.keys())
    folders = [request.store.run(run_id) for run_id in configs]
    sources = {i: first.run_id for i, config in configs.items() for first in config.sources[:1]}
    seen = {s.run.run_id: s for s in survey(folders, journal, queue, sources)}
    wanted = [c for i, c in configs.items() if seen[i].standing in request.standings]
    if request.only is not None:
        meant = {s.run_id for i in request.only for s in configs[i].sources} | request.only
        wanted = [config for config in wanted if config.run_id in meant]
    needed = {
        s.run_id for c in configs.values() if seen[c.run_id].standing != "done" for s in c.sources
    }
    asked = {planned.config.run_id for plan in request.plans for planned in plan.runs}
    wanted = [config for config in wanted if config.run_id in asked | needed]
    arrays = tuple(_arrays(request, wanted))
    places = journal.placements()
    found = {run_id: live_jobs(queue, places.get(run_id, [])) for run_id in seen}
    live = {run_id: jobs[-1].job_id for run_id, jobs in found.items() if jobs}
    tables = _tables(request, live, arrays, journal, queue)
    return Proposal(seen, arrays, tables, live, queue.problem)


def submit(
    request: Request,
    approve: Callable[[Proposal], None] = lambda proposal: None,
    tell: Callable[[Submission], None] = lambda submission: None,
) -> tuple[Proposal, list[Submission]]:
    """Submits what is missing, and notes it; one submitter at a time.

    Args:
        request: what shall be submitted.
        approve: told what would be submitted, with all other submitters waiting; raises to prevent
            it.
        tell: told of each submission when Slurm has taken it.

    Returns:
        What was missing, and what was submitted for it.

    Raises:
        NotWritableError: if the results folder cannot be written.
        JournalError: if the file system has no locks.
        SubmissionError: if the queue cannot be asked, or sbatch refuses; what was submitted before
            that is noted, and the next call goes on from there.
    """
    if shutil.which("sbatch") is None:
        raise SubmissionError(
            "there is no sbatch on this machine: call this where the cluster's jobs are submitted, "
            "or run the table here with --profile here"
        )
    journal = Journal(request.store)
    with journal.lock():
        _reconcile(journal)
        proposal = propose(request)
        if proposal.problem is not None:
            raise SubmissionError(
                f"the queue cannot be asked, so nothing was submitted: {proposal.problem}"
            )
        approve(proposal)
        return proposal, _carry_out(request, proposal, journal, tell)


def scripts(request: Request, proposal: Proposal) -> list[str]:
    """The text of every sbatch that a proposal needs, but for the ids of jobs to wait for."""
    journal, data_file = Journal(request.store), data_file_of_jobs()
    code = journal.folder / "code" / "SNAPSHOT"
    texts = []
    for array in proposal.arrays:
        name = f"{_name(request)}-TOKEN"
        parameters = run_parameters(request.profile, array.shape, name, code, data_file)
        parameters["array_parallelism"] = request.profile.parallel
        if texts or _live_sources(array, proposal):
            parameters["dependency"] = "afterany:JOBS"
        texts.append(script(request.profile, parameters, journal.folder / name, len(array.configs)))
    if proposal.tables:
        name = "notebook-TOKEN"
        parameters = notebook_parameters(request.profile, name, code, data_file)
        if proposal.arrays or proposal.live:
            parameters["dependency"] = "afterany:JOBS"
        texts.append(
            script(request.profile, parameters, journal.folder / name, len(proposal.tables))
        )
    return texts


def _arrays(request: Request, wanted: Sequence[RunConfig]) -> Iterable[Array]:
    """Groups runs that need the same, cut to the site's limit; sources and long ones first."""
    groups: dict[tuple[int, Shape], list[RunConfig]] = {}
    for config in wanted:
        groups.setdefault((len(config.sources), request.shape(config)), []).append(config)
    size = request.profile.max_array_size
    for (level, shape), configs in sorted(groups.items(), key=lambda item: item[0][0]):
        configs.sort(key=lambda c: -c.length)
        for start in range(0, len(configs), size):
            yield Array(level, shape, tuple(configs[start : start + size]))


def _tables(
    request: Request,
    live: dict[str, str],
    arrays: Sequence[Array],
    journal: Journal,
    queue: Queue,
) -> tuple[str, ...]:
    """Tables whose notebooks are due: something of theirs has ended or will, and no job waits."""
    if not request.notebook:
        return ()
    new = {config.run_id for array in arrays for config in array.configs}
    placed = journal.placements().keys()
    waiting = {
        table
        for submission in journal.submissions()
        if submission.kind == "notebook"
        for table, job_id in zip(submission.items, submission.job_ids, strict=False)
        if live_jobs(queue, [(job_id, submission)])
    }
    due = []
    for plan in request.plans:
        table, runs = plan.experiment.table, {planned.config.run_id for planned in plan.runs}
        is_stale = bool(runs & placed) and not journal.is_rendered(table, runs)
        needs = runs & new or (table not in waiting and (runs & live.keys() or is_stale))
        if needs and (notebooks_dir() / f"{table}.ipynb").exists():
            due.append(table)
    return tuple(due)


def _carry_out(
    request: Request, proposal: Proposal, journal: Journal, tell: Callable[[Submission], None]
) -> list[Submission]:
    if not proposal.arrays and not proposal.tables:
        return []
    prepare(proposal.configs, request.store)
    code, data_file = freeze_code(journal.folder / "code"), data_file_of_jobs()
    live = proposal.live
    done: list[Submission] = []
    for array in proposal.arrays:
        name = _token(_name(request))
        parameters = run_parameters(request.profile, array.shape, name, code, data_file)
        parameters["array_parallelism"] = request.profile.parallel
        before = [job for s in done for job in s.job_ids]  # earlier levels, and keeps to `parallel`
        before += _live_sources(array, proposal)
        submission = Submission(
            token=name,
            kind="runs",
            state="intended",
            items=tuple(config.run_id for config in array.configs),
            code=str(code),
            folder=str(journal.folder / name),
            gpus=array.shape.gpus,
        )
        arguments = array.shape.execute_arguments(request.profile)
        calls = [
            RunJob(str(request.store.run(i).path), arguments, request.profile.requeue)
            for i in submission.items
        ]
        done.append(_submit(request, journal, submission, parameters | _after(before), calls))
        tell(done[-1])
    if proposal.tables:
        name = _token("notebook")
        parameters = notebook_parameters(request.profile, name, code, data_file)
        before = [*live.values(), *(job for s in done for job in s.job_ids)]
        submission = Submission(
            token=name,
            kind="notebook",
            state="intended",
            items=proposal.tables,
            code=str(code),
            folder=str(journal.folder / name),
        )
        calls = [notebook_job(request, table) for table in proposal.tables]
        done.append(_submit(request, journal, submission, parameters | _after(before), calls))
        tell(done[-1])
    return done


def _live_sources(array: Array, proposal: Proposal) -> list[str]:
    """Jobs that train what runs of an array start from, and that are in the queue already."""
    sources = {source.run_id for config in array.configs for source in config.sources}
    return [job_id for run_id, job_id in proposal.live.items() if run_id in sources]


def notebook_job(request: Request, table: str) -> NotebookJob:
    """What renders the notebook of one of the tables that are asked for."""
    (plan,) = (plan for plan in request.plans if plan.experiment.table == table)
    seeds = len({planned.seed for planned in plan.runs})
    mark = Journal(request.store).rendered_mark(table)
    where = str(request.store.results_dir)
    return NotebookJob(table, plan.protocol.protocol, seeds, where, str(mark))


def _submit(
    request: Request,
    journal: Journal,
    submission: Submission,
    parameters: dict,
    calls: Sequence[RunJob | NotebookJob],
) -> Submission:
    """One sbatch between two entries of the journal."""
    noted = journal.intend(submission)
    try:
        jobs = submit_array(request.profile, parameters, Path(submission.folder), calls)
    except SubmissionError as error:
        with contextlib.suppress(VswinError):  # an answer that was lost is no refusal
            _reconcile(journal)
        what = "of the notebooks" if submission.kind == "notebook" else f"of {len(calls)} runs"
        raise SubmissionError(f"jobs {what}: {error}") from error
    return journal.submitted(noted, jobs)


def _reconcile(journal: Journal) -> None:
    """Settles what a submitter left that died, or got no answer, between sbatch and its notes.

    A job whose pickle is in place is adopted; one without can never start, and is cancelled.
    """
    intended = [s for s in journal.submissions() if s.state == "intended"]
    if not intended:
        return
    queue = read_queue()
    if queue.problem is not None:
        raise SubmissionError(
            "a submission was cut off, and the queue cannot be asked what became of it: "
            f"{queue.problem}"
        )
    for submission in intended:
        folder = Path(submission.folder)
        jobs = [job for job in queue.jobs.values() if job.name == submission.token]
        # Named after the job once they are in place; jobs that have ended may be forgotten by now.
        whole = [p.name.removesuffix(PICKLE) for p in folder.glob(f"*{PICKLE}")]
        cancel_jobs([j.job_id for j in jobs if j.job_id not in whole and j.phase in PRESENT])
        if not whole:
            journal.drop(submission)
            shutil.rmtree(folder, ignore_errors=True)
            continue
        whole.sort(key=_index)
        items = tuple(submission.items[_index(job_id)] for job_id in whole)
        journal.submitted(dataclasses.replace(submission, items=items), tuple(whole))


def _index(job_id: str) -> int:
    """The place in its array that a job's id tells."""
    return int(job_id.partition("_")[2] or 0)


def _queue(journal: Journal, runs: Collection[str]) -> Queue:
    """The queue, for jobs of runs that are not complete; not asked where there are none."""
    ids = []
    for submission in journal.submissions():
        ids += submission.job_ids if submission.kind == "notebook" else ()
        for item, job_id in zip(submission.items, submission.job_ids, strict=False):
            if item in runs and not (journal.store.run(item).path / "result.json").exists():
                ids.append(job_id)
    return read_queue(ids) if ids else Queue({}, None)


def _after(jobs: Iterable[str]) -> dict[str, str]:
    """Waits until jobs have ended, however; an array is named as a whole."""
    bases = dict.fromkeys(job.partition("_")[0] for job in jobs)
    return {"dependency": "afterany:" + ":".join(bases)} if bases else {}


def _name(request: Request) -> str:
    tables = [plan.experiment.table for plan in request.plans]
    return tables[0] if len(tables) == 1 else "tables"


def _token(name: str) -> str:
    return f"{name}-{secrets.token_hex(3)}"
