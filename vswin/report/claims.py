"""Testing the paper's sentences: claim in, verdict out."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Literal

from vswin.paper.printed import Claim
from vswin.report.statistics import MIN_SEEDS, Interval, t_interval
from vswin.report.study import Study

Verdict = Literal["reproduced", "contradicted", "inconclusive", "not run"]
CEILING = 99.0
"""Top-1 in % above which a row cannot show that it is better than another."""


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
    if claim.kind in ("cost_trend", "params_trend"):
        return _cost_trend(study, claim)
    if claim.kind == "cost_saving":
        return _cost_saving(study, claim)
    if not all(study.results.get(row) for row in claim.rows):
        missing = [row for row in claim.rows if not study.results.get(row)]
        return Judgement(claim, "not run", f"missing: {', '.join(missing)}")
    if claim.kind == "accuracy_trend":
        return _accuracy_trend(study, claim)
    if claim.kind == "accuracy_equal":
        return _accuracy_equal(study, claim)
    return _accuracy_within(study, claim)


def _cost_trend(study: Study, claim: Claim) -> Judgement:
    counted = [study.paper_cost(study.experiment.row(row)) for row in claim.rows]
    in_params = claim.kind == "params_trend"
    values = [cost.mparams if in_params else cost.gflops for cost in counted]
    rises = all(a < b for a, b in itertools.pairwise(values))
    text = ", ".join(f"{value:.3f}" for value in values) + (" M" if in_params else " G")
    return Judgement(claim, "reproduced" if rises else "contradicted", f"ours: {text}, counted")


def _cost_saving(study: Study, claim: Claim) -> Judgement:
    less, more = (study.paper_cost(study.experiment.row(row)).gflops for row in claim.rows)
    percent = 100 * (1 - less / more)
    verdict: Verdict = "reproduced" if round(percent) == claim.percent else "contradicted"
    return Judgement(
        claim, verdict, f"ours: {less:.3f} against {more:.3f} G, {percent:.2f} % less, counted"
    )


def _accuracy_trend(study: Study, claim: Claim) -> Judgement:
    """Every step up must be above zero; Bonferroni over the steps keeps the 5 % for the claim."""
    steps = list(itertools.pairwise(claim.rows))
    level = 1 - 0.05 / len(steps)
    found = [_difference(study, above, below, level) for below, above in steps]
    return _judge_accuracies(
        study,
        claim,
        [text for _, text in found],
        pairs=min(d.n for d, _ in found),
        holds=min(d.low for d, _ in found) > 0,
        fails=min(d.high for d, _ in found) < 0,
    )


def _accuracy_within(study: Study, claim: Claim) -> Judgement:
    """The interval of the difference must lie above minus the margin (or below it)."""
    margin = _margin(study, claim)
    found, texts, informative = _against_margin(study, claim, margin, level=0.95)
    return _judge_accuracies(
        study,
        claim,
        texts,
        pairs=found.n,
        holds=informative and found.low > -margin,
        fails=informative and found.high < -margin,
    )


def _accuracy_equal(study: Study, claim: Claim) -> Judgement:
    """Two one-sided tests at 5 %: the 90 % interval must lie within the margin (or outside it)."""
    margin = _margin(study, claim)
    found, texts, informative = _against_margin(study, claim, margin, level=0.90)
    return _judge_accuracies(
        study,
        claim,
        texts,
        pairs=found.n,
        holds=informative and -margin < found.low and found.high < margin,
        fails=informative and (found.high < -margin or found.low > margin),
    )


def _margin(study: Study, claim: Claim) -> float:
    """The claim's margin for accuracies of the study's kind."""
    margin = claim.margin_on_videos if study.on_videos else claim.margin
    assert margin is not None  # printed tables are validated
    return margin


def _against_margin(
    study: Study, claim: Claim, margin: float, level: float
) -> tuple[Interval, list[str], bool]:
    """The difference of two rows, what to say about it, and whether it is informative.

    Two models that learnt nothing, or everything, are equal for another reason than the claim's.
    """
    found, text = _difference(study, *claim.rows, level=level)
    texts = [text, f"margin {margin:g} points, fixed beforehand"]
    intervals = [i for row in claim.rows if (i := study.top1_interval(row))]
    informative = all(100 / study.num_classes < i.low and i.high < CEILING for i in intervals)
    if not informative:
        texts.append("a row is not clear of chance or of the ceiling")
    return found, texts, informative


def _judge_accuracies(
    study: Study, claim: Claim, texts: list[str], pairs: int, holds: bool, fails: bool
) -> Judgement:
    verdict: Verdict = "reproduced" if holds else "contradicted" if fails else "inconclusive"
    if not study.protocol.tests_claims:
        verdict = "inconclusive"
        texts = [*texts, f"protocol {study.protocol.protocol} tests no claims"]
    elif pairs < MIN_SEEDS:
        verdict = "inconclusive"
        texts = [*texts, f"no verdict below {MIN_SEEDS} paired seeds"]
    return Judgement(claim, verdict, "; ".join(texts))


def _difference(study: Study, a: str, b: str, level: float) -> tuple[Interval, str]:
    """Top-1 of row a minus row b, in points, paired over the seeds that both have."""
    first, second = study.top1(a), study.top1(b)
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return Interval(0, -math.inf, math.inf, 0), f"{a} and {b} have no seed in common"
    found = t_interval([first[s] - second[s] for s in seeds], level)
    text = f"{a} − {b} = {round(found.mean, 1) + 0.0:+.1f} points"  # no minus zero
    if len(seeds) > 1:
        text += f", {100 * level:g} % interval [{found.low:+.1f}, {found.high:+.1f}]"
    return found, f"{text}, {len(seeds)} paired seed{'s' * (len(seeds) > 1)}"
