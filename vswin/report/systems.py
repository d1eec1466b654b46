"""Where a paper compares systems: every row that it prints, and what a whole test of it costs."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from vswin.paper.quantities import WHOLE, test_flops, views_of

if TYPE_CHECKING:  # a study shows its table itself
    from vswin.report.study import Study

HEADING = "whole test printed / ours (T)"
UNKNOWN = "n/a"
IN_DOUBT = " ?"
"""Behind a printed number that there is evidence against."""


def are_compared(study: Study) -> bool:
    """Whether other systems are printed with views and FLOPs, and not with their product."""
    printed = study.printed
    if printed is None or printed.column(WHOLE):
        return False
    return any(row.system == "other" and test_flops(printed, row.id) for row in printed.rows)


def shown(study: Study) -> list[str]:
    """Ids of the rows of a page's table: where systems are compared, of all that is printed."""
    ours = [row.id for row in study.rows]
    if study.printed is None or not are_compared(study):
        return ours
    printed = [row.id for row in study.printed.rows]
    return [*printed, *(row for row in ours if row not in printed)]


def cell(study: Study, row_id: str, column: str) -> str:
    """What is printed there, with a mark if it is in doubt."""
    row = study.printed.row(row_id) if study.printed else None
    return row.cells[column] + mark(study, row_id, column) if row else ""


def mark(study: Study, row_id: str, column: str) -> str:
    """Of a cell that is in doubt; empty of others."""
    return IN_DOUBT if (row_id, column) in study.doubts else ""


def number(study: Study, row_id: str, metric: str) -> str | None:
    """A printed number with such a mark; None where none is printed."""
    found, column = study.number(row_id, metric), column_of(study, metric)
    return found + mark(study, row_id, column) if found else None


def column_of(study: Study, metric: str) -> str:
    """The printed column of a metric, by id; empty if there is none."""
    found = study.printed.column(metric) if study.printed else None
    return found.id if found else ""


def is_total_in_doubt(study: Study, row_id: str) -> bool:
    """Whether the cost of a whole test is, that is, the FLOPs of a view.

    Views alone that are in doubt are so for their order, clips × crops; the product has none.
    """
    return (row_id, column_of(study, "flops")) in study.doubts


def total(study: Study, row_id: str) -> Decimal | None:
    """What a test of a video costs, views times printed FLOPs, in 10^12; None where not printed."""
    found = test_flops(study.printed, row_id) if study.printed else None
    return None if found is None else found / 1000


def total_in_words(study: Study, row_id: str) -> str:
    """That, and beside it the same with what is counted here, where that is possible."""
    printed = total(study, row_id)
    if printed is None or study.printed is None:
        return UNKNOWN
    text = str(printed.quantize(Decimal("0.001"), ROUND_HALF_UP))
    text += IN_DOUBT if is_total_in_doubt(study, row_id) else ""
    if all(row.id != row_id for row in study.counted_rows):
        return text
    views = views_of(study.printed, row_id) or 0
    return f"{text} / {views * study.counted(row_id, 'flops') / 1000:.3f}"


def notes(study: Study) -> list[str]:
    """What has to be said of the table of such a page."""
    if not are_compared(study):
        return []
    texts = [
        f"Whole test: views × FLOPs in 10^12, which is left to the reader; {UNKNOWN} where views "
        "are not printed. Rows without a name in the first column are other systems, as printed."
    ]
    if study.counted_only:
        named = ", ".join(row.id for row in study.counted_only)
        rules = "`, `".join(sorted({study.rule_of(row.id) for row in study.counted_only}))
        texts.append(
            f"Of other systems, this project has {named}, too: their costs are counted by the rule "
            f"of the paper that the number is from (`{rules}`), and nothing is trained."
        )
    return texts
