"""What the forest plot shows: for each claim its paired differences, and where they must lie."""

from __future__ import annotations

import dataclasses

from vswin.wording import signed


@dataclasses.dataclass(frozen=True)
class Step:
    """A difference of two rows, in points, paired over seeds."""

    label: str
    by_seed: tuple[float, ...]
    mean: float
    low: float
    """Of the 95 % interval; equal to the mean where there is none."""
    high: float
    tone: str = ""
    """The verdict on this step, where it has a colour of its own."""

    @property
    def extent(self) -> float:
        """The largest distance from zero of anything that has to be seen."""
        return max(abs(value) for value in (self.low, self.high, *self.by_seed))


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claim, its verdict, and its differences."""

    title: str
    verdict: str
    """In the words of the page."""
    tone: str
    """The verdict alone, which gives its colour."""
    steps: tuple[Step, ...]
    needs: tuple[float, float]
    """Between what the whole interval must lie for the claim to hold; may be infinite."""
    margin: float | None
    """Differences within it, either way, count as no effect."""


@dataclasses.dataclass(frozen=True)
class Forest:
    """The claims of a table that were tested by differences of rows."""

    title: str
    notes: tuple[str, ...]
    unit: str
    """What a difference is one of: "top-1 on Moving Digits, points"."""
    claims: tuple[Claim, ...]

    def __repr__(self) -> str:
        return f"<Forest {self.title}: {sum(len(claim.steps) for claim in self.claims)} steps>"

    @property
    def in_words(self) -> str:
        """For those who cannot see it."""
        found = [
            f"{step.tone or claim.verdict}: {', '.join(step.label.splitlines())} "
            f"{signed(step.mean)} [{signed(step.low)}, {signed(step.high)}], "
            f"n = {len(step.by_seed)}"
            for claim in self.claims
            for step in claim.steps
        ]
        return f"{self.title}. {'; '.join(found)}"
