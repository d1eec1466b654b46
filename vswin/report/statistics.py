"""Intervals. Seeds are few, so they get Student's t; test clips are many, so they get Wilson's."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from scipy import special  # scipy.stats has the same, and takes a second to import

MIN_SEEDS = 3
"""Fewer seeds give no verdict: with two, the 95 % interval is 12.7 standard errors wide."""


@dataclasses.dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval (or another level, where a test says so)."""

    mean: float
    low: float
    high: float
    n: int


def t_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Interval for the mean of independent values; infinite for a single one.

    Raises:
        ValueError: if there are no values.
    """
    n = len(values)
    if n == 0:
        raise ValueError("no values")
    mean = math.fsum(values) / n
    if n == 1:
        return Interval(mean, -math.inf, math.inf, 1)
    variance = math.fsum((v - mean) ** 2 for v in values) / (n - 1)
    half = float(special.stdtrit(n - 1, (1 + level) / 2)) * math.sqrt(variance / n)
    return Interval(mean, mean - half, mean + half, n)


def wilson_interval(share: float, n: int, level: float = 0.95) -> Interval:
    """Interval for a share of `n` independent trials, in [0, 1]: one model on `n` test clips."""
    z = float(special.ndtri((1 + level) / 2))
    hits = round(share * n)
    found = hits / n
    middle = (found + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * math.sqrt((found * (1 - found) + z**2 / (4 * n)) / n) / (1 + z**2 / n)
    # The ends are exact there, and rounding would miss them.
    low = 0.0 if hits == 0 else middle - half
    high = 1.0 if hits == n else middle + half
    return Interval(share, low, high, n)
