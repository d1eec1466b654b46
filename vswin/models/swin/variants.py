"""What a GPU computes with, of kernels that have the same result: one table, by number of clips.

The CPU has rules of its own (`vswin.models.swin.attention`, `vswin.models.swin.cpu`). A model can
be told to take a variant, wherever it computes: `take_(model, Variant(attention="by_mask"))`.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import torch
from torch import nn

from vswin.models.errors import ModelError

AttentionKernel = Literal["by_size", "by_mask", "triton"]
"""Shifted windows: small ones, a call of fused attention for each of up to 27 sizes; or full ones,
a call for each of up to eight masks. The first computes less, the second starts fewer kernels.
`triton` is one call for windows of all sizes, and for regular ones, see `vswin.models.swin.gpu`. A
model that was told to take it says so if it cannot; as a default it gives way to `by_size`."""
NormKernel = Literal["fp32", "half", "triton"]
"""LayerNorm under autocast. `fp32` is torch's, which reads and writes fp32. `half` writes half
precision, to which the next layer would round, and reads it where the tokens are in it; sums are in
fp32. `triton` is a kernel of our own, which does the same and puts tokens into windows at once; as
a default it gives way to `half`. See `vswin.models.swin.norms`."""


@dataclasses.dataclass(frozen=True)
class Variant:
    """One kernel of each kind."""

    attention: AttentionKernel = "by_size"
    norm: NormKernel = "fp32"


@dataclasses.dataclass(frozen=True)
class Default:
    """A line of the table."""

    most_clips: int | None
    """Clips in a call of the model up to which the line holds; None is any number."""
    variant: Variant
    because: str
    """The measurement that decided it: card, torch and file."""


DEFAULTS = (
    Default(
        None,
        Variant("triton", "triton"),
        "NVIDIA H200, torch 2.11.0+cu130, benchmarks/results/cuda.csv",
    ),
)
"""The first line that holds counts."""


def chosen(told: Variant | None, device: torch.device, clips: int) -> Variant | None:
    """What a module computes with that was `told` to; None leaves it to the rules of the CPU."""
    if told is not None or device.type == "cpu":
        return told
    return next(x.variant for x in DEFAULTS if x.most_clips is None or clips <= x.most_clips)


def take_(model: nn.Module, variant: Variant | None) -> None:
    """Tells a model which variant to compute with from now on, on any device; None undoes it.

    Raises:
        ModelError: if the model has no variants.
    """
    modules: list[Any] = [module for module in model.modules() if hasattr(module, "variant")]
    if not modules:
        raise ModelError(f"{type(model).__name__} has no kernel variants to choose from")
    for module in modules:
        module.variant = variant
