"""The checks that do not come from a sentence: tables against tables, and tables in themselves."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping

from vswin.paper.arithmetic import evaluate, in_words, names_in
from vswin.paper.auditing import Check, System, paper_checks
from vswin.paper.printed import DASHES, PrintedTable, printed_table
from vswin.report.audit.basis import Numbers
from vswin.report.audit.data import CheckResult
from vswin.report.doubts.quantities import sides_of, value_of
from vswin.report.memory import METRIC as MEMORY
from vswin.report.order import compare_order, order_in_words


def checks_of(paper: str, tables: list[PrintedTable], memory: Numbers) -> Iterator[CheckResult]:
    """Every check of a paper but those of its text.

    Args:
        paper: its folder's name.
        tables: the printed ones.
        memory: of a training step by a model of it, by table and row.
    """
    written = paper_checks(paper)
    for system in written.systems:
        yield from same_system(paper, system)
    for check in written.checks:
        yield formulas_agree(paper, check)
    for table in tables:
        yield from changes_in_cells(table)
        yield from distinct_sizes(table)
        yield from memory_in_order(table, memory.get(table.table, {}))


def same_system(paper: str, system: System) -> Iterator[CheckResult]:
    """One check for each column that several rows of the same system have."""
    for column in system.columns:
        found = {row: text for row in system.rows if (text := _text(row, column))}
        if len(found) < 2:
            continue
        texts = list(dict.fromkeys(found.values()))
        yield CheckResult(
            paper=paper,
            id=f"{system.id}_{column}",
            about="same system, other table",
            compared=f"{system.says}: {column} of {', '.join(f'`{row}`' for row in found)}",
            computed=" and ".join(texts),
            printed=texts[0],
            passes=len(texts) == 1,
            why=system.why,
            tables=tuple(dict.fromkeys(row.split(".")[0] for row in found)),
        )


def _text(row: str, column: str) -> str:
    table, row_id = row.split(".")
    printed = printed_table(table)
    found = printed.row(row_id) if printed else None
    if found is None:
        raise ValueError(f"{row} is no printed row")
    text = printed.number(row_id, column) if printed else None
    text = text or found.cells.get(column, "")
    return "" if text in DASHES else text


def formulas_agree(paper: str, check: Check) -> CheckResult:
    """Whether two formulas may come to the same, given the printed digits."""
    left, right, passes = sides_of(check)
    names = [*names_in(check.left), *names_in(check.right)]
    return CheckResult(
        paper=paper,
        id=check.id,
        about=check.about,
        compared=f"{check.says}: `{check.left}` against `{check.right}`",
        computed=in_words(right),
        printed=in_words(left),
        passes=passes,
        why=check.why,
        tables=tuple(dict.fromkeys(n.split(".")[0] for n in names if n.startswith("table"))),
    )


def changes_in_cells(table: PrintedTable) -> Iterator[CheckResult]:
    """Cells that say how much they differ from the first row, as `9.8 (−7.0)`."""
    first = table.rows[0]
    for row, column in itertools.product(table.rows, table.columns):
        found = re.search(r"\(([−+-])(\d+(?:\.\d+)?)\)", row.cells[column.id])
        if found is None:
            continue
        base = f"{table.table}.{first.id}.{column.id}"
        formula = f"{table.table}.{row.id}.{column.id} - {base}"
        computed = evaluate(formula, value_of)
        printed = evaluate(f"{'' if found[1] == '+' else '-'}{found[2]}", value_of)
        yield CheckResult(
            paper=table.paper,
            id=f"change_{table.table}_{row.id}_{column.id}",
            about="sums",
            compared=f"The change that the cell prints: `{formula}`",
            computed=in_words(computed),
            printed=found[0].strip("()"),
            passes=computed.face == printed.face,
            tables=(table.table,),
        )


def distinct_sizes(table: PrintedTable) -> Iterator[CheckResult]:
    """Whether two other systems of a table have the same number of parameters, digit for digit.

    Systems are told apart by how their names begin: `ViViT-L/16x2` and `ViViT-L/16x2 320` are one.
    """
    others = [row for row in table.rows if row.system == "other"]
    if "params" not in [column.id for column in table.columns] or len(others) < 2:
        return
    names = {row.id: re.split(r"[/,\[(]|\s", row.cells[table.columns[0].id])[0] for row in others}
    pairs = [
        (a, b)
        for a, b in itertools.combinations(others, 2)
        if a.cells["params"] == b.cells["params"] not in DASHES and names[a.id] != names[b.id]
    ]
    said = [f"{a.id} and {b.id}, both {a.cells['params']}" for a, b in pairs]
    yield CheckResult(
        paper=table.paper,
        id=f"distinct_sizes_{table.table}",
        about="copied cells",
        compared=f"Different systems of {table.title} have different numbers of parameters",
        computed="; ".join(said) or "all differ",
        printed="",
        passes=not pairs,
        why="One of them looks copied from the other." if pairs else "",
        tables=(table.table,),
    )


def memory_in_order(table: PrintedTable, ours: Mapping[str, float]) -> Iterator[CheckResult]:
    """Whether memory is printed in the order of the model of it; nothing where there is none.

    Args:
        table: the printed one.
        ours: by row, of the model of it.
    """
    printed = {row: float(text) for row in ours if (text := table.number(row, MEMORY))}
    order = compare_order(printed, ours)
    if not (order.alike or order.unlike):
        return
    doubted = [found.row for found in table.suspicious if found.column == MEMORY]
    yield CheckResult(
        paper=table.paper,
        id=f"memory_order_{table.table}",
        about="order of memory",
        compared=f"The memory that {table.title} prints, row against row, with that of a model of "
        f"a training step: `vswin cost {table.table} --memory`",
        computed=order_in_words(printed, ours, doubted),
        printed=f"{len(order.alike) + len(order.unlike)} pairs of rows differ",
        passes=not order.unlike,
        why="The order counts, and not the digits.",
        tables=(table.table,),
    )
