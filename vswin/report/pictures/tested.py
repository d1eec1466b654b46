"""What the forest plot shows of the judgements of a study."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vswin.paper.claims import TIMED
from vswin.report.claims import Judgement
from vswin.report.claims import Step as Judged
from vswin.report.pictures.forest import Claim, Forest, Step
from vswin.report.pictures.shown import place
from vswin.report.study import Study

DIFFERENCES = ("greater", "trend", "interaction", "within", "equal")
"""Kinds of claims that are tested by differences of rows."""


def forest_of(study: Study, judgements: Sequence[Judgement]) -> Forest | None:
    """The claims that were tested by paired differences in points; None where none was.

    Times have another unit, and no place on the same axis.
    """
    tested = [
        j
        for j in judgements
        if j.steps and j.claim.kind in DIFFERENCES and j.claim.metric not in TIMED
    ]
    if not tested:
        return None
    seeds = max(len(step.by_seed) for j in tested for step in j.steps)
    notes = [
        f"{study.terms.title}: differences between rows, paired over "
        f"{seeds} seed{'s' * (seeds > 1)}."
    ]
    if study.printed and not study.terms.comparable:
        notes.append("Not comparable with differences that are printed for Kinetics.")
    names = sorted({study.terms.metrics.get(j.claim.metric, j.claim.metric) for j in tested})
    return Forest(
        title=f"{study.title}: the claims",
        notes=(" ".join(notes),),
        unit=f"difference in {' and '.join(names)}{place(study)}, points",
        claims=tuple(_claim(judgement) for judgement in tested),
    )


def _claim(judgement: Judgement) -> Claim:
    margin = judgement.margin
    needs = (0.0, math.inf)
    if judgement.claim.kind in ("within", "equal") and margin is not None:
        needs = (-margin, margin if judgement.claim.kind == "equal" else math.inf)
    return Claim(
        title=judgement.says,
        verdict=judgement.verdict,
        tone=judgement.verdict,
        steps=tuple(_step(step) for step in judgement.steps),
        needs=needs,
        margin=margin,
    )


def _step(step: Judged) -> Step:
    found = step.interval
    known = math.isfinite(found.low)
    return Step(
        label=step.label,
        by_seed=tuple(step.by_seed.values()),
        mean=found.mean,
        low=found.low if known else found.mean,
        high=found.high if known else found.mean,
    )
