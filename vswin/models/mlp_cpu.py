"""The FFN of equation 1 on the CPU, some tokens at a time, so that the hidden layer stays in cache.

Its 4C channels are the widest thing in the model. Written to memory for a whole clip they cost
more time than the GELU on them, and in training twice the memory that the backward pass needs:
here it keeps the input of the GELU, and computes the LN and the GELU again.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional as F  # noqa: N812

CHUNK = 2048
"""Tokens at a time."""
CACHE_BYTES = 2**24
"""A hidden layer up to this size stays in the cache by itself."""


class Weights(NamedTuple):
    """Of the LN and the two linear layers."""

    norm_weight: Tensor
    norm_bias: Tensor
    fc1_weight: Tensor
    fc1_bias: Tensor
    fc2_weight: Tensor
    fc2_bias: Tensor


def serves(x: Tensor, fc1_weight: Tensor) -> bool:
    """Whether `feed_forward` is the faster way to the same result, and possible."""
    hidden = x.numel() // x.shape[-1] * len(fc1_weight) * x.element_size()
    return (
        x.device.type == "cpu"
        and hidden > CACHE_BYTES
        and x.dtype == fc1_weight.dtype
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )


def feed_forward(x: Tensor, weights: Weights, eps: float) -> Tensor:
    """FFN(LN(x)) of equation 1, without the residual connection; differentiable once.

    Args:
        x: (..., C).
        weights: (C,), (C,), (hidden, C), (hidden,), (C, hidden), (C,).
        eps: of the LN.

    Returns:
        (..., C).
    """
    tokens = x.flatten(0, -2)
    if torch.is_grad_enabled() and any(t.requires_grad for t in (x, *weights)):
        out = _FeedForward.apply(tokens, eps, *weights)
    else:
        out = _forward(tokens, weights, eps, None)
    return out.view(x.shape)


def _forward(tokens: Tensor, weights: Weights, eps: float, hidden: Tensor | None) -> Tensor:
    """(L, C) -> (L, C); fills `hidden` (L, hidden) with the input of the GELU, if given."""
    out = torch.empty_like(tokens)
    size = tokens.shape[1:]
    for rows in _chunks(tokens):
        x = F.layer_norm(tokens[rows], size, weights.norm_weight, weights.norm_bias, eps)
        into = None if hidden is None else hidden[rows]
        h = torch.addmm(weights.fc1_bias, x, weights.fc1_weight.t(), out=into)
        torch.addmm(weights.fc2_bias, F.gelu(h), weights.fc2_weight.t(), out=out[rows])
    return out


class _FeedForward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, tokens: Tensor, eps: float, *weights: Tensor) -> Tensor:
        hidden = tokens.new_empty(len(tokens), len(weights[2]))
        out = _forward(tokens, Weights(*weights), eps, hidden)
        ctx.save_for_backward(tokens, hidden, *weights)
        ctx.eps = eps  # type: ignore[attr-defined]
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor | None, ...]:
        tokens, hidden, *weights = ctx.saved_tensors  # type: ignore[attr-defined]
        w, d = Weights(*weights), Weights(*(torch.zeros_like(t) for t in weights))
        grad_tokens = torch.empty_like(tokens)
        size, eps = tokens.shape[1:], ctx.eps  # type: ignore[attr-defined]
        for rows in _chunks(tokens):
            x, h, dy = tokens[rows], hidden[rows], grad[rows]
            d.fc2_bias.add_(dy.sum(dim=0))
            d.fc2_weight.addmm_(dy.t(), F.gelu(h))
            dh = torch.ops.aten.gelu_backward(dy @ w.fc2_weight, h)
            normed, mean, rstd = torch.native_layer_norm(x, size, w.norm_weight, w.norm_bias, eps)
            d.fc1_bias.add_(dh.sum(dim=0))
            d.fc1_weight.addmm_(dh.t(), normed)
            dx, dw, db = torch.ops.aten.native_layer_norm_backward(
                dh @ w.fc1_weight, x, size, mean, rstd, w.norm_weight, w.norm_bias, [True] * 3
            )
            grad_tokens[rows] = dx
            d.norm_weight.add_(dw)
            d.norm_bias.add_(db)
        return (grad_tokens, None, *d)


def _chunks(tokens: Tensor) -> list[slice]:
    return [slice(start, start + CHUNK) for start in range(0, len(tokens), CHUNK)]
