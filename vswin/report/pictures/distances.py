"""What the picture of attention distances shows: a point for each head of each layer."""

from __future__ import annotations

import dataclasses

Points = tuple[tuple[int, float], ...]


@dataclasses.dataclass(frozen=True)
class Panel:
    """One model's heads on one kind of clips."""

    title: str
    """As `(a) ViT-B at initialization`."""
    kind: str
    """Of the clips."""
    points: Points
    """(layer from 1, distance)."""
    aside: str
    """Said in the panel."""


@dataclasses.dataclass(frozen=True)
class DistancesPicture:
    """Panels side by side, a line of them for each kind of clips."""

    title: str
    notes: tuple[str, ...]
    lines: tuple[tuple[Panel, ...], ...]

    def __repr__(self) -> str:
        return f"<DistancesPicture {self.title}: {sum(map(len, self.lines))} panels>"

    @property
    def in_words(self) -> str:
        """For those who cannot see it."""
        panels = [p for line in self.lines for p in line]
        return f"{self.title}. {'; '.join(f'{p.title}, {p.kind}: {p.aside}' for p in panels)}"
