"""The overview's parts about tables: costs, what was trained and printed, what awaits videos."""

from __future__ import annotations

from vswin.report.claims.printed import PrintedEvidence, assumptions, printed_evidence
from vswin.report.overview.block import Block, number_of, place_of
from vswin.report.overview.data import Overview, count_in_words
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
                f"[{study.title}]({study.name})",
                f"{sum(cell['exact'] for cell in cells)} of {len(cells)}" if cells else "none",
                count_in_words(judged) or "none",
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
    note = "A row that is printed twice counts once. GPU-hours are for one seed of every row."
    if bill:
        note += (
            f" Tables share runs: with each run once, they take {overview.bill.gpu_hours:,.0f} "
            "GPU-hours together."
        )
    return Block("Table by table", header, lines, note=note)


def own(overview: Overview) -> Block:
    """Ablations that are in no paper."""
    lines = [
        [f"[{study.title}]({study.name})", count_in_words(judged) or "none", _trained(study)]
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
        f"[{number_of(study)}]({study.name}): {cell['metric']} of `{cell['row']}` is printed as "
        f"{cell['printed']}, ours is {cell['ours']}. {cell['evidence']}".rstrip()
        for study in overview.studies
        for cell in study.cost_lines()
        if not cell["exact"]
    ]
    return Block("Cost cells that are not as printed", items=items)


def printed_differences(overview: Overview) -> list[PrintedEvidence]:
    """Printed accuracies that claims compare, the least clear differences first."""
    found = [each for paper in overview.papers for each in printed_evidence(paper).values()]
    return sorted(found, key=lambda each: -max(step.p for step in each.steps))


def printed_in_short(overview: Overview) -> str:
    """How many of them chance alone could have made; those that are called equal apart."""
    found = printed_differences(overview)
    equal = [each.resolution for each in found if each.claim.kind in ("within", "equal")]
    other = [each.resolution for each in found if each.claim.kind not in ("within", "equal")]
    return (
        f"Printed accuracies, beside the sampling error of their validation set: of {len(other)} "
        f"claims of a difference, {other.count('clear')} are clear of it, "
        f"{other.count('by a single test only')} by a single test only, and "
        f"{other.count('not resolvable')} are within it; of {len(equal)} claims of little or no "
        f"difference, {equal.count('not resolvable')} are within it."
    )


def printed(overview: Overview) -> Block:
    """What the printed accuracies can tell by themselves."""
    lines = [
        [f"{place_of(overview, each.claim)}", each.line, each.resolution]
        for each in printed_differences(overview)
    ]
    header = ["claim", "printed difference", "beside its sampling error"]
    title = "Printed differences beside the sampling error of their validation set"
    return Block(title, header, lines, note=assumptions(overview.papers))


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
