"""What an answer depends on: the same claims, judged under the variations of a protocol.

The overview and the reports of tables say of it what is made here.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from vswin.experiments.library import Library
from vswin.paper.claims import TIMED
from vswin.project import experiments_dir
from vswin.report.claims import Judgement, Step, judge_claims
from vswin.report.collect import load_study
from vswin.report.data import Item, Section
from vswin.report.digits import learnt, learnt_in_words
from vswin.report.study import Study
from vswin.wording import signed

TITLE = "What the answers depend on"
RULE = (
    "An answer is another one if the verdict differs; where one of the two verdicts is "
    "inconclusive, only if the two intervals have nothing in common."
)
Agreement = Literal["the same answer", "another answer", "decided only there", "undecided"]
"""How the answer to a claim under a variation stands beside the one here."""


@dataclasses.dataclass(frozen=True)
class Sensitivity:
    """Another protocol and its answers: a declared variation, or in the overview the paper's."""

    protocol: str
    varies: str
    """In what it differs from the study's protocol, in a line."""
    judgements: tuple[Judgement, ...]
    learnt: str = ""
    """How many of its runs learnt what there is to learn, in words."""

    @property
    def tested(self) -> list[Judgement]:
        """Claims that were tested by training there; the others cannot depend on it."""
        return [judgement for judgement in self.judgements if judgement.steps]

    def of(self, claim: str) -> Judgement | None:
        """What became of a claim there; None where it was not tested."""
        return next((j for j in self.tested if j.claim.id == claim), None)

    @property
    def called(self) -> str:
        """Its name, and in a few words in what it differs."""
        return f"`{self.protocol}` ({self.in_short})"

    @property
    def in_short(self) -> str:
        """In a few words, in what it differs."""
        return re.split("[,;:]", self.varies)[0]


class Change(NamedTuple):
    """Something that is other under a variation."""

    here: Judgement
    what: str
    text: str
    """The numbers there and here, and of which rows not every run learnt what there is to learn."""
    other: Sensitivity
    failed: str = ""
    """Rows of which there not every run learnt what there is to learn, behind a comma."""


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
        varies = getattr(protocol, "varies", "")
        found.append(Sensitivity(name, varies, judgements, learnt_of(varied)))
    return [other for other in found if other.tested]


def sensitivity(
    study: Study, judgements: Sequence[Judgement], others: Sequence[Sensitivity]
) -> Section:
    """A line for each claim that was tested by training, a column for each variation."""
    tested = [j for j in judgements if j.steps]
    if not tested:
        return Section(TITLE, level=2)
    if not others:
        could = Library(experiments_dir()).variations(study.terms.protocol)
        text = "No sensitivity study was run for this table." if could else ""
        return Section(TITLE, text=text, level=2)
    lines = [
        [j.says, _answer(j), *(_marked(j, same_claim(j, other)) for other in others)]
        for j in tested
    ]
    varied = " ".join(
        f"`{other.protocol}`: {other.varies}. {in_counts(tested, [other])}." for other in others
    )
    rates = [f"`{other.protocol}`: {other.learnt}" for other in others if other.learnt]
    runs = f"Runs: here {learnt_of(study)}; {'; '.join(rates)}. " if rates else ""
    return Section(
        TITLE,
        ["claim", "here", *(other.protocol for other in others)],
        lines,
        items=[Item(f"{c.here.says} {c.text}", c.what) for c in changes(tested, others)],
        before=f"Variations that were declared beforehand, with fewer seeds. {varied}",
        note=f"{runs}{RULE} Another answer is marked with ≠. A variation's own page: "
        "`vswin report TABLE --protocol NAME`.",
        picture="sensitivity",
        level=2,
    )


def learnt_of(study: Study) -> str:
    """As "14 of 15 learnt order (dim4 2 of 3)", naming the rows that did not always."""
    rows = [row.id for row in (*study.distinct_rows, *study.beside)]
    runs = {row: study.runs.get(row, {}).values() for row in rows}
    rates = {row: learnt(of_row) for row, of_row in runs.items()}
    failed = ", ".join(f"{row} {k} of {n}" for row, (k, n) in rates.items() if k < n)
    every = {run.run_id: run for of_row in runs.values() for run in of_row}
    return learnt_in_words(every.values()) + (f" ({failed})" if failed else "")


def in_counts(
    judgements: Sequence[Judgement],
    others: Sequence[Sensitivity],
    what: str = "claim of accuracy tested there",
) -> str:
    """How many claims have the same answer under variations, in a sentence without its end.

    Times are no part of it, which say how busy a machine was, and no checks of the benchmark.

    Args:
        judgements: the answers here.
        others: the variations; a claim counts once under each.
        what: is counted.
    """
    asked = [j for j in judgements if j.claim.metric not in TIMED and not j.is_check]
    pairs = [(j, there) for o in others for j in asked if (there := same_claim(j, o))]
    if not pairs:
        return "No claim of accuracy is tested there"
    found = [agreement(here, there) for here, there in pairs]
    seeds = sorted({len(there.seeds) for _, there in pairs})
    many = f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"{seeds[0] if seeds else 0}"
    undecided, alone = found.count("undecided"), found.count("decided only there")
    sizes = sum(is_of_another_size(here, there) for here, there in pairs)
    parts = [
        f"Of {len(found)} {what if len(found) == 1 else what.replace(' ', 's ', 1)}",
        f"{_number(found.count('the same answer'), 'has', 'have')} the same answer",
        f"{_number(undecided, 'is', 'are')} undecided with {many} seeds" if undecided else "",
        f"{_number(alone, 'is', 'are')} decided only there" if alone else "",
        f"{_number(found.count('another answer'), 'has', 'have')} another answer",
    ]
    also = f"; {_number(sizes, 'effect is', 'effects are')} of another size" if sizes else ""
    return ", ".join(filter(None, parts)) + also


