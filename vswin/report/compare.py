"""Ours beside what is printed."""

from __future__ import annotations

import dataclasses
from typing import Literal

from vswin.paper.placeholders import decimals

Match = Literal["reproduced", "not reproduced", "not run"]
COSTS = {"flops": "FLOPs", "params": "params"}
"""Metrics that are counted on the paper's own model, with their titles."""
UNITS = {"flops": "G", "params": "M"}


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A number of ours beside a printed one."""

    ours: str
    """Rounded to the printed number of digits."""
    printed: str
    exact: bool


def compare(ours: float, printed: str) -> Comparison:
    """Rounds `ours`, in the table's unit, to the digits of `printed` and compares the digits."""
    rounded = f"{ours:.{decimals(printed)}f}"
    return Comparison(rounded, printed, rounded == printed)


def within(ours: float | None, printed: str, tolerance: float) -> Match:
    """Whether ours is at most `tolerance` from what is printed."""
    if ours is None:
        return "not run"
    near = abs(ours - float(printed)) <= tolerance + 1e-9
    return "reproduced" if near else "not reproduced"
