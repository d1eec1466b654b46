"""What the picture of whole tests shows: the cost of a video by the number of clips."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Point:
    """A test of a video."""

    clips: int
    tera: float
    """10^12 multiply-accumulates."""


@dataclasses.dataclass(frozen=True)
class Line:
    """A model."""

    label: str
    points: tuple[Point, ...]
    """Counted here; empty where the model is not built."""
    printed: Point | None
    """The test whose accuracy is printed."""
    top1: str
    """That, in %."""


@dataclasses.dataclass(frozen=True)
class Inference:
    """The models of a study."""

    title: str
    notes: tuple[str, ...]
    lines: tuple[Line, ...]

    def __repr__(self) -> str:
        return f"<Inference {self.title}: {len(self.lines)} models>"

    @property
    def in_words(self) -> str:
        """For those who cannot see it."""
        found = []
        for line in self.lines:
            points = line.points or ((line.printed,) if line.printed else ())
            costs = ", ".join(f"{point.clips} clips {point.tera:.3f} T" for point in points)
            found.append(f"{line.label}: {costs}")
        return f"{self.title}. {'; '.join(found)}"
