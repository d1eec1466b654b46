"""What the picture of section C shows: formulas as lines, what was counted as points."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Series:
    """One line and its points."""

    label: str
    formula: tuple[float, ...]
    """For each place of its panel."""
    counted: tuple[float, ...]
    """At the same places."""


@dataclasses.dataclass(frozen=True)
class Panel:
    """A sweep."""

    title: str
    x_title: str
    y_title: str
    places: tuple[float, ...]
    ticks: tuple[str, ...]
    """A text for each place; empty ones where the axis says it itself."""
    series: tuple[Series, ...]

    @property
    def farthest(self) -> float:
        """The largest share by which a formula is off."""
        pairs = [
            pair for line in self.series for pair in zip(line.formula, line.counted, strict=True)
        ]
        return max(abs(formula / counted - 1) for formula, counted in pairs)


@dataclasses.dataclass(frozen=True)
class Formulas:
    """All sweeps."""

    title: str
    notes: tuple[str, ...]
    panels: tuple[Panel, ...]

    @property
    def in_words(self) -> str:
        """For those who cannot see it."""
        found = (
            f"{panel.title}: formulas are at most {100 * panel.farthest:.1f} % off"
            for panel in self.panels
        )
        return f"{self.title}. {'; '.join(found)}"
