"""Summaries of runs over seeds that do not rest on a normal distribution.

The interquartile mean and the probability of improvement are those that Agarwal et al., "Deep
Reinforcement Learning at the Edge of the Statistical Precipice" (2108.13264), recommend for few
runs.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def interquartile_mean(values: Sequence[float]) -> float:
    """Mean of the middle half: floor(n / 4) values are dropped at each end.

    Raises:
        ValueError: if there are no values.
    """
    if not len(values):
        raise ValueError("no values")
    from scipy import stats  # takes a second

    return float(stats.trim_mean(values, 0.25))


def probability_of_improvement(first: Sequence[float], second: Sequence[float]) -> float:
    """Share of pairs of a run of `first` and one of `second` in which the first is the larger.

    Every run of one is compared with every run of the other; a tie counts as half. 0.5 says that
    neither tends to be better.

    Raises:
        ValueError: if one of them is empty.
    """
    if not len(first) or not len(second):
        raise ValueError("no values")
    from scipy import stats

    statistic = stats.mannwhitneyu(first, second).statistic  # pairs won, and half of the ties
    return float(statistic) / (len(first) * len(second))


def mean_tau(by_seed: Sequence[Sequence[float]]) -> float:
    """Kendall's tau (b) between an expected order and what each seed shows, mean over seeds.

    1: every seed shows the order; 0: no tendency; -1: every seed shows the opposite. A seed in
    which all are equal counts as 0.

    Args:
        by_seed: for each seed, the values of the rows in the order in which they should rise.

    Raises:
        ValueError: if there are no seeds, or fewer than two rows.
    """
    if not len(by_seed) or any(len(values) < 2 for values in by_seed):
        raise ValueError("wanted at least one seed and two rows")
    from scipy import stats

    taus = [stats.kendalltau(range(len(values)), values).statistic for values in by_seed]
    return float(np.nan_to_num(taus).mean())
