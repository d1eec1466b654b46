"""How likely a study is to decide, and how many pairs it would take."""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np

from vswin.report.statistics.intervals import LEVEL, MIN_SEEDS, Interval

POWER = 0.8
"""The chance of deciding that a number of pairs is asked to give."""
MOST_PAIRS = 1000
"""Nobody trains more seeds; a study that needs more is not settled by seeds."""
GRID = 2048
"""Quantiles of the sample variance that the power is averaged over; good to four digits."""


@dataclasses.dataclass(frozen=True)
class Region:
    """Where the interval of a difference must lie for a verdict; either end may be infinite."""

    low: float = -math.inf
    high: float = math.inf

    def has(self, interval: Interval) -> bool:
        """Whether the interval lies wholly inside."""
        return interval.is_within(self.low, self.high)


def power(region: Region, mean: float, sd: float, n: int, level: float = LEVEL) -> float:
    """Chance that the t interval of n paired differences lies wholly inside a region.

    The differences are taken to be normal. For a region that is open on one side this is the power
    of the one-sided t test; for one with two ends, that of two one-sided tests.

    Args:
        region: of the verdict.
        mean: the true mean difference.
        sd: the true standard deviation of the differences; 0 makes the answer certain.
        n: pairs.
        level: of the interval.
    """
    if n < 2:
        return 0.0
    if sd == 0:
        return float(region.low < mean < region.high)
    from scipy import special  # takes a while

    error = sd / math.sqrt(n)
    half = _half_widths(n, level)  # in standard errors, at quantiles of the sample's variance
    above = (region.low - mean) / error + half
    below = (region.high - mean) / error - half
    return float(np.maximum(special.ndtr(below) - special.ndtr(above), 0).mean())


@functools.lru_cache(maxsize=4096)
def _half_widths(n: int, level: float) -> np.ndarray:
    """Half the width of an interval in true standard errors, at GRID equally likely variances."""
    from scipy import special

    quantiles = (np.arange(GRID) + 0.5) / GRID
    variance = special.chdtri(n - 1, 1 - quantiles) / (n - 1)
    return np.asarray(special.stdtrit(n - 1, (1 + level) / 2) * np.sqrt(variance))


def needed_pairs(region: Region, mean: float, sd: float, level: float = LEVEL) -> int | None:
    """The fewest pairs with which a verdict has a chance of 80 %; None if none up to 1,000 has.

    Args:
        region: of the verdict.
        mean: of the differences, taken to be the true one; on the region's border, no number will
            do.
        sd: likewise.
        level: of the interval.
    """
    if not power(region, mean, sd, MOST_PAIRS, level) >= POWER:
        return None
    too_few, enough = MIN_SEEDS - 1, MOST_PAIRS
    while enough - too_few > 1:  # more pairs never have less power
        n = (too_few + enough) // 2
        if power(region, mean, sd, n, level) >= POWER:
            enough = n
        else:
            too_few = n
    return enough
