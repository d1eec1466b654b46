"""What a report is made from, as plain data; `vswin.report.collect` makes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from vswin.experiments.trained import Sizes
from vswin.runs.record import RunRecord


class Value(NamedTuple):
    """One number of ours: a line of the long data frame."""

    paper: str
    table: str
    row: str
    column: str
    """A metric, or `n`, the number of test clips or videos."""
    seed: int | None
    """None for what is counted and not trained."""
    value: float
    """In the unit in which papers print it: %, 10^9 multiply-accumulates, 10^6 weights."""
    comparable: bool
    """Whether it may be set against the printed one."""


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of a study."""

    id: str
    labels: dict[str, str]
    """What the table prints to name it, by column; its id where nothing is printed."""
    control: str
    """Which check of the benchmark it is; `none` for a row of the paper."""
    is_beside: bool
    """Whether it is a row of the embedded benchmark alone, which the paper does not print."""
    model: Any
    """Configuration of the paper's own model."""
    input_size: tuple[int, int, int, int]
    """(C, T, H, W) of the paper's input."""
    sizes: dict[str, str]
    """Sizes of the model that is run in its place, by name; empty where none is."""
    trained: Sizes = dataclasses.field(default_factory=dict)
    """What is trained in its place, beside what the paper has; empty where nothing is."""

    def __repr__(self) -> str:
        return f"<Row {self.id}: {self.label}>"

    @property
    def label(self) -> str:
        """What names it, in one line."""
        if self.control != "none":
            return f"control: {self.control.replace('_', ' ')}"
        return ", ".join(self.labels.values())


@dataclasses.dataclass(frozen=True)
class Setting:
    """A setting of a row's training, and where its value stands."""

    row: str
    name: str
    value: str
    source: str


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The account of the training that a protocol follows."""

    title: str
    about: str
    settings: tuple[Setting, ...]

    def __repr__(self) -> str:
        return f"<Recipe {self.title}: {len({s.name for s in self.settings})} settings>"


@dataclasses.dataclass(frozen=True)
class Terms:
    """What a protocol says of itself and of the table that is run under it."""

    protocol: str
    title: str
    shows: str
    comparable: bool
    tests_claims: bool
    seeds: int
    """Seeds that are run when none are asked for."""
    tested_on: str
    """What is tested: clips or videos."""
    tolerance: float | None
    """Points from a printed number within which ours reproduces it; None: never compared."""
    metrics: dict[str, str]
    """What the runs' task measures: titles by name, the headline first."""
    num_classes: int
    """Classes of the dataset that the metrics are about."""
    deviations: tuple[str, ...]
    calibration: str
    recipe: Recipe | None

    def __repr__(self) -> str:
        return f"<Terms of protocol {self.protocol}: {self.title}>"

    @property
    def headline(self) -> str:
        """The metric whose interval is shown."""
        return next(iter(self.metrics))


Runs = Mapping[str, Mapping[int, RunRecord]]
"""Complete runs by row and seed."""


@dataclasses.dataclass(frozen=True)
class Item:
    """A point of a list."""

    text: str
    verdict: str = ""
    """Shown before it."""
    evidence: str = ""
    """Shown behind it."""


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of a page: a table of texts or a list, between words. Code is in backticks."""

    title: str
    header: list[str] = dataclasses.field(default_factory=list)
    lines: list[list[str]] = dataclasses.field(default_factory=list)
    items: list[Item] = dataclasses.field(default_factory=list)
    before: str = ""
    note: str = ""
    has_picture: bool = False
    """Whether the figure stands at its end."""

    def __repr__(self) -> str:
        return f"<Section {self.title}: {len(self.lines)} lines, {len(self.items)} items>"

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.lines or self.items)


def listing(title: str, texts: list[str], note: str = "") -> Section:
    """A section that is a list of plain texts."""
    return Section(title, items=[Item(text) for text in texts], note=note)


def percent(share: float | None) -> float:
    """A share in %; NaN where it is not known."""
    return float("nan") if share is None else 100 * share
