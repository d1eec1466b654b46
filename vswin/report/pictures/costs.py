"""What the picture of costs shows: counted costs beside printed ones, where some differ."""

from __future__ import annotations

import dataclasses

from vswin.wording import signed


@dataclasses.dataclass(frozen=True)
class Cost:
    """A printed cost and ours."""

    label: str
    """Row and metric."""
    percent: float
    """By how much ours is above the printed one."""
    rounding: float
    """By how much it may be, in %, because the printed one is rounded."""
    exact: bool


@dataclasses.dataclass(frozen=True)
class Costs:
    """The printed costs of a table."""

    title: str
    notes: tuple[str, ...]
    costs: tuple[Cost, ...]

    def __repr__(self) -> str:
        return f"<Costs {self.title}: {len(self.costs)} cells>"

    @property
    def in_words(self) -> str:
        """For those who cannot see it."""
        found = [f"{cost.label} {signed(cost.percent)} %" for cost in self.costs]
        return f"{self.title}. Ours against printed: {'; '.join(found)}"
