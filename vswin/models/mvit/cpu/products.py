"""Matrix products of the kernels here: through oneDNN where torch has it, which is faster."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

_ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
"""Whether torch has the operator that its compiler makes of a linear layer and what follows it."""


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None, gelu: bool = False) -> Tensor:
    """A linear layer, and an exact GELU if asked for, without a gradient.

    Args:
        x: (..., C).
        weight: (C', C); a transposed view costs nothing.
        bias: (C',).
        gelu: whether to apply it.

    Returns:
        (..., C').
    """
    if _ONEDNN and x.dtype == torch.float32:
        after = ("gelu", "none") if gelu else ("none", "")
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, after[0], [], after[1])
    out = F.linear(x, weight, bias)
    return F.gelu(out) if gelu else out


def add_product_(total: Tensor | None, a: Tensor, b: Tensor) -> Tensor:
    """Adds a product of matrices to those so far, in place; None is the first."""
    return a @ b if total is None else total.addmm_(a, b)
