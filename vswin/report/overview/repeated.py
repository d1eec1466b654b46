"""Runs of the record that were made a second time, as `tools/reproduced.py` has kept them."""

from __future__ import annotations

import csv
from pathlib import Path

from vswin.files import DamagedFileError
from vswin.report.overview.block import Block
from vswin.report.overview.data import Overview

FILE = "reproduced.csv"
"""In a record: a line for each run that was made again; results/README.md says more."""


COLUMNS = {"called", "protocol", "same_curve", "clips_that_differ", "difference"}
"""Of it, those that are read."""


def repeated(overview: Overview) -> Block:
    """What was other the second time, how many runs are the same, and how far top-1 is off.

    Raises:
        DamagedFileError: if the file is not what the tool writes.
    """
    found: dict[str, list[dict[str, str]]] = {}
    for line in _lines(overview.results_dir / FILE):
        if line["protocol"] == overview.protocol:
            found.setdefault(line["called"], []).append(line)
    return Block(
        "Made a second time",
        ["the second time", "runs", "the same, clip by clip", "top-1 at most apart, points"],
        [
            [called, str(len(lines)), str(_same(lines)), _apart(lines)]
            for called, lines in found.items()
        ],
        note=f"Run by run: `{FILE}` beside the record, by `tools/reproduced.py`.",
    )


def repeated_in_short(overview: Overview) -> str:
    """The same in a line; empty if nothing was repeated."""
    found = [
        f"{same} of {runs} runs the same, clip by clip, top-1 at most {apart} apart ({called})"
        for called, runs, same, apart in repeated(overview).lines
    ]
    return f"Made a second time: {'; '.join(found)}." if found else ""


def _lines(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    if not all(line.keys() >= COLUMNS for line in lines):
        raise DamagedFileError(f"{path} lacks columns; `tools/reproduced.py --keep` writes it anew")
    return lines


def _same(lines: list[dict[str, str]]) -> int:
    """Runs with the same curve and the same answer for each clip."""
    return sum(n["same_curve"] == "True" and n["clips_that_differ"] == "0" for n in lines)


def _apart(lines: list[dict[str, str]]) -> str:
    return f"{max(abs(float(line['difference'])) for line in lines):.2f}"
