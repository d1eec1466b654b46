"""The parts of the overview, as texts; the templates and the notebook show them as they are.

In a text, `code` is in backticks, and `[Table 5](table5)` leads to the report of that name.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

from vswin.report.claims import Judgement, Verdict
from vswin.report.overview.data import (
    EVIDENCE,
    Elsewhere,
    Overview,
    by_evidence,
    count_in_words,
)
from vswin.report.registration import registration_line
from vswin.report.study import Study

SETTLED = ("holds", "contradicted", "no effect")
"""Verdicts that say something of the claim."""
TITLES: dict[Verdict, str] = {
    "contradicted": "Does not hold here",
    "holds": "Holds",
    "no effect": "No effect: surely less than the margin, either way",
    "inconclusive": "Inconclusive",
    "not run": "Not run",
}
"""In the order of the page: what speaks against the paper stands first."""
LOUD: dict[Verdict, str] = {
    "contradicted": "Does not hold here",
    "no effect": "No effect",
    "inconclusive": "Could not be told",
}
"""Verdicts whose claims the headline names; the picture below it names all."""


@dataclasses.dataclass(frozen=True)
class Block:
    """A part of the page: a table or a list, between words."""

    title: str
    header: list[str] = dataclasses.field(default_factory=list)
    lines: list[list[str]] = dataclasses.field(default_factory=list)
    items: list[str] = dataclasses.field(default_factory=list)
    before: str = ""
    note: str = ""
    tone: str = ""
    """The verdict whose colour it has."""

    def __repr__(self) -> str:
        return f"<Block {self.title}: {len(self.lines) + len(self.items)} lines>"


def headline(overview: Overview) -> list[str]:
    """What a reader takes away who reads nothing else."""
    judged = overview.judgements
    lines = [f"{len(judged)} claims of the paper: {count_in_words(judged)}."]
    lines += [
        f"{EVIDENCE[name].capitalize()}: {count_in_words(members)}."
        for name, members in by_evidence(judged).items()
    ]
    cells = [cell for study in overview.studies for cell in distinct_cells(study)]
    exact = sum(bool(cell["exact"]) for cell in cells)
    lines.append(f"Cost cells of all tables: {exact} of {len(cells)} are as printed, to the digit.")
    for verdict, words in LOUD.items():
        if found := [name_of(j) for j in judged if j.verdict == verdict]:
            lines.append(f"{words}: {'; '.join(found)}.")
    if found := [name_of(j) for j in judged if changed(j, overview.elsewhere)]:
        lines.append(f"Depends on how the benchmark is made: {'; '.join(found)}.")
    bill = overview.bill
    if bill.runs:
        lines.append(
            f"Accuracies on the paper's own datasets: not run. {bill.runs} runs at the paper's "
            f"size would take about {bill.gpu_hours:,.0f} GPU-hours for one seed of each."
        )
    return lines


def blocks(overview: Overview) -> list[Block]:
    """All parts of the page below its picture; those with nothing in them are left out."""
    found = [tables(overview), *(claims_of(overview, verdict) for verdict in TITLES)]
    found += [
        own(overview),
        unequal(overview),
        awaited(overview),
        sensitivity(overview),
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
        others = ", ".join(_others(judgement, overview.elsewhere))
        lines.append(
            [
                f"{_place(overview, judgement)}: {quote} Tested: {judgement.says}",
                ours(judgement),
                EVIDENCE[judgement.evidence],
                *([others] if overview.elsewhere else []),
            ]
        )
        before = claim.quote
    header = ["what the paper says", "what was found", "evidence"]
    header += ["in sensitivity studies"] if overview.elsewhere else []
    return Block(f"{TITLES[verdict]} ({len(found)})", header, lines, tone=verdict)


def name_of(judgement: Judgement) -> str:
    """A claim's name, for lists and pictures."""
    return judgement.claim.id.replace("_", " ")


def _place(overview: Overview, judgement: Judgement) -> str:
    """Where a claim's sentence stands, and its name."""
    claim, study = judgement.claim, overview.study(judgement.claim.table)
    table = f"[{_number(study)}]({study.name}), " if study else ""
    return f"{table}{claim.where}, `{claim.id}`"


def ours(judgement: Judgement) -> str:
    """What was found."""
    return judgement.reason or "–"


def in_points(judgement: Judgement) -> str:
    """The difference that decides, with its interval: "+7.5 [+7.0, +8.0]"."""
    if judgement.difference is None:
        return ""
    text, interval = signed(judgement.difference), judgement.interval
    if interval is not None and math.isfinite(interval.low):
        text += f" [{signed(interval.low)}, {signed(interval.high)}]"
    return text


def signed(number: float) -> str:
    """With a sign and one decimal, two below a tenth; never a minus zero."""
    digits = 2 if abs(number) < 0.1 else 1
    return f"{round(number, digits) + 0.0:+.{digits}f}".replace("-", "−")


def changed(judgement: Judgement, elsewhere: Sequence[Elsewhere]) -> list[Elsewhere]:
    """The sensitivity studies that give another answer; too few seeds for one change nothing."""
    found = []
    for other in elsewhere:
        there = other.of(judgement.claim.id)
        verdicts = {judgement.verdict, there.verdict} if there else set()
        if len(verdicts) == 2 and verdicts <= {*SETTLED}:
            found.append(other)
    return found


