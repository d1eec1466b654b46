"""What the learning curves show: how every seed of every row learnt."""

from __future__ import annotations

import dataclasses

from vswin.report.pictures.levels import Bound

LOOKS = ("dotted", "dashed")
"""Lines at the bounds, in their order; matplotlib draws what these words say."""


@dataclasses.dataclass(frozen=True)
class RowCurves:
    """A row's runs: the same steps for all, and a curve of training top-1 in % for each seed."""

    label: str
    steps: tuple[int, ...]
    by_seed: tuple[tuple[float, ...], ...]

    @property
    def mean(self) -> tuple[float, ...]:
        """The mean over seeds, step by step."""
        return tuple(sum(values) / len(values) for values in zip(*self.by_seed, strict=True))


@dataclasses.dataclass(frozen=True)
class Curves:
    """The learning curves of a study."""

    title: str
    notes: tuple[str, ...]
    metric: str
    rows: tuple[RowCurves, ...]
    bounds: tuple[Bound, ...]

    def __repr__(self) -> str:
        return f"<Curves {self.title}: {len(self.rows)} rows>"

    @property
    def in_words(self) -> str:
        """For those who cannot see it."""
        return f"{self.title}. {'; '.join(row.label for row in self.rows)}"
