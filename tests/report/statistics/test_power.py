"""Power against statsmodels, scipy and simulation; the number of pairs against its definition."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.power import TTestPower

from vswin.report.statistics import Region, needed_pairs, power, t_interval

ABOVE_ZERO = Region(low=0)


@pytest.mark.parametrize("n", [3, 12, 16, 40])
@pytest.mark.parametrize("effect", [0.0, 0.3, 0.8, 2.0])
def test_power_of_a_one_sided_region_is_that_of_the_t_test(n, effect):
    expected = TTestPower().power(effect, n, 0.025, alternative="larger")
    assert power(ABOVE_ZERO, effect, 1, n) == pytest.approx(expected, abs=2e-4)
    below = Region(high=3)
    assert power(below, 3 - 2 * effect, 2, n) == pytest.approx(expected, abs=2e-4)


def test_power_at_another_level():
    expected = stats.nct.sf(stats.t.ppf(1 - 0.0125, 11), 11, math.sqrt(12))
    assert power(ABOVE_ZERO, 1, 1, 12, level=0.975) == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize(("mean", "sd"), [(0.0, 1.0), (0.5, 1.0), (-0.8, 0.5), (1.0, 0.8)])
def test_power_of_equivalence_by_simulation(mean, sd):
    draws = np.random.default_rng(0).normal(mean, sd, size=(20_000, 12))
    half = stats.t.ppf(0.975, 11) * draws.std(axis=1, ddof=1) / math.sqrt(12)
    middle = draws.mean(axis=1)
    simulated = np.mean((middle - half > -1) & (middle + half < 1))
    four_errors = 4 * math.sqrt(simulated * (1 - simulated) / 20_000)
    assert power(Region(-1, 1), mean, sd, 12) == pytest.approx(simulated, abs=four_errors + 1e-4)


def test_a_region_without_points_is_never_hit():
    assert power(Region(high=-math.inf), 5, 1, 12) == 0
    assert power(Region(low=math.inf), 5, 1, 12) == 0
    assert power(Region(), 5, 1, 12) == pytest.approx(1)


def test_power_without_spread_or_pairs():
    assert power(ABOVE_ZERO, 0.1, 0, 3) == 1
    assert power(ABOVE_ZERO, 0.0, 0, 3) == 0
    assert power(ABOVE_ZERO, 5, 1, 1) == 0


def test_needed_pairs_are_the_fewest_with_a_power_of_80_percent():
    for effect in (0.3, 0.6, 1.0):
        expected = TTestPower().solve_power(effect, alpha=0.025, power=0.8, alternative="larger")
        assert needed_pairs(ABOVE_ZERO, effect, 1) == math.ceil(expected)
    n = needed_pairs(Region(-1, 1), 0.2, 1)
    assert power(Region(-1, 1), 0.2, 1, n) >= 0.8 > power(Region(-1, 1), 0.2, 1, n - 1)


def test_on_the_border_no_number_of_pairs_settles_it():
    assert needed_pairs(ABOVE_ZERO, 0, 1) is None
    assert needed_pairs(Region(-1, 1), 1, 1) is None
    assert needed_pairs(ABOVE_ZERO, -0.5, 1) is None  # nor beyond it
    assert needed_pairs(ABOVE_ZERO, 0.01, 1) is None  # 78,000 would
    assert needed_pairs(ABOVE_ZERO, 50, 1) == 3  # fewer give no verdict


def test_a_region_holds_what_lies_wholly_inside():
    interval = t_interval([1.0, 2.0, 3.0])  # 2 ± 2.48
    assert Region(-1, 5).has(interval)
    assert not ABOVE_ZERO.has(interval)
    assert not Region(high=4.48).has(interval)
    assert not Region(low=2, high=2).has(t_interval([2.0, 2.0]))
