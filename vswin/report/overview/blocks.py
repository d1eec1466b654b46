"""The parts of the overview, as texts; the templates and the notebook show them as they are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from vswin.paper.claims import Evidence
from vswin.report.claims import Judgement, Verdict, printed_in_words
from vswin.report.claims.tally import count_in_words
from vswin.report.overview.block import Block, number_of, place_of
from vswin.report.overview.data import Overview
from vswin.report.overview.repeated import repeated
from vswin.report.overview.tables import (
    as_printed,
    awaited,
    own,
    printed,
    tables,
    unequal,
)
from vswin.report.registration import registration_line
from vswin.report.sensitivity import (
    RULE,
    TITLE,
    Sensitivity,
    agreement,
    changes,
    in_counts,
    is_of_another_size,
    same_claim,
)
from vswin.wording import signed

SETTLED = ("holds", "contradicted", "no effect")
"""Verdicts that say something of the claim."""
TITLES: dict[Verdict, str] = {
    "contradicted": "Contradicted",
    "holds": "Holds",
    "no effect": "No effect: less than the margin, either way",
    "inconclusive": "Inconclusive",
    "withdrawn": "Withdrawn: what was fixed beforehand was wrong",
    "not run": "Not run",
}
"""In the order of the page: what speaks against the paper stands first."""
UNTRAINED: dict[Evidence, str] = {
    "counted": "by counting",
    "at initialisation": "at initialisation",
}
"""Evidence that needs no training, and is of the paper's own models, with how it was found."""


def blocks(overview: Overview) -> list[Block]:
    """All parts of the page below its picture; those with nothing in them are left out."""
    found = [tables(overview), *(claims_of(overview, verdict) for verdict in TITLES)]
    found += [
        own(overview),
        unequal(overview),
        printed(overview),
        awaited(overview),
        sensitivity(overview),
        repeated(overview),
        Block("How to read this", items=list(_explained(overview))),
        Block("Where the numbers come from", items=list(_provenance(overview))),
    ]
    return [block for block in found if block.lines or block.items]


def claims_of(overview: Overview, verdict: Verdict) -> Block:
    """The claims with a verdict."""
    found = [j for j in overview.judgements if j.verdict == verdict]
    lines, before = [], ""
    for judgement in found:
        claim = judgement.claim
        quote = "the same sentence." if claim.quote == before else f"“{claim.quote}”"
        quote = quote if claim.quote else "what the benchmark predicts."
        tested = f"{judgement.says} {claim.why}".rstrip()
        others = ", ".join(_others(judgement, overview.elsewhere))
        lines.append(
            [
                f"{place_of(overview, claim)}: {quote} Tested: {tested}",
                printed_in_words(claim) or as_printed(claim) or "–",
                ours(overview, judgement),
                overview.evidence(judgement),
                *([others] if overview.elsewhere else []),
            ]
        )
        before = claim.quote
    header = ["what the paper says", "as printed", "what was found", "evidence"]
    header += ["in sensitivity studies"] if overview.elsewhere else []
    ids = [judgement.claim.id for judgement in found]
    return Block(f"{TITLES[verdict]} ({len(found)})", header, lines, ids=ids, tone=verdict)


def name_of(judgement: Judgement) -> str:
    """A claim's name, for lists and pictures."""
    return judgement.claim.short_name()


def link_to(judgement: Judgement) -> str:
    """Its name, which leads to its line."""
    return f"[{name_of(judgement)}](#{judgement.claim.id})"


def ours(overview: Overview, judgement: Judgement) -> str:
    """The verdict, and what was found."""
    return f"{judgement.verdict}{place(overview, judgement)}: {judgement.reason or '–'}"


def place(overview: Overview, judgement: Judgement) -> str:
    """On what a verdict was found by training, if not on what the paper measures."""
    return trained_on(overview, judgement) if judgement.verdict in SETTLED else ""


def trained_on(overview: Overview, judgement: Judgement) -> str:
    """The same, whatever the verdict."""
    is_trained = judgement.evidence not in UNTRAINED
    return " on Moving Digits" if is_trained and overview.is_embedded else ""


