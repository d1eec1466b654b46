"""The FFN of equation 1 for training on the CPU, some tokens at a time.

Its hidden layer is the widest thing in the model, and autograd keeps it twice, before the GELU and
after, and the LN's output, too. Here only the GELU's input is kept. The backward pass computes the
other two again, for some tokens at a time: a pass over what was just written is cheap, one over new
memory for a whole clip is not.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional as F  # noqa: N812

from vswin.models.cpu import chunked


class Weights(NamedTuple):
    """Of the LN and the two linear layers."""

    norm_weight: Tensor
    norm_bias: Tensor
    fc1_weight: Tensor
    fc1_bias: Tensor
    fc2_weight: Tensor
    fc2_bias: Tensor


def serves(x: Tensor, norm: nn.LayerNorm, fc1: nn.Linear, fc2: nn.Linear) -> bool:
    """Whether `feed_forward` is the faster kernel for the same result, and possible.

    With a weight that is frozen it is not: torch skips the gradient, which is computed here.
    """
    return (
        torch.is_grad_enabled()
        and chunked.possible(x, norm, fc1, fc2)
        and chunked.hidden_is_large(x, fc1)
        and all(w.requires_grad for layer in (norm, fc1, fc2) for w in layer.parameters())
    )


def feed_forward(x: Tensor, weights: Weights, eps: float) -> Tensor:
    """FFN(LN(x)) of equation 1; differentiable once.

    Args:
        x: (..., C).
        weights: (C,), (C,), (hidden, C), (hidden,), (C, hidden), (C,).
        eps: of the LN.

    Returns:
        (..., C).
    """
    return _FeedForward.apply(x.flatten(0, -2), eps, *weights).view(x.shape)


class _FeedForward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, tokens: Tensor, eps: float, *weights: Tensor) -> Tensor:
        w, size = Weights(*weights), tokens.shape[1:]
        hidden = tokens.new_empty(len(tokens), len(w.fc1_weight))
        out = torch.empty_like(tokens)
        for rows in _chunks(tokens):
            x = F.layer_norm(tokens[rows], size, w.norm_weight, w.norm_bias, eps)
            h = torch.addmm(w.fc1_bias, x, w.fc1_weight.t(), out=hidden[rows])
            torch.addmm(w.fc2_bias, F.gelu(h), w.fc2_weight.t(), out=out[rows])
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
    return [slice(start, start + chunked.CHUNK) for start in range(0, len(tokens), chunked.CHUNK)]
