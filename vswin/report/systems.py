"""Where a paper compares systems: every row that it prints, and what a whole test of it costs."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from vswin.paper.quantities import WHOLE, test_flops, views_of

if TYPE_CHECKING:  # a study shows its table itself
    from vswin.report.study import Study

HEADING = "whole test printed / ours (T)"
UNKNOWN = "n/a"


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
    """What is printed there."""
    row = study.printed.row(row_id) if study.printed else None
    return row.cells[column] if row else ""


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
