"""The runs of tables in a store, row by row: for reading where many stand at once."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterable
from pathlib import Path

from vswin.errors import UsageError
from vswin.experiments.library import Library, Protocol
from vswin.experiments.planning import PlannedRun, PresentRuns, plan_study, study_runs
from vswin.experiments.tables import Experiment
from vswin.models.layouts import some
from vswin.project import experiments_dir
from vswin.reading import ExperimentError
from vswin.runs.store import Store


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

    def __repr__(self) -> str:
        rows = some([row.label for row in self.rows])
        return f"<TableRuns {self.table or self.title}: {len(self.run_ids)} runs of {rows}>"

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
    runs: Iterable[PlannedRun] = plan.runs
    if seeds is None:
        present = PresentRuns(plan.store.run_ids())
        found = list(study_runs(plan.experiment, plan.protocol, present=present))
        begun = sorted({planned.seed for planned in found}) or range(plan.protocol.seeds)
        planned = (*study_runs(plan.experiment, plan.protocol, begun), *found)
        runs = {(each.row.id, each.seed): each for each in planned}.values()
    return _table_runs(plan.experiment, runs)


def runs_of_store(store: Store) -> list[TableRuns]:
    """All runs that exist, each below as few tables as name them all; at the end the others.

    Raises:
        UsageError: if there is no such protocol.
        ExperimentError: if a file is broken.
    """
    present = PresentRuns(store.run_ids())
    library = Library(experiments_dir())
    protocol = library.protocol(store.protocol)
    tables = {}
    for table in library.tables() if present.run_ids else ():
        experiment = library.experiment(table)
        with contextlib.suppress(UsageError):  # one with a row that cannot be run hides no other
            runs = _table_runs(experiment, study_runs(experiment, protocol, present=present))
            tables[table] = _only(runs, present.run_ids)
    left, chosen = set(present.run_ids), set[str]()
    while left:  # rows that say the same share a run, so that one run may be in several tables
        best = max(tables, key=lambda t: len(left.intersection(tables[t].run_ids)), default=None)
        if best is None or not left.intersection(tables[best].run_ids):
            break
        chosen.add(best)
        left.difference_update(tables[best].run_ids)
    shown = [runs for table, runs in tables.items() if table in chosen]
    if left:
        rows = tuple(RowRuns(name, tuple(ids)) for name, ids in PresentRuns(left).groups.items())
        shown.append(TableRuns(None, "other runs", rows))
    return shown


def runs_of_row(store: Store, row: str, table: str | None = None) -> list[str]:
    """The ids of those runs in a store that a row stands for.

    Args:
        store: where the runs are; of a protocol that is not known, none stands for a row.
        row: its id.
        table: whose row; None is any table's that can be read.

    Raises:
        UsageError: if there is no such table, or no such row in it.
        ExperimentError: if that table's file is broken.
    """
    library = Library(experiments_dir())
    if store.protocol not in library.protocols():
        return []
    protocol, present = library.protocol(store.protocol), PresentRuns(store.run_ids())
    if table is not None:
        experiment = library.experiment(table)
        experiment.row(row)  # or it is unknown
        return _runs_of_row(experiment, row, protocol, present)
    found: dict[str, None] = {}
    for name in library.tables():
        with contextlib.suppress(UsageError, ExperimentError):
            found |= dict.fromkeys(_runs_of_row(library.experiment(name), row, protocol, present))
    return list(found)


def _runs_of_row(
    experiment: Experiment, row: str, protocol: Protocol, present: PresentRuns
) -> list[str]:
    if not present.run_ids or row not in {each.id for each in experiment.rows}:
        return []
    planned = study_runs(experiment, protocol, present=present)
    ids = [p.config.run_id for p in planned if p.row.id == row]
    return [run_id for run_id in ids if run_id in present.run_ids]


def _table_runs(experiment: Experiment, runs: Iterable[PlannedRun]) -> TableRuns:
    """The runs of a table, by row, and those that they start from."""
    rows: dict[str, list[PlannedRun]] = {}
    for planned in runs:
        rows.setdefault(planned.row.id, []).append(planned)
    named = {planned.config.run_id for found in rows.values() for planned in found}
    sources: dict[str, str] = {}
    before: dict[str, dict[str, int]] = {}
    for planned in (planned for found in rows.values() for planned in found):
        config = planned.config
        while config.source is not None and config.run_id not in sources:
            source = config.source
            sources[config.run_id] = source.run_id
            if source.run_id not in named:
                label = f"starts from {source.slug.rpartition('-s')[0]}"
                before.setdefault(label, {})[source.run_id] = source.recipe.epochs
            config = source
    starts = [RowRuns(label, tuple(ids), next(iter(ids.values()))) for label, ids in before.items()]
    of_rows = [
        RowRuns(row, tuple(p.config.run_id for p in found), found[0].config.recipe.epochs)
        for row, found in rows.items()
    ]
    return TableRuns(experiment.table, experiment.title, (*starts, *of_rows), sources)


def _only(runs: TableRuns, run_ids: frozenset[str]) -> TableRuns:
    """What exists of a table."""
    rows = (
        dataclasses.replace(row, run_ids=tuple(i for i in row.run_ids if i in run_ids))
        for row in runs.rows
    )
    return dataclasses.replace(runs, rows=tuple(row for row in rows if row.run_ids))
