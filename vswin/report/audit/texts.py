"""The status of every number of the running text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from vswin.paper.arithmetic import Span, evaluate, in_digits, in_words, names_in, printed_spans
from vswin.paper.claims import paper_claims
from vswin.paper.printed import FOLDER, PAPER, printed_table
from vswin.paper.text import STATUSES, Number, Sentence, Status, paper_text
from vswin.report.audit.basis import Basis, Verdict
from vswin.report.audit.cells import SETTLED, awaited_of
from vswin.report.audit.data import TEXT_AND_MODELS, Cell, CheckResult, TextNumber
from vswin.report.doubts.finding import Finding
from vswin.report.doubts.quantities import (
    is_cell,
    is_training,
    repeated,
    trained_row,
    value_of,
)

WEAKEST: tuple[Status, ...] = (
    "exact",
    "within",
    "printed elsewhere",
    "tested",
    "needs data",
    "suspicious",
)
"""What follows from several numbers is as sure as the least sure of them; the surest first."""
assert {*WEAKEST} == {*STATUSES}
PRINTED = "paper_printed"
"""The protocol that trains with the settings of the text."""
Cells = Mapping[str, Cell]
"""By what formulas call them."""


def text_of(paper: str, cells: Cells, basis: Basis) -> tuple[list[TextNumber], list[CheckResult]]:
    """Every number of a paper's text with its status, and the checks that it gave rise to."""
    numbers: list[TextNumber] = []
    checks: list[CheckResult] = []
    places: dict[str, int] = {}
    by_id: dict[str, Finding] = {}
    for sentence in paper_text(paper):
        for number in sentence.numbers:
            place = places[sentence.where] = places.get(sentence.where, 0) + 1
            name = f"{sentence.where}, {place}"
            result = check_of(paper, name, number)
            finding = finding_of(number, result, cells, basis, by_id)
            if number.id:
                by_id[f"text.{number.id}"] = finding
            numbers.append(_as_entry(paper, sentence, place, number, finding))
            checks += [result] if result else []
    return numbers, checks


def check_of(paper: str, name: str, number: Number) -> CheckResult | None:
    """A number of the text beside what it follows from; None where nothing is said of that."""
    printed = printed_spans(number.number, number.unit, number.about)
    if number.cell:
        found = [[span.face for span in repeated(cell)] for cell in number.cell]
        computed = ", ".join(in_digits(face) for faces in found for face in faces)
        passes = all(faces == [span.face for span in printed] for faces in found)
        formulas: tuple[str, ...] = number.cell
    elif number.is_:
        spans = [evaluate(formula, value_of) for formula in number.is_]
        computed, formulas = ", ".join(map(in_words, spans)), number.is_
        if number.relation == "over":
            passes = all(span.face > printed[0].face for span in spans)
        else:
            beside = printed * len(spans) if len(printed) == 1 else printed
            passes = len(spans) <= len(beside) and all(
                _agree(span, other) for span, other in zip(spans, beside, strict=False)
            )
    else:
        return None
    said = "; ".join(f"`{formula}`" for formula in formulas)
    tables = (each.split(".")[0] for formula in formulas for each in names_in(formula))
    return CheckResult(
        paper=paper,
        id=name,
        about="text and tables" if any(map(is_cell, _names(formulas))) else TEXT_AND_MODELS,
        compared=f"{number.of[:1].upper()}{number.of[1:]}: {said}",
        computed=computed,
        printed=number.number,
        passes=passes,
        why=number.evidence,
        tables=tuple(dict.fromkeys(table for table in tables if table.startswith("table"))),
    )


def _agree(computed: Span, printed: Span) -> bool:
    """Whether they may be the same number; a sign that the text leaves to the words counts not."""
    mirrored = Span(-computed.face, -computed.high, -computed.low)
    return computed.meets(printed) or (printed.face > 0 and mirrored.meets(printed))


def _names(formulas: tuple[str, ...]) -> list[str]:
    return [name for formula in formulas for name in names_in(formula)]


