"""The MLP for training on the CPU, some tokens at a time.

As `vswin.models.cpu.mlp`, which says why: the GELU's input alone is kept. Where there are many
tokens of few channels not even that, since it is large and quickly computed again. The output may
have other channels, and then what goes around the MLP is computed with it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional as F  # noqa: N812

from vswin.models.cpu import chunked
from vswin.models.mvit.cpu.products import add_product_, linear

FEW_CHANNELS = 192
"""Up to so many, the hidden layer is computed again."""


class Weights(NamedTuple):
    """Of the LN, the two linear layers, and the one around them, if any."""

    norm_weight: Tensor
    norm_bias: Tensor
    fc1_weight: Tensor
    fc1_bias: Tensor
    fc2_weight: Tensor
    fc2_bias: Tensor
    skip_weight: Tensor | None = None
    skip_bias: Tensor | None = None


def feed_forward(
    x: Tensor, norm: nn.LayerNorm, fc1: nn.Linear, fc2: nn.Linear, skip: nn.Linear | None = None
) -> Tensor:
    """FFN(LN(x)), and a linear layer of LN(x) added: (..., C) -> (..., C'); differentiable once."""
    layers = (norm, fc1, fc2) if skip is None else (norm, fc1, fc2, skip)
    weights = Weights(*(w for layer in layers for w in (layer.weight, layer.bias)))
    return _FeedForward.apply(x.flatten(0, -2), norm.eps, *weights).unflatten(0, x.shape[:-1])


class _FeedForward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: FunctionCtx, tokens: Tensor, eps: float, *weights: Tensor | None) -> Tensor:
        w, kept, out = Weights(*weights), [], []  # type: ignore[arg-type]
        for x in tokens.split(chunked.CHUNK):
            z = F.layer_norm(x, x.shape[1:], w.norm_weight, w.norm_bias, eps)
            if x.shape[1] <= FEW_CHANNELS:
                hidden = linear(z, w.fc1_weight, w.fc1_bias, gelu=True)
            else:
                kept.append(linear(z, w.fc1_weight, w.fc1_bias))
                hidden = F.gelu(kept[-1])
            out.append(linear(hidden, w.fc2_weight, w.fc2_bias))
            if w.skip_weight is not None:
                out[-1].add_(linear(z, w.skip_weight, w.skip_bias))
        ctx.save_for_backward(tokens, *w, *kept)  # type: ignore[arg-type]
        ctx.eps = eps  # type: ignore[attr-defined]
        return joined(out)

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, grad: Tensor) -> tuple[Tensor | None, ...]:
        tokens, *saved = ctx.saved_tensors  # type: ignore[attr-defined]
        w, kept = Weights(*saved[:8]), saved[8:]
        eps, size = ctx.eps, tokens.shape[1:]  # type: ignore[attr-defined]
        by_fc1 = by_fc2 = by_skip = None
        of_vectors = (w.norm_weight, w.norm_bias, w.fc1_bias, w.fc2_bias)
        vectors = [torch.zeros_like(v) for v in of_vectors]
        out = []
        chunks = zip(tokens.split(chunked.CHUNK), grad.split(chunked.CHUNK), strict=True)
        for i, (x, dy) in enumerate(chunks):
            z, mean, rstd = torch.native_layer_norm(x, size, w.norm_weight, w.norm_bias, eps)
            h = kept[i] if kept else linear(z, w.fc1_weight, w.fc1_bias)
            by_fc2 = add_product_(by_fc2, dy.t(), F.gelu(h))
            dh = torch.ops.aten.gelu_backward(linear(dy, w.fc2_weight.t()), h)
            by_fc1 = add_product_(by_fc1, dh.t(), z)
            dz = linear(dh, w.fc1_weight.t())
            if w.skip_weight is not None:
                dz.add_(linear(dy, w.skip_weight.t()))
                by_skip = add_product_(by_skip, dy.t(), z)
            dx, *by_norm = torch.ops.aten.native_layer_norm_backward(
                dz, x, size, mean, rstd, w.norm_weight, w.norm_bias, [True] * 3
            )
            out.append(dx)
            for total, part in zip(vectors, (*by_norm, dh.sum(dim=0), dy.sum(dim=0)), strict=True):
                total.add_(part)
        norm_weight, norm_bias, fc1_bias, fc2_bias = vectors
        skip = (None, None) if by_skip is None else (by_skip, fc2_bias.clone())
        by_weights = Weights(norm_weight, norm_bias, by_fc1, fc1_bias, by_fc2, fc2_bias, *skip)  # type: ignore[arg-type]
        return (joined(out), None, *by_weights)


def joined(parts: list[Tensor]) -> Tensor:
    """Parts of some rows as one; a single one as it is."""
    return parts[0] if len(parts) == 1 else torch.cat(parts)
