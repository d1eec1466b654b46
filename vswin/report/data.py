"""What a report is made from, as plain data; `vswin.report.collect` makes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from vswin.experiments.trained import Sizes
from vswin.paper.printed import DASHES
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


class Shown(NamedTuple):
    """Where a test of a published checkpoint is shown."""

    table: str
    protocol: str
    row: str


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of a study."""

    id: str
    labels: dict[str, str]
    """What the table prints to name it, by column; its title or id where nothing is printed."""
    control: str
    """Which check of the benchmark it is; `none` for a row of the paper."""
    is_beside: bool
    """Whether it is a row of the embedded benchmark alone, which the paper does not print."""
    model: Any
    """Configuration of the printed row's own model."""
    input_size: tuple[int, int, int, int]
    """(C, T, H, W) of the paper's input."""
    trained: Sizes = dataclasses.field(default_factory=dict)
    """What is trained in its place, beside what the paper has; empty where nothing is."""
    is_counted_only: bool = False
    """Whether it is a row of another system, whose costs are counted and which nothing runs."""
    published: str = ""
    """The file that its authors have published of the trained model; empty: none."""
    repeats: str = ""
    """The row above with the same printed cells, which is then printed twice; empty: none."""
    min_seeds: int = 1
    """A study of fewer seeds leaves it out."""

    def __repr__(self) -> str:
        return f"<Row {self.id}: {self.label}>"

    @property
    def names(self) -> list[str]:
        """The cells that name it, without those in which nothing stands."""
        return [cell for cell in self.labels.values() if cell not in (*DASHES, "n/a")]

    @property
    def label(self) -> str:
        """What names it, in one line."""
        if self.control != "none":
            return f"control: {self.control.replace('_', ' ')}"
        cells = ", ".join(self.names)
        return cells if cells.casefold() == self.id.casefold() else f"{self.id}: {cells}"


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


NARROW = 40
"""Letters of a table's cell that stays in one line."""
WIDE = 10
"""Columns of a table that is wider than a page."""
MANY = 5
"""Columns of words that a narrow page has no room for."""
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
    tone: str = ""
    """The verdict alone, which gives its colour."""


@dataclasses.dataclass(frozen=True)
class ClaimLine:
    """A claim on the first screen of a page, as texts."""

    quote: str
    """The paper's sentence; empty in an ablation of one's own."""
    where: str
    says: str
    """What is tested."""
    printed: str
    """The printed difference, and its z."""
    ours: str
    about: str
    """Of ours: the number of seeds, and which step it is."""
    verdict: str
    """In the words of the page: "holds on Moving Digits"."""
    tone: str
    """The verdict alone, which gives its colour."""
    evidence: str
    """Its class: counted, built in, open test, ..."""
    why: str
    """For a reader who doubts the evidence, the margin or the bounds; may be empty."""


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of a page: claims, a table of texts or a list, between words. Code is in backticks."""

    title: str
    header: list[str] = dataclasses.field(default_factory=list)
    lines: list[list[str]] = dataclasses.field(default_factory=list)
    items: list[Item] = dataclasses.field(default_factory=list)
    claims: list[ClaimLine] = dataclasses.field(default_factory=list)
    text: str = ""
    """What the section says, where that is no table and no list."""
    before: str = ""
    note: str = ""
    level: int = 3
    """Of its heading: 2 is a part of the report, 3 a section of a part."""
    is_folded: bool = False
    """Whether only its title is seen at first."""
    picture: str = ""
    """The name of the picture at its end, if there is one of that name."""

    def __repr__(self) -> str:
        return f"<Section {self.title}: {len(self.lines)} lines, {len(self.items)} items>"

    @property
    def is_narrow(self) -> bool:
        """Whether its table holds numbers and short words, which no line should break."""
        return all(len(cell) <= NARROW for line in self.lines for cell in line)

    @property
    def is_wide(self) -> bool:
        """Whether its table has so many columns that the lines of its cells must break."""
        return len(self.header) >= WIDE

    @property
    def is_stacked(self) -> bool:
        """Whether its table is words in so many columns that a narrow page sets one below another.

        A line's first cell says there what the line is about, and a column's title stands before
        each of the others.
        """
        are_words = any(len(cell) > NARROW for line in self.lines for cell in line[1:])
        return are_words and len(self.header) >= MANY

    @property
    def has_printed(self) -> bool:
        """Whether there is a printed difference beside one of its claims."""
        return any(claim.printed for claim in self.claims)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.lines or self.items or self.claims or self.text)


@dataclasses.dataclass(frozen=True)
class FailedRun:
    """A run that ended with an error, or never began since what it starts from did."""

    row: str
    seed: int
    why: str
    """The error in a line."""

    def __str__(self) -> str:
        return f"{self.row}, seed {self.seed} ({self.why})"


def listing(title: str, texts: list[str], note: str = "", level: int = 3) -> Section:
    """A section that is a list of plain texts."""
    return Section(title, items=[Item(text) for text in texts], note=note, level=level)


def percent(share: float | None) -> float:
    """A share in %; NaN where it is not known."""
    return float("nan") if share is None else 100 * share