def finding_of(
    number: Number,
    check: CheckResult | None,
    cells: Cells,
    basis: Basis,
    by_id: Mapping[str, Finding],
) -> Finding:
    """The status of a number: by hand, or by its check, its claims and what it follows from."""
    verdicts = {name: basis.verdicts[name] for name in number.claims if name in basis.verdicts}
    said = "; ".join(f"`{name}` {_verdict(found)}" for name, found in verdicts.items())
    claims = f"Claims about it: {said}." if said else ""
    computed = f"{check.compared.partition(': ')[2]} = {check.computed}" if check else ""

    def finding(status: Status, *evidence: str, recomputed: bool = False) -> Finding:
        words = " ".join(part for part in (*evidence, number.evidence, claims) if part)
        confidence = number.confidence or ("high" if status == "suspicious" else "")
        return Finding(status, words, number.claims, confidence, recomputed)

    if check and not check.passes:
        return finding("suspicious", f"{computed}, printed {number.number}.")
    if number.status:
        return finding(number.status, f"{computed}." if computed else "")
    if any(v.evidence == "counted" and v.verdict == "contradicted" for v in verdicts.values()):
        return finding("suspicious", f"{computed}." if computed else "")
    settled = any(found.verdict in SETTLED for found in verdicts.values())
    if check is None:
        return finding("tested" if settled else "needs data")
    of = _names(number.cell or number.is_)
    status: Status = "exact"
    for name in of:
        status = max(status, status_of(name, cells, by_id), key=WEAKEST.index)
    # A ratio to another work's number is no copy of it: a claim with a verdict says more.
    if settled and (status == "needs data" or (status == "printed elsewhere" and number.is_)):
        status = "tested"
    needed = _because(of, cells, status, basis)
    counted = [_is_recomputed(name, cells, by_id) for name in of]
    recomputed = status == "exact" and bool(counted) and all(counted)
    return finding(status, f"{computed}.", needed, recomputed=recomputed)


def _verdict(found: Verdict) -> str:
    """With its numbers, where they are of the printed number itself and no stand-in for it."""
    is_itself = found.evidence in ("counted", "at initialisation") and found.reason
    return f"{found.verdict} ({found.reason})" if is_itself else found.verdict


def status_of(name: str, cells: Cells, by_id: Mapping[str, Finding]) -> Status:
    """How sure the number is that a formula names."""
    if name in by_id:
        return by_id[name].status
    if is_cell(name):
        cell = cells.get(".".join(name.split(".")[:3]))
        return cell.finding.status if cell else "needs data"
    return "needs data" if is_training(name) else "exact"


def _is_recomputed(name: str, cells: Cells, by_id: Mapping[str, Finding]) -> bool:
    """Whether a formula names what was counted; a second number in a cell was not."""
    cell = cells.get(name)
    found = by_id.get(name) or (cell.finding if cell else None)
    return found is not None and found.recomputed


def _because(names: list[str], cells: Cells, status: Status, basis: Basis) -> str:
    """What there is to say of the cells that make a number so sure; of settings, a training."""
    if status not in ("within", "needs data", "tested", "suspicious"):
        return ""
    same = ("needs data", "tested") if status in ("needs data", "tested") else (status,)
    found = [cells[name] for name in dict.fromkeys(names) if name in cells]
    if deciding := [cell for cell in found if cell.finding.status in same]:
        labels: dict[str, list[str]] = {}
        for cell in deciding:
            labels.setdefault(cell.finding.evidence, []).append(cell.label)
        return " ".join(f"As {' and '.join(of)}: {said}" for said, of in labels.items())
    if settings := [name for name in names if is_training(name)]:
        return (
            "A setting of the training, which the project has; only a training can tell what it "
            f"is worth{_training(settings[0], basis)}. Settings of the model and of the test count "
            "as built."
        )
    return ""


def _training(setting: str, basis: Basis) -> str:
    """The data, weights, command and GPU-hours of a training with a setting of the text."""
    found = trained_row(setting)
    if found is None:
        return ""
    table, row_id = found
    printed = printed_table(table)
    row = printed.row(row_id) if printed else None
    assert printed and row
    return f": {awaited_of(printed, row, basis, PRINTED).removesuffix('.')}"


def _as_entry(
    paper: str, sentence: Sentence, place: int, number: Number, finding: Finding
) -> TextNumber:
    return TextNumber(
        paper=paper,
        where=sentence.where,
        place=place,
        sentence=sentence.sentence,
        printed=number.number,
        unit=number.unit,
        kind=number.kind,
        of=number.of,
        table=" ".join(dict.fromkeys(_tables(paper, sentence, number))),
        finding=finding,
    )


def _tables(paper: str, sentence: Sentence, number: Number) -> Iterator[str]:
    """The tables and figures of its formulas and claims, and the one whose caption it is of."""
    yield from re.findall(r"\btable[A-Z]?\d+", " ".join((*number.cell, *number.is_)))
    yield from (c.table for c in paper_claims(paper) if c.table and c.id in number.claims)
    if sentence.where.startswith("caption of "):
        for path in sorted((FOLDER / paper).glob("*.yaml")):
            printed = printed_table(path.stem) if path.name != PAPER else None
            if printed and sentence.where == f"caption of {printed.title}":
                yield printed.table
