"""Showing where runs stand while they are being executed.

A table that updates in place in a notebook, bars in a terminal, and a few lines elsewhere.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import html
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from vswin.runs.status import RunStatus
from vswin.wording import duration

LINE_S = 60.0
"""Seconds between two lines about the runs, where there are neither bars nor a notebook."""
UPDATE_S = 1.0
"""Seconds between two updates of a notebook's table."""

OnPoll = Callable[[list[RunStatus]], None]


@contextlib.contextmanager
def progress(console: Console | None = None) -> Iterator[OnPoll]:
    """Yields a callback for `launch` that shows where runs stand, as well as the place allows."""
    console = console or Console()
    if _in_notebook():
        yield _NotebookTable()
    elif not console.is_terminal:
        yield _Lines(
            lambda text: console.print(text, markup=False, highlight=False, soft_wrap=True)
        )
    else:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TextColumn("{task.fields[detail]}"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=console, refresh_per_second=4) as bars:
            yield _Bars(bars)


def _in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")  # a kernel has imported it; nobody else needs to
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


class _Bars:
    def __init__(self, bars: Progress) -> None:
        self.bars, self.tasks = bars, dict[str, TaskID]()

    def __call__(self, statuses: list[RunStatus]) -> None:
        for s in statuses:
            run_id = s.run.run_id
            if run_id not in self.tasks:
                self.tasks[run_id] = self.bars.add_task(run_id, total=1, start=False, detail="")
            task = self.tasks[run_id]
            if s.state == "running" and not self.bars.tasks[task].started:
                self.bars.start_task(task)
            share = 1.0 if s.state == "done" else s.step / s.steps if s.steps else 0.0
            if s.state in ("done", "failed") and self.bars.tasks[task].started:
                self.bars.stop_task(task)
            self.bars.update(task, completed=share, detail=_detail(s))


class _Lines:
    """Now and then a line about all runs, and one for each that did not end well."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self.write = write
        self.seen = dict[str, RunStatus]()
        self.last = time.monotonic()

    def __call__(self, statuses: list[RunStatus]) -> None:
        has_ended = False
        for s in statuses:
            before = self.seen.get(s.run.run_id, s)
            if before.state != s.state and s.state in ("failed", "interrupted"):
                self.write(f"{s.run.run_id}: {_detail(s)}")
            has_ended |= before.state != s.state and s.state == "done"
            self.seen[s.run.run_id] = s
        is_last = has_ended and all(s.state == "done" for s in self.seen.values())
        if self.seen and (is_last or time.monotonic() - self.last >= LINE_S):
            self.write("; ".join([_counts(self.seen), *_busy(self.seen)]))
            self.last = time.monotonic()


class _NotebookTable:
    """Counts of all runs, and a line for each that is busy or did not end well, in one output."""

    def __init__(self) -> None:
        self.seen = dict[str, RunStatus]()
        self.shown: _Shown | None = None
        self.handle: Any = None
        self.last = time.monotonic()

    def __call__(self, statuses: list[RunStatus]) -> None:
        before = {run_id: s.state for run_id, s in self.seen.items()}
        self.seen |= {s.run.run_id: s for s in statuses}
        changed = before != {run_id: s.state for run_id, s in self.seen.items()}
        if not changed and time.monotonic() - self.last < UPDATE_S:
            return
        self._show(_Shown(_counts(self.seen), tuple(_busy(self.seen, "failed", "interrupted"))))
        self.last = time.monotonic()

    def _show(self, content: _Shown) -> None:
        from IPython.display import display  # only a notebook gets here, and it has this

        if self.handle is None:
            self.handle = display(content, display_id=True)
        elif content != self.shown:
            self.handle.update(content)
        self.shown = content


@dataclasses.dataclass(frozen=True, repr=False)
class _Shown:
    """What a notebook shows: counts above a list of runs and what they are doing."""

    title: str
    lines: tuple[str, ...]

    def __repr__(self) -> str:
        return "\n".join([self.title, *self.lines])

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{html.escape(line)}</li>" for line in self.lines)
        return f"<p>{html.escape(self.title)}</p>" + (f"<ul>{items}</ul>" if items else "")


def _busy(seen: dict[str, RunStatus], *states: str) -> list[str]:
    """What each running run is doing, and each run in one of these states."""
    shown = [s for s in seen.values() if s.state in ("running", *states)]
    return [f"{s.run.run_id}: {_detail(s)}" for s in shown]


def _counts(seen: dict[str, RunStatus]) -> str:
    """As "3 of 9 runs done, 2 running, 4 missing"."""
    counts = collections.Counter(s.state for s in seen.values())
    others = [f", {n} {state}" for state, n in counts.items() if state != "done"]
    return f"{counts['done']} of {len(seen)} runs done" + "".join(others)


def _detail(s: RunStatus) -> str:
    if s.state == "done":
        return "done" if s.top1 is None else f"done, top-1 {100 * s.top1:.1f} %"
    if s.state != "running":
        return f"{s.state}: {s.detail}" if s.state == "failed" else s.state
    if s.activity not in ("training", "testing") or not s.steps:
        return s.activity or "starting"
    what = "step" if s.activity == "training" else "video"
    training = s.activity == "training" and s.clips_per_second
    rate = f", {s.clips_per_second:.3g} clips/s" if training else ""
    left = f", {duration(s.eta_s)} left" if s.eta_s is not None else ""
    return f"{s.activity}, {what} {s.step} of {s.steps}{rate}{left}"
