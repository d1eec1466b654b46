"""The overview's parts about tables: costs, what was trained and printed, what awaits videos."""

from __future__ import annotations

from collections.abc import Iterator

from vswin.paper.claims import Claim
from vswin.paper.printed import printed_table, read_paper
from vswin.paper.quantities import printed_quantity
from vswin.report.claims.printed import PrintedEvidence, assumptions, printed_evidence
from vswin.report.claims.tally import count_in_words, outcome
from vswin.report.claims.wording import OF_COUNTS
from vswin.report.overview.block import Block, number_of, place_of
from vswin.report.overview.data import Overview
from vswin.report.page import page_of
from vswin.report.sections import costs_that_differ
from vswin.report.study import Study


def tables(overview: Overview) -> Block:
    """A line for each table: what was counted, what was trained, what became of its claims."""
    bill = {line.table: line for line in overview.bill.tables}
    lines = []
    for study in overview.studies:
        cells = study.cost_lines()
        judged = [j for j in overview.judgements if j.claim.table == study.name]
        hours = bill.get(study.name)
        lines.append(
            [
                f"[{study.title}]({page_of(study)})",
                f"{sum(cell['exact'] for cell in cells)} of {len(cells)}" if cells else "none",
                outcome(judged) or "none",
                _trained(study),
                f"{hours.gpu_hours:,.0f}" if hours else "–",
            ]
        )
    header = [
        "table",
        "cost cells as printed",
        "its claims",
        f"trained under `{overview.protocol}`",
        "GPU-hours at the paper's size",
    ]
    note = (
        f"Cost cells as printed: {'; '.join(_exact(overview))}. A row that is printed twice counts "
        "once. GPU-hours are for one seed of every row."
    )
    if bill:
        note += (
            f" Tables share runs: with each run once, they take {overview.bill.gpu_hours:,.0f} "
            "GPU-hours together."
        )
    return Block("Table by table", header, lines, note=note)


def _exact(overview: Overview) -> Iterator[str]:
    """Paper by paper, how many printed costs are counted to the digit."""
    for paper in overview.papers:
        studies = [s for s in overview.studies if s.printed and s.printed.paper == paper]
        cells = [cell["exact"] for study in studies for cell in study.cost_lines()]
        yield f"{sum(cells)} of {len(cells)} in {read_paper(paper).title}"


def own(overview: Overview) -> Block:
    """Ablations that are in no paper."""
    lines = [
        [f"[{study.title}]({page_of(study)})", count_in_words(judged) or "none", _trained(study)]
        for study, judged in overview.own
    ]
    header = ["ablation", "its claims", f"trained under `{overview.protocol}`"]
    return Block("Ablations that are not in the paper", header, lines)


def _trained(study: Study) -> str:
    """How many rows with how many seeds."""
    rows = [row.id for row in study.distinct_rows]
    done = [study.by_seed(row) for row in rows if study.is_done(row)]
    if not done:
        return "–"
    seeds = sorted({len(by_seed) for by_seed in done})
    most = f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"{seeds[0]}"
    return f"{len(done)} of {len(rows)} rows, {most} seed{'s' * (seeds[-1] != 1)} each"


def unequal(overview: Overview) -> Block:
    """Printed costs that ours are not equal to, with the evidence."""
    items = [
        f"[{number_of(study)}]({page_of(study)}): {words}. {evidence}".rstrip()
        for study in overview.studies
        for words, evidence in costs_that_differ(study)
    ]
    return Block("Cost cells that are not as printed", items=items)


def as_printed(claim: Claim) -> str:
    """What is printed of each row that a claim compares: "a against b G"; empty if one is not."""
    found = []
    for ref in claim.rows:
        table, row = printed_table(claim.table_of(ref) or ""), ref.rpartition(".")[2]
        if table is None or (number := printed_quantity(table, row, claim.metric)) is None:
            return ""
        found.append(table.number(row, claim.metric) or f"{number:g}")
    between = " against " if len(found) == 2 else ", "
    unit = "G" if claim.metric == "memory" else OF_COUNTS.get(claim.metric, "")
    return f"{between.join(found)} {unit}".rstrip()


def printed_differences(overview: Overview) -> list[PrintedEvidence]:
    """Printed accuracies that claims compare, the least clear differences first."""
    found = [each for paper in overview.papers for each in printed_evidence(paper).values()]
    return sorted(found, key=lambda each: -max(step.p for step in each.steps))


def printed_in_short(overview: Overview) -> str:
    """How many of them chance alone could hardly have made; those that are called equal apart."""
    found = printed_differences(overview)
    equal = [each.resolution for each in found if each.claim.kind in ("within", "equal")]
    other = [each.resolution for each in found if each.claim.kind not in ("within", "equal")]
    return (
        f"Printed accuracies: of {len(other)} claims of a difference, {other.count('clear')} "
        "exceed the sampling error of the validation set after Holm's correction for several "
        f"tests, {other.count('by a single test only')} only before it, "
        f"{other.count('not resolvable')} do not; of {len(equal)} claims of little or no "
        f"difference, {equal.count('not resolvable')} do not."
    )


def printed(overview: Overview) -> Block:
    """What the printed accuracies can tell by themselves."""
    lines = [
        [f"{place_of(overview, each.claim)}", each.line, each.resolution]
        for each in printed_differences(overview)
    ]
    header = ["claim", "printed difference", "beside its sampling error"]
    title = "Printed differences beside the sampling error of their validation set"
    before = printed_in_short(overview) if lines else ""
    return Block(title, header, lines, before=before, note=assumptions(overview.papers))


def awaited(overview: Overview) -> Block:
    """What awaits the videos, and what it would cost."""
    bill, titles = overview.bill, {study.name: study.title for study in overview.studies}
    lines = [
        [titles[line.table], str(line.rows), str(line.done), f"{line.gpu_hours:,.0f}"]
        for line in bill.tables
    ]
    lines.append(["Together, each run once", str(bill.runs), "", f"{bill.gpu_hours:,.0f}"])
    before = (
        "Accuracies on Kinetics and Something-Something need the videos, and GPUs: protocol "
        "`paper` runs every row as printed. `vswin submit TABLE --protocol paper` does it."
    )
    note = (
        "Computed: counted multiply-accumulates × 2 × 3 passes × videos × epochs, and 2 × views × "
        f"videos for the test, at {bill.basis or 'no speed'} of a GPU; decoding is not counted. "
        "`vswin list TABLE --protocol paper --cost` says it row by row."
    )
    header = ["table", "runs with one seed", "done", "GPU-hours"]
    return Block("What awaits the papers' datasets", header, lines, before=before, note=note)
