"""What a command is made of: cells, each a line of JSON, within a budget of time."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from vswin.runs.provenance import git_state

Line = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Cell:
    """One measurement."""

    name: str
    measure: Callable[[], Line]
    seconds: float
    """What it should take on an H100, a guess; with less time left it is dropped."""
    what: Line = dataclasses.field(default_factory=dict)
    """What is measured, as columns of the table."""
    prepares: tuple[str, ...] = ()
    """Cells that need what this one leaves in its process."""


@dataclasses.dataclass
class Outcome:
    """How many cells came to what."""

    measured: int = 0
    failed: int = 0
    dropped: list[str] = dataclasses.field(default_factory=list)
    lost: str | None = None
    """The cell after which this process can do nothing more on the GPU; those after it were not
    tried."""


def about(device: torch.device) -> Line:
    """Card, versions, commit and date, for each line; asks for no package but torch."""
    commit, dirty = git_state()
    on_gpu = device.type == "cuda"
    return {
        "machine": torch.cuda.get_device_name(device) if on_gpu else platform.processor() or "CPU",
        "threads": torch.get_num_threads(),
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "commit": f"{(commit or 'unknown')[:12]}{'+' if dirty else ''}",
        "date": datetime.now(timezone.utc).date().isoformat(),
    }


def run_cells(cells: Iterable[Cell], budget: float, about_all: Line, path: Path) -> Outcome:
    """Measures one cell after the other, the most important ones first, and writes each at once.

    A cell that fails is a line with its error, and one for which no time is left a line that says
    so; neither is the end, unless a kernel has gone astray: then no later one would run. Lines are
    added to those that the file has.

    Args:
        cells: in the order of their importance.
        budget: seconds for all of them.
        about_all: columns of every line.
        path: the file.
    """
    start, outcome = time.perf_counter(), Outcome()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file, _only_what_is_new_searched():
        for cell in cells:
            left = budget - (time.perf_counter() - start)
            line: Line = {"case": cell.name, **cell.what}
            if cell.seconds > left:
                line["dropped"] = f"{max(0.0, left):.0f} s left, it takes {cell.seconds:g}"
                outcome.dropped.append(cell.name)
            else:
                line |= _measured(cell)
                outcome.failed += "error" in line
                outcome.measured += "error" not in line
            file.write(json.dumps(line | about_all) + "\n")
            file.flush()
            os.fsync(file.fileno())
            print(_shown(line), file=sys.stderr, flush=True)
            if "error" in line and not _gpu_works():
                outcome.lost = cell.name
                break
    return outcome


@contextlib.contextmanager
def _only_what_is_new_searched() -> Iterator[None]:
    """Lets garbage be searched for among what was made since the last cell.

    To go through all that torch and others have imported would take longer than most cells.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _measured(cell: Cell) -> Line:
    """What was measured, or the error."""
    begun = time.perf_counter()
    try:
        found = cell.measure()
    except Exception as error:  # whatever it is, the other cells are wanted
        said = str(error).strip().splitlines() or [""]
        found = {"error": f"{type(error).__name__}: {said[0]}"[:300]}
    gc.collect()  # what failed holds memory by its traceback
    gc.freeze()
    if torch.cuda.is_available() and _gpu_works():
        torch.cuda.empty_cache()
    return found | {"took_s": round(time.perf_counter() - begun, 2)}


def _gpu_works() -> bool:
    """Whether no kernel of this process has gone astray, which makes all that follow errors."""
    try:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
    except RuntimeError:
        return False
    return True


def _shown(line: Line) -> str:
    """One line for who watches: the first figures."""
    if "error" in line or "dropped" in line:
        return f"{line['case']}: {line.get('error') or 'dropped, ' + line['dropped']}"
    figures = [f"{k} {v:.4g}" for k, v in line.items() if isinstance(v, float)]
    return f"{line['case']}: {', '.join(figures[:5])}"
