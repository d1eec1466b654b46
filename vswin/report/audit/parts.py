"""The parts of the audit's page, as texts; HTML and Markdown show the same."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator, Sequence

from vswin.paper.printed import printed_table
from vswin.report.audit.data import TEXT_AND_MODELS, Audit, Cell, CheckResult, TextNumber, labels
from vswin.report.doubts.finding import AS_BUILT, CONFIDENCES, LABELS, RECOMPUTED, Finding

MEANINGS = {
    RECOMPUTED: "counted here, to the printed digit, or what follows from such counts alone",
    AS_BUILT: "a setting, a shape or a definition: models, runs and recipes here are built with "
    "it, which says nothing about a result",
    "within": "found here within a tolerance: of an accuracy, fixed before anything was trained; "
    "of another work's cost, not fixed beforehand: wide enough for two ways to count one model",
    "tested": "not recomputed here, but a claim about it has a verdict: by counting, on Moving "
    "Digits, or on the paper's videos once they were run",
    "needs data": "only data, weights and GPUs that are not here can tell; the line says which",
    "printed elsewhere": "copied from another work, or about it; the line says which "
    "paper prints it, too, or that this was not checked",
    "suspicious": "there is evidence against it",
}
IN_SHORT = {
    RECOMPUTED: "recomputed to the digit",
    AS_BUILT: "settings and definitions as built",
    "within": "within tolerance",
    "tested": "tested",
    "needs data": "waiting for data",
    "printed elsewhere": "of other works",
    "suspicious": "in doubt",
}
"""What the headline calls them."""
TITLES = {"video_swin": "Video Swin Transformer", "mvit": "MViT, appendix"}
SHORT = {"video_swin": "Video Swin", "mvit": "MViT"}
"""What lists call them."""


@dataclasses.dataclass(frozen=True)
class GridCell:
    """A cell of a printed table as the page shows it."""

    text: str
    status: str
    """Empty: it is a name, and has none."""


@dataclasses.dataclass(frozen=True)
class Part:
    """A part of the page: a table of texts between words, folded or not."""

    title: str
    header: list[str]
    lines: list[list[str]]
    before: str = ""
    note: str = ""
    is_folded: bool = False
    grid_header: list[str] = dataclasses.field(default_factory=list)
    grid: list[list[GridCell]] = dataclasses.field(default_factory=list)
    """A printed table in the colours of its statuses, above the lines; for HTML alone."""
    heading: str = ""
    """Of several parts, above this one."""
    id: str = ""
    """The table or figure that it is about, to which others can link."""

    def __repr__(self) -> str:
        return f"<Part {self.title}: {len(self.lines)} lines>"


def headline(audit: Audit) -> str:
    """What a reader takes away who reads nothing else."""
    found = labels(audit.findings())
    said = ", ".join(f"{n} {IN_SHORT[label]}" for label, n in found.items() if n)
    return f"{sum(found.values())} printed numbers: {said}."


def checks_in_words(audit: Audit) -> str:
    """How many checks pass; apart, those of the text against what is built after it."""
    built = [check for check in audit.checks if check.about == TEXT_AND_MODELS]
    others = [check for check in audit.checks if check.about != TEXT_AND_MODELS]
    said = _passing("printed numbers against each other", others)
    if built:
        said += f" {_passing('the text against what is built after it', built)}"
    return said


def _passing(what: str, checks: Sequence[CheckResult]) -> str:
    passed = sum(check.passes for check in checks)
    return f"{len(checks)} checks of {what}: {passed} pass, {len(checks) - passed} fail."


def parts(audit: Audit) -> list[Part]:
    """All parts of the page, the counts and what is in doubt first."""
    return [
        _counts(audit),
        _suspicious(audit),
        _checks("Checks that fail", [c for c in audit.checks if not c.passes]),
        _differences(audit),
        *_tables(audit),
        *_texts(audit),
        *_passed(audit),
    ]


def _counts(audit: Audit) -> Part:
    """How many numbers of each paper have which status."""
    kinds = {
        (paper, kind): labels(each.finding for each in of if each.paper == paper)
        for paper in dict.fromkeys(cell.paper for cell in audit.cells)
        for kind, of in (("tables", audit.cells), ("text", audit.text))
    }
    lines = [
        [label, MEANINGS[label], *(str(found[label]) for found in kinds.values())]
        for label in LABELS
    ]
    lines.append(["together", "", *(str(sum(found.values())) for found in kinds.values())])
    header = ["status", "meaning", *(f"{TITLES.get(p, p)}: {kind}" for p, kind in kinds)]
    note = (
        "The claims that are named here stand on a page of their own: [claim by claim](overview). "
        f"Counts and verdicts: `{audit.record}`; models of other works, with their sources: "
        "`vswin/paper/peers.yaml`; what was chosen there because it gives a printed number is said "
        "beside that number. Audited are all cells with a number or a setting; "
        "of the text every number that states a result, a gain, a ratio, a size or a setting. "
        "Names are audited only where there is evidence against one."
    )
    return Part("How many of which status", header, lines, note=note)


def _suspicious(audit: Audit) -> Part:
    """What there is evidence against, the surest first; cells with one evidence in a line."""
    found: Sequence[Cell | TextNumber] = (*audit.cells, *audit.text)
    groups: dict[tuple[str, str, Finding], list[Cell | TextNumber]] = {}
    for each in found:
        if each.finding.status == "suspicious":
            groups.setdefault((each.paper, _where(each), each.finding), []).append(each)
    lines = [
        [where, _what(members), finding.confidence, finding.evidence]
        for (_, where, finding), members in groups.items()
    ]
    lines.sort(key=lambda line: CONFIDENCES.index(line[2]))
    n = sum(len(members) for members in groups.values())
    before = "What is printed stays as it is; the evidence stands beside it, the surest first."
    header = ["where", "what, as printed", "confidence", "evidence"]
    return Part(f"In doubt ({n})", header, lines, before=before)


def _where(each: Cell | TextNumber) -> str:
    """As "Video Swin, Table 1", which is a link, or "MViT, section A.2"."""
    if isinstance(each, Cell):
        place = f"[{each.label.partition(':')[0]}]({each.table})"
    else:
        place = each.where
    return f"{SHORT.get(each.paper, each.paper)}, {place}"


def _what(found: Sequence[Cell | TextNumber]) -> str:
    """Row by row what is printed, or what a number of the text is of."""
    said: dict[str, list[str]] = {}
    for each in found:
        if isinstance(each, Cell):
            row = each.label.partition(": ")[2]
            said.setdefault(row, []).append(f"{each.heading} {each.printed}")
        else:
            said.setdefault(each.of, []).append(each.printed)
    return "; ".join(f"{row}: {', '.join(numbers)}" for row, numbers in said.items())


def _checks(title: str, checks: Sequence[CheckResult], is_folded: bool = False) -> Part:
    lines = [[c.compared, c.computed, c.printed, c.why] for c in checks]
    header = ["what is compared", "computed", "printed", "remark"]
    note = (
        ""
        if is_folded
        else (
            "A printed number stands for all numbers that round to it; in brackets, what a "
            "computed one may then be. After “about” closing zeros are no digits. A check fails "
            "if nothing fits."
        )
    )
    return Part(f"{title} ({len(lines)})", header, lines, note=note, is_folded=is_folded)


def _passed(audit: Audit) -> Iterator[Part]:
    found = [check for check in audit.checks if check.passes]
    heading = "Checks that pass"
    for about in dict.fromkeys(check.about for check in found):
        part = _checks(about.capitalize(), [c for c in found if c.about == about], is_folded=True)
        yield dataclasses.replace(part, heading=heading)
        heading = ""


def _differences(audit: Audit) -> Part:
    lines = [
        [
            f"{SHORT.get(paper, paper)}, {d.where}",
            d.says,
            d.released,
            d.changes,
            d.source,
        ]
        for paper, d in audit.differences
    ]
    header = ["where", "the text", "what was released", "what it changes", "source"]
    title = f"Where the released configurations differ from the text ({len(lines)})"
    return Part(title, header, lines, is_folded=True)


def _tables(audit: Audit) -> Iterator[Part]:
    """A folded part for each printed table."""
    heading = "Table by table"
    for name in dict.fromkeys(cell.table for cell in audit.cells):
        cells = [cell for cell in audit.cells if cell.table == name]
        printed = printed_table(name)
        assert printed is not None
        statuses = {(cell.row, cell.column): cell.finding.label for cell in cells}
        grid = [
            [GridCell(row.cells[c.id], statuses.get((row.id, c.id), "")) for c in printed.columns]
            for row in printed.rows
        ]
        yield Part(
            f"{printed.title}: {_first(printed.caption)} ({_in_short(c.finding for c in cells)})",
            ["row", "cells", "status", "evidence"],
            list(_grouped(cells)),
            before=f"{printed.source}, discussed in section {printed.section}. Beside ours: "
            f"[{printed.title}]({name}).",
            is_folded=True,
            grid_header=[column.label for column in printed.columns],
            grid=grid,
            heading=heading,
            id=name,
        )
        heading = ""


def _first(caption: str) -> str:
    """Its first sentence."""
    return re.split(r"\. (?=[A-Z])", caption, maxsplit=1)[0].removesuffix(".")


def _grouped(cells: Sequence[Cell]) -> Iterator[list[str]]:
    """A line for all cells of a row that have the same to be said of them."""
    groups: dict[tuple[str, Finding], list[Cell]] = {}
    for cell in cells:
        groups.setdefault((cell.row, cell.finding), []).append(cell)
    for (_, finding), found in groups.items():
        row = found[0].label.partition(": ")[2]
        said = ", ".join(f"{cell.heading} {cell.printed}" for cell in found)
        yield [row, said, finding.label, finding.evidence]


def _in_short(findings: Iterable[Finding]) -> str:
    return ", ".join(f"{n} {label}" for label, n in labels(findings).items() if n)


def _texts(audit: Audit) -> Iterator[Part]:
    """A folded part for each section of a paper's text."""
    for paper in dict.fromkeys(number.paper for number in audit.text):
        numbers = [number for number in audit.text if number.paper == paper]
        heading = f"The text of {TITLES.get(paper, paper)}"
        for where in dict.fromkeys(number.where for number in numbers):
            found = [number for number in numbers if number.where == where]
            lines, before = [], ""
            for number in found:
                sentence = "the same sentence" if number.sentence == before else number.sentence
                before = number.sentence
                unit = number.unit if number.unit not in ("", "×", "%") else ""
                lines.append(
                    [
                        sentence,
                        f"{number.printed} {unit}".strip(),
                        number.of,
                        number.finding.label,
                        number.finding.evidence,
                    ]
                )
            title = f"{where[:1].upper()}{where[1:]} ({_in_short(n.finding for n in found)})"
            header = ["sentence", "number", "of", "status", "evidence"]
            place = _figure_of(where, audit)
            yield Part(title, header, lines, is_folded=True, heading=heading, id=place)
            heading = ""


def _figure_of(where: str, audit: Audit) -> str:
    """The figure whose caption it is, where that is all that is audited of it."""
    title = re.sub(r"\W", "", where.removeprefix("caption of "))
    name = title[:1].lower() + title[1:]
    has_cells = any(cell.table == name for cell in audit.cells)
    return name if printed_table(name) and not has_cells else ""
