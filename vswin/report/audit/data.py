"""What the audit says, as plain data."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from vswin.paper.auditing import Difference
from vswin.paper.text import STATUSES, Status
from vswin.report.doubts.finding import LABELS, Finding

TEXT_AND_MODELS = "text and models"
"""Checks of the text against what the project is built with, which is transcribed from the text."""


@dataclasses.dataclass(frozen=True)
class Cell:
    """A printed cell."""

    paper: str
    table: str
    row: str
    column: str
    printed: str
    label: str
    """Table and row for a reader: Table 5, 16, 16×7×7."""
    heading: str
    """The column as printed; its id where the table prints none."""
    finding: Finding

    @property
    def name(self) -> str:
        """As formulas call it."""
        return f"{self.table}.{self.row}.{self.column}"


@dataclasses.dataclass(frozen=True)
class TextNumber:
    """A number of the running text."""

    paper: str
    where: str
    place: int
    """From 1: the how manieth number of that place of the text it is."""
    sentence: str
    printed: str
    unit: str
    kind: str
    of: str
    table: str
    """The tables that it speaks of, between spaces; empty if none."""
    finding: Finding

    @property
    def name(self) -> str:
        """As lists call it: `section 4.3, 12`."""
        return f"{self.where}, {self.place}"


@dataclasses.dataclass(frozen=True)
class CheckResult:
    """A check, and what came out."""

    paper: str
    id: str
    about: str
    """What kind it is."""
    compared: str
    """What is compared, in words."""
    computed: str
    printed: str
    passes: bool
    why: str = ""
    """What there is to say of it, above all if it fails."""
    tables: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Audit:
    """Every printed number with its status, and the checks."""

    cells: tuple[Cell, ...]
    text: tuple[TextNumber, ...]
    checks: tuple[CheckResult, ...]
    differences: tuple[tuple[str, Difference], ...]
    """With their papers."""
    record: str
    """Where the counts and verdicts are from, for a reader."""

    def __repr__(self) -> str:
        return f"<Audit of {len(self.cells)} cells and {len(self.text)} numbers of the text>"

    def findings(self, paper: str | None = None) -> list[Finding]:
        """Of all numbers, or those of a paper."""
        found: Sequence[Cell | TextNumber] = (*self.cells, *self.text)
        return [each.finding for each in found if paper in (None, each.paper)]


def counts(findings: Iterable[Finding]) -> dict[Status, int]:
    """How many there are of each status, zeros included."""
    found = [finding.status for finding in findings]
    return {status: found.count(status) for status in STATUSES}


def labels(findings: Iterable[Finding]) -> dict[str, int]:
    """How many there are of each label, zeros included."""
    found = [finding.label for finding in findings]
    return {label: found.count(label) for label in LABELS}
