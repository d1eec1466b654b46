"""Ours beside what is printed."""

from __future__ import annotations

import dataclasses
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from vswin.paper.placeholders import decimals

Match = Literal["reproduced", "not reproduced", "not run"]
COSTS = {"flops": "FLOPs", "params": "params"}
"""Metrics that are counted on the paper's own model, with their titles."""
UNITS = {"flops": "G", "params": "M"}
Status = Literal["as printed", "differs", "suspicious"]
"""Of a printed cell beside ours; suspicious: it differs, and there is evidence against it."""


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A number of ours beside a printed one."""

    ours: str
    """Rounded to the printed number of digits."""
    printed: str
    exact: bool
    logged: str = ""
    """What ours was rounded to before, if only that makes it the printed one."""


def compare(ours: float, printed: str, logged: int | None = None) -> Comparison:
    """Rounds `ours`, in the table's unit, to the digits of `printed` and compares the digits.

    Args:
        ours: in the table's unit.
        printed: with its digits.
        logged: decimals to which the printed number may have been rounded before.
    """
    once = _rounded(Decimal(ours), decimals(printed))
    if logged is not None and once != printed:
        before = _rounded(Decimal(ours), logged)
        if _rounded(Decimal(before), decimals(printed)) == printed:
            return Comparison(printed, printed, True, before)
    return Comparison(once, printed, once == printed)


def status(found: Comparison, evidence: str) -> Status:
    """What a reader is told of a printed cell, given the evidence against it, if any."""
    if found.exact:
        return "as printed"
    return "suspicious" if evidence else "differs"


def _rounded(number: Decimal, digits: int) -> str:
    """To so many decimals, halves up, as people do; 83.55 has no neighbour that is even."""
    return str(number.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP))


def within(ours: float | None, printed: str, tolerance: float) -> Match:
    """Whether ours is at most `tolerance` from what is printed."""
    if ours is None:
        return "not run"
    near = abs(ours - float(printed)) <= tolerance + 1e-9
    return "reproduced" if near else "not reproduced"
