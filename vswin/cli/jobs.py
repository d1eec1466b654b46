"""`vswin status`, `vswin logs` and `vswin cancel`: looking after runs, here or on a cluster."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from vswin.cli.options import ProtocolOption, ResultsOption, YesOption, confirm, say_project
from vswin.cli.terminal import console
from vswin.errors import UsageError

if TYPE_CHECKING:  # imported by the commands themselves: `vswin --help` has no use for pydantic
    from vswin.experiments.rows import TableRuns
    from vswin.launch.slurm.journal import Journal
    from vswin.runs.status import RunStatus
    from vswin.runs.store import RunFolder, Store

MOST_CANDIDATES = 8
"""Runs that are named where a name fits several."""

TablesArgument = Annotated[
    list[str] | None, typer.Argument(help="Tables (default, and `all`: all runs that there are).")
]


def status(
    table: TablesArgument = None,
    protocol: ProtocolOption = "proxy",
    seeds: Annotated[
        int | None,
        typer.Option("--seeds", "-s", help="Seeds from 0 on (default: those that were begun)."),
    ] = None,
    results_dir: ResultsOption = "results",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON: every run, all that is known of it.")
    ] = False,
) -> None:
    """Say where runs stand: done, running, queued, failed; exit code 1 if any failed."""
    from vswin.cli import status as cli_status
    from vswin.launch.slurm.journal import Journal
    from vswin.launch.status import current_statuses

    say_project(quiet=as_json)
    store, tables = _tables(table or (), protocol, seeds, results_dir)
    sources = {run: source for each in tables for run, source in each.sources.items()}
    ids = dict.fromkeys(run_id for each in tables for run_id in each.run_ids)
    journal = Journal(store)
    found, queue = current_statuses((store.run(run_id) for run_id in ids), journal, sources)
    statuses = {s.run.run_id: s for s in found}
    exists = store.results_dir.is_dir()
    if as_json:
        facts = {"protocol": protocol, "results_dir": str(store.results_dir), "exists": exists}
        print(json.dumps(facts | cli_status.as_json(tables, statuses, queue.problem), indent=2))
        raise typer.Exit(any(s.state in cli_status.BAD for s in found))
    absent = "" if exists else ", a folder that does not exist"
    print(f"protocol {protocol}, results in {store.results_dir}{absent}", flush=True)
    if not tables:
        print(f"no runs in {store.runs_dir}")
        for other in sorted(store.results_dir.glob("*/runs")):
            print(f"there are some of another protocol: --protocol {other.parent.name}")
    else:
        cli_status.print_status(console(), tables, statuses, queue.problem)
        for name in _unrendered(tables, statuses, journal):
            print(
                f"the notebook of {name} was not executed since its newest result; `vswin submit` "
                "sees to that, once no job waits for it"
            )
    if any(s.state in cli_status.BAD for s in found):
        raise typer.Exit(1)


def logs(
    run: Annotated[
        str,
        typer.Argument(
            help="A run's id, its beginning or any part of it; or a row; or, with --row, a table."
        ),
    ],
    row: Annotated[str | None, typer.Option("--row", "-r", help="A row of the table.")] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", help="Which run of a row that has several.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on printing while it runs or is queued.")
    ] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="Last lines to begin with (0: all).")
    ] = 50,
    process: Annotated[
        int,
        typer.Option(
            "--process", min=0, help="Which of a job's processes, each of which has a log."
        ),
    ] = 0,
    protocol: Annotated[
        str | None, typer.Option("--protocol", "-p", help="Search only there (default: in all).")
    ] = None,
    results_dir: ResultsOption = "results",
) -> None:
    """Print what a run's processes printed last, here or in its jobs; and its error, if it failed.

    Which file that is, is said on stderr.
    """
    from vswin.launch.logs import follow_log, print_log

    say_project()
    if row is None:
        store, folder = _find_run(run, protocol, results_dir, seed)
    else:
        store, folder = _find_run(row, protocol, results_dir, seed, table=run)
    if follow:
        follow_log(folder, store, lines, process)
    else:
        print_log(folder, store, lines, process)
    error = folder.error()
    if error is not None:
        print(f"error: {error.get('type')}: {error.get('message')}")


def cancel(
    table: Annotated[list[str] | None, typer.Argument(help="Tables, all seeds; or `all`.")] = None,
    run: Annotated[
        list[str] | None, typer.Option("--run", help="A run, by id or part of it (repeatable).")
    ] = None,
    protocol: ProtocolOption = "proxy",
    results_dir: ResultsOption = "results",
    yes: YesOption = False,
) -> None:
    """Cancel jobs that wait or run, and stop runs on this machine. What was done is kept."""
    from vswin.launch.cancel import find_targets, stop
    from vswin.launch.slurm.journal import Journal
    from vswin.project import results_path
    from vswin.runs.store import Store

    say_project()
    if not table and not run:
        raise UsageError("say what to cancel: tables, or runs with --run")
    store = Store(results_path(results_dir), protocol)
    tables = _tables(table, protocol, None, results_dir)[1] if table else []
    folders = [store.run(run_id) for each in tables for run_id in each.run_ids]
    folders += [_find_run(part, protocol, results_dir)[1] for part in run or ()]
    journal = Journal(store)
    names = [each.table for each in tables if each.table is not None]
    targets = find_targets(folders, names, journal)
    if targets.problem is not None:
        print(f"the queue cannot be asked: {targets.problem}", file=sys.stderr)
    if targets.jobs or targets.processes:
        what = f"{len(targets.jobs)} jobs, {len(targets.processes)} processes on this machine"
        confirm(f"cancel {what}?", yes, "nothing was cancelled")
        stop(targets, journal)
        done = [f"cancelled job {i} ({j.phase}): {whose}" for i, (j, whose) in targets.jobs.items()]
        done += [f"asked process {pid} to stop: {i}" for i, pid in targets.processes.items()]
        print("\n".join(done))
        print("what was done is kept: `vswin submit` or `vswin run` goes on from there")
        if targets.processes:
            print("(a `vswin run` that is still going starts its next runs; end it with Ctrl-C)")
    elif not targets.beyond and targets.problem is None:
        print("nothing to cancel")
    for run_id, where in targets.beyond.items():
        print(f"cannot be stopped from here: {run_id}, {where}", file=sys.stderr)
    if targets.beyond or targets.problem is not None:
        raise typer.Exit(1)


def _tables(
    names: Sequence[str], protocol: str, seeds: int | None, results_dir: str
) -> tuple[Store, list[TableRuns]]:
    """The store, and the runs of the tables; without any, all that are there."""
    from vswin.experiments.rows import runs_of_store, runs_of_table
    from vswin.project import results_path
    from vswin.runs.store import Store

    store = Store(results_path(results_dir), protocol)
    if not names or names == ["all"]:
        return store, runs_of_store(store)
    names = list(dict.fromkeys(names))
    return store, [runs_of_table(name, protocol, seeds, results_dir) for name in names]


def _unrendered(
    tables: Sequence[TableRuns], statuses: Mapping[str, RunStatus], journal: Journal
) -> list[str]:
    """Tables that were submitted, have ended, and whose notebooks are older than that."""
    promised = {i for s in journal.submissions() if s.kind == "notebook" for i in s.items}
    return [
        each.table
        for each in tables
        if each.table in promised
        and not any(statuses[i].state in ("running", "queued") for i in each.run_ids)
        and not journal.is_rendered(each.table, each.run_ids)
    ]


def _find_run(
    part: str,
    protocol: str | None,
    results_dir: str,
    seed: int | None = None,
    table: str | None = None,
) -> tuple[Store, RunFolder]:
    """The one run that a name stands for: its id, else a row, else the beginning or a part of one.

    Args:
        part: that name.
        protocol: where to search; None is in all.
        results_dir: with the runs.
        seed: of the run; None is any.
        table: whose row the name is, and nothing else.

    Raises:
        UsageError: if it is none or several; names those.
    """
    from vswin.experiments.rows import runs_of_row
    from vswin.project import results_path
    from vswin.runs.store import Store

    root = results_path(results_dir)
    protocols = [protocol] if protocol else sorted(p.parent.name for p in root.glob("*/runs"))
    known = [(store, run) for p in protocols for store in [Store(root, p)] for run in store]
    if seed is not None:
        known = [(store, run) for store, run in known if f"-s{seed}-" in run.run_id]
    of_row: set[str] = set()
    if table is not None or not any(run.run_id == part for _, run in known):
        stores = {store.protocol: store for store, _ in known}
        of_row = {i for store in stores.values() for i in runs_of_row(store, part, table)}
    tests: tuple[Callable[[str], bool], ...] = (
        part.__eq__,
        of_row.__contains__,
        lambda run_id: run_id.startswith(part),
        lambda run_id: part in run_id,
    )
    for fits in tests if table is None else tests[1:2]:
        found = [(store, run) for store, run in known if fits(run.run_id)]
        if len(found) == 1:
            return found[0]
        if found:
            raise _several_runs(part, found)
    close = difflib.get_close_matches(part, [run.run_id for _, run in known], n=1, cutoff=0.4)
    hint = f" (did you mean {close[0]}?)" if close else ""
    where = f"{root}, protocol {protocol}" if protocol else f"{root}"
    if not root.is_dir():
        where += ", a folder that does not exist"
    what = f"run {part!r}" if table is None else f"run of {table}'s row {part!r}"
    what += "" if seed is None else f" with seed {seed}"
    raise UsageError(f"there is no {what} in {where}{hint}; `vswin status` lists runs by row")


def _several_runs(part: str, found: Sequence[tuple[Store, RunFolder]]) -> UsageError:
    names = [f"{run.run_id} ({store.protocol})" for store, run in found[:MOST_CANDIDATES]]
    more = len(found) - len(names)
    rest = f" and {more} more" if more else ""
    return UsageError(
        f"{part!r} fits {len(found)} runs: {', '.join(names)}{rest}; "
        "name one of them (of a row, --seed chooses)"
    )
