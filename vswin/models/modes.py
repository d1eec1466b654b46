"""What torch may do with a computation besides computing it."""

from __future__ import annotations

import torch
from torch import Tensor


def is_differentiated_or_mapped() -> bool:
    """Whether torch.func transforms what is computed: grad, vmap, jvp and those made of them."""
    return torch._C._are_functorch_transforms_active()  # as torch.autograd.Function asks itself


def is_transformed(x: Tensor) -> bool:
    """Whether operators of our own would stand in the way, and torch's stock ones do not.

    So it is under torch.func, in torch.export, and where `x` is a tensor of another kind: fake,
    sharded, or one that somebody else defines.
    """
    return type(x) is not Tensor or torch.compiler.is_exporting() or is_differentiated_or_mapped()
