"""`vswin audit`: every printed number with its status."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vswin.cli.options import OptionalResultsOption, say_absent, say_project
from vswin.cli.terminal import print_line, print_table
from vswin.errors import unknown

if TYPE_CHECKING:  # `vswin --help` does without
    from vswin.report.audit.data import Audit, Cell, TextNumber
    from vswin.report.doubts.finding import Finding


def audit(
    table: Annotated[
        str | None, typer.Option("--table", help="Only what is about a table.")
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(
            help="Only: exact, within, tested, needs data, printed elsewhere or suspicious."
        ),
    ] = None,
    results_dir: OptionalResultsOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="An object, for programs.")] = False,
) -> None:
    """Every printed number of the papers, with its status and evidence. Trains nothing.

    Without --results-dir it rests on the project's own record, results/reference. With --json,
    `cells`, `text` and `checks` are lists of objects, and `counts` has a number for each status. Of
    `exact`, what was counted here is `recomputed`; all else is a setting as built. Of what is
    `suspicious`, the evidence has high, medium or low confidence.
    """
    from vswin.report.audit.basis import RECORD, is_kept
    from vswin.report.audit.collect import load_audit
    from vswin.report.audit.parts import checks_in_words, headline

    say_project(quiet=as_json)
    where = results_dir or RECORD
    say_absent(where)
    if not is_kept(where):
        print(f"counting and judging {where} anew; `vswin report audit` keeps it", file=sys.stderr)
    found = _only(load_audit(where), table, status)
    if as_json:
        print(json.dumps(as_object(found), indent=1, ensure_ascii=False))
        return
    _print_numbers(found)
    if status is None:
        _print_checks(found)
    if found.findings():
        print_line(headline(found))
    if status is None:
        print_line(checks_in_words(found))


def _only(found: Audit, table: str | None, status: str | None) -> Audit:
    """What is about a table, and has a status.

    Raises:
        UsageError: if there is no such table or status.
    """
    from vswin.paper.text import STATUSES

    tables = list(dict.fromkeys(cell.table for cell in found.cells))  # then figures
    tables = list(dict.fromkeys([*tables, *" ".join(n.table for n in found.text).split()]))
    if table is not None and table not in tables:
        raise unknown("table", table, tables)
    if status is not None and status not in STATUSES:
        raise unknown("status", status, STATUSES)

    def is_wanted(each: Cell | TextNumber) -> bool:
        return (table is None or table in each.table.split()) and status in (
            None,
            each.finding.status,
        )

    return dataclasses.replace(
        found,
        cells=tuple(filter(is_wanted, found.cells)),
        text=tuple(filter(is_wanted, found.text)),
        checks=tuple(c for c in found.checks if table is None or table in c.tables),
    )


def as_object(found: Audit) -> dict[str, Any]:
    """The audit for a program."""
    from vswin.report.audit.data import counts, labels

    papers = [*(cell.paper for cell in found.cells), *(number.paper for number in found.text)]
    return {
        "cells": [_cell(cell) for cell in found.cells],
        "text": [_number(number) for number in found.text],
        "checks": [dataclasses.asdict(check) for check in found.checks],
        "differences": [
            {"paper": paper, **difference.model_dump()} for paper, difference in found.differences
        ],
        "counts": counts(found.findings()),
        "labels": labels(found.findings()),
        "papers": {paper: counts(found.findings(paper)) for paper in dict.fromkeys(papers)},
        "record": found.record,
    }


def _cell(cell: Cell) -> dict[str, Any]:
    return {
        "paper": cell.paper,
        "table": cell.table,
        "row": cell.row,
        "column": cell.column,
        "printed": cell.printed,
        **dataclasses.asdict(cell.finding),
    }


def _number(number: TextNumber) -> dict[str, Any]:
    return {
        "paper": number.paper,
        "where": number.where,
        "place": number.place,
        "sentence": number.sentence,
        "printed": number.printed,
        "unit": number.unit,
        "kind": number.kind,
        "of": number.of,
        "tables": number.table.split(),
        **dataclasses.asdict(number.finding),
    }


def _print_numbers(found: Audit) -> None:
    cells = [
        (c.table, c.row, c.column, c.printed, _status(c.finding), c.finding.evidence)
        for c in found.cells
    ]
    text = [
        (
            f"{n.paper} {n.where}",
            str(n.place),
            n.of,
            n.printed,
            _status(n.finding),
            n.finding.evidence,
        )
        for n in found.text
    ]
    columns = ("where", "row", "column", "printed", "status", "evidence")
    if cells:
        print_table("Cells", columns, cells, names=3)
    if text:
        columns = ("where", "number", "of", "printed", "status", "evidence")
        print_table("Numbers of the text", columns, text, names=2)


def _status(finding: Finding) -> str:
    """In doubt: how sure the evidence is, too."""
    doubt = f", {finding.confidence}" if finding.status == "suspicious" else ""
    return f"{finding.label}{doubt}"


def _print_checks(found: Audit) -> None:
    lines = [(c.id, c.compared, c.computed, c.printed, c.why) for c in found.checks if not c.passes]
    if lines:
        print_table(
            "Checks that fail", ("check", "compared", "computed", "printed", "remark"), lines
        )
