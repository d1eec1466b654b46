"""What the forest plot shows of the judgements of a study."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

from vswin.paper.claims import TIMED
from vswin.report.claims import Judgement
from vswin.report.claims import Step as Judged
from vswin.report.pictures.forest import Claim, Forest, Step
from vswin.report.pictures.shown import place
from vswin.report.sensitivity import Sensitivity, differs, same_claim
from vswin.report.study import Study

DIFFERENCES = ("greater", "trend", "interaction", "within", "equal")
"""Kinds of claims that are tested by differences of rows."""
STILLS = "stills"
BESIDE = {STILLS: "still images"}
"""Titles of what is measured beside a task's own metrics."""


def forest_of(study: Study, judgements: Sequence[Judgement]) -> Forest | None:
    """The claims that were tested by paired differences in points; None where none was.

    Times have another unit, and no place on the same axis.
    """
    tested = _in_points(judgements)
    if not tested:
        return None
    notes = [f"{study.terms.title}: differences between rows, paired over {_seeds(tested)}."]
    if study.printed and not study.terms.comparable:
        notes.append("Not comparable with differences that are printed for Kinetics.")
    metrics = _metrics(study, tested)
    return Forest(
        title=f"{study.title}: the claims",
        notes=(" ".join([*notes, *_explained(metrics)]),),
        unit=_unit(study, metrics),
        claims=tuple(_named_by(metrics, judgement) for judgement in tested),
    )


def sensitivity_of(
    study: Study, judgements: Sequence[Judgement], variations: Sequence[Sensitivity]
) -> Forest | None:
    """The difference that decides about a claim, here and under each variation; None without any.

    A variation with another answer is marked, and each has the colour of its own verdict.
    """
    tested = [j for j in _in_points(judgements) if j.decisive]
    tested = [j for j in tested if any(same_claim(j, other) for other in variations)]
    if not tested:
        return None
    notes = ["Differences between the same rows, paired over seeds, under each variation."]
    if any(len(judgement.steps) > 1 for judgement in tested):
        notes.append("Of a claim in several steps, the one that decides is drawn, and named.")
    metrics = _metrics(study, tested)
    return Forest(
        title=f"{study.title}: what the answers depend on",
        notes=(" ".join([*notes, *_explained(metrics)]),),
        unit=_unit(study, metrics),
        claims=tuple(_varied(judgement, variations, metrics) for judgement in tested),
    )


def _varied(
    judgement: Judgement, variations: Sequence[Sensitivity], metrics: Mapping[str, str]
) -> Claim:
    """What decides about a claim, here and where it was repeated."""
    found = [("here", judgement)]
    for variation in variations:
        varied = same_claim(judgement, variation)
        if varied is not None:
            mark = "≠ " if differs(judgement, varied) else ""
            found.append((f"{mark}{variation.protocol}", varied))
    steps = tuple(_deciding(judged, where, metrics) for where, judged in found)
    return dataclasses.replace(_claim(judgement), steps=steps)


def _deciding(judgement: Judgement, where: str, metrics: Mapping[str, str]) -> Step:
    """The step that decides, called by where it was seen, in the colour of that verdict.

    A step of several is named, and so is the metric. Where the verdict is not what the step alone
    gives, that is said.
    """
    step = judgement.decisive or judgement.steps[0]
    about = [metrics[judgement.claim.metric]] if len(metrics) > 1 else []
    if len(judgement.steps) > 1:
        about.append(step.label)
        about += [f"alone {step.verdict}"] if step.verdict != judgement.verdict else []
    name = "\n".join(filter(None, [where, ": ".join(about)]))
    return dataclasses.replace(_step(step), label=name, tone=judgement.verdict)


def _seeds(tested: Sequence[Judgement]) -> str:
    """As "12 to 20 seeds"."""
    numbers = sorted({len(step.by_seed) for j in tested for step in j.steps})
    if len(numbers) > 1:
        return f"{numbers[0]} to {numbers[-1]} seeds"
    return f"{numbers[0]} seed{'s' * (numbers[0] > 1)}"


def _in_points(judgements: Sequence[Judgement]) -> list[Judgement]:
    """Those that were tested by differences in points."""
    return [
        j
        for j in judgements
        if j.steps and j.claim.kind in DIFFERENCES and j.claim.metric not in TIMED
    ]


def _metrics(study: Study, tested: Sequence[Judgement]) -> dict[str, str]:
    """Titles of the metrics that the claims are about, by name."""
    titles = BESIDE | study.terms.metrics
    names = dict.fromkeys(judgement.claim.metric for judgement in tested)
    return {name: titles.get(name, name) for name in names}


def _unit(study: Study, metrics: Mapping[str, str]) -> str:
    """What is on the axis; of several metrics, each claim says its own."""
    if len(metrics) > 1:
        return f"difference in {' or '.join(metrics.values())}, points"
    return f"difference in {''.join(metrics.values())}{place(study)}, points"


def _explained(metrics: Mapping[str, str]) -> list[str]:
    """What a metric is that no table prints, in a sentence."""
    if STILLS not in metrics:
        return []
    return ["Still images: top-1 on images that were held out of the pre-training."]


def _named_by(metrics: Mapping[str, str], judgement: Judgement) -> Claim:
    """A claim; where there are several metrics, each of its differences says of which it is."""
    claim = _claim(judgement)
    if len(metrics) == 1:
        return claim
    name = metrics[judgement.claim.metric]
    steps = (dataclasses.replace(s, label=f"{name}: {s.label}") for s in claim.steps)
    return dataclasses.replace(claim, steps=tuple(steps))


def _claim(judgement: Judgement) -> Claim:
    margin = judgement.margin
    needs = (0.0, math.inf)
    if judgement.claim.kind in ("within", "equal") and margin is not None:
        needs = (-margin, margin if judgement.claim.kind == "equal" else math.inf)
    return Claim(
        title=judgement.says,
        verdict=judgement.verdict,
        tone=judgement.verdict,
        steps=tuple(
            dataclasses.replace(_step(step), tone=step.verdict if len(judgement.steps) > 1 else "")
            for step in judgement.steps
        ),
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
