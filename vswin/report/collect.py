"""Collecting: what there is for a table under a protocol, as data.

The one module of the report that reads experiments, protocols and the store.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path

from vswin.data.datasets import dataset
from vswin.errors import UsageError
from vswin.experiments.embedded import AppearanceTask, EmbeddedProtocol
from vswin.experiments.library import Library
from vswin.experiments.planning import PresentRuns, Protocol, first_runs, study_runs
from vswin.experiments.tables import Experiment
from vswin.experiments.trained import sizes_of
from vswin.experiments.videos import VideoProtocol
from vswin.paper.printed import PrintedTable, printed_table
from vswin.project import experiments_dir, has_project, results_path
from vswin.report.data import Recipe, Row, Runs, Setting, Shown, Terms, Value
from vswin.report.failed import failed_runs
from vswin.report.study import Study
from vswin.runs.config import RunConfig
from vswin.runs.distances import DistanceRecord
from vswin.runs.evaluated import Evaluated, Evaluations, tests_of
from vswin.runs.record import Curve, RunRecord, read_records
from vswin.runs.result import Result
from vswin.runs.store import Store
from vswin.tasks import SINGLE_LABEL

USUAL = "proxy"
"""The protocol of a report where none is named."""
Stage = EmbeddedProtocol | AppearanceTask | VideoProtocol
"""What says how a table is trained and tested: of a protocol the part for the table's task."""

Found = tuple[Runs, dict[str, Curve], dict[str, RunRecord | None]]
"""Complete runs by row and seed; by id what they logged, and the runs they have started from."""


def load_study(
    table: str,
    protocol: str = "proxy",
    seeds: int | None = None,
    results_dir: str | Path = "results",
) -> Study:
    """Reads what is on disk for a table under a protocol. Trains nothing.

    Args:
        table: an experiment, by name.
        protocol: a protocol, by name.
        seeds: only the first so many seeds; None takes every seed that was run.
        results_dir: the store's folder; a relative one counts from the project's root.

    Raises:
        UsageError: if a name is unknown, the experiment names its protocols and not this one, a
            row cannot be run under the protocol, or the number of seeds is not positive.
        ExperimentError: if a file is broken.
        DamagedFileError: if a result is.
    """
    if seeds is not None and (isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1):
        raise UsageError(f"seeds={seeds!r}: wanted an integer >= 1, or nothing for all")
    library = Library(experiments_dir())
    experiment, chosen = library.experiment(table), library.protocol(protocol)
    if not experiment.is_for(protocol):  # others' costs can be reported
        library.require_possible(experiment, protocol)
    reason = library.why_not(experiment, protocol)
    firsts = {} if reason else first_runs(experiment, chosen)
    store = Store(results_path(results_dir), protocol)
    if not firsts and not reason:
        reason = f"{table} has no rows but checks of the embedded benchmark"
    found = _runs(experiment, chosen, seeds, store)
    study = _study(experiment, chosen, firsts, found, store, reason)
    study = dataclasses.replace(study, failed=tuple(failed_runs(experiment, chosen, seeds, store)))
    leaves_out = seeds is not None and seeds < _seeds_present(experiment, chosen, store)
    return dataclasses.replace(study, seeds=seeds if leaves_out else None)


def load_costs(table: str) -> Study:
    """A table as a study of which nothing is run: what its rows cost at their own size.

    No protocol need be able to run them.

    Raises:
        UsageError: if there is no such table.
        ExperimentError: if a file is broken.
    """
    library = Library(experiments_dir())
    experiment, protocol = library.experiment(table), library.protocol(library.protocols()[0])
    results = results_path("results") if has_project() else Path("results").absolute()
    store, reason = Store(results, "none"), "no protocol was asked for"
    return _study(experiment, protocol, {}, ({}, {}, {}), store, reason)


def _study(
    experiment: Experiment,
    chosen: Protocol,
    firsts: Mapping[str, RunConfig],
    found: Found,
    store: Store,
    reason: str,
) -> Study:
    """A study of what was found.

    Args:
        experiment: whose rows.
        chosen: the protocol.
        firsts: the runs with seed 0, by row; none where the protocol does not run the table.
        found: the complete runs, what they logged, and the runs that they have started from.
        store: where they are.
        reason: why the protocol does not run the table; empty if it does.
    """
    (runs, curves, sources), printed = found, printed_table(experiment.table)
    return Study(
        name=experiment.table,
        title=title_of(experiment, printed),
        choices=experiment.choices,
        dataset=dataset(experiment.videos.dataset).title if experiment.videos else "the paper",
        terms=_terms(experiment, chosen, firsts),
        why_not_run=reason,
        printed=printed,
        all_rows=tuple(_rows(experiment, chosen, printed, firsts)),
        values=tuple(_values(runs, experiment.table, printed, chosen.comparable)),
        runs=runs,
        curves=curves,
        sources=sources,
        is_recorded=any(
            not store.run(run.run_id).path.exists()
            for by_seed in runs.values()
            for run in by_seed.values()
        ),
        results_dir=store.results_dir,
        test_clips=experiment.test_clips,
        distances=DistanceRecord(store.results_dir, experiment.table).read(),
        evaluated=_evaluated(experiment, chosen, store) if chosen.comparable and firsts else {},
    )


