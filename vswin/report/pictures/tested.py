"""What the forest plot shows of the judgements of a study."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from vswin.paper.claims import TIMED
from vswin.report.claims import Judgement
from vswin.report.claims import Step as Judged
from vswin.report.pictures.forest import Claim, Forest, Step
from vswin.report.pictures.shown import place
from vswin.report.sensitivity import Sensitivity, differs, same_claim
from vswin.report.study import Study

DIFFERENCES = ("greater", "trend", "interaction", "within", "equal")
"""Kinds of claims that are tested by differences of rows."""


def forest_of(study: Study, judgements: Sequence[Judgement]) -> Forest | None:
    """The claims that were tested by paired differences in points; None where none was.

    Times have another unit, and no place on the same axis.
    """
    tested = _in_points(judgements)
    if not tested:
        return None
    seeds = max(len(step.by_seed) for j in tested for step in j.steps)
    notes = [
        f"{study.terms.title}: differences between rows, paired over "
        f"{seeds} seed{'s' * (seeds > 1)}."
    ]
    if study.printed and not study.terms.comparable:
        notes.append("Not comparable with differences that are printed for Kinetics.")
    return Forest(
        title=f"{study.title}: the claims",
        notes=(" ".join(notes),),
        unit=_unit(study, tested),
        claims=tuple(_claim(judgement) for judgement in tested),
    )


def sensitivity_of(
    study: Study, judgements: Sequence[Judgement], variations: Sequence[Sensitivity]
) -> Forest | None:
    """The difference that decides about a claim, here and under each variation; None without any.

    A variation with another answer is marked, and each has the colour of its own verdict.
    """
    drawn = [(j, claim) for j in _in_points(judgements) if (claim := _varied(j, variations))]
    if not drawn:
        return None
    return Forest(
        title=f"{study.title}: what the answers depend on",
        notes=("Differences between the same rows, paired over seeds, under each variation.",),
        unit=_unit(study, [judgement for judgement, _ in drawn]),
        claims=tuple(claim for _, claim in drawn),
    )


def _varied(judgement: Judgement, variations: Sequence[Sensitivity]) -> Claim | None:
    """The step that decides, here and where it was repeated; None if it was not, or none does."""
    if (decisive := _decisive(judgement)) is None:
        return None
    label = decisive.label
    steps = [_renamed(decisive, "here", judgement)]
    for variation in variations:
        varied = same_claim(judgement, variation)
        if varied is not None:
            mark = "≠ " if differs(judgement, varied) else ""
            other = _decisive(varied)
            by = f"\ndecided by {other.label}" if other and other.label != label else ""
            found = [step for step in varied.steps if step.label == label]
            steps += [_renamed(step, f"{mark}{variation.protocol}", varied, by) for step in found]
    if len(steps) == 1:
        return None
    title = f"{judgement.says} ({label})" if len(judgement.steps) > 1 else judgement.says
    return dataclasses.replace(_claim(judgement), title=title, steps=tuple(steps))


def _decisive(judgement: Judgement) -> Judged | None:
    """Of several steps, the one that the verdict hangs on."""
    found = (step for step in judgement.steps if step.interval is judgement.interval)
    return next(found, None)


def _renamed(step: Judged, where: str, judgement: Judgement, more: str = "") -> Step:
    """A step called by where it was seen, with how many seeds, in the colour of that verdict."""
    name = f"{where}, n = {len(step.by_seed)}{more}"
    return dataclasses.replace(_step(step), label=name, tone=judgement.verdict)


def _in_points(judgements: Sequence[Judgement]) -> list[Judgement]:
    """Those that were tested by differences in points."""
    return [
        j
        for j in judgements
        if j.steps and j.claim.kind in DIFFERENCES and j.claim.metric not in TIMED
    ]


def _unit(study: Study, tested: Sequence[Judgement]) -> str:
    names = sorted({study.terms.metrics.get(j.claim.metric, j.claim.metric) for j in tested})
    return f"difference in {' and '.join(names)}{place(study)}, points"


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
