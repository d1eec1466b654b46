"""What the paper compares and does not print: it follows from cells, or from other papers."""

from __future__ import annotations

from math import prod

from vswin.paper.printed import PrintedTable

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
        return _views(table, row)
    if metric == "test_flops":
        views, flops = _views(table, row), table.number(row, "flops")
        return None if views is None or flops is None else views * float(flops)
    if metric == "pretraining_images":
        return PRETRAINING_IMAGES.get(_cell(table, row, "pretrain"))
    number = table.number(row, metric)
    return None if number is None else float(number)


def _views(table: PrintedTable, row: str) -> int | None:
    """Clips times crops; a cell says 4×3."""
    numbers = _cell(table, row, "views").split("×")
    return prod(map(int, numbers)) if all(number.isdigit() for number in numbers) else None


def _cell(table: PrintedTable, row: str, column: str) -> str:
    found = table.row(row)
    return found.cells.get(column, "") if found else ""
