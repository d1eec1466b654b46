"""What the picture of systems shows: accuracy over what a whole test of a video costs."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class System:
    """A printed row."""

    label: str
    family: str
    """Gives its marker."""
    data: str
    """What it was trained on before, which gives its colour."""
    tera: float
    """Views times printed FLOPs, in 10^12 multiply-accumulates."""
    top1: float
    """As printed, in %."""
    is_ours: bool
    """Whether it is of the paper that prints the table."""
    in_doubt: bool
    """Whether there is evidence against its accuracy or FLOPs."""


@dataclasses.dataclass(frozen=True)
class Tradeoff:
    """The systems of a table whose accuracy, views and FLOPs are printed."""

    title: str
    notes: tuple[str, ...]
    metric: str
    systems: tuple[System, ...]

    def __repr__(self) -> str:
        return f"<Tradeoff {self.title}: {len(self.systems)} systems>"

    @property
    def in_words(self) -> str:
        """For those who cannot see it."""
        found = [
            f"{s.label} {s.tera:g} T, {s.top1:g} %{' (in doubt)' * s.in_doubt}"
            for s in self.systems
        ]
        return f"{self.title}. {self.metric} over the cost of a test: {'; '.join(found)}"