def changes(judgements: Sequence[Judgement], others: Sequence[Sensitivity]) -> Iterator[Change]:
    """Answers that are other ones or decided only there, and effects of another size."""
    for here in judgements:
        for other in others:
            if (there := same_claim(here, other)) is None:
                continue
            found = agreement(here, there)
            if found in ("another answer", "decided only there"):
                text = f"Under {other.called}: {_explained(there)}; here: {_explained(here)}."
                yield Change(here, found, text, other, _failed(there))
            for first, second in _of_another_size(here, there):
                text = (
                    f"{first.label}, under {other.called}: "
                    f"{_in_numbers(here, second)}{_failed(there)}; "
                    f"here: {_in_numbers(here, first)}{_failed(here)}."
                )
                yield Change(here, "of another size", text, other, _failed(there))


def changed(judgements: Sequence[Judgement], others: Sequence[Sensitivity]) -> Iterator[str]:
    """In a line each: claims whose answer is another one under a variation."""
    for change in changes(judgements, others):
        if change.what == "another answer":
            yield f"{change.here.says} {change.text}"


def same_claim(judgement: Judgement, other: Sensitivity) -> Judgement | None:
    """A trained claim's judgement under a variation; None where it was not tested there."""
    return other.of(judgement.claim.id) if judgement.steps else None


def agreement(here: Judgement, there: Judgement) -> Agreement:
    """How an answer stands beside the one here; what is undecided there agrees with nothing."""
    if differs(here, there):
        return "another answer"
    if there.verdict == "inconclusive":
        return "undecided"
    return "the same answer" if here.verdict == there.verdict else "decided only there"


def differs(here: Judgement, there: Judgement) -> bool:
    """Whether the answer is another one.

    It is if both are answers; and if one is inconclusive, only where the intervals of a step have
    nothing in common: fewer seeds alone make a verdict inconclusive, and change nothing.
    """
    answers = {here.verdict, there.verdict}
    if len(answers) == 1 or "not run" in answers:
        return False
    if "inconclusive" not in answers:
        return True
    return any(first.verdict != second.verdict for first, second in _apart(here, there))


def is_of_another_size(here: Judgement, there: Judgement) -> bool:
    """Whether an effect is larger or smaller there for certain, though the answer is not other."""
    return bool(_of_another_size(here, there))


def _of_another_size(here: Judgement, there: Judgement) -> list[tuple[Step, Step]]:
    """Steps whose intervals have nothing in common, though the answer is not another one.

    Not of times: how many seconds a test takes says how busy the machine was.
    """
    is_timed = here.claim.metric in TIMED
    return [] if is_timed or differs(here, there) else _apart(here, there)


def _apart(here: Judgement, there: Judgement) -> list[tuple[Step, Step]]:
    """The same step here and there, where the two intervals have nothing in common."""
    known = {step.label: step for step in there.steps}
    both = [(step, known[step.label]) for step in here.steps if step.label in known]
    return [
        (first, second)
        for first, second in both
        if first.interval.high < second.interval.low or second.interval.high < first.interval.low
    ]


def _answer(judgement: Judgement) -> str:
    """Verdict, difference, interval, number of seeds; of several steps, that which decides."""
    if judgement.difference is None:  # several steps, and too few seeds to decide
        return judgement.verdict
    step = judgement.decisive or judgement.steps[0]
    name = f"{step.label} " if len(judgement.steps) > 1 else ""
    return f"{judgement.verdict} ({name}{_in_numbers(judgement, step)})"


def _explained(judgement: Judgement) -> str:
    return f"{_answer(judgement)}{_failed(judgement)}"


def _failed(judgement: Judgement) -> str:
    """Rows of which not every run learnt what there is to learn: why a difference is large."""
    return f", where {' and '.join(judgement.unlearnt)}" if judgement.unlearnt else ""


def _in_numbers(judgement: Judgement, step: Step) -> str:
    """As "+4.51 [+3.28, +5.74], n = 12"; a row that stands alone has no sign."""
    in_words = signed if step.second else "{:.2f}".format
    found = step.interval
    brackets = f" [{in_words(found.low)}, {in_words(found.high)}]" if found.n > 1 else ""
    unit = " s" if judgement.claim.metric in TIMED else ""
    return f"{in_words(found.mean)}{brackets}{unit}, n = {found.n}".replace("-", "−")


def _marked(here: Judgement, there: Judgement | None) -> str:
    if there is None:
        return "–"
    return f"{'≠ ' if differs(here, there) else ''}{_answer(there)}"


def _number(count: int, one: str, many: str) -> str:
    """As "none has", "1 has" or "8 have"."""
    return f"{count} {many}" if count > 1 else f"{count or 'none'} {one}"
