"""Intervals against known values and against simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from vswin.report.statistics import t_interval, wilson_interval


def test_t_interval_known_value():
    # mean 2, sd 1, n 3: t(0.975, 2) = 4.302653 (any table of Student's t)
    found = t_interval([1.0, 2.0, 3.0])
    assert found.mean == 2.0
    assert (found.high - found.low) / 2 == pytest.approx(4.302653 / math.sqrt(3), rel=1e-6)
    assert found.n == 3


def test_t_interval_covers_the_mean_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(5, 2, size=(2000, 4))
    hits = [(i := t_interval(list(row))).low <= 5 <= i.high for row in draws]
    assert np.mean(hits) == pytest.approx(0.95, abs=0.015)


def test_one_value_says_nothing_about_another():
    found = t_interval([3.0])
    assert (found.low, found.high) == (-math.inf, math.inf)
    with pytest.raises(ValueError, match="no values"):
        t_interval([])


def test_wilson_interval_known_value():
    # 50 of 100: (0.4038, 0.5962), the textbook example
    found = wilson_interval(0.5, 100)
    assert (found.low, found.high) == pytest.approx((0.40383, 0.59617), abs=1e-5)
    assert wilson_interval(0.0, 10).low == 0.0


def test_intervals_are_those_of_scipy_stats():
    for n in (2, 3, 7, 143):
        values = [float(value) for value in np.random.default_rng(n).normal(50, 3, size=n)]
        for level in (0.9, 0.95, 0.975):
            found = t_interval(values, level)
            expected = stats.t.interval(level, n - 1, np.mean(values), stats.sem(values))
            assert (found.low, found.high) == pytest.approx(expected, rel=1e-12)
    for n, hits in ((10, 0), (10, 10), (48, 7), (960, 959), (1, 1)):
        for level in (0.9, 0.95):
            found = wilson_interval(hits / n, n, level)
            expected = stats.binomtest(hits, n).proportion_ci(level, method="wilson")
            assert (found.low, found.high) == pytest.approx(tuple(expected), abs=1e-14)
