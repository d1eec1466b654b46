"""What there is evidence against: in a table's own list, by hand, or by a count of its model.

The audit and the pages of tables take doubts from here. Costs of our own models are no part of it:
whoever shows them has the count beside them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from vswin.paper.arithmetic import in_words
from vswin.paper.auditing import known_cells, paper_checks
from vswin.paper.printed import Column, PrintedTable, Row
from vswin.report.doubts.finding import CONFIDENCES, Finding
from vswin.report.doubts.peers import Counts, peer_finding, read_counts
from vswin.report.doubts.quantities import sides_of


def doubts_in(printed: PrintedTable) -> dict[tuple[str, str], Finding]:
    """The evidence against cells of a table, by row and column."""
    found = {}
    for row in printed.rows:
        for column in printed.columns:
            known = known_of(printed, row, column)
            if known and known.status == "suspicious":
                found[row.id, column.id] = with_remark(known, printed, row, column)
    return found


def counted_peers(printed: PrintedTable, counts: Counts) -> Iterator[tuple[Row, Column, Finding]]:
    """The costs of a table's other systems that were counted, each with what is known of it."""
    for row in printed.rows:
        for column in printed.columns:
            if peer_finding(printed, row, column, counts):
                found = known_of(printed, row, column, counts)
                assert found is not None  # a count says something
                yield row, column, found


def known_of(
    printed: PrintedTable, row: Row, column: Column, counts: Counts | None = None
) -> Finding | None:
    """The evidence against a cell, or what the count of another system's model says of it.

    Args:
        printed: the table.
        row: of it.
        column: of it.
        counts: of other systems' models; None are those that the project keeps.
    """
    doubt = _doubt(printed, row, column)
    kept = read_counts() if counts is None else counts
    return _beside_count(printed, row, column, doubt, kept) or doubt


def with_remark(finding: Finding, printed: PrintedTable, row: Row, column: Column) -> Finding:
    """And what there is to say of the cell besides."""
    also = known_cells(printed.paper).remarks_on(f"{printed.table}.{row.id}.{column.id}")
    return dataclasses.replace(finding, evidence=f"{finding.evidence} {also}".rstrip())


def _doubt(printed: PrintedTable, row: Row, column: Column) -> Finding | None:
    """The evidence against a cell: from its table, by hand, or from a check that fails."""
    known = known_cells(printed.paper).of(f"{printed.table}.{row.id}.{column.id}")
    if listed := printed.suspicion(row.id, column.id):
        return Finding("suspicious", listed.evidence, confidence=listed.confidence)
    if known and known.status == "suspicious":
        return Finding("suspicious", known.evidence, confidence=known.confidence or "")
    for check in paper_checks(printed.paper).checks:
        if f"{printed.table}.{row.id}.{column.id}" in check.doubts:
            left, right, passes = sides_of(check)
            words = f"{check.says}: {in_words(left)} against {in_words(right)}. {check.why}"
            if not passes:
                return Finding("suspicious", words.strip(), confidence="medium")
    return None


def _beside_count(
    printed: PrintedTable, row: Row, column: Column, doubt: Finding | None, counts: Counts
) -> Finding | None:
    """A cost of another system beside the count of its model, and what else is known of it.

    None where nothing was counted. A count to the printed digit ends a doubt, a near one does not.
    """
    counted = peer_finding(printed, row, column, counts)
    known = known_cells(printed.paper).of(f"{printed.table}.{row.id}.{column.id}")
    if counted is None:
        return None
    doubt = None if counted.status == "exact" else doubt
    also = known.evidence if known and known.status != "suspicious" else ""
    words = " ".join(filter(None, (counted.evidence, doubt.evidence if doubt else "", also)))
    if doubt is None:
        return dataclasses.replace(counted, evidence=words)
    sure = min(filter(None, (counted.confidence, doubt.confidence)), key=CONFIDENCES.index)
    return Finding("suspicious", words, confidence=sure)
