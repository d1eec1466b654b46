"""What an answer depends on: the same claims, judged under the variations of a protocol."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from vswin.experiments.library import Library
from vswin.project import experiments_dir
from vswin.report.claims import Judgement, judge_claims
from vswin.report.collect import load_study
from vswin.report.data import Section
from vswin.report.study import Study
from vswin.wording import signed

TITLE = "What the answers depend on"


@dataclasses.dataclass(frozen=True)
class Sensitivity:
    """A variation that was declared before the study was run, and its answers."""

    protocol: str
    varies: str
    """In what it differs from the study's protocol, in a line."""
    judgements: tuple[Judgement, ...]


def sensitivities(study: Study) -> list[Sensitivity]:
    """The variations of the study's protocol under which a claim was tested."""
    library = Library(experiments_dir())
    experiment = library.experiment(study.name)
    found = []
    for name in library.variations(study.terms.protocol) if study.is_trainable else ():
        protocol = library.protocol(name)
        if library.why_not(experiment, name):
            continue
        varied = load_study(study.name, name, results_dir=study.results_dir)
        judgements = tuple(judge_claims(varied)) if varied.runs else ()
        if any(judgement.steps for judgement in judgements):
            varies = getattr(protocol, "varies", "")
            found.append(Sensitivity(name, varies, judgements))
    return found


def sensitivity(judgements: Sequence[Judgement], others: Sequence[Sensitivity]) -> Section:
    """A line for each claim that was tested by training, a column for each variation."""
    tested = [j for j in judgements if j.steps]
    if not others or not tested:
        return Section(TITLE, level=2)
    lines = [
        [j.says, _answer(j), *(_marked(j, same_claim(j, other)) for other in others)]
        for j in tested
    ]
    varied = "; ".join(f"`{other.protocol}`: {other.varies}" for other in others)
    return Section(
        TITLE,
        ["claim", "here", *(other.protocol for other in others)],
        lines,
        before=f"Variations that were declared beforehand, with fewer seeds. {varied}.",
        note="A verdict that is another one is marked with ≠. A variation's own page: "
        "`vswin report TABLE --protocol NAME`.",
        picture="sensitivity",
        level=2,
    )


def changed(judgements: Sequence[Judgement], others: Sequence[Sensitivity]) -> Iterator[str]:
    """In a line each: claims whose answer is another one under a variation."""
    for judgement in judgements:
        for other in others:
            same = same_claim(judgement, other)
            if same is not None and differs(judgement, same):
                yield (
                    f"{judgement.says} Here: {_answer(judgement)}. With {other.varies}: "
                    f"{_answer(same)}."
                )


def same_claim(judgement: Judgement, other: Sensitivity) -> Judgement | None:
    """The claim's judgement under a variation; None where it was not tested there."""
    found = (j for j in other.judgements if j.claim.id == judgement.claim.id and j.steps)
    return next(found, None)


def differs(here: Judgement, there: Judgement) -> bool:
    """Whether the answer is another one.

    It is if both are answers; and if one is inconclusive, only where the intervals have nothing in
    common: fewer seeds alone make a verdict inconclusive, and change nothing.
    """
    answers = {here.verdict, there.verdict}
    if len(answers) == 1 or "not run" in answers:
        return False
    first, second = here.interval, there.interval
    if "inconclusive" not in answers:
        return True
    if first is None or second is None:
        return False
    return first.high < second.low or second.high < first.low


def _answer(judgement: Judgement) -> str:
    """Verdict, difference, interval, number of seeds."""
    if judgement.difference is None:
        return judgement.verdict
    text = f"{judgement.verdict} ({signed(judgement.difference)}"
    if judgement.interval is not None and judgement.interval.n > 1:
        low, high = judgement.interval.low, judgement.interval.high
        text += f" [{signed(low)}, {signed(high)}]"
    return f"{text}, n = {len(judgement.seeds)})"


def _marked(here: Judgement, there: Judgement | None) -> str:
    if there is None:
        return "–"
    return f"{'≠ ' if differs(here, there) else ''}{_answer(there)}"
