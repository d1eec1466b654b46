"""Adjusting p for the number of claims that a paper makes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from vswin.report.claims import wording
from vswin.report.claims.judgement import Judgement
from vswin.report.statistics import holm


def with_holm(judgements: Iterable[Judgement]) -> list[Judgement]:
    """The same, with the p of each open test adjusted for all of its paper.

    Own ablations are a family each.
    """
    found = list(judgements)
    families: dict[str, list[int]] = {}
    for number, judgement in enumerate(found):
        if judgement.p is not None and judgement.evidence == "open test":
            family = judgement.paper or str(judgement.claim.table)
            families.setdefault(family, []).append(number)
    for numbers in families.values():
        members = [found[number] for number in numbers]
        ps = holm([j.p for j in members if j.p is not None])
        contrary = holm([_contrary_p(j) for j in members])
        for number, p, other in zip(numbers, ps, contrary, strict=True):
            found[number] = _adjusted(found[number], p, other)
    return found


def _contrary_p(judgement: Judgement) -> float:
    """Of the hypothesis that the claim does hold; of several steps or borders, by Bonferroni."""
    ways = 2 if judgement.claim.kind == "equal" else len(judgement.steps)
    return 1.0 if judgement.p is None else min(1.0, (1 - judgement.p) * ways)


def _adjusted(judgement: Judgement, holm_p: float, contrary_p: float) -> Judgement:
    """With adjusted p; a contradiction's reason says how sure it is."""
    found = dataclasses.replace(judgement, holm_p=holm_p)
    if judgement.verdict != "contradicted":
        return found
    found = dataclasses.replace(found, contrary_holm_p=contrary_p)
    reasons = filter(None, [found.reason, wording.contrary(found)])
    return dataclasses.replace(found, reason="; ".join(reasons))