def _evaluated(
    experiment: Experiment, protocol: Protocol, store: Store
) -> dict[str, tuple[Evaluated, ...]]:
    """By row, the tests of its published checkpoint; those of the most videos first.

    Raises:
        UsageError: if the protocol cannot run the table, and there are tests.
        DamagedFileError: if one of them is.
    """
    if not (found := Evaluations(store.results_dir).read()):
        return {}
    return {
        row_id: tuple(sorted(fitting, key=lambda e: (e.present, e.n, e.finished), reverse=True))
        for row_id, config in first_runs(experiment, protocol).items()
        if (fitting := tests_of(found, experiment.row(row_id).published, config))
    }


def title_of(experiment: Experiment, printed: PrintedTable | None) -> str:
    """Its number as printed, or else its name, and what it is about."""
    return f"{printed.title if printed else experiment.table}: {experiment.title}"


def _runs(experiment: Experiment, protocol: Protocol, seeds: int | None, store: Store) -> Found:
    """The complete runs by row and seed, and by id their curves and what they started from."""
    found: dict[str, dict[int, RunRecord]] = {}
    sources: dict[str, RunRecord | None] = {}
    curves: dict[str, Curve] = {}
    records = read_records(store)

    # Rows that say the same share a run, and runs share a source; each is read once.
    result_of = functools.cache(lambda run_id: store.run(run_id).result())

    def read(config: RunConfig) -> RunRecord | None:
        """What a folder says, or else the record."""
        run_id, result = config.run_id, result_of(config.run_id)
        if result is None:
            return records.runs.get(run_id)
        return RunRecord(run_id, config, result, store.run(run_id).provenance() or {})

    wanted = None if seeds is None else range(seeds)
    present = PresentRuns([*store.run_ids(), *records.runs])
    for planned in study_runs(experiment, protocol, wanted, present=present):
        source = planned.config.source
        if run := read(planned.config):
            found.setdefault(planned.row.id, {})[planned.seed] = run
            if logged := store.run(run.run_id).metrics() or records.curves.get(run.run_id):
                curves[run.run_id] = logged
            if source is not None:
                sources[source.run_id] = read(source)
    return found, curves, sources


def _seeds_present(experiment: Experiment, protocol: Protocol, store: Store) -> int:
    """How many seeds, from 0 on, hold every run that there is."""
    found = study_runs(experiment, protocol, None, present=_present(store))
    return max((1 + planned.seed for planned in found), default=0)


def _present(store: Store) -> PresentRuns:
    return PresentRuns([*store.run_ids(), *read_records(store).runs])


def studies_in(results_dir: str | Path, protocol: str | None = None) -> list[tuple[str, str]]:
    """Tables and protocols of which there are runs, or a record of runs, in a results folder.

    Args:
        results_dir: the folder; a relative one counts from the project's root.
        protocol: only this one.

    Raises:
        UsageError: if there is no such protocol.
    """
    library = Library(experiments_dir())
    studies = []
    for name in [protocol] if protocol else library.protocols():
        chosen, store = library.protocol(name), Store(results_path(results_dir), name)
        for table in library.tables():
            experiment = library.experiment(table)
            with contextlib.suppress(UsageError):  # what cannot be run there was not run
                if any(study_runs(experiment, chosen, present=_present(store))):
                    studies.append((table, name))
    return studies


def shown_in(found: Evaluated) -> Iterator[Shown]:
    """Whose published checkpoint it is that was tested, as the row's own runs are tested."""
    library = Library(experiments_dir())
    for table in library.tables():
        experiment = library.experiment(table)
        if not any(row.published == found.tested.file for row in experiment.rows):
            continue
        for name in library.protocols():
            chosen = library.protocol(name)
            with contextlib.suppress(UsageError):  # what cannot be run there has no such column
                firsts = first_runs(experiment, chosen) if chosen.comparable else {}
                for row_id, config in firsts.items():
                    if tests_of([found], experiment.row(row_id).published, config):
                        yield Shown(table, name, row_id)


def reports_in(results_dir: str | Path, protocol: str | None = None) -> list[tuple[str, str]]:
    """Tables and protocols that have something to report; nothing where nothing was run or tested.

    Under the usual protocol, that is every printed table: costs are counted, whoever can run it.
    Variations of a protocol stand on the pages of what they vary, and have one of their own if it
    is asked for.

    Args:
        results_dir: the folder; a relative one counts from the project's root.
        protocol: only this one.

    Raises:
        UsageError: if there is no such protocol.
    """
    library = Library(experiments_dir())
    found = studies_in(results_dir, protocol)
    if protocol is None:
        varied = {name for base in library.protocols() for name in library.variations(base)}
        found = [each for each in found if each[1] not in varied]
    for tested in Evaluations(results_path(results_dir)).read():
        shown = ((each.table, each.protocol) for each in shown_in(tested))
        found += [each for each in shown if protocol in (None, each[1])]
    tables = library.tables() if found and protocol in (None, USUAL) else []
    counted = [t for t in tables if printed_table(t) and library.experiment(t).is_for(USUAL)]
    return sorted({*found, *((t, USUAL) for t in counted)}, key=lambda each: (each[1], each[0]))


