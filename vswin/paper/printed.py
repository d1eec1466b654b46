"""The printed tables, whole: `vswin/paper/<paper>/<table>.yaml`.

A table holds every printed row, those of other systems, too, with every cell as it is printed.
Experiments refer to rows by id; a row that no experiment names is printed and not run. What is true
of all tables of a paper stands in its `paper.yaml`.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from vswin.errors import VswinError
from vswin.reading import ExperimentError, Strict, read_strictly, require_named

FOLDER = Path(__file__).parent
"""One folder for each paper, one file for each table."""
PAPER = "paper.yaml"
"""What a paper says of itself; no table has this name."""
DASHES = ("-", "–", "—", "")
"""How a table prints that a number is not known."""
NUMBER = re.compile(r"\d+(\.\d+)?")
"""How a cell with a number begins; what follows in the cell (`(−1.5)`, `×1×5`) is another one."""


class PrintedTableError(VswinError):
    """Two papers have a table of the same id."""


def _is_text(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("printed cells are quoted, so that their digits are kept")
    return value


Text = Annotated[str, BeforeValidator(_is_text)]
Id = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]


class Paper(Strict):
    """What is true of all tables of a paper."""

    paper: Id
    """Its folder."""
    title: str
    """As a sentence names it."""
    source: str
    """Where it is, and which version."""
    rule: Literal["paper", "macs", "fvcore"]
    """The rule of `vswin.costs` by which its costs were counted."""
    logged: dict[Id, Annotated[int, Field(ge=0)]] = Field(default_factory=dict)
    """Decimals to which a metric was rounded before it was rounded for a table, by metric: such a
    cell may be rounded twice."""


class Column(Strict):
    """One column as printed."""

    id: Id
    label: Text
    """Its heading; empty where the table prints none."""
    unit: str = ""
    """Of its numbers: %, G (10^9) or M (10^6)."""
    metric: Id | None = None
    """What its numbers are compared with: `flops`, `params`, or a metric of the runs' task. None:
    the column says what a row is."""

    @property
    def name(self) -> str:
        """What it is called where its values are listed."""
        return self.id.replace("_", " ")


class Row(Strict):
    """One row as printed; cells are text, whose number of digits says how exact they are."""

    id: Id
    system: Literal["ours", "other"] = "ours"
    """Whether it is the paper's own system or one that the paper compares with."""
    from_paper: Id | None = None
    """The paper that its costs are taken from, by its folder; None: they are the paper's own, or it
    is none of ours."""
    family: str = ""
    """What kind of model it is, where systems are compared in a picture; not printed so."""
    cells: dict[Id, Text]
    """By column."""


class SuspiciousCell(Strict):
    """A printed cell that does not follow from the paper; listed, never changed."""

    row: Id
    column: Id
    evidence: str
    confidence: Literal["high", "medium", "low"] = "high"
    """In the evidence."""


class PrintedTable(Strict):
    """A table of a paper."""

    table: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]
    """Its id, unique over all papers."""
    paper: Id
    """Its folder."""
    title: str
    """Its number as printed: Table 5."""
    caption: str
    source: str
    """Paper, version and table."""
    section: str
    """Where the paper discusses it."""
    dataset: Id
    """What its accuracies were measured on, as commands spell it."""
    columns: Annotated[tuple[Column, ...], Field(min_length=1)]
    rows: Annotated[tuple[Row, ...], Field(min_length=1)]
    suspicious: tuple[SuspiciousCell, ...] = ()
    remarks: tuple[str, ...] = ()
    """What its caption says that does not follow from the paper, with the evidence."""

    @model_validator(mode="after")
    def _check(self) -> PrintedTable:
        columns = _distinct("column", [column.id for column in self.columns])
        _distinct("metric", [column.metric for column in self.columns if column.metric])
        rows = _distinct("row", [row.id for row in self.rows])
        for row in self.rows:
            if row.cells.keys() != set(columns):
                different = ", ".join(sorted(row.cells.keys() ^ set(columns)))
                raise ValueError(f"row {row.id}: cells and columns differ: {different}")
            for column in self.columns:
                text = row.cells[column.id]
                if column.metric and text not in DASHES and not NUMBER.match(text):
                    raise ValueError(f"row {row.id}: {column.id} {text!r} begins with no number")
        _require("row", [s.row for s in self.suspicious], rows)
        _require("column", [s.column for s in self.suspicious], columns)
        return self

    def __repr__(self) -> str:
        sizes = f"{len(self.rows)} rows, {len(self.columns)} columns"
        return f"<PrintedTable {self.table}: {self.source}; {sizes}>"

    @property
    def labels(self) -> list[Column]:
        """The columns that say what a row is."""
        return [column for column in self.columns if column.metric is None]

    def row(self, row_id: str) -> Row | None:
        """The row of that id, None if it is not printed (a control, say)."""
        return next((row for row in self.rows if row.id == row_id), None)

    def column(self, metric: str) -> Column | None:
        """The column of a metric, None if the table has none."""
        return next((column for column in self.columns if column.metric == metric), None)

    def number(self, row_id: str, metric: str) -> str | None:
        """A printed number with its digits; None where the table has none."""
        row, column = self.row(row_id), self.column(metric)
        found = NUMBER.match(row.cells[column.id]) if row and column else None
        return found[0] if found else None

    def counted_as(self, row_id: str) -> Paper:
        """The paper whose way of counting and rounding a row's costs have."""
        row = self.row(row_id)
        return read_paper((row.from_paper if row else None) or self.paper)

    def suspicion(self, row_id: str, column_id: str) -> SuspiciousCell | None:
        """The evidence against a cell, None if the table lists none."""
        found = (s for s in self.suspicious if (s.row, s.column) == (row_id, column_id))
        return next(found, None)


@functools.cache
def printed_table(table: str) -> PrintedTable | None:
    """What a paper prints for a table; None where there is nothing printed (an own ablation).

    Raises:
        ExperimentError: if the file is broken; names file, line and key.
        PrintedTableError: if two papers have a table of that id.
    """
    found = sorted(p for p in FOLDER.glob(f"*/{table}.yaml") if p.name != PAPER)
    if len(found) > 1:
        raise PrintedTableError(f"two papers have a {table}: {', '.join(map(str, found))}")
    return read_printed_table(found[0]) if found else None


@functools.cache
def read_paper(paper: str) -> Paper:
    """What a paper says of itself.

    Raises:
        ExperimentError: if the file is broken or not there.
    """
    path = FOLDER / paper / PAPER
    found = read_strictly(path, Paper)
    if found.paper != paper:
        raise ExperimentError(f"{path}: key 'paper' is {found.paper!r}; the folder is {paper!r}")
    return found


def read_printed_table(path: Path) -> PrintedTable:
    """Reads the file of a table, which is in the folder of its paper.

    Raises:
        ExperimentError: if it is broken; names file, line and key.
    """
    return require_named(path, "table", read_strictly(path, PrintedTable))


def _distinct(what: str, names: list[str]) -> list[str]:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"{what}s must differ; repeated: {', '.join(repeated)}")
    return names


def _require(what: str, names: list[str], known: list[str]) -> None:
    if missing := [name for name in names if name not in known]:
        raise ValueError(f"{missing[0]} is no {what} of the table")
