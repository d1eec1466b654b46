"""What a GPU computes with, of kernels that have the same result: one table, by number of clips.

The CPU has rules of its own (`vswin.models.swin.attention`, `vswin.models.swin.cpu`). A model can
be told to take a variant, wherever it computes: `take_(model, Variant(attention="by_mask"))`.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import torch
from torch import Tensor, nn

from vswin.models.errors import ModelError

AttentionKernel = Literal["by_size", "by_mask", "triton"]
"""Shifted windows: small ones, a call of fused attention for each of up to 27 sizes; or full ones,
a call for each of up to eight masks. The first computes less, the second starts fewer kernels.
`triton` is one call for windows of all sizes, and for regular ones, see `vswin.models.swin.gpu`. A
model that was told to take it says so if it cannot; as a default it gives way to `by_size`."""
NormKernel = Literal["fp32", "half"]
"""LayerNorm under autocast: as torch has it, in and out in fp32; or out in the half precision that
what follows would round it to, and from there in it, too, with sums in fp32."""
UNMEASURED = "modelled, not measured"


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
    """The measurement that decided it: card, torch, commit and file; or `UNMEASURED`."""


DEFAULTS = (Default(None, Variant(), UNMEASURED),)
"""The first line that holds counts. Until `python -m benchmarks cuda` was run on a card, a GPU
takes what is nearest to the plain computation. By a count of kernels and bytes `by_mask` should win
up to four clips, where starting kernels takes longest, and `half` with any number."""


def chosen(told: Variant | None, device: torch.device, clips: int) -> Variant | None:
    """What a module computes with that was `told` to; None leaves it to the rules of the CPU."""
    if told is not None or device.type == "cpu":
        return told
    return next(x.variant for x in DEFAULTS if x.most_clips is None or clips <= x.most_clips)


def halves_norms(told: Variant | None, x: Tensor) -> bool:
    """Whether LN of (B, ...) tokens is `half`."""
    variant = chosen(told, x.device, x.shape[0])
    return variant is not None and variant.norm == "half"


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
