"""Reading the printed tables of `vswin/paper/tables`."""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

Metric = Literal["top1", "top5", "flops", "params"]


def _is_text(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("printed cells are quoted, so that their digits are kept")
    return value


Cell = Annotated[str, BeforeValidator(_is_text)]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PrintedRow(_Data):
    """One row as printed; cells are text, whose number of digits says how exact they are."""

    id: str
    labels: dict[str, str]
    """The columns that name the row, as printed."""
    top1: Cell | None = None
    top5: Cell | None = None
    flops: Cell | None = None
    params: Cell | None = None

    def cell(self, metric: Metric) -> Cell | None:
        """The printed cell of a column, None where the table has none."""
        return getattr(self, metric)


class Claim(_Data):
    """A sentence of the paper, made testable."""

    id: str
    says: str
    """The paper's statement, in our words, with its numbers."""
    kind: Literal[
        "accuracy_trend",
        "accuracy_within",
        "accuracy_equal",
        "cost_trend",
        "params_trend",
        "cost_saving",
    ]
    """accuracy_trend: top-1 rises along `rows`. accuracy_within: the first of two rows is at most
    `margin` points of top-1 below the second. accuracy_equal: it is at most `margin` points from
    the second, either way. cost_trend: FLOPs rise along `rows`; params_trend: parameters do.
    cost_saving: FLOPs of the first of two rows are `percent` % below the second's."""
    rows: tuple[str, ...]
    margin: float | None = None
    """In points of top-1 of the embedded benchmark; fixed before its seeds were run."""
    margin_on_videos: float | None = None
    """In points of top-1 on the paper's videos; fixed before anything was run on them."""
    percent: int | None = None

    @model_validator(mode="after")
    def _check(self) -> Claim:
        if (self.margin is None) == (self.kind in ("accuracy_within", "accuracy_equal")):
            raise ValueError(f"claim {self.id}: a margin belongs to accuracy_within and _equal")
        if (self.margin is None) != (self.margin_on_videos is None):
            raise ValueError(f"claim {self.id}: margin and margin_on_videos belong together")
        if (self.percent is None) == (self.kind == "cost_saving"):
            raise ValueError(f"claim {self.id}: a percent belongs to cost_saving")
        return self


class SuspiciousCell(_Data):
    """A printed cell that does not follow from the paper; listed, never changed."""

    row: str
    metric: Metric
    evidence: str


class PrintedTable(_Data):
    """A table of the paper, or the rows of it that are Video Swin's."""

    table: str
    caption: str
    source: str
    rows: tuple[PrintedRow, ...]
    claims: tuple[Claim, ...] = ()
    suspicious: tuple[SuspiciousCell, ...] = ()

    def row(self, row_id: str) -> PrintedRow | None:
        """The row of that id, None if it is not printed (a control, say)."""
        return next((row for row in self.rows if row.id == row_id), None)

    def suspicion(self, row_id: str, metric: Metric) -> str | None:
        """The evidence against a cell, None if there is none."""
        return next(
            (s.evidence for s in self.suspicious if (s.row, s.metric) == (row_id, metric)), None
        )


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A number of ours beside a printed one."""

    ours: str
    """Rounded to the printed number of digits."""
    printed: Cell
    exact: bool


def compare(ours: float, printed: Cell) -> Comparison:
    """Rounds `ours`, in the table's unit, to the digits of `printed` and compares the digits."""
    decimals = len(printed.partition(".")[2])
    rounded = f"{ours:.{decimals}f}"
    return Comparison(rounded, printed, rounded == printed)


@functools.cache
def printed_table(table: str) -> PrintedTable | None:
    """What the paper prints for a table; None where there is nothing printed (an own ablation)."""
    path = importlib.resources.files("vswin.paper") / "tables" / f"{table}.yaml"
    if not path.is_file():
        return None
    return PrintedTable.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
