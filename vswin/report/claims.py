"""Testing the paper's sentences: claim in, verdict out."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Literal

from vswin.paper.printed import Claim
from vswin.report.compare import COSTS, UNITS
from vswin.report.statistics import MIN_SEEDS, Interval, t_interval
from vswin.report.study import Study

Verdict = Literal["reproduced", "contradicted", "inconclusive", "not run"]
CEILING = 99.0
"""In %; above it, a row cannot show that it is better than another."""


@dataclasses.dataclass(frozen=True)
class Judgement:
    """A claim, what became of it, and why."""

    claim: Claim
    says: str
    """The claim with its numbers."""
    verdict: Verdict
    evidence: str


def judge_claims(study: Study) -> list[Judgement]:
    """Tests every claim of the study's table, in the paper's order."""
    if study.printed is None:
        return []
    return [
        Judgement(claim, study.printed.fill(claim), *_judge(study, claim))
        for claim in study.printed.claims
    ]


def _judge(study: Study, claim: Claim) -> tuple[Verdict, str]:
    if claim.metric in COSTS:
        return _saves(study, claim) if claim.kind == "saves" else _cost_rises(study, claim)
    if missing := [row for row in claim.rows if not study.by_seed(row, claim.metric)]:
        return "not run", f"missing: {', '.join(missing)}"
    return {"rises": _rises, "within": _within, "equal": _equal}[claim.kind](study, claim)


def _cost_rises(study: Study, claim: Claim) -> tuple[Verdict, str]:
    values = [study.counted(row, claim.metric) for row in claim.rows]
    rises = all(a < b for a, b in itertools.pairwise(values))
    text = ", ".join(f"{value:.3f}" for value in values)
    verdict: Verdict = "reproduced" if rises else "contradicted"
    return verdict, f"ours: {text} {UNITS[claim.metric]}, counted"


def _saves(study: Study, claim: Claim) -> tuple[Verdict, str]:
    less, more = (study.counted(row, claim.metric) for row in claim.rows)
    percent = 100 * (1 - less / more)
    verdict: Verdict = "reproduced" if round(percent) == claim.percent else "contradicted"
    unit = UNITS[claim.metric]
    return verdict, f"ours: {less:.3f} against {more:.3f} {unit}, {percent:.2f} % less, counted"


def _rises(study: Study, claim: Claim) -> tuple[Verdict, str]:
    """Every step up must be above zero; Bonferroni over the steps keeps the 5 % for the claim."""
    steps = list(itertools.pairwise(claim.rows))
    level = 1 - 0.05 / len(steps)
    found = [_difference(study, claim.metric, above, below, level) for below, above in steps]
    return _verdict(
        study,
        [text for _, text in found],
        pairs=min(d.n for d, _ in found),
        holds=min(d.low for d, _ in found) > 0,
        fails=min(d.high for d, _ in found) < 0,
    )


def _within(study: Study, claim: Claim) -> tuple[Verdict, str]:
    """The interval of the difference must lie above minus the margin (or below it)."""
    margin = _margin(study, claim)
    found, texts, informative = _against_margin(study, claim, margin, level=0.95)
    return _verdict(
        study,
        texts,
        pairs=found.n,
        holds=informative and found.low > -margin,
        fails=informative and found.high < -margin,
    )


def _equal(study: Study, claim: Claim) -> tuple[Verdict, str]:
    """Two one-sided tests at 5 %: the 90 % interval must lie within the margin (or outside it)."""
    margin = _margin(study, claim)
    found, texts, informative = _against_margin(study, claim, margin, level=0.90)
    return _verdict(
        study,
        texts,
        pairs=found.n,
        holds=informative and -margin < found.low and found.high < margin,
        fails=informative and (found.high < -margin or found.low > margin),
    )


def _margin(study: Study, claim: Claim) -> float:
    """The claim's margin for numbers of the study's kind."""
    on_videos = study.terms.tested_on == "videos"
    margin = claim.margin_on_videos if on_videos else claim.margin
    assert margin is not None  # printed tables are validated
    return margin


def _against_margin(
    study: Study, claim: Claim, margin: float, level: float
) -> tuple[Interval, list[str], bool]:
    """The difference of two rows, what to say about it, and whether it is informative.

    Two models that learnt nothing, or everything, are equal for another reason than the claim's.
    """
    first, second = claim.rows
    found, text = _difference(study, claim.metric, first, second, level)
    texts = [text, f"margin {margin:g} points, fixed beforehand"]
    intervals = [i for row in claim.rows if (i := study.interval(row, claim.metric))]
    informative = all(study.chance < i.low and i.high < CEILING for i in intervals)
    if not informative:
        texts.append("a row is not clear of chance or of the ceiling")
    return found, texts, informative


def _verdict(
    study: Study, texts: list[str], pairs: int, holds: bool, fails: bool
) -> tuple[Verdict, str]:
    verdict: Verdict = "reproduced" if holds else "contradicted" if fails else "inconclusive"
    if not study.terms.tests_claims:
        verdict = "inconclusive"
        texts = [*texts, f"protocol {study.terms.protocol} tests no claims"]
    elif pairs < MIN_SEEDS:
        verdict = "inconclusive"
        texts = [*texts, f"no verdict below {MIN_SEEDS} paired seeds"]
    return verdict, "; ".join(texts)


def _difference(study: Study, metric: str, a: str, b: str, level: float) -> tuple[Interval, str]:
    """Row a minus row b, in points, paired over the seeds that both have."""
    first, second = study.by_seed(a, metric), study.by_seed(b, metric)
    seeds = sorted(first.keys() & second.keys())
    if not seeds:
        return Interval(0, -math.inf, math.inf, 0), f"{a} and {b} have no seed in common"
    found = t_interval([first[s] - second[s] for s in seeds], level)
    text = f"{a} − {b} = {round(found.mean, 1) + 0.0:+.1f} points"  # no minus zero
    if len(seeds) > 1:
        text += f", {100 * level:g} % interval [{found.low:+.1f}, {found.high:+.1f}]"
    return found, f"{text}, {len(seeds)} paired seed{'s' * (len(seeds) > 1)}"
