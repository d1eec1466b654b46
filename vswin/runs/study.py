"""A study: all runs of a table under one protocol. Planning it, and running what is missing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from vswin.errors import UsageError, VswinError
from vswin.project import experiments_dir, results_path
from vswin.runs.effort import Effort
from vswin.runs.experiments import Experiment, Row
from vswin.runs.identity import RunConfig
from vswin.runs.launch import Snapshot, launch, pool_size, prepare
from vswin.runs.library import Library, Protocol
from vswin.runs.requirements import require_inputs
from vswin.runs.store import RunFolder, Store


class RunsFailedError(VswinError):
    """Some runs of a study failed; the others are complete."""


@dataclasses.dataclass(frozen=True)
class PlannedRun:
    """What stands for one row with one seed. Rows that say the same share one run."""

    row: Row
    seed: int
    config: RunConfig


@dataclasses.dataclass(frozen=True)
class StudyPlan:
    """A table, a protocol, seeds, and the store where the runs are or will be."""

    experiment: Experiment
    protocol: Protocol
    runs: tuple[PlannedRun, ...]
    store: Store

    def folder(self, planned: PlannedRun) -> RunFolder:
        """Where a planned run is or will be."""
        return self.store.run(planned.config.run_id)


def plan_study(
    table: str,
    protocol: str,
    seeds: int | None = None,
    results_dir: str | Path = "results",
    rows: Sequence[str] = (),
    only_seeds: Sequence[int] = (),
) -> StudyPlan:
    """Says which runs a study consists of. Touches no results.

    Args:
        table: an experiment, by name.
        protocol: a protocol, by name.
        seeds: how many seeds, counted from 0; None takes the protocol's number.
        results_dir: the store's folder; a relative one counts from the project's root.
        rows: ids of rows; none means all.
        only_seeds: exactly these seeds instead, each from 0 on; then `seeds` must be None.

    Raises:
        UsageError: if a name is unknown, the table cannot be run under the protocol, the number
            of seeds is not positive, or seeds are given both ways.
        ExperimentError: if a file is broken.
    """
    library = Library(experiments_dir())
    experiment, chosen = library.experiment(table), library.protocol(protocol)
    if protocol not in experiment.protocols:
        allowed = ", ".join(experiment.protocols) or "none yet; `vswin cost` compares its costs"
        raise UsageError(
            f"{table} cannot be run under protocol {protocol}; it can under: {allowed}"
        )
    wanted = [experiment.row(row_id) for row_id in rows] or [
        row for row in experiment.rows if chosen.includes(row)
    ]
    runs = tuple(
        PlannedRun(row, seed, chosen.configure(experiment, row, seed))
        for seed in _seeds(chosen.seeds if seeds is None else seeds, seeds is not None, only_seeds)
        for row in wanted
    )
    return StudyPlan(experiment, chosen, runs, Store(results_path(results_dir), protocol))


def _seeds(count: int, is_given: bool, only: Sequence[int]) -> Sequence[int]:
    if only and is_given:
        raise UsageError("seeds were given by number and one by one; wanted one of the two")
    if bad := [seed for seed in only if not _is_integer(seed) or seed < 0]:
        raise UsageError(f"seed {bad[0]!r}: wanted an integer >= 0")
    if not _is_integer(count) or count < 1:
        raise UsageError(f"seeds={count!r}: wanted how many seeds to run, an integer >= 1")
    return list(dict.fromkeys(only)) or range(count)


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def run_study(
    plan: StudyPlan,
    jobs: int = 0,
    device: str = "cpu",
    on_poll: Callable[[list[Snapshot]], None] = lambda snapshots: None,
    effort: Effort | None = None,
) -> list[Snapshot]:
    """Executes the runs of a plan that are not complete, and waits for them.

    Args:
        plan: from `plan_study`.
        jobs: runs at a time; 0 is as many as the CPU cores or the GPUs have room for.
        device: a torch device.
        on_poll: called several times a second with where each run stands.
        effort: means that each run is given.

    Raises:
        UsageError: if `jobs` is negative, or more than there are GPUs for.
        NotWritableError: if the results folder cannot be written.
        RunsFailedError: if a run failed, with its last words and where its log is.
    """
    threads = plan.protocol.threads
    configs = [planned.config for planned in plan.runs]
    return run_configs(configs, plan.store, jobs, threads, device, on_poll, effort)


def run_configs(
    configs: Sequence[RunConfig],
    store: Store,
    jobs: int = 0,
    threads: int = 1,
    device: str = "cpu",
    on_poll: Callable[[list[Snapshot]], None] = lambda snapshots: None,
    effort: Effort | None = None,
) -> list[Snapshot]:
    """Executes runs that are not complete; first those whose weights others start from.

    Args:
        configs: what to run; the same one twice is run once.
        store: where the runs are or will be.
        jobs: runs at a time; 0 is as many as the CPU cores or the GPUs have room for.
        threads: CPU threads of each run.
        device: a torch device.
        on_poll: called several times a second with where each run stands.
        effort: means that each run is given.

    Raises:
        UsageError: if `jobs` is negative, or more than there are GPUs for.
        MissingDataError: if this machine lacks videos or weights that a run needs.
        NotWritableError: if the results folder cannot be written.
        RunsFailedError: if a run failed, with its last words and where its log is.
    """
    jobs = pool_size(jobs, device, threads, effort.processes if effort else 1)
    require_inputs(configs, store)
    # The longest first, so that no core is left with a long one at the end.
    configs = sorted(configs, key=lambda c: -c.length)
    stages = [*_pretrainings(configs, store), configs]
    bad: dict[str, Snapshot] = {}
    snapshots: list[Snapshot] = []
    for stage in stages:
        able = [config for config in stage if not _lineage(config) & bad.keys()]
        snapshots = launch(prepare(able, store), jobs, threads, device, on_poll, effort)
        bad |= {s.run.run_id: s for s in snapshots if s.state != "done"}
    if bad:
        runs = {config.run_id: config for stage in stages for config in stage}
        lines = [f"{i}: {s.state} ({s.detail}); log: {s.run.log}" for i, s in bad.items()]
        lines += [
            f"{run_id}: not started, for it starts from one of those"
            for run_id, config in runs.items()
            if run_id not in bad and _lineage(config) & bad.keys()
        ]
        raise RunsFailedError(
            f"{len(lines)} of {len(runs)} runs did not complete:\n  " + "\n  ".join(lines)
        )
    return snapshots


def _lineage(config: RunConfig) -> set[str]:
    """A run and the runs that it starts from, by id."""
    return {each.run_id for each in (config, *config.sources)}


def _pretrainings(configs: Sequence[RunConfig], store: Store) -> list[list[RunConfig]]:
    """What runs that are not complete start from, in stages: first what the others start from."""
    before = [
        source
        for config in configs
        for source in config.sources[:1]
        if store.run(config.run_id).state() != "done"
    ]
    return [*_pretrainings(before, store), before] if before else []
