"""`python -m benchmarks cuda A | B | C | page`."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from benchmarks.cuda import attention, compiled, environment, models, parity, waiting
from benchmarks.cuda.cells import Cell, Line, about, run_cells
from benchmarks.cuda.setting import Setting
from benchmarks.cuda.table import LINES, TABLE, all_lines, made_with, read_lines, write_cuda_csv
from benchmarks.machine import BenchmarkError

BUDGET = {"A": 420.0, "B": 570.0, "C": 480.0}
"""Seconds of each command."""


@contextlib.contextmanager
def cells_of_a(setting: Setting) -> Iterator[list[Cell]]:
    """Is it right, and what are the rates?"""
    modules = (environment, parity, waiting, attention)
    yield [cell for module in modules for cell in module.cells(setting)]


@contextlib.contextmanager
def cells_of_b(setting: Setting) -> Iterator[list[Cell]]:
    """Models beside torchvision's: at eight clips, Swin-T at others, compiled, then the rest."""
    eager = models.cells(setting)
    later = [cell for cell in eager if cell.what.get("batch", 0) not in (0, setting.clips[0])]
    first_preset = [cell for cell in later if cell.what["preset"] == setting.presets[0]]
    with tempfile.TemporaryDirectory() as cache:
        yield [
            *(cell for cell in eager if cell not in later),
            *first_preset,
            *compiled.cells(setting, cache),
            *(cell for cell in later if cell not in first_preset),
            *models.largest_cells(setting),
        ]


@contextlib.contextmanager
def cells_of_c(setting: Setting) -> Iterator[list[Cell]]:
    """Training from end to end."""
    if lacking := environment.lacking(environment.OF_C):
        raise BenchmarkError(
            f"command C trains, and {', '.join(lacking)} cannot be imported: pip install "
            f"{' '.join(environment.OF_C[name] for name in lacking)}, without a network with "
            "--no-index --find-links WHEELS, a folder of wheels"
        )
    # Read when the GPU is first used, and wanted where results are to be the same to the bit.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    from benchmarks.cuda import training  # A and B do without what it imports

    with tempfile.TemporaryDirectory() as folder:
        yield training.cells(setting, Path(folder))


CELLS: dict[str, Callable[[Setting], contextlib.AbstractContextManager[list[Cell]]]] = {
    "A": cells_of_a,
    "B": cells_of_b,
    "C": cells_of_c,
}


def main(argv: list[str]) -> int:
    """Measures, or writes the table and the pages from what was measured."""
    parser = _parser()
    args = parser.parse_args(argv)
    try:
        if args.what == "page":
            return _page(args.lines)
        if not args.tiny and not torch.cuda.is_available():
            parser.error("torch sees no GPU here; --tiny runs all of it on the CPU, as a test")
        if args.tiny and args.lines == LINES:
            parser.error("--tiny measures nothing; say where its lines go with --lines FILE")
        return _measure(args.what, args.tiny, args.seconds, args.lines, args.rest, args.only)
    except (BenchmarkError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _measure(
    command: str, tiny: bool, budget: float | None, path: Path, rest: bool, only: str
) -> int:
    if budget is None:
        budget = math.inf if tiny else BUDGET[command]
    if lacking := environment.lacking(environment.OF_ALL):
        raise BenchmarkError(
            f"{', '.join(lacking)} cannot be imported, beside which models are measured; install "
            f"the one for torch {torch.__version__}: pip install {' '.join(lacking)}"
        )
    device = torch.device("cpu" if tiny else "cuda")
    setting = Setting(device, tiny, time.perf_counter() + budget)
    about_all = about(device) | {"command": command, "tiny": tiny}
    known: dict[str, bool] = {}  # by name, whether the cell has nothing but errors
    for line in _before(path, about_all):
        if rest:
            models.remember(setting, line)
            known[line["case"]] = "error" in line and known.get(line["case"], True)
    with CELLS[command](setting) as cells:
        asked_for = [cell for cell in cells if re.search(only, cell.name)]
        wanted = [c for c in asked_for if not {c.name, *c.prepares} <= known.keys()]
        outcome = run_cells(wanted, budget, about_all, path)
    failed = outcome.failed + sum(known.get(c.name, False) for c in asked_for if c not in wanted)
    print(f"{outcome.measured} cells measured, {failed} failed: {path}")
    if outcome.dropped:
        print(f"no time was left for {len(outcome.dropped)}: {'; '.join(outcome.dropped)}")
    left = setting.until - time.perf_counter()
    if outcome.lost is not None and left > 1:
        print(f"after {outcome.lost!r} the GPU obeys a new process alone, which does the rest")
        sys.stdout.flush()
        asked = [command, "--rest", "--lines", str(path), "--seconds", f"{left:.0f}"]
        asked += ["--only", only] if only else []
        asked += ["--tiny"] if tiny else []
        os.execv(sys.executable, [sys.executable, "-m", "benchmarks", "cuda", *asked])
    return 1 if failed else 0


def _before(path: Path, about_all: Line) -> list[Line]:
    """Lines that the file has by this commit, without those of cells that were dropped.

    Raises:
        BenchmarkError: if what is measured now could not stand in a table with what the file has.
    """
    found = []
    for line in all_lines(path) if path.exists() else []:
        if line["tiny"] != about_all["tiny"] or made_with(line) != made_with(about_all):
            of = f"{made_with(line)}{', --tiny' if line['tiny'] else ''}"
            raise BenchmarkError(
                f"{path} has lines of {of}, and this is {made_with(about_all)}; wanted --lines "
                "with a file of its own"
            )
        if "dropped" not in line and line["commit"] == about_all["commit"]:
            found.append(line)
    return found


def _page(path: Path) -> int:
    if not path.exists() and not TABLE.exists():
        print(f"no GPU was measured: there is no {path}")
    elif path.exists():
        print("written:", write_cuda_csv(read_lines(path)), sep="\n")
    from benchmarks import page  # it reads experiments, with what a GPU's image may lack

    print("written:", *page.write(), sep="\n")
    return 0


def pattern(text: str) -> str:
    """A regular expression, as argparse wants to have it said."""
    try:
        return re.compile(text).pattern
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from None


def seconds(text: str) -> float:
    """More than 0, as argparse wants to have it said."""
    if not (found := float(text)) > 0:  # so it is of what is no number
        raise argparse.ArgumentTypeError(f"{text}: wanted more than 0")
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks cuda",
        description="Our models on a GPU: A is it right, and what are the rates; B models beside "
        "torchvision's, time and memory; C training from end to end; page: the table and the text.",
        epilog="A takes 7 minutes, B 9.5, C 8. What no time is left for is dropped, the least "
        "important cells first.",
    )
    parser.add_argument("what", choices=[*CELLS, "page"])
    parser.add_argument("--lines", type=Path, default=LINES, help="file that a line is added to")
    parser.add_argument("--seconds", type=seconds, help="the command's budget; --tiny has none")
    parser.add_argument(
        "--rest", action="store_true", help="only cells that the file has no line of by this commit"
    )
    parser.add_argument(
        "--only", type=pattern, default="", help="cells that a regular expression finds, by name"
    )
    parser.add_argument("--tiny", action="store_true", help="a test of it all, on the CPU")
    return parser
