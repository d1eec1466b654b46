"""The first lines of the overview: what holds, what does not, what waits, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vswin.paper.printed import read_paper
from vswin.report.claims import Judgement, Verdict, distances
from vswin.report.claims.tally import count_in_words, outcome, with_notes
from vswin.report.claims.wording import bounds_in_words, contrary, seeds_wanted
from vswin.report.overview.block import number_of
from vswin.report.overview.blocks import (
    UNTRAINED,
    in_points,
    link_to,
    place,
    trained_on,
)
from vswin.report.overview.data import Overview, needs_weights
from vswin.report.sensitivity import changes, in_counts

NAMED: dict[Verdict, str] = {
    "contradicted": "Contradicted",
    "no effect": "Less than the margin either way",
    "inconclusive": "Inconclusive",
    "withdrawn": "Withdrawn",
}
"""Verdicts whose claims the first lines name; what holds by counting is too much to name."""


def headline(overview: Overview) -> list[str]:
    """What a reader takes away who reads nothing else."""
    judged = overview.judgements
    lines = [*claims_in_words(overview), _accuracies(overview), *_in_short(overview)]
    lines.append(_costs(overview))
    if trained := [j for j in judged if place(overview, j)]:
        lines.append(_trained(trained))
    for verdict, words in NAMED.items():
        where: dict[str, list[Judgement]] = {}
        for judgement in judged:
            if judgement.verdict == verdict:
                where.setdefault(trained_on(overview, judgement), []).append(judgement)
        lines += [
            f"{words}{on or _untrained(found)}: {'; '.join(_by_sentence(overview, found))}."
            for on, found in where.items()
        ]
    return [*lines, *_sensitivity(overview), *_waiting(overview)]


def claims_in_words(overview: Overview) -> list[str]:
    """How many claims each paper has, and what became of them."""
    lines = []
    for paper in overview.papers:
        judged = [j for j in overview.judgements if j.paper == paper]
        claims = sum(bool(j.claim.quote) for j in judged)
        lines.append(f"{claims} claims of {read_paper(paper).title}: {outcome(judged)}.")
    return lines


def _in_short(overview: Overview) -> Iterator[str]:
    """Counting and training, each in a sentence; where nothing was trained, none."""
    tested = [
        j
        for j in overview.judgements
        if j.paper and j.evidence == "open test" and trained_on(overview, j) and j.steps
    ]
    if not tested:
        return
    cells = [cell["exact"] for study in overview.studies for cell in study.cost_lines()]
    other = {
        change.here.claim.id
        for change in changes(tested, overview.elsewhere)
        if change.what == "another answer"
    }
    many = f"; {len(other)} of the {len(tested)} have another answer in a sensitivity study"
    yield (
        f"In short: {sum(cells)} of {len(cells)} printed costs are recomputed to the digit; of "
        f"{len(tested)} claims about accuracy or speed that training could confirm or contradict, "
        f"{count_in_words(tested)}{trained_on(overview, tested[0])}{many if other else ''}."
    )


def _accuracies(overview: Overview) -> str:
    """That printed accuracies wait for videos, and on what claims were tested in their place."""
    done = sum(line.done for line in overview.bill.tables)
    runs = sum(line.rows for line in overview.bill.tables)
    how = f"{done} of {runs} rows were trained on" if done else "none is reproduced yet without"
    digits = (
        "; in their place, small models were trained on Moving Digits, synthetic clips of drifting "
        "handwritten digits, and no number from there is comparable with Kinetics"
    )
    return f"Printed accuracies: {how} the papers' videos{digits * overview.is_embedded}."


def what_they_are(judged: Sequence[Judgement]) -> str:
    """As "56 claims (and 2 checks of the benchmark)": what quotes no sentence is no claim."""
    checks = sum(j.is_check for j in judged)
    also = f" (and {checks} check{'s' * (checks > 1)} of the benchmark)" if checks else ""
    return f"{len(judged) - checks} claims{also}"


def _costs(overview: Overview) -> str:
    """How many printed costs are counted to the digit, and what counting says of claims."""
    cells = [cell["exact"] for study in overview.studies for cell in study.cost_lines()]
    found = [j for j in overview.judgements if j.evidence == "counted"]
    counted = [j for j in found if j.claim.id not in overview.printed]
    read = [j for j in found if j.claim.id in overview.printed]
    also = f"; of {len(read)} read from printed cells alone, {with_notes(read)}" if read else ""
    return (
        f"Costs, counted on the papers' models: {sum(cells)} of {len(cells)} printed cells to the "
        f"digit; of {len(counted)} claims that can be counted, {with_notes(counted)}{also}."
    )


def _trained(trained: Sequence[Judgement]) -> str:
    """What holds of the claims that were trained for; that there is nothing, too."""
    seeds = sorted({len(j.seeds) for j in trained})
    many = f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"{seeds[0]}"
    held = [j for j in trained if j.verdict == "holds"]
    names = [f"{link_to(j)} ({_mean(j)})" for j in held if j.evidence != "built in"]
    built_in = [link_to(j) for j in held if j.evidence == "built in"]
    also = f". Built into the benchmark: {'; '.join(built_in)}" if built_in else ""
    how = f"{many} seeds; mean differences in points of top-1, or as named"
    return f"Holds on Moving Digits ({how}): {'; '.join(names) or 'nothing'}{also}."


def _mean(judgement: Judgement) -> str:
    """What decides, without its interval."""
    unit = {"test_seconds": " s", "stills": " of images"}.get(judgement.claim.metric, "")
    return in_points(judgement).partition(" ")[0] + unit


def _untrained(judged: Sequence[Judgement]) -> str:
    """How it was found without training: ` by counting`."""
    evidence = {judgement.evidence for judgement in judged}
    found = [words for name, words in UNTRAINED.items() if name in evidence]
    return f" {' or '.join(found)}" if evidence <= {*UNTRAINED} else ""


def _by_sentence(overview: Overview, judged: Sequence[Judgement]) -> Iterator[str]:
    """The first claim of each sentence with what was found, the others in number."""
    sentences: dict[str, list[Judgement]] = {}
    for judgement in judged:
        sentences.setdefault(judgement.claim.quote or judgement.claim.id, []).append(judgement)
    before = ""
    for first, *others in sentences.values():
        found, wanted = _why(overview, first)
        what = "ratio" if all(j.claim.kind == "ratio" for j in (first, *others)) else "claim"
        also = f"and {len(others)} other {what}{'s' * (len(others) > 1)} of that sentence"
        said = "the same" if found == before else found
        parts = [said, wanted, also if others else "", _but(overview, first)]
        yield f"{link_to(first)} ({'; '.join(filter(None, parts))})"
        before = found


def _but(overview: Overview, judgement: Judgement) -> str:
    """What holds of a sentence of which another claim is contradicted."""
    held = [
        j
        for j in overview.judgements
        if j.claim.quote == judgement.claim.quote
        and j.verdict == "holds"
        # Tests with rows that the paper does not print ask more than the sentence says.
        and (j.evidence != "open test" or j.claim.id in overview.printed)
    ]
    if judgement.verdict != "contradicted" or not held:
        return ""
    verb = "holds" if len(held) == 1 else "hold"
    return f"but of the same sentence, {' and '.join(map(link_to, held))} {verb}"


def _why(overview: Overview, judgement: Judgement) -> tuple[str, str]:
    """What was found, in a few words, and what would have been wanted."""
    claim, study = judgement.claim, overview.study(judgement.claim.table)
    wanted = f"wanted {bounds_in_words(claim)}" if claim.bounds else ""
    if study and claim.metric in distances.METRICS:
        unit = " times" if claim.kind == "ratio" else distances.METRICS[claim.metric][1]
        by_kind = distances.intervals(study.distances, claim)
        means = ", ".join(f"{each.mean:.3g}" for each in by_kind.values())
        return f"{means}{unit} on {', '.join(by_kind)}", wanted
    if judgement.verdict == "withdrawn":
        return judgement.reason.partition(". ")[0], ""
    if claim.is_counted and claim.kind == "ratio":
        return f"{judgement.difference:.3g} times", wanted
    if not (points := in_points(judgement)):
        return judgement.reason.partition("; ")[0], wanted
    if judgement.verdict == "no effect" and judgement.margin:
        return f"{points} points", f"margin ±{judgement.margin:g}"
    how_sure = contrary(judgement)
    return f"{points} points", how_sure or seeds_wanted(judgement.needed_n)


def _sensitivity(overview: Overview) -> Iterator[str]:
    """How many answers are the same in sensitivity studies, and which are other ones."""
    studies = [other.in_short for other in overview.elsewhere]
    if overview.not_run_yet:
        studies.append(f"{len(overview.not_run_yet)} more not run yet")
    if overview.elsewhere:
        counts = in_counts(overview.judgements, overview.elsewhere, "test of accuracy there")
        yield f"Sensitivity studies ({'; '.join(studies)}): {counts[0].lower()}{counts[1:]}."
    found = changes(overview.judgements, overview.elsewhere)
    names = [
        f"{link_to(change.here)} ({change.other.in_short}{change.failed})"
        for change in found
        if change.what == "another answer"
    ]
    if names:
        yield f"Depends on how the benchmark is made: {'; '.join(names)}."


def _waiting(overview: Overview) -> Iterator[str]:
    """What has not been trained here, and what only the papers' videos can tell."""
    waiting = [j for j in overview.judgements if j.verdict == "not run"]
    here = [j for j in waiting if j.evidence != "needs videos"]
    if here:
        studies = [s for s in overview.studies if s.name in {j.claim.table for j in here}]
        where = " on Moving Digits" if overview.is_embedded else ""
        yield (
            f"Waits for training{where}: {what_they_are(here)} of "
            f"{', '.join(number_of(study) for study in studies) or 'the papers'}."
        )
    bill, videos = overview.bill, len(waiting) - len(here)
    weights = sum(map(needs_weights, waiting))
    which = f" ({weights} of them need only trained weights)" if weights else ""
    if bill.runs:
        without = [study for study in overview.studies if study.name not in bill.names]
        also = (
            f"; {len(without)} tables and figures cannot be trained here yet, as their pages say"
            if without
            else ""
        )
        yield (
            f"Waits for the papers' datasets: {videos} claims{which}. The {bill.runs} runs of "
            f"{len(bill.names)} tables would take about {bill.gpu_hours:,.0f} GPU-hours for one "
            f"seed of each{also}."
        )
