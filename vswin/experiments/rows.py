"""Which runs stand for which rows of which tables, in a store: for looking at many at once."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from vswin.experiments.library import Library, Protocol
from vswin.experiments.planning import plan_study
from vswin.experiments.tables import Experiment, Row
from vswin.project import experiments_dir
from vswin.runs.identity import Initialisation, RunConfig
from vswin.runs.store import Store

_NAME = re.compile(r"(?P<slug>.+)-s(?P<seed>\d+)-[0-9a-f]{10}$")


@dataclasses.dataclass(frozen=True)
class RowRuns:
    """The runs of one row, one for each seed."""

    label: str
    """The row's id; for runs that others start from, what they are."""
    run_ids: tuple[str, ...]
    epochs: int | None = None
    """Length of their training; None where it is not known."""


@dataclasses.dataclass(frozen=True)
class TableRuns:
    """The runs of a table; first those that its rows start from."""

    table: str | None
    """None for runs that no table names."""
    title: str
    rows: tuple[RowRuns, ...]
    sources: dict[str, str] = dataclasses.field(default_factory=dict)
    """For runs that start from others, from which, by id."""

    @property
    def run_ids(self) -> list[str]:
        """All of them, each once."""
        return list(dict.fromkeys(i for row in self.rows for i in row.run_ids))


def runs_of_table(
    table: str, protocol: str, seeds: int | None = None, results_dir: str | Path = "results"
) -> TableRuns:
    """The runs of a table, whether they exist or not.

    Args:
        table: an experiment, by name.
        protocol: a protocol, by name.
        seeds: how many seeds, counted from 0; None takes those that the store has, and the
            protocol's number where it has none.
        results_dir: the store's folder.

    Raises:
        UsageError: as `plan_study` does.
        ExperimentError: if a file is broken.
    """
    plan = plan_study(table, protocol, seeds, results_dir)
    study = _Study(plan.experiment, plan.protocol)
    if seeds is None:
        present = _Present(run.run_id for run in plan.store)
        begun = {seed for row in study.rows for seed, _, _ in present.of(study, row)}
        wanted: Sequence[int] = sorted(begun) or range(plan.protocol.seeds)
    else:
        wanted = range(seeds)
    configs = {row.id: [study.configure(row, seed) for seed in wanted] for row in study.rows}
    return _table_runs(study, {i: {c.run_id: c for c in found} for i, found in configs.items()})


def runs_of_store(store: Store) -> list[TableRuns]:
    """All runs that exist, each below as few tables as name them all; at the end the others.

    Raises:
        UsageError: if there is no such protocol.
        ExperimentError: if a file is broken.
    """
    present = _Present(run.run_id for run in store)
    library = Library(experiments_dir())
    protocol = library.protocol(store.protocol)
    tables = {}
    for table in library.tables() if present.run_ids else ():
        experiment = library.experiment(table)
        if store.protocol in experiment.protocols:
            study = _Study(experiment, protocol)
            found = {row.id: {i: c for _, i, c in present.of(study, row)} for row in study.rows}
            tables[table] = _only(_table_runs(study, found), present.run_ids)
    left, chosen = set(present.run_ids), set[str]()
    while left:  # rows that say the same share a run, so that one run may be in several tables
        best = max(tables, key=lambda t: len(left.intersection(tables[t].run_ids)), default=None)
        if best is None or not left.intersection(tables[best].run_ids):
            break
        chosen.add(best)
        left.difference_update(tables[best].run_ids)
    shown = [runs for table, runs in tables.items() if table in chosen]
    if left:
        rows = tuple(RowRuns(label, tuple(ids)) for label, ids in _by_slug(sorted(left)).items())
        shown.append(TableRuns(None, "other runs", rows))
    return shown


@dataclasses.dataclass(frozen=True)
class _Study:
    """A table under a protocol."""

    experiment: Experiment
    protocol: Protocol

    @property
    def rows(self) -> list[Row]:
        """Those that are run under the protocol."""
        return [row for row in self.experiment.rows if self.protocol.includes(row)]

    def configure(self, row: Row, seed: int) -> RunConfig:
        """The run that stands for a row with a seed."""
        return self.protocol.configure(self.experiment, row, seed)


class _Present:
    """What a store holds, by slug, so that not every seed has to be tried for every row."""

    def __init__(self, run_ids: Iterable[str]) -> None:
        self.run_ids = frozenset(run_ids)
        self.seeds: dict[str, set[int]] = {}
        for run_id in self.run_ids:
            if found := _NAME.match(run_id):
                self.seeds.setdefault(found["slug"], set()).add(int(found["seed"]))

    def of(self, study: _Study, row: Row) -> Iterator[tuple[int, str, RunConfig]]:
        """The seeds of a row that have a run, with that run's id and what it is."""
        slug = study.configure(row, 0).slug.removesuffix("-s0")
        for seed in sorted(self.seeds.get(slug, ())):
            config = study.configure(row, seed)
            run_id = config.run_id
            if run_id in self.run_ids:
                yield seed, run_id, config


def _table_runs(study: _Study, configs: dict[str, dict[str, RunConfig]]) -> TableRuns:
    """The runs of a table, from those of its rows, by id."""
    rows = {
        row_id: RowRuns(row_id, tuple(found), next((c.recipe.epochs for c in found.values()), None))
        for row_id, found in configs.items()
    }
    named = {run_id for found in configs.values() for run_id in found}
    sources: dict[str, str] = {}
    before: dict[str, dict[str, int]] = {}
    for run_id, config in (pair for found in configs.values() for pair in found.items()):
        of, init = run_id, config.init
        while isinstance(init, Initialisation) and of not in sources:
            source = init.pretraining
            sources[of] = source.run_id
            if sources[of] not in named:
                label = f"starts from {source.slug.rpartition('-s')[0]}"
                before.setdefault(label, {})[sources[of]] = source.recipe.epochs
            of, init = sources[of], source.init
    starts = [RowRuns(k, tuple(ids), next(iter(ids.values()))) for k, ids in before.items()]
    experiment = study.experiment
    return TableRuns(experiment.table, experiment.title, (*starts, *rows.values()), sources)


def _only(runs: TableRuns, run_ids: frozenset[str]) -> TableRuns:
    """What exists of a table."""
    rows = (
        dataclasses.replace(row, run_ids=tuple(i for i in row.run_ids if i in run_ids))
        for row in runs.rows
    )
    return dataclasses.replace(runs, rows=tuple(row for row in rows if row.run_ids))


def _by_slug(run_ids: Iterable[str]) -> dict[str, list[str]]:
    """Runs that differ in nothing that their names say but the seed."""
    groups: dict[str, list[str]] = {}
    for run_id in run_ids:
        found = _NAME.match(run_id)
        groups.setdefault(found["slug"] if found else run_id, []).append(run_id)
    return groups