def _others(judgement: Judgement, elsewhere: Sequence[Elsewhere]) -> Iterator[str]:
    """The claim's verdicts there: those that differ by name, the others in number."""
    found = {other.protocol: other.of(judgement.claim.id) for other in elsewhere}
    there = {protocol: j.verdict for protocol, j in found.items() if j}
    same = sum(verdict == judgement.verdict for verdict in there.values())
    if there:
        yield f"the same in {same} of {len(there)}"
    for protocol, verdict in there.items():
        if verdict != judgement.verdict:
            yield f"`{protocol}`: {verdict}"


def tables(overview: Overview) -> Block:
    """A line for each table: what was counted, what was trained, what became of its claims."""
    bill = {line.table: line for line in overview.bill.tables}
    lines = []
    for study in overview.studies:
        cells = distinct_cells(study)
        judged = [j for j in overview.judgements if j.claim.table == study.name]
        hours = bill.get(study.name)
        lines.append(
            [
                f"[{study.title}]({study.name})",
                f"{sum(bool(cell['exact']) for cell in cells)} of {len(cells)}"
                if cells
                else "none",
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
    rows = distinct_rows(study)
    done = [study.by_seed(row) for row in rows if study.is_done(row)]
    if not done:
        return "–"
    seeds = sorted({len(by_seed) for by_seed in done})
    most = f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"{seeds[0]}"
    return f"{len(done)} of {len(rows)} rows, {most} seed{'s' * (seeds[-1] != 1)} each"


def distinct_cells(study: Study) -> list[dict[str, object]]:
    """The printed cost cells beside ours; a row that is printed twice counts once."""
    rows = distinct_rows(study)
    return [line for line in study.cost_lines() if line["row"] in rows]


def distinct_rows(study: Study) -> list[str]:
    """The ids of a study's rows; of those with the same printed cells, the first."""
    seen: dict[tuple[str, ...], str] = {}
    for row in study.rows:
        printed = study.printed.row(row.id) if study.printed else None
        seen.setdefault(tuple(printed.cells.values()) if printed else (row.id,), row.id)
    return list(seen.values())


def unequal(overview: Overview) -> Block:
    """Printed costs that ours are not equal to, with the evidence."""
    items = [
        f"[{_number(study)}]({study.name}): {cell['metric']} of `{cell['row']}` is printed as "
        f"{cell['printed']}, ours is {cell['ours']}. {cell['evidence']}".rstrip()
        for study in overview.studies
        for cell in distinct_cells(study)
        if not cell["exact"]
    ]
    return Block("Cost cells that are not as printed", items=items)


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
    return Block("What awaits the paper's datasets", header, lines, before=before, note=note)


def sensitivity(overview: Overview) -> Block:
    """Which claims were tested elsewhere, and what they depend on."""
    lines = [
        [f"`{other.protocol}`", other.about, _seeds(other), count_in_words(other.judgements)]
        for other in overview.elsewhere
    ]
    items = [
        f"{name_of(judgement)}: {judgement.verdict} ({in_points(judgement)}); under "
        f"`{other.protocol}` {there.verdict} ({in_points(there)})."
        for judgement in overview.judgements
        for other in changed(judgement, overview.elsewhere)
        if (there := other.of(judgement.claim.id))
    ]
    note = "" if items or not lines else "No answer is another one there."
    header = ["protocol", "what is different", "seeds", "claims tested there"]
    return Block("What the answers depend on", header, lines, items, note=note)


def _seeds(other: Elsewhere) -> str:
    numbers = sorted({len(judgement.seeds) for judgement in other.judgements})
    return f"{numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else f"{numbers[0]}"


def _explained(overview: Overview) -> Iterator[str]:
    yield (
        "Evidence: what is counted is exact and needs no training. What is built into the "
        "benchmark had to come out so if all works: a positive control, no discovery. An open test "
        "could have come out either way."
    )
    if any(study.is_trainable and not study.terms.comparable for study in overview.studies):
        yield (
            f"Trained under protocol `{overview.protocol}`: {overview.title}. What holds there "
            "holds for a small model on that data: a mechanism or a large effect. It neither "
            "confirms nor refutes tenths of a point on Kinetics, and is never subtracted from a "
            "printed number."
        )
    yield (
        "Verdicts: differences are paired over seeds (initial weights, data order), with "
        "two-sided 95 % intervals (Student's t). A claim holds if the whole interval lies where "
        "it is true, and is contradicted if none of it does; there is no effect if the interval "
        "lies within the margin around zero; all else is inconclusive. Margins were fixed before "
        "the runs."
    )


def _provenance(overview: Overview) -> Iterator[str]:
    """What was registered beforehand; commits and machines of all runs, in a line each."""
    for study in overview.studies:
        if line := registration_line(study):
            yield f"{_number(study)}: {line}"
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


def _number(study: Study) -> str:
    """As "Table 5"."""
    return study.printed.title if study.printed else study.name
