"""Several tests at once, and summaries over seeds, against hand-worked cases and brute force."""

import itertools

import numpy as np
import pytest
from scipy import stats

from vswin.report.statistics import (
    bonferroni,
    holm,
    interquartile_mean,
    mean_tau,
    probability_of_improvement,
)


def test_holm_by_hand():
    # Sorted: 0.005 x 4, 0.01 x 3, 0.03 x 2, 0.04 x 1, none below the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1, 1]
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_holm_against_its_definition():
    """The k-th smallest is rejected if it and all smaller ones are below level / (m - k + 1)."""
    ps = np.random.default_rng(0).uniform(0, 0.2, 7)
    adjusted, order = np.array(holm(ps.tolist())), np.argsort(ps)
    for level in np.linspace(0.001, 0.999, 200):
        rejected = set()
        for rank, which in enumerate(order):
            if ps[which] > level / (7 - rank):
                break
            rejected.add(int(which))
        assert rejected == set(np.flatnonzero(adjusted <= level).tolist())


def test_bonferroni_by_hand():
    assert bonferroni(1) == pytest.approx(0.95)
    assert bonferroni(2) == pytest.approx(0.975)


def test_tau_by_hand():
    # Of the three pairs of 1, 3, 2 two rise and one falls: (2 - 1) / 3.
    assert mean_tau([[1, 3, 2]]) == pytest.approx(1 / 3)
    assert mean_tau([[1, 2, 3], [3, 2, 1]]) == 0
    assert mean_tau([[1, 2, 3], [1, 3, 2]]) == pytest.approx(2 / 3)
    assert mean_tau([[5, 5, 5]]) == 0
    # A tie: two pairs rise of sqrt(3 pairs x 2 pairs that are no tie).
    assert mean_tau([[1, 1, 2]]) == pytest.approx(2 / np.sqrt(6))


def test_tau_against_brute_force():
    values = np.random.default_rng(1).normal(size=(5, 4))
    pairs = list(itertools.combinations(range(4), 2))
    expected = [np.mean([np.sign(row[b] - row[a]) for a, b in pairs]) for row in values]
    assert mean_tau(values.tolist()) == pytest.approx(np.mean(expected))


def test_interquartile_mean_by_hand():
    assert interquartile_mean([0, 10, 20, 100]) == 15
    assert interquartile_mean([100, 1, 2, 3, 4, 5, 6, -50]) == 3.5
    assert interquartile_mean([1, 2, 6]) == 3  # fewer than four: nothing is dropped
    values = np.random.default_rng(2).normal(size=12)
    assert interquartile_mean(values.tolist()) == pytest.approx(np.sort(values)[3:9].mean())


def test_probability_of_improvement_by_hand():
    # 3 beats 1 and 2; 2 beats 1 and ties with 2: 3.5 of 4.
    assert probability_of_improvement([3, 2], [1, 2]) == 3.5 / 4
    assert probability_of_improvement([1], [2, 3]) == 0
    first, second = np.random.default_rng(3).normal(size=(2, 12))
    expected = np.mean([a > b for a in first for b in second])
    assert probability_of_improvement(first.tolist(), second.tolist()) == pytest.approx(expected)
    unpaired = stats.mannwhitneyu(first, second)
    assert unpaired.statistic == pytest.approx(144 * expected)


def test_summaries_of_nothing_are_refused():
    for refused in (
        lambda: interquartile_mean([]),
        lambda: probability_of_improvement([], [1]),
        lambda: mean_tau([]),
        lambda: mean_tau([[1]]),
    ):
        with pytest.raises(ValueError, match=r"no values|at least one seed"):
            refused()
