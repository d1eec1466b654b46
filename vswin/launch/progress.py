"""Showing where runs stand while they are being executed: bars in a terminal, lines elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from vswin.launch.pool import Snapshot
from vswin.wording import duration

LINE_S = 15.0
"""Seconds between two lines about a running run, where there are no bars."""

OnPoll = Callable[[list[Snapshot]], None]


@contextlib.contextmanager
def progress(console: Console | None = None) -> Iterator[OnPoll]:
    """Yields a callback for `launch`: live bars on a terminal, else a line now and then."""
    console = console or Console()
    if not console.is_terminal:
        yield _Lines(
            lambda text: console.print(text, markup=False, highlight=False, soft_wrap=True)
        )
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TextColumn("{task.fields[detail]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, refresh_per_second=4) as bars:
        yield _Bars(bars)


def print_lines() -> OnPoll:
    """A callback for `launch` that prints a line when a run starts, ends, and now and then."""
    return _Lines(lambda text: print(text, flush=True))


class _Bars:
    def __init__(self, bars: Progress) -> None:
        self.bars, self.tasks = bars, dict[str, TaskID]()

    def __call__(self, snapshots: list[Snapshot]) -> None:
        for s in snapshots:
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
    def __init__(self, write: Callable[[str], None]) -> None:
        self.write = write
        self.states: dict[str, str] = {}
        self.last = time.monotonic()

    def __call__(self, snapshots: list[Snapshot]) -> None:
        due = time.monotonic() - self.last >= LINE_S
        for s in snapshots:
            run_id = s.run.run_id
            changed = self.states.get(run_id, "pending") != s.state
            if changed or (due and s.state == "running"):
                self.write(f"{run_id}: {_detail(s)}")
            self.states[run_id] = s.state
        if due:
            self.last = time.monotonic()


def _detail(s: Snapshot) -> str:
    if s.state == "done":
        result = s.run.result() or {}
        return f"done, top-1 {100 * result.get('top1', float('nan')):.1f} %"
    if s.state != "running":
        return f"{s.state}: {s.detail}" if s.state == "failed" else s.state
    if s.detail not in ("training", "testing") or not s.steps:
        return s.detail or "starting"
    what = "step" if s.detail == "training" else "video"
    training = s.detail == "training" and s.clips_per_second
    rate = f", {s.clips_per_second:.3g} clips/s" if training else ""
    left = f", {duration(s.eta_s)} left" if s.eta_s is not None else ""
    return f"{s.detail}, {what} {s.step} of {s.steps}{rate}{left}"
