"""What a test on Moving Digits says of one difficulty."""

from __future__ import annotations

import dataclasses
from typing import Annotated

import numpy as np
from annotated_types import Ge, Le

from vswin.data.moving_digits import Classes

Share = Annotated[float, Ge(0), Le(1)]


@dataclasses.dataclass(frozen=True)
class Cell:
    """Accuracy at one difficulty."""

    coherence: float
    noise: float
    n: int
    """Test clips."""
    metrics: dict[str, Share]
    """By the names that the run's task gives them."""
    order_accuracy: Share | None = None
    """Of the two-phase clips for which the model answers with the right pair of directions, the
    share with the right order; 0.5 is a coin flip, None if there is no such clip."""
    digit_accuracy: Share | None = None
    """Share of clips whose digit was recognised, whatever the motion; None if any can appear."""
    motion_accuracy: Share | None = None
    """Share of clips whose motion was recognised, whatever the digit; None where all have the
    same, or where it is all there is to tell."""


def order_accuracy(classes: Classes, label: np.ndarray, top1: np.ndarray) -> float | None:
    """See `Cell.order_accuracy`; `label` and `top1` are (n,) classes."""
    swapped = np.asarray(classes.swapped)[label]
    two_phase = swapped != label
    ordered = int((two_phase & (top1 == label)).sum())
    reversed_ = int((two_phase & (top1 == swapped)).sum())
    return ordered / (ordered + reversed_) if ordered + reversed_ else None


def digit_and_motion_accuracy(
    classes: Classes, label: np.ndarray, top1: np.ndarray
) -> tuple[float | None, float | None]:
    """See `Cell`; `label` and `top1` are (n,) classes."""
    if classes.digits is None:
        return None, None
    digits = np.asarray(classes.digits)
    digit = float((digits[top1] == digits[label]).mean())
    motions = np.asarray([classes.phases.index(pair) for pair in classes.phases])
    if len(set(motions)) == 1:
        return digit, None
    return digit, float((motions[top1] == motions[label]).mean())
