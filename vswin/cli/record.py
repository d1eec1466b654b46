"""`vswin record`: complete runs, as the few files of a record."""

from __future__ import annotations

import sys
from collections.abc import Set
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vswin.cli.options import ResultsOption, absolute, say_project
from vswin.errors import UsageError

if TYPE_CHECKING:
    from vswin.runs.store import Store


def record(
    table: Annotated[str, typer.Argument(help="A table, or `all`.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The results folder that the record goes to.")
    ],
    protocol: Annotated[
        str, typer.Option("--protocol", "-p", help="Of which the runs are: see `vswin list`.")
    ] = "proxy",
    results_dir: ResultsOption = "results",
) -> None:
    """Put the complete runs of a table into three small files, from which reports can be made.

    They are OUTPUT/PROTOCOL/record/TABLE/{runs.jsonl,curves.csv,predictions.npz}. What was recorded
    there before stays; a run that is there already, or in the record of another table that shares
    it, is replaced. Runs that have no folder any more come from the records in the results folder.
    """
    from vswin.experiments.library import Library
    from vswin.experiments.planning import PresentRuns, study_runs
    from vswin.project import experiments_dir, results_path
    from vswin.runs.record import Recorded, read_records, write_record
    from vswin.runs.store import Store

    say_project()
    library = Library(experiments_dir())
    chosen = library.protocol(protocol)
    folders = (results_dir, absolute(str(output)))
    source, target = (Store(results_path(each), protocol) for each in folders)
    complete = {run.run_id for run in source if run.result() is not None}
    known = read_records(source)
    present = PresentRuns(complete.union(known.runs))
    unfinished = PresentRuns({run.run_id for run in source} - complete - known.runs.keys())
    written = False
    for name in library.tables() if table == "all" else [table]:
        planned = study_runs(library.experiment(name), chosen, present=present)
        ids = {each.run_id for p in planned for each in (p.config, *p.config.ancestors)}
        for folder, own in _places(target, target.record(name), ids).items():
            copied = Recorded()
            copied.take(known, own & known.runs.keys() - complete)
            runs = write_record(folder, map(source.run, sorted(own & complete)), copied)
            kib = sum(path.stat().st_size for path in folder.iterdir()) / 1024
            print(f"{name}: {len(own)} runs; {len(runs)} are there now, {kib:.0f} KiB")
            print(f"  {folder}")
            written = True
        for p in study_runs(library.experiment(name), chosen, present=unfinished):
            state = source.run(p.config.run_id).state()
            print(
                f"{name}, row {p.row.id}, seed {p.seed} is {state}: not recorded", file=sys.stderr
            )
    if not written:
        raise UsageError(f"no complete run of {table} under protocol {protocol} in {results_dir}")


def _places(target: Store, new: Path, ids: Set[str]) -> dict[Path, set[str]]:
    """Where runs are recorded already, and the folder of those that are not."""
    from vswin.runs.record import read_runs

    found: dict[Path, set[str]] = {}
    rest = set(ids)
    for folder in target.records():
        found[folder] = rest & read_runs(folder).keys()
        rest -= found[folder]
    found[new] = found.get(new, set()) | rest
    return {folder: those for folder, those in found.items() if those}
