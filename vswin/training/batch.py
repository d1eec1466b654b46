"""What a training step is fed with."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor


class MicroBatch(Protocol):
    """The part of a step's batch that one process sends through the model at a time."""

    @property
    def first(self) -> int:
        """Position of its first clip in the step's batch, over all processes."""

    @property
    def replaced(self) -> int:
        """Clips of it that stand for a video that could not be read."""

    def __len__(self) -> int:
        """Number of clips."""
        ...

    def on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Clips (b, C, T, H, W), ready for the model, and int64 labels (b,), on `device`."""
        ...


Batches = Callable[[int], Iterator[Sequence[MicroBatch]]]
"""From a step number to this process's micro-batches of that step, of the next one, and so on;
always the same ones."""


@dataclasses.dataclass(frozen=True)
class Clips:
    """A micro-batch that is already what the model wants."""

    clips: Tensor
    labels: Tensor
    first: int = 0
    replaced: int = 0

    def __len__(self) -> int:
        return len(self.labels)

    def on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Clips and labels on `device`."""
        return self.clips.to(device), self.labels.to(device)


def by_step(batch: Callable[[int], tuple[Tensor, Tensor]]) -> Batches:
    """Batches from a function of the step, undivided, for a process that is alone."""
    return lambda first: ([Clips(*batch(step))] for step in itertools.count(first))
