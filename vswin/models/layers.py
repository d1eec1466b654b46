"""Small layers that all designs share: the FFN of equation 1 and stochastic depth."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from vswin.models.cpu import chunked
from vswin.models.cpu import mlp as mlp_cpu
from vswin.models.modes import is_exporting


class MLP(nn.Module):
    """The FFN of equation 1: two linear layers with GELU in between (section 3.1)."""

    def __init__(self, dim: int, hidden: int, dim_out: int | None = None) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim_out or dim)

    def forward(self, x: Tensor) -> Tensor:
        """(..., C) -> (..., C), or so many channels as were asked for."""
        return self.fc2(F.gelu(self.fc1(x)))


def feed_forward(x: Tensor, norm: nn.LayerNorm, mlp: MLP) -> Tensor:
    """FFN(LN(x)) of equation 1: (..., C) -> (..., C)."""
    if chunked.has_listeners(mlp) or not mlp_cpu.serves(x, norm, mlp.fc1, mlp.fc2):
        return mlp(norm(x))
    weights = mlp_cpu.Weights(
        norm.weight, norm.bias, mlp.fc1.weight, mlp.fc1.bias, mlp.fc2.weight, mlp.fc2.bias
    )
    return mlp_cpu.feed_forward(x, weights, norm.eps)


class DropPath(nn.Module):
    """Stochastic depth per sample [19]: drops a residual branch, scales the kept ones up."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self._rate = rate
        self._drops = rate > 0
        self._keep = np.array(1 - rate, dtype=np.float32)

    def forward(self, x: Tensor) -> Tensor:
        """(B, ...) -> (B, ...)."""
        if not self.active:
            return x
        shape = (x.shape[0],) + (1,) * (x.ndim - 1)
        if torch.compiler.is_compiling() and not is_exporting():
            # An array's number is no part of what is compiled: blocks whose rates alone differ are
            # compiled once. It is none of the module's tensors, which can be left uninitialised.
            kept = torch.from_numpy(self._keep)
            return x * ((torch.rand(shape, device=x.device) < kept) / kept).to(x.dtype)
        keep = 1 - self.rate
        mask = x.new_empty(shape).bernoulli_(keep)
        return x * (mask / keep)

    @property
    def rate(self) -> float:
        """The share of samples whose branch is dropped."""
        return self._rate

    @property
    def active(self) -> bool:
        """Whether it may drop anything now."""
        return self.training and self._drops

    def extra_repr(self) -> str:
        """The rate, for `print(model)`."""
        return f"rate={self.rate:.3f}"
