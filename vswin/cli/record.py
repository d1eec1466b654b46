"""`vswin record`: complete runs, as the few files of a record."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vswin.cli.options import ResultsOption, absolute, say_project
from vswin.errors import UsageError


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
    there before stays; a run that is there already is replaced. Runs that have no folder any more
    come from the records in both results folders, those of other tables included.
    """
    from vswin.experiments.library import Library
    from vswin.experiments.planning import PresentRuns, study_runs
    from vswin.project import experiments_dir, results_path
    from vswin.runs.record import read_runs, write_record
    from vswin.runs.store import Store

    say_project()
    library = Library(experiments_dir())
    chosen = library.protocol(protocol)
    folders = (results_dir, absolute(str(output)))
    source, target = (Store(results_path(each), protocol) for each in folders)
    complete = {run.run_id for run in source if run.result() is not None}
    records = dict.fromkeys([*target.records(), *source.records()])
    recorded = {folder: set(read_runs(folder)) for folder in records}
    present = PresentRuns(complete.union(*recorded.values()))
    written = False
    for name in library.tables() if table == "all" else [table]:
        folder = target.record(name)
        planned = study_runs(library.experiment(name), chosen, present=present)
        ids = {each.run_id for p in planned for each in (p.config, *p.config.ancestors)}
        here = sorted(ids & complete)
        copied = {other: ids & those for other, those in recorded.items() if other != folder}
        if here or any(copied.values()):
            runs = write_record(folder, map(source.run, here), copied)
            kib = sum(path.stat().st_size for path in folder.iterdir()) / 1024
            print(f"{name}: {len(runs)} runs, {len(here)} from their folders, {kib:.0f} KiB")
            print(f"  {folder}")
            written = True
    if not written:
        raise UsageError(f"no complete run of {table} under protocol {protocol} in {results_dir}")
