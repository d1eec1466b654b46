"""Which runs a study has: those of a table's rows, with each seed, under one protocol."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from vswin.errors import UsageError
from vswin.experiments.distinct import require_distinct
from vswin.experiments.library import Library, Protocol
from vswin.experiments.tables import Experiment, Row
from vswin.models.errors import ModelError
from vswin.models.layouts import some
from vswin.project import experiments_dir, results_path
from vswin.runs.config import RunConfig
from vswin.runs.store import RunFolder, Store

_NAME = re.compile(r"(?P<slug>.+)-s(?P<seed>\d+)-[0-9a-f]{10}$")


@dataclasses.dataclass(frozen=True)
class PlannedRun:
    """A row with one seed, and its run. Rows that say the same share one run."""

    row: Row
    seed: int
    config: RunConfig

    def __repr__(self) -> str:
        return f"<PlannedRun row {self.row.id}, seed {self.seed}: {self.config.run_id}>"


@dataclasses.dataclass(frozen=True)
class StudyPlan:
    """A table, a protocol, seeds, and the store where the runs are or will be."""

    experiment: Experiment
    protocol: Protocol
    runs: tuple[PlannedRun, ...]
    store: Store

    def __repr__(self) -> str:
        rows = some(list(dict.fromkeys(planned.row.id for planned in self.runs)))
        seeds = len({planned.seed for planned in self.runs})
        return (
            f"<StudyPlan {self.experiment.table} under protocol {self.protocol.protocol}, "
            f"{seeds} seed{'s' * (seeds != 1)} of {rows}; {self.store.runs_dir}>"
        )

    @property
    def left_out(self) -> list[str]:
        """Rows that it has not because it has too few seeds for them, by id."""
        own, seeds = {p.row.id for p in self.runs}, len({p.seed for p in self.runs})
        return [
            row.id
            for row in self.experiment.rows
            if self.protocol.includes(row) and row.min_seeds > seeds and row.id not in own
        ]

    def folder(self, planned: PlannedRun) -> RunFolder:
        """Where a planned run is or will be."""
        return self.store.run(planned.config.run_id)


class PresentRuns:
    """The ids of runs that exist, ordered so that a row's are found without trying every seed."""

    def __init__(self, run_ids: Iterable[str]) -> None:
        self.run_ids = frozenset(run_ids)
        self.groups: dict[str, list[str]] = {}
        """Runs that differ in nothing that their names say but the seed, by that name."""
        for run_id in sorted(self.run_ids):
            found = _NAME.match(run_id)
            self.groups.setdefault(found["slug"] if found else run_id, []).append(run_id)

    def seeds(self, config: RunConfig) -> list[int]:
        """Seeds of runs whose names are like a run's but for the seed."""
        ids = self.groups.get(config.slug.removesuffix(f"-s{config.seed}"), [])
        return sorted({int(found["seed"]) for run_id in ids if (found := _NAME.match(run_id))})


def study_runs(
    experiment: Experiment,
    protocol: Protocol,
    seeds: Sequence[int] | None = None,
    rows: Sequence[Row] = (),
    present: PresentRuns | None = None,
) -> Iterator[PlannedRun]:
    """The runs of a study: one for each row with each seed. This is the only place that says so.

    Args:
        experiment: whose rows.
        protocol: how they are run; a table that it cannot run has no runs.
        seeds: which seeds; None is all that are present, or else as many as the protocol says.
        rows: which rows; none means all that are run under the protocol, with so many seeds.
        present: only the runs that exist. Finding a few thousand takes a second.

    Yields:
        Row by row, and in each seed by seed.

    Raises:
        UsageError: if a row cannot be run under the protocol; names table, row and protocol.
    """
    if protocol.why_not(experiment):
        return
    for row, first in first_runs(experiment, protocol, rows).items():
        if present is not None:
            tried = [s for s in present.seeds(first) if seeds is None or s in seeds]
        else:
            tried = list(range(protocol.seeds) if seeds is None else seeds)
            if not rows and len(tried) < experiment.row(row).min_seeds:
                continue
        for seed in tried:
            config = first.with_seed(seed)
            if present is None or config.run_id in present.run_ids:
                yield PlannedRun(experiment.row(row), seed, config)


def first_runs(
    experiment: Experiment, protocol: Protocol, rows: Sequence[Row] = ()
) -> dict[str, RunConfig]:
    """What rows are under a protocol, with seed 0, by row.

    Args:
        experiment: whose rows.
        protocol: one that can run the table.
        rows: which rows; none means all that are run under the protocol.

    Raises:
        UsageError: if a row cannot be run under the protocol, or would be the run of another one
            that says something else; names table, row and protocol.
    """
    possible = [row for row in experiment.rows if protocol.includes(row)]
    wanted = {row.id: row for row in rows or possible}
    found = {}
    for row in ({row.id: row for row in possible} | wanted).values():
        try:
            found[row.id] = _configured(experiment, protocol, row)
        except UsageError:
            if row.id in wanted:
                raise
    require_distinct(experiment, protocol, wanted.keys(), found)
    return {row_id: found[row_id] for row_id in wanted}


def _configured(experiment: Experiment, protocol: Protocol, row: Row) -> RunConfig:
    try:
        if row.only_on == "costs":
            raise UsageError("its costs are counted, and nothing else (only_on: costs)")
        _require_classes_of_data(experiment, row)
        return protocol.configure(experiment, row, 0)
    except (UsageError, ModelError) as error:
        raise UsageError(
            f"{experiment.table}.yaml, row {row.id}, cannot be run under protocol "
            f"{protocol.protocol}: {error}"
        ) from error


def _require_classes_of_data(experiment: Experiment, row: Row) -> None:
    """Refuses a row with another number of classes than its table's: no data has them."""
    said = row.model.get("num_classes")
    usual = experiment.paper_model(row.model_copy(update={"model": {}})).num_classes
    if said not in (None, usual):
        raise UsageError(
            f"model.num_classes {said}: the data says how many classes there are ({usual} in the "
            "paper); leave it out"
        )


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
        rows: ids of rows; none means all of a study of so many seeds.
        only_seeds: exactly these seeds instead, each from 0 on, a part of a larger study; then
            `seeds` must be None.

    Raises:
        UsageError: if a name is unknown, the table cannot be run under the protocol, the number
            of seeds is not positive or too small for all rows, or seeds are given both ways.
        ExperimentError: if a file is broken.
    """
    library = Library(experiments_dir())
    experiment, chosen = library.experiment(table), library.protocol(protocol)
    library.require_possible(experiment, protocol)
    wanted = _seeds(chosen.seeds if seeds is None else seeds, seeds is not None, only_seeds)
    wanted_rows = [experiment.row(row_id) for row_id in rows]
    if only_seeds and not rows:
        wanted_rows = [row for row in experiment.rows if chosen.includes(row)]
    runs = study_runs(experiment, chosen, wanted, wanted_rows)
    # Seed by seed: a table is complete with one seed before the next is begun.
    ordered = sorted(runs, key=lambda planned: wanted.index(planned.seed))
    if not ordered:
        least = min(row.min_seeds for row in experiment.rows if chosen.includes(row))
        raise UsageError(
            f"no row of {table} is in a study of {len(wanted)} seeds (min_seeds); ask for {least}"
        )
    return StudyPlan(experiment, chosen, tuple(ordered), Store(results_path(results_dir), protocol))


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
