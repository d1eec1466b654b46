"""What the paper compares and does not print: it follows from cells, or from other papers."""

from __future__ import annotations

from decimal import Decimal
from math import prod

from vswin.paper.printed import PrintedTable

WHOLE = "whole"
"""Metric of a printed column: clips times the cost of one, in 10^12."""
PRETRAINING_IMAGES = {
    "ImageNet-1K": 1.28,  # Deng et al. 2009; Russakovsky et al. 2015
    "ImageNet-21K": 14.2,  # Ridnik et al. 2021; Liu et al. 2021 (Swin) say the same of ImageNet-22K
    "JFT-300M": 300.0,  # Sun et al. 2017, "more than 300M"
    "IG-65M": 65.0,  # Ghadiyaram et al. 2019; videos
}
"""In 10^6. The only numbers that the paper compares without printing them ("about 20 times less
pre-training data")."""


def printed_quantity(table: PrintedTable, row: str, metric: str) -> float | None:
    """What is printed for a row, or follows from what is printed; None where it does not.

    Args:
        table: as printed.
        row: the id of one of its rows.
        metric: a column's metric; or `views` (of one video in a test), `test_flops` (10^9
            multiply-accumulates for all of them), `pretraining_images` (10^6).
    """
    if metric == "views":
        return views_of(table, row)
    if metric == "test_flops":
        whole = test_flops(table, row)
        return None if whole is None else float(whole)
    if metric == "pretraining_images":
        return PRETRAINING_IMAGES.get(_cell(table, row, "pretrain"))
    number = table.number(row, metric)
    return None if number is None else float(number)


def test_flops(table: PrintedTable, row: str) -> Decimal | None:
    """Views times the printed FLOPs of one, in 10^9, exactly; None where either is not printed."""
    views, flops = views_of(table, row), table.number(row, "flops")
    return None if views is None or flops is None else views * Decimal(flops)


def views_of(table: PrintedTable, row: str) -> int | None:
    """Clips times crops of a video's test: of a cell `4×3`, or behind FLOPs, as in `G×1×5`."""
    column = table.column("flops")
    beside = _cell(table, row, column.id).partition("×")[2] if column else ""
    numbers = (_cell(table, row, "views") or beside).split("×")
    return prod(map(int, numbers)) if all(number.isdigit() for number in numbers) else None


def _cell(table: PrintedTable, row: str, column: str) -> str:
    found = table.row(row)
    return found.cells.get(column, "") if found else ""
