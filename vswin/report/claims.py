"""Testing the paper's sentences: claim in, verdict out."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Literal

from vswin.paper.printed import Claim
from vswin.report.statistics import MIN_SEEDS, t_interval
from vswin.report.study import Study

Verdict = Literal["reproduced", "contradicted", "inconclusive", "not run"]


@dataclasses.dataclass(frozen=True)
class Judgement:
    """A claim, what became of it, and why."""

    claim: Claim
    verdict: Verdict
    evidence: str


def judge_claims(study: Study) -> list[Judgement]:
    """Tests every claim of the study's table, in the paper's order."""
    return [_judge(study, claim) for claim in (study.printed.claims if study.printed else ())]


def _judge(study: Study, claim: Claim) -> Judgement:
    if claim.kind == "cost_trend":
        return _cost_trend(study, claim)
    if claim.kind == "cost_saving":
        return _cost_saving(study, claim)
    if not all(study.results.get(row) for row in claim.rows):
        missing = [row for row in claim.rows if not study.results.get(row)]
        return Judgement(claim, "not run", f"missing: {', '.join(missing)}")
    if claim.kind == "accuracy_trend":
        return _accuracy_trend(study, claim)
    return _accuracy_within(study, claim)


def _cost_trend(study: Study, claim: Claim) -> Judgement:
    costs = _costs(study, claim)
    rises = all(a < b for a, b in itertools.pairwise(costs))
    text = ", ".join(f"{c:.3f}" for c in costs)
    return Judgement(claim, "reproduced" if rises else "contradicted", f"ours: {text} G, counted")


def _cost_saving(study: Study, claim: Claim) -> Judgement:
    less, more = _costs(study, claim)
    percent = 100 * (1 - less / more)
    verdict: Verdict = "reproduced" if round(percent) == claim.percent else "contradicted"
    return Judgement(
        claim, verdict, f"ours: {less:.3f} against {more:.3f} G, {percent:.2f} % less, counted"
    )


def _accuracy_trend(study: Study, claim: Claim) -> Judgement:
    """Every step up must be above zero; Bonferroni over the steps keeps the 5 % for the claim."""
    steps = list(itertools.pairwise(claim.rows))
    level = 1 - 0.05 / len(steps)
    texts, lows, highs = [], [], []
    for below, above in steps:
        text, low, high = _difference(study, above, below, level)
        texts.append(text)
        lows.append(low)
        highs.append(high)
    return Judgement(claim, _verdict(study, claim, min(lows) > 0, min(highs) < 0), "; ".join(texts))


def _accuracy_within(study: Study, claim: Claim) -> Judgement:
    """The interval of the difference must lie above minus the margin (or below it)."""
    margin = claim.margin or 0.0
    text, low, high = _difference(study, *claim.rows, level=0.95)
    return Judgement(
        claim,
        _verdict(study, claim, low > -margin, high < -margin),
        f"{text}; margin {margin:g}, fixed beforehand",
    )


def _verdict(study: Study, claim: Claim, holds: bool, fails: bool) -> Verdict:
    if min(len(study.results[row]) for row in claim.rows) < MIN_SEEDS:
        return "inconclusive"
    return "reproduced" if holds else "contradicted" if fails else "inconclusive"


def _difference(study: Study, a: str, b: str, level: float) -> tuple[str, float, float]:
    """Top-1 of row a minus row b, in points, paired over the seeds that both have."""
    first, second = study.top1(a), study.top1(b)
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return f"{a} and {b} have no seed in common", -math.inf, math.inf
    found = t_interval([first[s] - second[s] for s in seeds], level)
    if len(seeds) == 1:
        text = f"{a} − {b} = {found.mean:+.1f} points, 1 seed: no verdict below {MIN_SEEDS}"
    else:
        text = (
            f"{a} − {b} = {found.mean:+.1f} points, {100 * level:g} % interval "
            f"[{found.low:+.1f}, {found.high:+.1f}], {len(seeds)} paired seeds"
        )
    return text, found.low, found.high


def _costs(study: Study, claim: Claim) -> list[float]:
    return [study.paper_cost(study.experiment.row(row)).gflops for row in claim.rows]
