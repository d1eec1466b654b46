"""Intervals. Seeds are few, so they get Student's t; test clips are many, so they get Wilson's."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence

LEVEL = 0.95
"""Of every interval that decides about a claim; a one-sided test has half of the rest."""
MIN_SEEDS = 3
"""Fewer seeds give no verdict: with two, the 95 % interval is 12.7 standard errors wide."""


@dataclasses.dataclass(frozen=True)
class Interval:
    """An estimate with its 95 % interval (or another level, where a test says so)."""

    mean: float
    low: float
    high: float
    n: int

    def is_within(self, low: float, high: float) -> bool:
        """Whether it lies wholly between two bounds, touching neither."""
        return low < self.low and self.high < high


def t_interval(values: Sequence[float], level: float = LEVEL) -> Interval:
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
    from scipy import stats  # takes a second to import, which `vswin --help` need not wait for

    error = float(stats.sem(values))
    if error == 0:  # the distribution has no width then, and scipy says nan
        return Interval(mean, mean, mean, n)
    low, high = stats.t.interval(level, n - 1, mean, error)
    return Interval(mean, float(low), float(high), n)


def wilson_interval(share: float, n: int, level: float = LEVEL) -> Interval:
    """Interval for a share of `n` independent trials, in [0, 1]: one model on `n` test clips."""
    from scipy import stats

    found = stats.binomtest(round(share * n), n).proportion_ci(level, method="wilson")
    return Interval(share, float(found.low), float(found.high), n)


def standard_deviation(values: Sequence[float]) -> float:
    """Of a sample, with n - 1 in the denominator; NaN for fewer than two values."""
    return statistics.stdev(values) if len(values) > 1 else math.nan
