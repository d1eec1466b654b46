"""Tests on paired differences, one for each seed.

Each p is one-sided unless it says otherwise, and compared with 2.5 %.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

Alternative = Literal["greater", "less", "two-sided"]
"""Where the mean is, if the null hypothesis is wrong: above or below the boundary, or either."""
Test = Callable[[Sequence[float], float, Alternative], float]
MOST_PAIRS_ENUMERATED = 16
"""Up to 2^16 = 65,536 patterns of signs are enumerated; for more pairs, as many are drawn."""
SEED_OF_DRAWS = 0
"""Of the patterns that are drawn, so that a report says the same each time."""


def t_test_p(
    differences: Sequence[float], boundary: float = 0.0, alternative: Alternative = "greater"
) -> float:
    """P of Student's t test that the mean of paired differences is not at `boundary`.

    Args:
        differences: one for each pair; their number is at least two.
        boundary: the mean under the null hypothesis, in the unit of the differences.
        alternative: where else the mean may be.

    Raises:
        ValueError: if there are fewer than two differences.
    """
    if len(differences) < 2:
        raise ValueError("a t test wants at least two differences")
    if len({float(d) for d in differences}) == 1:  # no spread: scipy divides by zero
        return _certain_p(float(differences[0]) - boundary, alternative)
    from scipy import stats  # takes a second

    return float(stats.ttest_1samp(differences, boundary, alternative=alternative).pvalue)


def _certain_p(mean: float, alternative: Alternative) -> float:
    """What p tends to when the spread vanishes."""
    if alternative == "two-sided":
        return float(mean == 0)
    above = mean if alternative == "greater" else -mean
    return 0.0 if above > 0 else 1.0 if above < 0 else 0.5


def tost_p(
    differences: Sequence[float], low: float, high: float, test: Test | None = None
) -> float:
    """P of two one-sided tests that the mean lies between two bounds: the larger of the two.

    Args:
        differences: one for each pair.
        low: the lower bound; -inf leaves the other test alone.
        high: the upper bound; likewise.
        test: `t_test_p`, which is the default, or `sign_flip_p`.

    Raises:
        ValueError: if the test does, the bounds are not in order, or neither is finite.
    """
    sides: tuple[tuple[float, Alternative], ...] = ((low, "greater"), (high, "less"))
    finite = [(bound, side) for bound, side in sides if math.isfinite(bound)]
    if not low < high or not finite:
        raise ValueError(f"bounds {low} and {high}: wanted two in order, one of them finite")
    return max((test or t_test_p)(differences, bound, side) for bound, side in finite)


def sign_flip_p(
    differences: Sequence[float], boundary: float = 0.0, alternative: Alternative = "greater"
) -> float:
    """P of the sign-flip test: the share of sign patterns whose mean is at least as extreme.

    It assumes that differences are as likely `x` above the boundary as `x` below it, and no normal
    distribution. All patterns are enumerated up to 16 pairs; with more, 65,536 are drawn, and the
    pattern that was observed counts as one more. The smallest p with n pairs is 2^-n.

    Args:
        differences: one for each pair.
        boundary: about which they are symmetric under the null hypothesis.
        alternative: where else the mean may be.

    Raises:
        ValueError: if there are no differences.
    """
    n = len(differences)
    if n == 0:
        raise ValueError("no differences")
    centred = np.asarray(differences, float) - boundary
    sums = _signs(n) @ centred
    observed = centred.sum()
    if alternative == "two-sided":
        sums, observed = np.abs(sums), abs(observed)
    elif alternative == "less":
        sums, observed = -sums, -observed
    tolerance = 1e-9 * np.abs(centred).sum()  # equal sums are added up in another order
    hits = int((sums >= observed - tolerance).sum())
    drawn = int(n > MOST_PAIRS_ENUMERATED)
    return (hits + drawn) / (len(sums) + drawn)


def _signs(n: int) -> np.ndarray:
    """Patterns of n signs, (patterns, n): all of them, or as many as 2^16 drawn at random."""
    if n > MOST_PAIRS_ENUMERATED:
        draws = np.random.default_rng(SEED_OF_DRAWS)
        return draws.choice([-1.0, 1.0], size=(2**MOST_PAIRS_ENUMERATED, n))
    bits = np.arange(2**n)[:, None] >> np.arange(n) & 1
    return 1.0 - 2.0 * bits
