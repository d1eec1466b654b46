"""Early stopping: the model is tested on a validation split after every epoch.

The best epoch has the highest score; of equals, the latest. Training stops when `patience` epochs
have passed since a score was last higher than all before. The test split is looked at once, when
training has ended.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn


@dataclasses.dataclass(frozen=True)
class Validation:
    """What training asks after every epoch, and tells in the end."""

    score: Callable[[], float]
    """Of the model as it is, the same in every process; higher is better."""
    patience: int
    """Epochs without a higher score after which training stops."""
    keep_last: Callable[[], None] = lambda: None
    """Called with the last weights in the model, before the best take their place."""


@dataclasses.dataclass(frozen=True)
class Best:
    """The best epoch so far."""

    score: float
    epoch: int
    """From 1."""
    risen: int
    """The last epoch in which the score was higher than all before."""
    weights: dict[str, Tensor]
    """On the CPU."""

    def as_dict(self) -> dict[str, Any]:
        """As a checkpoint holds it."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}


def latest_best(scores: Sequence[float]) -> int:
    """The best epoch, from 1, by the scores of all epochs."""
    return max(range(len(scores)), key=lambda place: (scores[place], place)) + 1


def better(before: Best | None, score: float, epoch: int, model: nn.Module) -> Best:
    """The best epoch when one more has ended.

    Args:
        before: the best epoch until then; None if it is the first.
        score: of the epoch that has ended.
        epoch: its number, from 1.
        model: as it is after it.
    """
    if before is not None and score < before.score:
        return before
    risen = epoch if before is None or score > before.score else before.risen
    weights = {n: value.detach().to("cpu", copy=True) for n, value in model.state_dict().items()}
    return Best(score, epoch, risen, weights)
