"""The first lines of the overview: what holds, what does not, what waits, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vswin.paper.printed import read_paper
from vswin.report.claims import Judgement, Verdict
from vswin.report.overview.block import number_of
from vswin.report.overview.blocks import UNTRAINED, changed, in_points, name_of, place
from vswin.report.overview.data import Overview, count_in_words
from vswin.report.overview.repeated import repeated_in_short
from vswin.report.overview.tables import printed_differences, printed_in_short

NAMED: dict[Verdict, str] = {
    "contradicted": "Contradicted",
    "no effect": "No effect beyond the margin",
    "inconclusive": "Inconclusive",
}
"""Verdicts whose claims the first lines name; what holds by counting is too much to name."""


def headline(overview: Overview) -> list[str]:
    """What a reader takes away who reads nothing else."""
    judged = overview.judgements
    lines = [*claims_in_words(overview), _costs(overview)]
    if trained := [j for j in judged if place(overview, j)]:
        lines.append(_trained(trained))
    for verdict, words in NAMED.items():
        where: dict[str, list[Judgement]] = {}
        for judgement in judged:
            if judgement.verdict == verdict:
                where.setdefault(place(overview, judgement), []).append(judgement)
        lines += [
            f"{words}{on or _untrained(found)}: "
            f"{'; '.join(map(_with_interval, found) if on else _by_sentence(found))}."
            for on, found in where.items()
        ]
    if found := [name_of(j) for j in judged if changed(j, overview.elsewhere)]:
        lines.append(f"Depends on how the benchmark is made: {'; '.join(found)}.")
    lines += _waiting(overview)
    lines += [printed_in_short(overview)] if printed_differences(overview) else []
    return [*filter(None, [*lines, repeated_in_short(overview)])]


def claims_in_words(overview: Overview) -> list[str]:
    """How many claims each paper has, and what became of them."""
    lines = []
    for paper in overview.papers:
        judged = [j for j in overview.judgements if j.paper == paper]
        what = f"{what_they_are(judged)} of {read_paper(paper).title}"
        lines.append(f"{what}: {count_in_words(judged)}.")
    return lines


def what_they_are(judged: Sequence[Judgement]) -> str:
    """As "56 claims (and 2 checks of the benchmark)": what quotes no sentence is no claim."""
    checks = sum(not j.claim.quote for j in judged)
    also = f" (and {checks} check{'s' * (checks > 1)} of the benchmark)" if checks else ""
    return f"{len(judged) - checks} claims{also}"


def _costs(overview: Overview) -> str:
    """How many printed costs are counted to the digit, and what counting says of claims."""
    counts, equal, all_cells = [], 0, 0
    for paper in overview.papers:
        studies = [s for s in overview.studies if s.printed and s.printed.paper == paper]
        cells = [cell["exact"] for study in studies for cell in study.cost_lines()]
        counts.append(f"{sum(cells)} of {len(cells)} in {read_paper(paper).title}")
        equal, all_cells = equal + sum(cells), all_cells + len(cells)
    counted = [j for j in overview.judgements if j.evidence == "counted"]
    return (
        f"Costs, counted on the papers' models: {equal} of {all_cells} printed cells to the digit "
        f"({', '.join(counts)}); of {len(counted)} claims that can be counted, "
        f"{count_in_words(counted)}."
    )


def _trained(trained: Sequence[Judgement]) -> str:
    """What holds of the claims that were trained for; that there is nothing, too."""
    seeds = sorted({len(j.seeds) for j in trained})
    many = f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"{seeds[0]}"
    names = [
        f"{name_of(j)}{' (built in)' * (j.evidence == 'built in')}"
        for j in trained
        if j.verdict == "holds"
    ]
    return (
        f"Holds on Moving Digits (small models on synthetic clips, {many} seeds; not comparable "
        f"with Kinetics): {'; '.join(names) or 'nothing'}."
    )


def _untrained(judged: Sequence[Judgement]) -> str:
    """How it was found without training: ` by counting`."""
    evidence = {judgement.evidence for judgement in judged}
    found = [words for name, words in UNTRAINED.items() if name in evidence]
    return f" {' or '.join(found)}" if evidence <= {*UNTRAINED} else ""


def _by_sentence(judged: Sequence[Judgement]) -> Iterator[str]:
    """The first claim of each sentence by name, the others in number."""
    sentences: dict[str, list[str]] = {}
    for judgement in judged:
        claim = judgement.claim
        sentences.setdefault(claim.quote or claim.id, []).append(name_of(judgement))
    for first, *others in sentences.values():
        yield f"{first} (and {len(others)} more of that sentence)" if others else first


def _with_interval(judgement: Judgement) -> str:
    found, margin = in_points(judgement), judgement.margin
    if found and margin and judgement.verdict == "no effect":
        found += f", margin ±{margin:g}"
    return f"{name_of(judgement)} ({found})" if found else name_of(judgement)


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
    if bill.runs:
        without = [study for study in overview.studies if study.name not in bill.names]
        also = f"; {len(without)} tables and figures have no protocol yet" if without else ""
        yield (
            f"Waits for the papers' datasets: {videos} claims and every printed accuracy. The "
            f"{bill.runs} runs of {len(bill.names)} tables would take about {bill.gpu_hours:,.0f} "
            f"GPU-hours for one seed of each{also}."
        )
