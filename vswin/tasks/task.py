"""What training and testing ask of a task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

if TYPE_CHECKING:  # a task is plain data, too: planning runs has no use for torch
    from torch import Tensor

Kept = dict[str, np.ndarray]
"""What is kept of the answers to n clips or videos, so that two runs can be compared in pairs:
arrays with n entries each, by name."""


class Task(Protocol):
    """A kind of label. The target of a clip is the label that its data give, as a tensor."""

    METRICS: ClassVar[dict[str, str]]
    """Name and printed title of each metric, the headline first. Metrics are in [0, 1], and are
    printed in %."""
    VERSION: ClassVar[int]
    """Raised by hand when a change of the code changes results."""

    @property
    def kind(self) -> str:
        """What tells it from other tasks in a run's configuration."""

    def loss(self, logits: Tensor, target: Tensor, label_smoothing: float) -> Tensor:
        """The training loss, the mean over the clips: logits (b, num_classes) to a scalar."""

    def hits(self, logits: Tensor, target: Tensor) -> Tensor:
        """How many of b clips are answered correctly, a scalar; what is shown of a training."""

    def scores(self, logits: Tensor) -> Tensor:
        """What is averaged over the views of a video: (v, num_classes) to the same, float32."""

    def keep(self, scores: Tensor, target: Tensor, best: int = 0) -> Kept:
        """What is kept of scores (n, num_classes), with the `best` classes of each if wanted."""

    def keep_missing(self, target: Tensor, num_classes: int, best: int = 0) -> Kept:
        """The same of clips that could not be read: wrong answers."""

    def metrics(self, kept: Kept) -> dict[str, float]:
        """Every metric over all that was kept, in the order of `METRICS`."""


def joined(parts: list[Kept]) -> Kept:
    """What was kept of several sets of clips, one after the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def as_json(kept: Kept) -> dict[str, Any]:
    """For notes on disk; `from_json` gives the same arrays again."""
    return {name: [str(array.dtype), array.tolist()] for name, array in kept.items()}


def from_json(content: dict[str, Any]) -> Kept:
    """See `as_json`."""
    return {name: np.asarray(values, dtype) for name, (dtype, values) in content.items()}
