"""The section with every number of every test, for a reader who wants to check a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vswin.report.claims import Judgement, Step
from vswin.report.claims.sources import measured
from vswin.report.data import Section
from vswin.report.statistics import interquartile_mean, probability_of_improvement, tost_p
from vswin.report.study import Study
from vswin.wording import signed

TITLE = "Every test in numbers"
HEADER = [
    "comparison",
    "mean [95 % interval]",
    "interquartile mean",
    "P(larger)",
    "TOST p",
    "p",
    "sign-flip p",
    "Holm p",
    "tau",
    "power",
    "seeds",
]
NOTE = (
    "Every p is one-sided, of the hypothesis that the claim does not hold, and is compared with "
    "2.5 %; of several steps it is the largest, and of an equality that of two one-sided tests. "
    "Sign-flip p: the same without a normal distribution. Holm p: adjusted for all open tests of "
    "the paper that were run under this protocol; no verdict rests on it. "
    "P(larger): the share of "
    "all pairs of a run of the first row and one of the second in which the first is larger. TOST "
    "p: that the difference lies within the margin either way, by two one-sided tests. Tau: "
    "Kendall's, of a trend, mean over seeds. Power: the chance that this many seeds with this "
    "spread confirm the claim if the true difference is the margin (or 0 for within and equal)."
)


def tests_in_numbers(study: Study, judgements: Sequence[Judgement]) -> Section:
    """One line for each step of each claim that seeds decide about."""
    lines = [line for judgement in judgements for line in _lines(study, judgement)]
    return Section(TITLE, HEADER, lines, note=NOTE if lines else "", is_folded=True)


def _lines(study: Study, judgement: Judgement) -> Iterator[list[str]]:
    if judgement.p is None:
        return
    ps = [judgement.p, judgement.sign_flip_p, judgement.holm_p]
    of_claim = [*map(_p, ps), _two(judgement.tau), _two(judgement.power), str(len(judgement.seeds))]
    metric = judgement.claim.metric
    about = "" if metric == study.terms.headline else f" ({metric.replace('_', ' ')})"
    for number, step in enumerate(judgement.steps):
        found, words = step.interval, signed if step.second else "{:.2f}".format
        yield [
            f"{step.label}{about}",
            f"{words(found.mean)} [{words(found.low)}, {words(found.high)}]",
            words(interquartile_mean([*step.by_seed.values()])),
            _two(_larger(study, judgement, step)),
            _p(_within_margin(judgement, step)),
            *(of_claim if number == 0 else [""] * len(of_claim)),
        ]


def _larger(study: Study, judgement: Judgement, step: Step) -> float | None:
    """Of two rows of the study; None for others, and for differences of differences."""
    known = {row.id for row in study.all_rows}
    if not {step.first, step.second} <= known:
        return None
    metric, seeds = judgement.claim.metric, step.by_seed
    first, second = (
        [value for seed, value in measured(study, row, metric).items() if seed in seeds]
        for row in (step.first, step.second)
    )
    return probability_of_improvement(first, second)


def _within_margin(judgement: Judgement, step: Step) -> float | None:
    margin = judgement.margin
    return tost_p([*step.by_seed.values()], -margin, margin) if margin else None


def _p(value: float | None) -> str:
    if value is None:
        return "–"
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"


def _two(value: float | None) -> str:
    return "–" if value is None else f"{value + 0.0:.2f}"
