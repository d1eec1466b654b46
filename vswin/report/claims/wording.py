"""Why a verdict is what it is, in words."""

from __future__ import annotations

from collections.abc import Mapping

from vswin.paper.claims import TIMED, Claim
from vswin.report.claims.deciding import Decision
from vswin.report.claims.judgement import Judgement, Step
from vswin.report.compare import UNITS
from vswin.report.statistics import LEVEL
from vswin.report.statistics.power import MOST_PAIRS, POWER
from vswin.wording import signed

OF_COUNTS = {
    **UNITS,
    "test_flops": "G",
    "pretraining_images": "M images",
    "views": "views",
    "memory": "GiB",
}
"""Units of what is counted."""


def when_fixed(found: Judgement) -> str:
    """Whether its margin was fixed beforehand, where the protocol has a registered study."""
    return {True: ", fixed beforehand", False: ", not preregistered", None: ""}[found.is_registered]


def tested(found: Judgement, steps: tuple[Step, ...]) -> str:
    """The steps with their intervals, the number of seeds, and the margin."""
    claim, margin, when = found.claim, found.margin, when_fixed(found)
    unit = "s" if claim.metric in TIMED else "%" if claim.kind == "bound" else "points"
    parts = [step_in_words(step, unit) for step in steps]
    n = steps[0].interval.n
    seeds = "seed" if n == 1 else "seeds"
    parts.append(f"{n} {seeds}" if claim.kind == "bound" else f"{n} paired {seeds}")
    if margin is not None and claim.kind in ("within", "equal"):
        parts.append(f"margin {points(margin)}{when}")
    elif margin is not None:
        parts.append(f"no effect would be within ±{points(margin)}{when}")
    if claim.bounds:
        parts.append(f"wanted {bounds_in_words(claim)} %")
    return "; ".join(parts)


def step_in_words(step: Step, unit: str = "points") -> str:
    """`joint − split = +8.70 points [+7.90, +9.50]`; a single seed has no interval."""
    in_words = signed if step.second else "{:.2f}".format
    found = step.interval
    text = f"{step.label} = {in_words(found.mean)} {unit}"
    if found.n > 1:
        text += f" [{in_words(found.low)}, {in_words(found.high)}]"
    return text


def spread(claim: Claim, values: Mapping[str, Mapping[int, float]]) -> list[str]:
    """What a mean with its interval leaves out, of each row's values by seed.

    Of a level, between which values the seeds lie: some may have learnt, others not. Of times, the
    least ones: what else the machine did while a row was tested makes it slower, never faster.
    """
    if claim.kind == "bound":
        return [
            f"single seeds from {min(by_seed.values()):.1f} to {max(by_seed.values()):.1f} %"
            for by_seed in values.values()
            if len(by_seed) > 1
        ]
    if claim.metric in TIMED:
        least = [f"{_row(claim, r)} {min(by_seed.values()):.1f}" for r, by_seed in values.items()]
        return [
            f"the fastest of each: {', '.join(least)} s; rows were tested at different times, and "
            "what else the machine did then is in these times"
        ]
    return []


def unsettled(decision: Decision, steps: tuple[Step, ...]) -> str:
    """How many seeds would settle an inconclusive verdict, or why none would."""
    if decision.needed_n is not None:
        return (
            f"with this mean and spread, {decision.needed_n} seeds would settle it with a chance "
            f"of {100 * POWER:.0f} %"
        )
    if "inconclusive" not in decision.of_steps:  # some rise, the others do nothing
        return ", ".join(f"{step.label}: {step.verdict}" for step in steps)
    return f"no number of seeds up to {MOST_PAIRS:,} would settle it: it lies on a border"


def doubts(decision: Decision) -> list[str]:
    """What the sign-flip test says where it does not confirm what the t test does."""
    level = (1 - LEVEL) / 2
    n = decision.intervals[0].n
    if decision.p < level <= decision.sign_flip_p and 2.0**-n < level:
        return [f"the sign-flip test does not confirm it (p = {decision.sign_flip_p:.3f})"]
    return []


def small(claim: Claim, steps: tuple[Step, ...], margin: float | None) -> list[str]:
    """The steps of a claim that holds which are smaller than what counts as no effect."""
    if not margin or claim.kind not in ("greater", "trend", "interaction"):
        return []
    inside = [s for s in steps if -margin < s.interval.low and s.interval.high < margin]
    return [f"{step.label} is above zero, but smaller than the margin" for step in inside]


def contrary(judgement: Judgement) -> str:
    """How sure a contradiction is; of kinds with one step and one border.

    As "one-sided p of the opposite 0.0247, 0.444 after Holm's correction".
    """
    p, one_border = judgement.p, judgement.claim.kind in ("greater", "within", "interaction")
    if judgement.verdict != "contradicted" or p is None or not one_border:
        return ""
    text = f"one-sided p of the opposite {_p(1 - p)}"
    if (adjusted := judgement.contrary_holm_p) is None:
        return text
    then = "also" if _p(adjusted) == _p(1 - p) else _p(adjusted)
    return f"{text}, {then} after Holm's correction"


def _p(value: float) -> str:
    return "below 0.0001" if value < 0.0001 else f"{value:.3g}"


def seeds_wanted(needed_n: int | None) -> str:
    """How many seeds an inconclusive verdict wants; empty where none would help."""
    if not needed_n:
        return ""
    return f"{needed_n} seeds would settle it with a chance of {100 * POWER:.0f} %"


def counts_in_words(claim: Claim, numbers: dict[str, float]) -> str:
    """What was counted, row by row, and for a ratio what is wanted."""
    unit = OF_COUNTS[claim.metric]
    digits = {"views": "g", "memory": ".1f"}.get(claim.metric, ".3f")
    named = [f"{_row(claim, ref)} {value:{digits}}" for ref, value in numbers.items()]
    text = f"{(' against ' if len(named) == 2 else ', ').join(named)} {unit}"
    if claim.kind == "ratio":
        first, second = numbers.values()
        text += f", {first / second:.3f} times as much; wanted {times_in_words(claim)}"
    if claim.metric == "memory":
        return f"{text}; by a model of it, whose order counts and not its digits"
    return f"{text}; counted"


def _row(claim: Claim, ref: str) -> str:
    """A row's id, without the table if that is the claim's."""
    return ref.removeprefix(f"{claim.table}.")


def bounds_in_words(claim: Claim) -> str:
    """`at least 1.2`, `at most 0.9`, `0.8 to 1.2`."""
    low, high = (claim.bounds.low, claim.bounds.high) if claim.bounds else (None, None)
    if low is None or high is None:
        return f"at most {high:g}" if low is None else f"at least {low:g}"
    return f"{low:g} to {high:g}"


def times_in_words(claim: Claim) -> str:
    """Likewise of a ratio: `at least 1.2 times`; of one that is not below 1, `at least as much`."""
    if claim.bounds and (claim.bounds.low, claim.bounds.high) == (1, None):
        return "at least as much"
    return f"{bounds_in_words(claim)} times"


def points(number: float) -> str:
    """`1 point`, `0.5 points`."""
    return f"{number:g} point{'s' * (number != 1)}"
