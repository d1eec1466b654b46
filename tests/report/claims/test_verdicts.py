"""Verdicts on made-up results: one case for each way in which a claim can end."""

import math
import re

import pytest

from tests.report.claims.made_up import claim, judged
from vswin.paper.claims import Bounds
from vswin.report import load_study
from vswin.report.claims import judge_claims
from vswin.report.claims.deciding import chances, rule_of
from vswin.report.claims.tally import outcome
from vswin.report.statistics import (
    Interval,
    Region,
    bonferroni,
    needed_pairs,
    power,
    t_interval,
    t_test_p,
)

FLAT = [70.0, 70.5, 69.5, 70.2]
LOW = [8.3, 8.4, 8.2, 8.3]
HIGH = [99.9, 99.8, 100.0, 99.9]


def above(values, *gains):
    """Values with a gain each, so that the differences are the gains."""
    return [value + gain for value, gain in zip(values, gains, strict=True)]


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ((2.0, 2.5, 1.5, 2.2), "holds"),
        ((0.3, 0.4, 0.3, 0.4), "holds"),  # small, and surely above zero
        ((-2.0, -2.5, -1.5, -2.2), "contradicted"),
        ((0.3, -0.3, 0.1, -0.1), "no effect"),  # surely within a point of zero
        ((2.0, -1.5, 1.0, 0.0), "inconclusive"),
        ((0.0, 0.0, 0.0, 0.0), "no effect"),
    ],
)
def test_greater(gains, verdict):
    found = judged(claim("greater", ["win8", "win4"]), win4=FLAT, win8=above(FLAT, *gains))
    assert found.verdict == verdict, found.reason
    assert found.difference == pytest.approx(sum(gains) / 4)
    assert (found.p < 0.025) == (verdict == "holds")


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ((-0.3, -0.4, -0.2, -0.3), "holds"),
        ((3.0, 2.0, 4.0, 3.0), "holds"),  # better is not worse
        ((-3.0, -2.0, -4.0, -3.0), "contradicted"),
        ((-1.0, -2.0, 0.0, -1.0), "inconclusive"),
    ],
)
def test_within(gains, verdict):
    found = judged(claim("within", ["win8", "win16"]), win16=FLAT, win8=above(FLAT, *gains))
    assert found.verdict == verdict, found.reason


@pytest.mark.parametrize(
    ("gains", "verdict"),
    [
        ((-0.3, 0.4, 0.2, -0.3), "holds"),
        ((3.0, 2.0, 4.0, 3.0), "contradicted"),  # better is not equal
        ((-3.0, -2.0, -4.0, -3.0), "contradicted"),
        ((3.0, -3.0, 1.0, -1.0), "inconclusive"),  # equal on average, too noisy to tell
    ],
)
def test_equal(gains, verdict):
    found = judged(claim("equal", ["win8", "win16"]), win16=FLAT, win8=above(FLAT, *gains))
    assert found.verdict == verdict, found.reason
    assert "margin 1 point, not preregistered" in found.reason


@pytest.mark.parametrize(
    ("first", "second", "verdict"),
    [
        ((2.0, 2.5, 1.5, 2.2), (2.0, 2.5, 1.5, 2.2), "holds"),
        ((2.0, 2.5, 1.5, 2.2), (-2.0, -2.5, -1.5, -2.2), "contradicted"),
        ((2.0, 2.5, 1.5, 2.2), (2.0, -1.5, 1.0, 0.0), "inconclusive"),
        ((0.3, -0.3, 0.1, -0.1), (-0.3, 0.3, -0.1, 0.1), "no effect"),
        # One step rises and the other does not: that is no trend, but neither no effect.
        ((2.0, 2.5, 1.5, 2.2), (0.3, -0.3, 0.1, -0.1), "inconclusive"),
    ],
)
def test_trend(first, second, verdict):
    middle = above(FLAT, *first)
    found = judged(
        claim("trend", ["win4", "win8", "win16"]),
        win4=FLAT,
        win8=middle,
        win16=above(middle, *second),
    )
    assert found.verdict == verdict, found.reason
    assert [step.label for step in found.steps] == ["win8 − win4", "win16 − win8"]
    assert found.p == pytest.approx(max(t_test_p(first), t_test_p(second)))


def test_a_trend_of_which_a_step_does_nothing_says_so_step_by_step():
    middle = above(FLAT, 2.0, 2.5, 1.5, 2.2)
    found = judged(
        claim("trend", ["win4", "win8", "win16"]),
        win4=FLAT,
        win8=middle,
        win16=above(middle, 0.3, -0.3, 0.1, -0.1),
    )
    assert (found.verdict, found.needed_n) == ("inconclusive", None)
    assert [step.verdict for step in found.steps] == ["holds", "no effect"]
    assert found.reason.endswith("win8 − win4: holds, win16 − win8: no effect")


