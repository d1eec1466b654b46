"""What a training step takes of a GPU's memory: a model of it, for the papers' own models.

    bytes = n (S + A) + 16 P

n   clips in a step.
S   bytes that autograd keeps of a clip for the backward pass: of the eager model in fp32, with the
    scores of attention written out, as the papers' code has them. `vswin.costs.saved` counts it.
A   bytes of all scores of a clip: printed memory fits one copy more than autograd keeps. That is an
    observation, and does not follow from anything. On a processor, a step of torchvision's Swin
    takes between none and one (`benchmarks/results/cpu.csv`).
P   parameters: four bytes each for weight, gradient, and the two moments of AdamW.

The appendix of MViT prints GPU memory (Tables A.2, A.5, A.6, A.9). The model gives the order of
those rows, and not their digits: workspaces, fragments and copies of gradients for other GPUs are
not in it. It is not what training takes here, either, which is less: attention is fused, shifted
windows are cut up, and some layers are computed again.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from vswin.costs.counting import as_counted, as_size
from vswin.errors import UsageError
from vswin.models.registry import family_of

if TYPE_CHECKING:
    from torch import nn

BYTES_PER_PARAMETER = 16
"""fp32: weight, gradient, first and second moment."""
CLIPS, IMAGES = 4, 64
"""On one GPU: section D.1 says 4 clips; 64 images are the 512 of section A.3 on 8 GPUs, which is an
assumption."""

ASSUMPTIONS = (
    "GiB = [n (S + A) + 16 P] / 2^30. n: clips in a step, where nothing else is said 4 (section "
    "D.1 of the appendix) or 64 images (the 512 of section A.3 on 8 GPUs, a number that is "
    "assumed). S: bytes kept of a clip for the backward pass by the eager model in fp32, attention "
    "scores included. A: the scores once more. P: parameters, each with weight, gradient and two "
    "moments of AdamW in fp32. Not in it: workspaces, fragments, what other GPUs need. What is "
    "trained here takes less."
)
"""The model in words, for those who see its numbers."""


@dataclasses.dataclass(frozen=True)
class TrainingMemory:
    """Bytes of one training step, term by term."""

    saved: int
    """S: kept of a clip for the backward pass."""
    scores: int
    """A: attention scores of a clip."""
    params: int
    """P: number of weights."""
    batch: int
    """n: clips, or images."""

    @property
    def parameters(self) -> int:
        """Bytes of weights, gradients and moments."""
        return BYTES_PER_PARAMETER * self.params

    @property
    def total(self) -> int:
        """Bytes of all."""
        return self.batch * (self.saved + self.scores) + self.parameters

    @property
    def gib(self) -> float:
        """That in 2^30 bytes, the "G" that the appendix prints by SlowFast's log."""
        return self.total / 2**30


def training_memory(
    model: nn.Module, input_size: tuple[int, int, int, int], batch: int | None = None
) -> TrainingMemory:
    """The memory of a training step, by the model that this module describes.

    Args:
        model: of any family, on any device (also the meta device); left untouched.
        input_size: (channels, T, H, W) of a clip in pixels.
        batch: clips in a step; None is `usual_batch`.

    Raises:
        UsageError: if `input_size` is not four positive integers, `batch` is below 1, or the model
            computes activations again instead of keeping them.
        ModelError: if the model is of no family, or does not take clips of that size.
    """
    from vswin.costs.saved import count_saved

    size = as_size(input_size)
    config = getattr(model, "config", None)
    if batch is not None and batch < 1:
        raise UsageError(f"batch={batch}: wanted at least one clip")
    if getattr(config, "activation_checkpointing", False):
        raise UsageError(
            "activation_checkpointing=True keeps nothing that could be counted; "
            "leave it out to have the memory of the papers' training"
        )
    saved, scores = count_saved(as_counted(model).train(), size)
    params = sum(p.numel() for p in model.parameters())
    return TrainingMemory(saved, scores, params, batch or usual_batch(model))


def usual_batch(model: object) -> int:
    """How many clips the papers train on at a time on one GPU; a model or a configuration."""
    config = getattr(model, "config", model)
    return IMAGES if family_of(config).is_image_model(config) else CLIPS
