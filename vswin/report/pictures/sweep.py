"""What the picture of a swept setting shows: what each value of the ratio is worth."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Point:
    """A row: its ratio, and its mean over n seeds in % with the ends of its interval."""

    ratio: float
    mean: float
    low: float
    high: float
    n: int


@dataclasses.dataclass(frozen=True)
class Line:
    """Rows that differ in the ratio alone."""

    label: str
    points: tuple[Point, ...]
    """By the ratio."""
    before: float | None = None
    """What the weights reached that they started from, in %."""


@dataclasses.dataclass(frozen=True)
class Panel:
    """One metric."""

    metric: str
    lines: tuple[Line, ...]


@dataclasses.dataclass(frozen=True)
class Sweep:
    """All metrics, each over the same ratios."""

    title: str
    notes: tuple[str, ...]
    panels: tuple[Panel, ...]

    def __repr__(self) -> str:
        return f"<Sweep {self.title}: {len(self.panels)} metrics>"

    @property
    def in_words(self) -> str:
        """For those who cannot see it."""
        found = []
        for panel in self.panels:
            for line in panel.lines:
                means = ", ".join(f"{p.mean:.1f} at {p.ratio:g}×" for p in line.points)
                found.append(f"{panel.metric}, {line.label}: {means}")
        return f"{self.title}. {'; '.join(found)}"