def test_a_trend_holds_without_a_correction_and_is_contradicted_only_with_one():
    """The same step, up and down: at 95 % its interval excludes zero, at 97.5 % it does not."""
    step = [1.0, 1.2, 0.2, 1.4]
    assert t_interval(step).low > 0 > t_interval(step, bonferroni(2)).low
    clear = [5.0, 5.1, 4.9, 5.2]
    rising = claim("trend", ["win4", "win8", "win16"])
    up = above(FLAT, *step)
    assert judged(rising, win4=FLAT, win8=up, win16=above(up, *clear)).verdict == "holds"
    down = above(FLAT, *(-x for x in step))
    found = judged(rising, win4=FLAT, win8=down, win16=above(down, *clear))
    assert found.verdict == "inconclusive"


def test_interaction_is_the_difference_of_two_gains():
    found = judged(
        claim("interaction", ["dim8", "dim4", "win8", "win4"]),
        dim4=FLAT,
        dim8=above(FLAT, 3.0, 3.1, 2.9, 3.0),
        win4=FLAT,
        win8=above(FLAT, 1.0, 1.1, 0.9, 1.2),
    )
    assert found.verdict == "holds"
    (step,) = found.steps
    assert step.label == "(dim8 − dim4) − (win8 − win4)"
    assert [round(x, 6) for x in step.by_seed.values()] == [2.0, 2.0, 2.0, 1.8]


@pytest.mark.parametrize(
    ("values", "bounds", "verdict"),
    [
        (LOW, {"high": 10}, "holds"),
        (FLAT, {"high": 10}, "contradicted"),
        ([9.0, 11.0, 10.0, 10.5], {"high": 10}, "inconclusive"),
        (FLAT, {"low": 60, "high": 80}, "holds"),
        (FLAT, {"low": 80, "high": 90}, "contradicted"),
    ],
)
def test_bound(values, bounds, verdict):
    found = judged(claim("bound", ["win8"], bounds=bounds), win8=values)
    assert found.verdict == verdict, found.reason
    assert found.steps[0].label == "win8"
    assert f"single seeds from {min(values):.1f} to {max(values):.1f} %" in found.reason


def test_a_bound_on_one_side_has_no_verdict_beyond_the_other():
    rule = rule_of("bound", bounds=Bounds(high=10.0))
    at = chances(rule, [(9.0, 1.0)], 12)
    assert at["holds"] == pytest.approx(power(Region(high=10), 9, 1, 12))
    assert at["contradicted"] < 1e-3
    found = judged(claim("bound", ["win8"], bounds={"high": 10}), win8=[9.0, 10.5, 9.8, 9.3])
    assert (found.verdict, found.needed_n) == (
        "inconclusive",
        needed_pairs(Region(high=10), 9.65, 0.6557),
    )
    assert found.needed_n > 4


@pytest.mark.parametrize(
    ("kind", "values"),
    [("within", LOW), ("within", HIGH), ("equal", LOW), ("equal", HIGH), ("greater", HIGH)],
)
def test_two_rows_that_learnt_nothing_or_everything_are_not_shown_to_be_alike(kind, values):
    found = judged(claim(kind, ["win8", "win16"]), win8=values, win16=values)
    assert found.verdict == "inconclusive"
    assert found.reason.endswith("not clear of chance or of the ceiling: win8, win16")


def test_a_row_at_chance_can_still_be_worse():
    assert judged(claim("greater", ["win8", "win16"]), win8=FLAT, win16=LOW).verdict == "holds"
    found = judged(claim("within", ["win8", "win16"]), win8=LOW, win16=FLAT)
    assert found.verdict == "contradicted"


def test_order_has_a_chance_of_its_own():
    """Above chance as top-1 of twelve classes goes, a coin flip as order goes."""
    guessing = [48.0, 52.0, 50.0, 50.0]
    same = claim("equal", ["win8", "win16"], metric="order", margins={"clips": 5.0})
    found = judged(same, metric="order", win8=guessing, win16=guessing)
    assert found.verdict == "inconclusive"


def test_only_shared_seeds_are_paired_and_counted():
    within = claim("within", ["win8", "win16"])
    near = above(FLAT, -0.3, -0.35, -0.25, -0.3)
    found = judged(within, win16=FLAT, win8=[None, *near[1:]])
    assert (found.verdict, found.seeds) == ("holds", (1, 2, 3))
    assert "3 paired seeds" in found.reason
    found = judged(within, win16=FLAT, win8=[None, *near[1:3]])
    assert (found.verdict, found.seeds) == ("inconclusive", (1, 2))
    assert found.reason.endswith("no verdict below 3 paired seeds")
    found = judged(within, win16=FLAT[:1], win8=[None, *near[1:]])
    assert (found.verdict, found.seeds) == ("inconclusive", ())
    assert "no seed in common" in found.reason


