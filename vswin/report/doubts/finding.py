"""What became of a printed number, as plain data."""

from __future__ import annotations

import dataclasses

from vswin.paper.text import STATUSES, Status

CONFIDENCES = ("high", "medium", "low", "")
"""In the evidence against a number, the surest first."""
RECOMPUTED, AS_BUILT = "exact: recomputed", "exact: as built"
LABELS = (RECOMPUTED, AS_BUILT, *STATUSES[1:])
"""What lists call the statuses: of `exact`, what was counted is told from what was only set so."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """A status, and what it rests on."""

    status: Status
    evidence: str
    claims: tuple[str, ...] = ()
    """Claims about it, by id."""
    confidence: str = ""
    """In the evidence against a suspicious number."""
    recomputed: bool = False
    """Of what is exact: whether it is a counted cost, or follows from nothing else. Otherwise it is
    a setting, a shape or a definition, which the project is built with."""

    @property
    def label(self) -> str:
        """One of `LABELS`."""
        if self.status != "exact":
            return self.status
        return RECOMPUTED if self.recomputed else AS_BUILT
