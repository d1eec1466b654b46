"""What torch may do with a computation besides computing it."""

from __future__ import annotations

import torch
from torch import Tensor

from vswin.models.errors import ModelError


def is_exporting() -> bool:
    """Whether torch.export asks: `torch.compiler.is_exporting`.

    torch 2.11 compiles that as if it were true always.
    """
    return torch.compiler._is_exporting_flag


def is_differentiated_or_mapped() -> bool:
    """Whether torch.func transforms what is computed: grad, vmap, jvp and those made of them."""
    return torch._C._are_functorch_transforms_active()  # as torch.autograd.Function asks itself


def is_transformed(x: Tensor) -> bool:
    """Whether operators of our own would stand in the way, and torch's stock ones do not.

    So it is under torch.func, in torch.export, and where `x` is a tensor of another kind: fake,
    sharded, or one that somebody else defines.
    """
    return type(x) is not Tensor or is_exporting() or is_differentiated_or_mapped()


def require_dtype(clip: Tensor, weights: torch.dtype) -> None:
    """Refuses a clip of another type than the weights: torch's error would name neither.

    Raises:
        ModelError: if the clip is of another type than the weights, and autocast, which leaves fp64
            as it is, does not bring both to one.
    """
    if clip.dtype == weights:
        return
    cast = torch.is_autocast_enabled(clip.device.type)
    if not cast or torch.float64 in (clip.dtype, weights):
        raise ModelError(
            f"clip is {clip.dtype}, and the model's weights are {weights}; wanted the same of both"
            + (", which autocast does not give fp64" if cast else ", or torch.autocast")
        )
