"""A study: all runs of a table under one protocol, and which they are."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from vswin.errors import UsageError
from vswin.experiments.library import Library, Protocol
from vswin.experiments.tables import Experiment, Row
from vswin.project import experiments_dir, results_path
from vswin.runs.identity import RunConfig
from vswin.runs.store import RunFolder, Store


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