def in_points(judgement: Judgement) -> str:
    """What decides, with its interval: "+7.5 [+7.0, +8.0]"; what is no difference has no sign."""
    if judgement.difference is None:
        return ""
    numbers, interval = [judgement.difference], judgement.interval
    if interval is not None and math.isfinite(interval.low):
        numbers += [interval.low, interval.high]
    digits = 1 if all(round(number, 1) for number in numbers) else 2
    mean, *ends = (signed(number, digits) for number in numbers)
    if judgement.claim.kind == "bound":
        mean, *ends = (f"{number:.{digits}f}" for number in numbers)
    return f"{mean} [{', '.join(ends)}]" if ends else mean


def _others(judgement: Judgement, elsewhere: Sequence[Sensitivity]) -> Iterator[str]:
    """How many studies have the same answer; by name those that have another, or none."""
    found = {other.protocol: same_claim(judgement, other) for other in elsewhere}
    there = {protocol: j for protocol, j in found.items() if j}
    same = sum(agreement(judgement, j) == "the same answer" for j in there.values())
    if there:
        yield f"the same in {same} of {len(there)}"
    for protocol, j in there.items():
        size = ", of another size" if is_of_another_size(judgement, j) else ""
        if size or agreement(judgement, j) != "the same answer":
            yield f"`{protocol}`: {j.verdict}{size}"


def sensitivity(overview: Overview) -> Block:
    """Which claims were tested elsewhere, and what they depend on."""
    lines = [
        [
            f"`{other.protocol}`",
            other.varies,
            _seeds(other),
            count_in_words(other.tested),
            in_counts(overview.judgements, [other]),
        ]
        for other in overview.elsewhere
    ]
    items = [
        f"{link_to(change.here)}: {change.what}. {change.text}"
        for change in changes(overview.judgements, overview.elsewhere)
    ]
    header = ["protocol", "what is different", "seeds", "verdicts there", "beside those here"]
    waiting = ", ".join(f"`{name}`" for name in overview.not_run_yet)
    note = f"{RULE} Not run yet: {waiting}." if waiting else RULE
    return Block(TITLE, header, lines, items, note=note)


def _seeds(other: Sensitivity) -> str:
    numbers = sorted({len(judgement.seeds) for judgement in other.tested})
    return f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else f"{numbers[0]}"


def _explained(overview: Overview) -> Iterator[str]:
    yield (
        "Evidence: what is counted needs no training and is exact, but for memory, of which a "
        "model tells the order alone. What is built into the "
        "benchmark had to come out so if all works: a positive control, no discovery. An open test "
        "could have come out either way."
    )
    if overview.is_embedded:
        yield (
            f"Trained under protocol `{overview.protocol}`: {overview.title}. What holds there "
            "holds for a small model on that data: a mechanism or a large effect. It neither "
            "confirms nor refutes tenths of a point on Kinetics, and is never subtracted from a "
            "printed number."
        )
    yield (
        "Verdicts: differences are paired over seeds (initial weights, data order), with "
        "two-sided 95 % intervals (Student's t). The first that fits counts: a claim holds if the "
        "whole interval lies where it is true, however small the difference; it is contradicted if "
        "none of it does; there is no effect if the interval lies within the margin around zero; "
        "all else is inconclusive. Margins were fixed before the runs."
    )


def _provenance(overview: Overview) -> Iterator[str]:
    """What was registered beforehand; commits and machines of all runs, in a line each."""
    for study in overview.studies:
        if line := registration_line(study):
            yield f"{number_of(study)}: {line}"
    found: dict[str, set[str]] = {}
    for study in overview.studies:
        for by_seed in study.runs.values():
            for run in by_seed.values():
                made = run.provenance
                commit = str(made.get("commit") or "unknown")[:12]
                edited = " with uncommitted changes" if made.get("dirty") else ""
                text = f"commit {commit}{edited}, {made.get('device') or 'unknown device'}"
                found.setdefault(text, set()).add(run.run_id)
    for text, runs in sorted(found.items()):
        yield f"{len(runs)} runs: {text}."
