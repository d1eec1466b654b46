"""Tests on paired differences against hand-worked cases, scipy and brute force."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from vswin.report.statistics import sign_flip_p, t_interval, t_test_p, tost_p

DARWIN = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48]
"""Cross- minus self-fertilised maize, in eighths of an inch: the 15 pairs of Fisher (1935),
sections 17 and 21."""


def test_darwins_maize_as_fisher_worked_it_out():
    # t = 2.148 on 14 degrees of freedom, p = 0.0497. Of the 32,768 patterns of signs, 863 have a
    # sum as great as 314 or greater, and as many one as small as -314 or smaller: 1,726.
    assert t_test_p(DARWIN, alternative="two-sided") == pytest.approx(0.0497, abs=5e-5)
    assert sign_flip_p(DARWIN) == 863 / 32768
    assert sign_flip_p(DARWIN, alternative="two-sided") == 1726 / 32768


def test_t_test_by_hand():
    # mean 2, sd 1, n 3: t = 2 sqrt(3). With 2 degrees of freedom, P(T > t) is
    # (1 - t / sqrt(2 + t^2)) / 2.
    t = 2 * math.sqrt(3)
    above = (1 - t / math.sqrt(2 + t * t)) / 2
    assert t_test_p([1, 2, 3]) == pytest.approx(above, rel=1e-12)
    assert t_test_p([1, 2, 3], alternative="less") == pytest.approx(1 - above, rel=1e-12)
    assert t_test_p([1, 2, 3], alternative="two-sided") == pytest.approx(2 * above, rel=1e-12)
    assert t_test_p([1, 2, 3], boundary=2) == 0.5


def test_paired_t_test_is_that_of_scipy():
    draws = np.random.default_rng(0)
    first, second = draws.normal(80, 1, 12), draws.normal(79, 2, 12)
    for alternative in ("greater", "less", "two-sided"):
        expected = stats.ttest_rel(first, second, alternative=alternative).pvalue
        found = t_test_p((first - second).tolist(), alternative=alternative)
        assert found == pytest.approx(expected, rel=1e-12)


def test_a_test_rejects_what_the_interval_excludes():
    for seed in range(50):
        differences = np.random.default_rng(seed).normal(0.6, 1, 12).tolist()
        interval = t_interval(differences)
        assert (t_test_p(differences) < 0.025) == (interval.low > 0)
        assert (t_test_p(differences, 1, "less") < 0.025) == (interval.high < 1)
        assert (tost_p(differences, -1, 1) < 0.025) == interval.is_within(-1, 1)


def test_differences_without_spread():
    assert t_test_p([0.5] * 4) == 0
    assert t_test_p([-0.5] * 4) == 1
    assert t_test_p([0.0] * 4) == 0.5
    assert t_test_p([0.0] * 4, alternative="two-sided") == 1
    assert tost_p([0.5] * 4, -1, 1) == 0
    assert tost_p([1.5] * 4, -1, 1) == 1


def test_two_one_sided_tests_by_hand():
    # The nearer border is the upper one, 3: t = (2 - 3) / (1 / sqrt(3)) = -sqrt(3).
    t = math.sqrt(3)
    assert tost_p([1, 2, 3], -3, 3) == pytest.approx((1 - t / math.sqrt(2 + t * t)) / 2)


def test_two_one_sided_tests_are_those_of_statsmodels():
    from statsmodels.stats.weightstats import ttost_paired

    draws = np.random.default_rng(1)
    for margin in (0.5, 1.0, 2.0):
        first, second = draws.normal(0.2, 1, 12), draws.normal(0, 1, 12)
        expected = ttost_paired(first, second, -margin, margin)[0]
        assert tost_p((first - second).tolist(), -margin, margin) == pytest.approx(expected)


def test_one_bound_leaves_one_test_and_sign_flips_have_their_own():
    assert tost_p([1, 2, 4], 0, math.inf) == t_test_p([1, 2, 4])
    assert tost_p([1, 2, 4], -math.inf, 3) == t_test_p([1, 2, 4], 3, "less")
    assert tost_p([1, 2, 4], 0, 3, sign_flip_p) == sign_flip_p([1, 2, 4], 3, "less")


def test_sign_flips_by_hand():
    # Eight patterns of 1, 2, 4 with sums ±7, ±5, ±3, ±1: of -1 + 2 + 4 = 5, two are as great.
    assert sign_flip_p([1, 2, 4]) == 1 / 8
    assert sign_flip_p([-1, 2, 4]) == 2 / 8
    assert sign_flip_p([-1, 2, 4], alternative="two-sided") == 4 / 8
    assert sign_flip_p([-1, 2, 4], alternative="less") == 7 / 8
    assert sign_flip_p([2, 3, 5], boundary=1) == 1 / 8
    assert sign_flip_p([0.0, 0.0]) == 1


def test_sign_flips_against_brute_force_and_scipy():
    differences = np.random.default_rng(2).normal(0.3, 1, 8)
    means = [np.mean(differences * signs) for signs in itertools.product((-1, 1), repeat=8)]
    expected = np.mean(np.array(means) >= differences.mean() - 1e-12)
    assert sign_flip_p(differences.tolist()) == expected
    found = stats.permutation_test(
        (differences,), np.mean, permutation_type="samples", alternative="greater", n_resamples=999
    )
    assert found.pvalue == expected


def test_equal_sums_count_however_they_round():
    """0.1 + 0.2 is not 0.3 in floating point: each pattern of the three has its own rounding."""
    assert sign_flip_p([0.1, 0.2, -0.3]) == 5 / 8  # sums: 0.6, 0.4, 0.2, 0, 0, -0.2, -0.4, -0.6


def test_many_pairs_are_drawn_and_say_the_same_each_time():
    differences = np.random.default_rng(3).normal(0.5, 1, 20).tolist()
    found = sign_flip_p(differences)
    assert found == sign_flip_p(differences)
    assert found == pytest.approx(t_test_p(differences), abs=0.01)
    assert sign_flip_p([1.0] * 40) == 1 / 65537  # never zero


def test_too_few_differences_are_refused():
    with pytest.raises(ValueError, match="at least two"):
        t_test_p([1.0])
    with pytest.raises(ValueError, match="no differences"):
        sign_flip_p([])
    for bounds in ((1, -1), (0, 0), (-math.inf, math.inf)):
        with pytest.raises(ValueError, match="in order"):
            tost_p([1.0, 2.0], *bounds)
