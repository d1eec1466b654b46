"""What `vswin status` prints: the rows of tables, and how many of their runs stand where."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, get_args

from rich.console import Console
from rich.table import Column
from rich.text import Text

from vswin.cli.terminal import print_table
from vswin.wording import duration

if TYPE_CHECKING:  # `vswin --help` does without
    from vswin.experiments.rows import RowRuns, TableRuns
    from vswin.runs.status import RunStatus

BAD = ("failed", "blocked")
"""States that make the command fail."""
NAMED = (*BAD, "unknown")
"""States of runs that are named below the tables."""
MOST_NAMED = 5
"""Runs that are named below the tables; the others are counted."""
MOST_LISTED = 60
"""Runs of a table whose ids are printed."""
STYLES = {"done": "green", "running": "cyan", "failed": "red", "blocked": "red"}


def print_status(
    console: Console,
    tables: Sequence[TableRuns],
    statuses: Mapping[str, RunStatus],
    problem: str | None,
) -> None:
    """The tables, the runs that something is wrong with, and a line that sums up.

    Args:
        console: where to.
        tables: which runs stand for which rows.
        statuses: where each of those runs stands, by id.
        problem: why Slurm's queue could not be asked, if it matters.
    """
    for table in tables:
        _print_grid(table, statuses, console)
        for line in _run_lines(table, statuses):
            _line(console, line)
    if problem is not None:
        _line(console, f"the queue cannot be asked: {problem}")
    running = [s for s in statuses.values() if s.state == "running"]
    for s in running[:MOST_NAMED]:
        job = f", job {s.job_id}" if s.job_id else ""
        _line(console, f"{s.run.run_id}: running: {s.detail}{job}")
    if len(running) > MOST_NAMED:
        _line(console, f"and {len(running) - MOST_NAMED} more that are running")
    wrong = [s for s in statuses.values() if s.state in NAMED]
    wrong.sort(key=lambda s: NAMED.index(s.state))
    for s in wrong[:MOST_NAMED]:
        _line(console, f"{s.run.run_id}: {s.state}: {s.detail}")
        if s.log is not None and str(s.log) not in s.detail:
            _line(console, f"  log: {s.log}")
    if len(wrong) > MOST_NAMED:
        _line(console, f"and {len(wrong) - MOST_NAMED} more that are failed, blocked or unknown")
    _line(console, summary(statuses.values()))


def _run_lines(table: TableRuns, statuses: Mapping[str, RunStatus]) -> list[str]:
    """Every run with its id, which `vswin logs` takes, where it stands and the rows that it is."""
    rows: dict[str, list[str]] = {}
    for row in table.rows:
        for run_id in row.run_ids:
            rows.setdefault(run_id, []).append(row.label)
    lines = [f"  {i}  {statuses[i].state}  {', '.join(rows[i])}" for i in rows]
    more = len(lines) - MOST_LISTED
    return lines if more <= 0 else [*lines[:MOST_LISTED], f"  and {more} more; see --json"]


def summary(statuses: Iterable[RunStatus]) -> str:
    """As "12 of 21 done, 3 running, 6 queued"."""
    counts = count_states(statuses)
    done, total = counts.pop("done", 0), sum(counts.values())
    return ", ".join([f"{done} of {done + total} done", *(f"{n} {s}" for s, n in counts.items())])


def count_states(statuses: Iterable[RunStatus]) -> dict[str, int]:
    """How many runs stand where, in a fixed order; what none does is left out."""
    from vswin.runs.store import State

    counts = Counter(s.state for s in statuses)
    return {s: counts[s] for s in get_args(State) if counts[s]}


def as_json(
    tables: Sequence[TableRuns], statuses: Mapping[str, RunStatus], problem: str | None
) -> dict[str, Any]:
    """The same for programs: every run with all that is known of it."""
    return {
        "queue_problem": problem,
        "states": count_states(statuses.values()),
        "tables": [
            {
                "table": table.table,
                "title": table.title,
                "rows": [
                    {"row": row.label, "runs": [_run_as_json(statuses[i]) for i in row.run_ids]}
                    for row in table.rows
                ],
            }
            for table in tables
        ],
    }


def _run_as_json(s: RunStatus) -> dict[str, Any]:
    fields = {f.name: getattr(s, f.name) for f in dataclasses.fields(s) if f.name != "run"}
    fields["log"] = None if s.log is None else str(s.log)
    return {"run_id": s.run.run_id, **fields, "gpu_hours": s.gpu_hours}


def _print_grid(table: TableRuns, statuses: Mapping[str, RunStatus], out: Console) -> None:
    header = (
        "row",
        "runs",
        Column("tries", justify="right"),
        "in training",
        Column("top-1, mean", justify="right"),
        Column("to go", justify="right"),
        Column("spent", justify="right"),
    )
    rows = []
    for row in table.rows:
        runs = [statuses[run_id] for run_id in row.run_ids]
        rows.append(
            (
                row.label,
                _states_text(runs),
                str(max((s.attempts for s in runs), default=0) or ""),
                _in_training(row, runs),
                _mean_top1(runs),
                _to_go(runs),
                _spent(runs),
            )
        )
    title = f"{table.table}: {table.title}" if table.table else table.title
    print_table(title, header, rows, out=out)


def _states_text(runs: Sequence[RunStatus]) -> Text:
    counts = count_states(runs)
    text = Text(f"{counts.get('done', 0)} of {len(runs)} done", style=STYLES["done"])
    for state, n in counts.items():
        if state != "done":
            text.append(", ", style="default")
            text.append(f"{n} {state}", style=STYLES.get(state, "default"))
    return text


def _in_training(row: RowRuns, runs: Sequence[RunStatus]) -> str:
    """The run that has the longest way to go, of those that train; else of those that did."""
    begun = [s for s in runs if s.state != "done" and s.epoch is not None]
    begun = [s for s in begun if s.state == "running"] or begun
    if not begun:
        return ""
    last = min(begun, key=lambda s: s.epoch or 0)
    words = [f"epoch {last.epoch}" + (f" of {row.epochs}" if row.epochs else "")]
    words += [f"loss {last.loss:.3g}"] if last.loss is not None else []
    words += [f"top-1 {100 * last.top1:.1f} %"] if last.top1 is not None else []
    return ", ".join(words)


def _mean_top1(runs: Sequence[RunStatus]) -> str:
    found = [s.top1 for s in runs if s.state == "done" and s.top1 is not None]
    return f"{100 * sum(found) / len(found):.1f} %" if found else ""


def _to_go(runs: Sequence[RunStatus]) -> str:
    """The longest that a running run will still take for what it is doing."""
    found = [s.eta_s for s in runs if s.state == "running" and s.eta_s is not None]
    return duration(max(found)) if found else ""


def _spent(runs: Sequence[RunStatus]) -> str:
    """GPU-hours; of runs on the CPU, their time."""
    gpu = [s.gpu_hours for s in runs if s.gpu_hours is not None]
    cpu = [s.seconds for s in runs if s.seconds is not None and not s.gpus]
    words = [f"{sum(gpu):.3g} GPU-h"] if gpu else []
    words += [f"{duration(sum(cpu))} on CPU"] if cpu else []
    return ", ".join(words)


def _line(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True, markup=False, highlight=False)