def test_a_single_seed_has_a_difference_and_no_interval():
    found = judged(claim("greater", ["win8", "win4"]), win8=[72.0], win4=[70.0])
    assert found.verdict == "inconclusive"
    assert (found.difference, found.interval, found.p) == (2.0, None, None)
    assert found.steps[0].interval == Interval(2.0, -math.inf, math.inf, 1)
    assert "win8 − win4 = +2.00 points; 1 paired seed;" in found.reason


def test_what_lacks_a_row_is_not_run():
    found = judged(claim("trend", ["dim4", "dim8", "dim16"]), dim4=FLAT, dim8=FLAT)
    assert (found.verdict, found.reason) == ("not run", "missing: dim16")


def test_a_smoke_test_tests_no_claim():
    near = above(FLAT, -0.3, -0.35, -0.25, -0.3)
    found = judged(claim("within", ["win8", "win16"]), "smoke", win16=FLAT, win8=near)
    assert found.verdict == "inconclusive"
    assert found.reason.endswith("protocol smoke tests no claims")


def test_an_inconclusive_verdict_says_how_many_seeds_would_settle_it():
    close = claim("greater", ["win8", "win4"], margins={"clips": 0.1})
    found = judged(close, win4=FLAT, win8=above(FLAT, 2.0, -0.5, 1.5, 1.0))
    assert found.verdict == "inconclusive"
    # Mean 1, sd 1.08: the t test has a power of 80 % at 2.5 % with 12 pairs.
    assert found.needed_n == 12
    assert found.reason.endswith("12 seeds would settle it with a chance of 80 %")
    near = claim("within", ["win8", "win16"])
    found = judged(near, win16=FLAT, win8=above(FLAT, -1.5, -0.5, -2.0, 0.0))
    assert (found.verdict, found.needed_n) == ("inconclusive", None)
    assert "no number of seeds up to 1,000 would settle it" in found.reason


def test_numbers_of_a_judgement_by_hand():
    found = judged(claim("greater", ["win8", "win4"]), win4=[70, 70, 70], win8=[71, 72, 73])
    assert (found.verdict, found.seeds, found.margin) == ("inconclusive", (0, 1, 2), 1.0)
    assert found.values == {"win8": 72.0, "win4": 70.0}
    t = 2 * math.sqrt(3)  # of 1, 2, 3: mean 2, sd 1
    assert found.p == pytest.approx((1 - t / math.sqrt(2 + t * t)) / 2)
    assert found.sign_flip_p == 1 / 8
    assert found.interval.low == pytest.approx(2 - 4.302653 / math.sqrt(3))
    assert found.tau is None
    assert found.steps[0].by_seed == {0: 1, 1: 2, 2: 3}
    rising = claim("trend", ["win4", "win8", "win16"])
    found = judged(rising, win4=[1, 1, 1], win8=[3, 2, 2], win16=[2, 3, 4])
    assert found.tau == pytest.approx((1 / 3 + 1 + 1) / 3)


def test_a_verdict_that_the_sign_flip_test_does_not_confirm_says_so():
    """Of the 64 patterns of six signs two have as large a sum: the one seen, and all plus."""
    few = claim("greater", ["win8", "win4"])
    gains = [1.0, 1.0, 1.0, 1.0, 1.0, -0.2]
    found = judged(few, win4=[70.0] * 6, win8=above([70.0] * 6, *gains))
    assert found.sign_flip_p == 2 / 64
    assert found.verdict == "holds"
    assert found.reason.endswith("the sign-flip test does not confirm it (p = 0.031)")
    found = judged(few, win4=[70.0] * 6, win8=above([70.0] * 6, *map(abs, gains)))
    assert (found.verdict, found.sign_flip_p) == ("holds", 1 / 64)
    assert "sign-flip" not in found.reason


def test_a_withdrawn_check_has_numbers_and_no_verdict():
    """Its bound was derived wrongly; what is registered stays, and decides nothing."""
    study = load_study("table5", results_dir="results/reference")
    found = {j.claim.id: j for j in judge_claims(study)}["shuffled_frames_tell_half"]
    assert found.verdict == "withdrawn"
    assert found.reason.startswith("The bound of 50 % was derived wrongly")
    assert (found.p, found.steps, found.is_tested) == (None, (), False)
    assert found.difference == pytest.approx(study.mean("shuffled_frames", "top1"))
    nothing = load_study("table5", results_dir="/nowhere")
    (same,) = [j for j in judge_claims(nothing) if j.claim.id == found.claim.id]
    assert same.verdict == "not run"


def test_an_own_ablation_has_claims_and_no_checks_of_the_benchmark():
    study = load_study("windows", results_dir="results/reference")
    said = outcome(judge_claims(study))
    assert "check" not in said
    assert sum(int(n) for n in re.findall(r"\d+", said)) == len(judge_claims(study))
