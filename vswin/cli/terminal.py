"""Output: tables that cut nothing, and streams that can be written whatever they are."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

NARROWEST = 7
"""Characters that a cell gets in a line at least, if it has so many."""
UNBOUNDED = 10_000
"""Width where nobody looks: lines of a file or pipe stay whole, for grep and awk."""


def console() -> Console:
    """Standard output, as wide as the terminal or $COLUMNS says; elsewhere without bound."""
    known = sys.stdout.isatty() or bool(os.environ.get("COLUMNS"))
    return Console(width=None if known else UNBOUNDED)


def print_line(text: str, out: Console | None = None) -> None:
    """A line as it is: the terminal breaks it, so that it can be copied whole."""
    (out or console()).print(text, soft_wrap=True, markup=False, highlight=False)


def print_table(
    title: str,
    columns: Sequence[str | Column],
    rows: Sequence[Sequence[str | Text]],
    names: int = 1,
    out: Console | None = None,
) -> None:
    """Prints a table in which nothing is cut.

    Cells go on below where they are too wide, names never do. Where even that needs more than the
    terminal has, each row is a block of lines. Columns in which no row says anything are left out.

    Args:
        title: said above it; may be empty.
        columns: the headers.
        rows: the cells of each row.
        names: how many of the first columns tell rows apart.
        out: where to; None is standard output.
    """
    out = out or console()
    cells = [[c if isinstance(c, Text) else Text(c) for c in row] for row in rows]
    wanted = [c if isinstance(c, Column) else Column(c) for c in columns]
    used = [k for k in range(len(wanted)) if k < names or any(len(row[k]) for row in cells)]
    if title:
        print_line(title, out)
    shown = [[row[k] for k in used] for row in cells]
    headers = [str(wanted[k].header) for k in used]
    widths = _widths(headers, shown, names, out.width)
    if widths is None:
        _print_blocks(headers, shown, names, out)
        return
    grid = Table()
    for k, header, width in zip(used, headers, widths, strict=True):
        grid.add_column(header, justify=wanted[k].justify, overflow="fold", width=width)
    for row in shown:
        grid.add_row(*row)
    out.print(grid)


def _widths(
    headers: Sequence[str], rows: Sequence[Sequence[Text]], names: int, room: int
) -> list[int] | None:
    """How wide columns are in so wide a table; None if it has no room for what they need.

    Names need all their width. Other cells need enough to be read, sentences more than numbers, and
    headers can be broken; what is left over goes to those that lack least.
    """
    longest = [
        max((cell.cell_len for cell in column), default=0) for column in zip(*rows, strict=True)
    ]
    longest = longest or [0] * len(headers)
    words = [max((cell_len(word) for word in header.split()), default=0) for header in headers]
    widths = [
        max(n, min(word, NARROWEST + 2))
        if k < names
        else max(min(n, NARROWEST), min(n // 5, 3 * NARROWEST), min(word, NARROWEST - 2))
        for k, (n, word) in enumerate(zip(longest, words, strict=True))
    ]
    room -= sum(widths) + 3 * len(widths) + 1
    if room < 0:
        return None
    for wanted in (
        [max(n, word) for n, word in zip(longest, words, strict=True)],
        [max(n, cell_len(header)) for n, header in zip(longest, headers, strict=True)],
    ):
        lacking = sorted(range(len(widths)), key=lambda k: wanted[k] - widths[k])
        for place, k in enumerate(lacking):
            more = min(max(wanted[k] - widths[k], 0), room // (len(lacking) - place))
            widths[k] += more
            room -= more
    return widths


def _print_blocks(
    headers: Sequence[str], rows: Sequence[Sequence[Text]], names: int, out: Console
) -> None:
    for row in rows:
        print_line(" ".join(cell.plain for cell in row[:names]), out)
        for header, cell in list(zip(headers, row, strict=True))[names:]:
            if cell:
                line = Text.assemble(f"  {header}: " if header else "  ", cell)
                out.print(line, soft_wrap=True, highlight=False)


def prepare_streams() -> None:
    """Makes the standard streams such that nothing that is printed can be an error of encoding.

    A stream that the caller has closed leads nowhere. Names of files keep their bytes where the
    encoding is UTF-8; elsewhere (LANG=C) what it does not have, as ×, is shown as a question mark.
    """
    sys.stdin = sys.stdin or _nowhere("r")
    sys.stdout = sys.stdout or _nowhere("w")
    sys.stderr = sys.stderr or _nowhere("w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            is_utf8 = stream.encoding.lower().replace("-", "") == "utf8"
            stream.reconfigure(errors="surrogateescape" if is_utf8 else "replace")


def _nowhere(mode: Literal["r", "w"]) -> TextIO:
    return Path(os.devnull).open(mode, encoding="utf-8")


def discard_output() -> None:
    """Nobody reads standard output any more: what is left in its buffer goes nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
