"""What the plot of levels shows: the accuracy of every seed of every row, and what bounds it."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Strip:
    """A row or a control: results in %."""

    label: str
    by_seed: tuple[float, ...]
    mean: float
    low: float
    high: float
    aside: str = ""
    """Said at its right: how many seeds learnt, what the row costs."""
    printed: float | None = None
    """The paper's number, where ours may be set against it."""


@dataclasses.dataclass(frozen=True)
class Bound:
    """A level that theory predicts."""

    value: float
    label: str


@dataclasses.dataclass(frozen=True)
class Levels:
    """The results of a study."""

    title: str
    notes: tuple[str, ...]
    metric: str
    rows: tuple[Strip, ...]
    bounds: tuple[Bound, ...]
    controls: tuple[Strip, ...]
    control_bounds: tuple[Bound, ...]

    def __repr__(self) -> str:
        return f"<Levels {self.title}: {len(self.rows)} rows, {len(self.controls)} controls>"

    @property
    def in_words(self) -> str:
        """For those who cannot see it."""
        found = [f"{strip.label} {strip.mean:.1f}" for strip in (*self.rows, *self.controls)]
        return f"{self.title}. {self.metric}: {'; '.join(found)}"
