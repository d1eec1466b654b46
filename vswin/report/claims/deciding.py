"""From paired differences to a verdict: pure functions on numbers.

| kind | holds if the interval lies | contradicted | no effect |
| --- | --- | --- | --- |
| greater, trend, interaction | above 0 | below 0 | within ±margin |
| within | above -margin | below -margin | |
| equal | within ±margin | wholly above or wholly below | |
| bound | within the bounds | wholly above or wholly below | |

A claim of several steps (trend) holds if each does: to confirm all of them at 2.5 % confirms the
claim at 2.5 % without a correction (intersection-union). It is contradicted if one of them is, each
at the Bonferroni level. It shows no effect if no step does.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence

from vswin.paper.claims import Bounds, Kind
from vswin.report.claims.judgement import Verdict
from vswin.report.statistics import (
    LEVEL,
    MIN_SEEDS,
    Interval,
    Region,
    bonferroni,
    needed_pairs,
    power,
    sign_flip_p,
    standard_deviation,
    t_interval,
    tost_p,
)


@dataclasses.dataclass(frozen=True)
class Rule:
    """Where the interval of each step must lie."""

    holds: Region
    contradicted: tuple[Region, ...]
    """Any of them."""
    no_effect: Region | None = None
    truth: float | None = None
    """The true difference at which the power to confirm is stated; None: it is not."""


@dataclasses.dataclass(frozen=True)
class Decision:
    """What a rule says of the steps of a claim."""

    verdict: Verdict
    intervals: tuple[Interval, ...]
    """One for each step, at 95 %."""
    of_steps: tuple[Verdict, ...]
    """On each step alone; contradicting one takes the level that the claim does."""
    decisive: int
    """The step with the largest p."""
    p: float
    sign_flip_p: float
    power: float | None
    needed_n: int | None


def rule_of(kind: Kind, margin: float | None = None, bounds: Bounds | None = None) -> Rule:
    """The rule for claims of a kind.

    Args:
        kind: one that is tested over seeds: not ratio, not level.
        margin: in points, above zero; kinds within and equal have one.
        bounds: of kind bound.

    Raises:
        ValueError: if what the kind needs is missing.
    """
    if kind in ("greater", "trend", "interaction"):
        no_effect = Region(-margin, margin) if margin else None
        return Rule(Region(low=0), (Region(high=0),), no_effect, truth=margin)
    if kind == "within" and margin:
        return Rule(Region(low=-margin), (Region(high=-margin),), truth=0.0)
    if kind == "equal" and margin:
        outside = (Region(high=-margin), Region(low=margin))
        return Rule(Region(-margin, margin), outside, truth=0.0)
    if kind == "bound" and bounds:
        low = -math.inf if bounds.low is None else bounds.low
        high = math.inf if bounds.high is None else bounds.high
        outside = (Region(high=low), Region(low=high))
        return Rule(Region(low, high), tuple(r for r in outside if r.low < r.high))
    raise ValueError(f"no rule for kind {kind} with margin {margin} and bounds {bounds}")


def decide(rule: Rule, steps: Sequence[Sequence[float]]) -> Decision:
    """Applies a rule.

    Args:
        rule: of the claim's kind.
        steps: for each step its differences, one for each seed, the same seeds in all; at least
            two seeds.

    Returns:
        The verdict, with fewer than three seeds inconclusive.
    """
    intervals = tuple(t_interval(step) for step in steps)
    corrected = [t_interval(step, bonferroni(len(steps))) for step in steps]
    verdict = settle(rule, intervals, corrected)
    holds = rule.holds
    ps = [tost_p(step, holds.low, holds.high) for step in steps]
    flips = [tost_p(step, holds.low, holds.high, sign_flip_p) for step in steps]
    return Decision(
        verdict=verdict,
        intervals=intervals,
        of_steps=tuple(
            settle(rule, [plain], [wide]) for plain, wide in zip(intervals, corrected, strict=True)
        ),
        decisive=ps.index(max(ps)),
        p=max(ps),
        sign_flip_p=max(flips),
        power=_power(rule, steps),
        needed_n=_needed(rule, steps) if verdict == "inconclusive" else None,
    )


def settle(rule: Rule, intervals: Sequence[Interval], corrected: Sequence[Interval]) -> Verdict:
    """The verdict that the intervals of a claim's steps give.

    Args:
        rule: of the claim's kind.
        intervals: one for each step, at 95 %.
        corrected: the same at the Bonferroni level for the number of steps.
    """
    if min(interval.n for interval in intervals) < MIN_SEEDS:
        return "inconclusive"
    if all(rule.holds.has(interval) for interval in intervals):
        return "holds"
    if any(region.has(interval) for interval in corrected for region in rule.contradicted):
        return "contradicted"
    if rule.no_effect and all(rule.no_effect.has(interval) for interval in intervals):
        return "no effect"
    return "inconclusive"


def chances(rule: Rule, steps: Sequence[tuple[float, float]], n: int) -> dict[Verdict, float]:
    """How likely each verdict is with n seeds, if the differences are normal.

    Of several steps these are lower bounds, which make no use of how the steps depend.

    Args:
        rule: of the claim's kind.
        steps: true mean and standard deviation of each step's differences.
        n: seeds.
    """
    level = bonferroni(len(steps))
    apart = [
        math.fsum(power(region, mean, sd, n, level) for region in rule.contradicted)
        for mean, sd in steps
    ]
    found: dict[Verdict, float] = {"holds": _of_all(rule.holds, steps, n)}
    found["contradicted"] = max(apart)
    if rule.no_effect:
        found["no effect"] = _of_all(rule.no_effect, steps, n)
    return found


def _of_all(region: Region, steps: Sequence[tuple[float, float]], n: int) -> float:
    """Chance that the interval of every step lies inside: one, less the chances of each to miss."""
    return max(0.0, 1 - math.fsum(1 - power(region, mean, sd, n) for mean, sd in steps))


def _power(rule: Rule, steps: Sequence[Sequence[float]]) -> float | None:
    """Of confirming the claim where it is true, with as many seeds and as much spread."""
    if rule.truth is None:
        return None
    spread = [(rule.truth, standard_deviation(step)) for step in steps]
    return _of_all(rule.holds, spread, len(steps[0]))


def _needed(rule: Rule, steps: Sequence[Sequence[float]]) -> int | None:
    """The fewest seeds for which one of the verdicts can be expected, step by step."""
    level = bonferroni(len(steps))
    found = [_all_of(_needed_for(rule.holds, step) for step in steps)]
    found += [_needed_for(region, s, level) for s in steps for region in rule.contradicted]
    if rule.no_effect:
        found.append(_all_of(_needed_for(rule.no_effect, step) for step in steps))
    return min((n for n in found if n is not None), default=None)


def _needed_for(region: Region, step: Sequence[float], level: float = LEVEL) -> int | None:
    mean = math.fsum(step) / len(step)
    return needed_pairs(region, mean, standard_deviation(step), level)


def _all_of(numbers: Iterable[int | None]) -> int | None:
    """The largest; None if one is None."""
    found = list(numbers)
    known = [n for n in found if n is not None]
    return max(known) if len(known) == len(found) else None
