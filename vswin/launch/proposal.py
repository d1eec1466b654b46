"""What of a request is missing, and how it would be submitted. Writes nothing.

What is asked for is compared with the store, the journal and the queue: runs that are complete,
running or queued are left alone. What remains becomes job arrays, runs that others start from
before those; a job for the notebooks comes after all of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence

from vswin.experiments.planning import StudyPlan
from vswin.launch.slurm.journal import Journal
from vswin.launch.slurm.profile import Profile
from vswin.launch.slurm.queue import Queue, read_queue
from vswin.launch.slurm.sbatch import Shape, shape_of
from vswin.launch.status import live_jobs, statuses_of
from vswin.runs.config import RunConfig
from vswin.runs.status import RunStatus
from vswin.runs.store import State, Store

ABSENT: tuple[State, ...] = ("missing", "interrupted", "cancelled", "unknown")
"""States of runs that are submitted without being asked for by name."""
FAILED: tuple[State, ...] = ("failed", "blocked")


@dataclasses.dataclass(frozen=True)
class Request:
    """What shall be submitted."""

    plans: tuple[StudyPlan, ...]
    """Tables under one protocol, in one store."""
    profile: Profile
    states: tuple[State, ...] = ABSENT
    """Runs that stand so are submitted."""
    only: frozenset[str] | None = None
    """Ids of the only runs that are meant; None means all."""
    notebooks: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """By table, the arguments of the `vswin` command that executes its notebook afterwards."""

    @property
    def store(self) -> Store:
        """Where the runs are or will be."""
        return self.plans[0].store

    @property
    def name(self) -> str:
        """What its job arrays are called."""
        return self.plans[0].experiment.table if len(self.plans) == 1 else "tables"

    @property
    def configs(self) -> dict[str, RunConfig]:
        """What is asked for and what that starts from, by id; sources first."""
        asked = [planned.config for plan in self.plans for planned in plan.runs]
        found = {config.run_id: config for config in asked}
        for config in asked:
            found |= {source.run_id: source for source in config.ancestors}
        return dict(sorted(found.items(), key=lambda item: len(item[1].ancestors)))

    def shape(self, config: RunConfig) -> Shape:
        """What a run gets of the cluster."""
        return shape_of(self.profile, self.plans[0].protocol.threads, config.data.kind == "videos")


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

    statuses: dict[str, RunStatus]
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

    def live_sources(self, array: Array) -> list[str]:
        """Jobs that train what runs of an array start from, and that are in the queue already."""
        sources = {source.run_id for config in array.configs for source in config.ancestors}
        return [job_id for run_id, job_id in self.live.items() if run_id in sources]


def propose(request: Request) -> Proposal:
    """Says what is missing, and how it would be submitted. Writes nothing."""
    journal = Journal(request.store)
    configs = request.configs
    queue = _queue(journal, configs.keys())
    folders = [request.store.run(run_id) for run_id in configs]
    sources = {i: first.run_id for i, config in configs.items() for first in config.ancestors[:1]}
    statuses = {s.run.run_id: s for s in statuses_of(folders, journal, queue, sources)}
    wanted = [c for i, c in configs.items() if statuses[i].state in request.states]
    if request.only is not None:
        meant = {s.run_id for i in request.only for s in configs[i].ancestors} | request.only
        wanted = [config for config in wanted if config.run_id in meant]
    needed = {
        s.run_id
        for c in configs.values()
        if statuses[c.run_id].state != "done"
        for s in c.ancestors
    }
    asked = {planned.config.run_id for plan in request.plans for planned in plan.runs}
    wanted = [config for config in wanted if config.run_id in asked | needed]
    arrays = tuple(_arrays(request, wanted))
    places = journal.placements()
    found = {run_id: live_jobs(queue, places.get(run_id, [])) for run_id in statuses}
    live = {run_id: jobs[-1].job_id for run_id, jobs in found.items() if jobs}
    tables = _tables(request, live, arrays, journal, queue)
    return Proposal(statuses, arrays, tables, live, queue.problem)


def _arrays(request: Request, wanted: Sequence[RunConfig]) -> Iterable[Array]:
    """Groups runs that need the same, cut to the site's limit; sources and long ones first."""
    groups: dict[tuple[int, Shape], list[RunConfig]] = {}
    for config in wanted:
        groups.setdefault((len(config.ancestors), request.shape(config)), []).append(config)
    size = request.profile.max_array_size
    for (level, shape), configs in sorted(groups.items(), key=lambda item: item[0][0]):
        configs.sort(key=lambda c: -c.work)
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
        if needs and table in request.notebooks:
            due.append(table)
    return tuple(due)


def _queue(journal: Journal, runs: Collection[str]) -> Queue:
    """The queue, for jobs of runs that are not complete; not asked where there are none."""
    ids: list[str] = []
    for submission in journal.submissions():
        ids += submission.job_ids if submission.kind == "notebook" else ()
        for item, job_id in zip(submission.items, submission.job_ids, strict=False):
            if item in runs and not (journal.store.run(item).path / "result.json").exists():
                ids.append(job_id)
    return read_queue(ids) if ids else Queue({}, None)
