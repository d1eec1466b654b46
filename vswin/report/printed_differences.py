"""What the paper prints of a claim."""

from __future__ import annotations

from vswin.paper.claims import Claim


def in_words(claim: Claim) -> str:
    """The printed difference; empty where none is printed."""
    return ""