def _values(
    runs: Runs, table: str, printed: PrintedTable | None, is_comparable: bool
) -> Iterator[Value]:
    """What the runs measured, as a long table."""
    paper = printed.paper if printed else ""
    for row_id, by_seed in runs.items():
        for seed, run in by_seed.items():
            measured = {name: 100 * share for name, share in _measured(run.result).items()}
            for column, value in (measured | {"n": run.result.n}).items():
                yield Value(paper, table, row_id, column, seed, value, is_comparable)


def _measured(result: Result) -> dict[str, float]:
    """Shares by column: the metrics, and what only a run on Moving Digits measures.

    `easiest`: the headline at the least difficulty of training. `order`: there, the share with the
    right order, see `Cell`. `stills`: still images under the pre-training's head, see `Stills`.
    """
    details = result.details
    if details.kind != "moving_digits":
        return result.metrics
    found = {
        "easiest": details.easiest.metrics[next(iter(result.metrics))],
        "order": details.easiest.order_accuracy,
        "stills": details.stills.after if details.stills else None,
    }
    return result.metrics | {name: share for name, share in found.items() if share is not None}


def _rows(
    experiment: Experiment,
    protocol: Protocol,
    printed: PrintedTable | None,
    firsts: Mapping[str, RunConfig],
) -> Iterator[Row]:
    """The rows of the table, and the checks of the benchmark that the protocol has.

    Args:
        experiment: whose rows.
        protocol: under which they are run.
        printed: the table as printed.
        firsts: the runs with seed 0, by row; none where the protocol cannot run the table.
    """
    seen: dict[tuple[str, ...], str] = {}
    for row in experiment.rows:
        is_counted_only = row.only_on == "costs"
        if not (protocol.includes(row) or is_counted_only):
            continue
        line = printed.row(row.id) if printed else None
        if line and row.title:
            raise UsageError(
                f"experiments/{experiment.table}.yaml, row {row.id}: title is for rows that no "
                "paper prints, and this one is printed; leave it out"
            )
        first = seen.setdefault(tuple(line.cells.values()), row.id) if line else row.id
        columns = printed.labels if printed and line else []
        labels = {column.name: line.cells[column.id] for column in columns if line}
        run = firsts.get(row.id)
        yield Row(
            id=row.id,
            labels=labels or ({"title": row.title} if row.title else {"row": row.id}),
            control=row.control,
            is_beside=row.only_on is not None and not is_counted_only,
            is_counted_only=is_counted_only,
            model=experiment.paper_model(row),
            input_size=experiment.paper_input(row),
            trained=sizes_of(experiment, row, run) if run else {},
            published=row.published or "",
            repeats="" if first == row.id else first,
            min_seeds=row.min_seeds,
        )


def _terms(experiment: Experiment, protocol: Protocol, firsts: Mapping[str, RunConfig]) -> Terms:
    """What the protocol says of itself, for this table."""
    can_run = bool(firsts)
    videos = protocol if isinstance(protocol, VideoProtocol) else None
    stage: Stage = protocol
    if isinstance(protocol, EmbeddedProtocol) and can_run:
        stage = protocol.stage(experiment.task)
    num_classes, task = experiment.paper_model(experiment.rows[0]).num_classes, SINGLE_LABEL
    if can_run:
        run = next(iter(firsts.values()))
        num_classes, task = run.model.num_classes, run.task
    return Terms(
        protocol=protocol.protocol,
        title=stage.title,
        shows=protocol.shows,
        comparable=protocol.comparable,
        tests_claims=protocol.tests_claims,
        seeds=protocol.seeds,
        tested_on="videos" if videos else "clips",
        tolerance=videos.tolerance if videos else None,
        metrics=task.METRICS,
        num_classes=num_classes,
        deviations=(*_variation(protocol), *stage.deviations),
        calibration=stage.calibration,
        recipe=_recipe(experiment, videos) if videos and can_run else None,
    )


def _variation(protocol: Protocol) -> list[str]:
    """In what a sensitivity study differs from the protocol whose other deviations it shares."""
    if isinstance(protocol, VideoProtocol) or not protocol.varies:
        return []
    return [
        f"Unlike under protocol {protocol.extends}, of which the rest is said: {protocol.varies}."
    ]


def _recipe(experiment: Experiment, protocol: VideoProtocol) -> Recipe:
    """The recipe that the rows are trained with, setting by setting."""
    assert protocol.book is not None
    settings = [
        Setting(row.id, name, str(setting.value), setting.source)
        for row in filter(protocol.includes, experiment.rows)
        for name, setting in protocol.settings(experiment, row).items()
    ]
    title = f"{protocol.recipe} ({protocol.book.title})"
    return Recipe(title, " ".join(protocol.book.about.split()), tuple(settings))
