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
    """What was other the second time, in how many runs what is the same, how far top-1 is off.

    Raises:
        DamagedFileError: if the file is not what the tool writes.
    """
    found: dict[str, list[dict[str, str]]] = {}
    for line in _lines(overview.results_dir / FILE):
        if line["protocol"] == overview.protocol:
            found.setdefault(line["called"], []).append(line)
    return Block(
        "Made a second time",
        [
            "the second time",
            "runs",
            "training curves that are identical",
            "runs whose answers are, clip by clip",
            "top-1 at most apart, points",
        ],
        [
            [
                called,
                str(len(lines)),
                str(sum(line["same_curve"] == "True" for line in lines)),
                str(sum(line["clips_that_differ"] == "0" for line in lines)),
                f"{max(abs(float(line['difference'])) for line in lines):.2f}",
            ]
            for called, lines in found.items()
        ],
        note=f"Run by run: `{FILE}` beside the record, by `tools/reproduced.py`.",
    )


def repeated_in_short(overview: Overview) -> str:
    """The same in a line; empty if nothing was repeated."""
    found = []
    for called, runs, curves, answers, apart in repeated(overview).lines:
        said = f"{answers} of {runs} gave the same test answers, top-1 at most {apart} points apart"
        if curves == answers == runs:
            said = f"{runs} of {runs} came out the same, step by step and clip by clip"
        found.append(f"{said} ({called})")
    return f"Runs made a second time: {'; '.join(found)}." if found else ""


def _lines(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    if not all(line.keys() >= COLUMNS for line in lines):
        raise DamagedFileError(f"{path} lacks columns; `tools/reproduced.py --keep` writes it anew")
    return lines
