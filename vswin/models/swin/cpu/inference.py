"""Equation 1 for inference on the CPU, some windows or tokens at a time.

A pass over a whole clip's tokens goes to memory, and often to new memory, which the system clears
first. In chunks, what a pass reads is what the one before it has just written, in memory that is
used again and again. `python -m benchmarks kernels` has what this brings.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from vswin.models.cpu import chunked
from vswin.models.layers import MLP
from vswin.models.swin.attention import WindowAttention3D, fused
from vswin.models.swin.windows import WindowLayout, bias_of, by_size

WINDOW_CHUNK = 8192
"""Tokens, in whole windows, that attention takes at a time."""


def serves(
    x: Tensor, norm1: nn.LayerNorm, attn: WindowAttention3D, norm2: nn.LayerNorm, mlp: MLP
) -> bool:
    """Whether the two halves of a block here are faster, with the same result."""
    layers = (norm1, norm2, attn.qkv, attn.proj, mlp.fc1, mlp.fc2)
    return (
        not torch.is_grad_enabled()
        and chunked.possible(x, *layers)
        and chunked.hidden_is_large(x, mlp.fc1)
        and not chunked.has_listeners(attn)
        and not chunked.has_listeners(mlp)
    )


def attend(x: Tensor, norm: nn.LayerNorm, attn: WindowAttention3D, layout: WindowLayout) -> Tensor:
    """Attention and its residual connection, x + (S)W-MSA(LN(x)).

    Args:
        x: (B, L, C).
        norm: LN.
        attn: 3D(S)W-MSA.
        layout: of its windows, not masked.

    Returns:
        (B, L, C).
    """
    tokens, dim = x.flatten(0, 1), x.shape[2]
    volume = len(tokens)
    if layout.padded:
        tokens = F.pad(tokens, (0, 0, 0, 1))
    out = torch.empty_like(tokens)
    bias = attn.bias(layout)
    for size, (places,) in by_size(layout, layout.index):
        mask = bias_of(bias, size)
        for some in places.split(max(1, WINDOW_CHUNK // places.shape[1])):
            rows = some.flatten().long()  # index_copy_ takes no others
            residual = tokens.index_select(0, rows)
            normed = norm(residual)
            if layout.padded:
                normed.masked_fill_((rows == volume)[:, None], 0)
            attended = fused(attn.qkv(normed).view(*some.shape, 3 * dim), mask)
            out.index_copy_(0, rows, residual.add_(attn.proj(attended.reshape(-1, dim))))
    return out[:volume].view_as(x)


def feed_forward(x: Tensor, norm: nn.LayerNorm, mlp: MLP) -> Tensor:
    """The FFN and its residual connection, x + FFN(LN(x)): (..., C) -> (..., C)."""
    out = x.new_empty(x.shape)
    for some, result in zip(
        x.flatten(0, -2).split(chunked.CHUNK), out.flatten(0, -2).split(chunked.CHUNK), strict=True
    ):
        torch.add(some, mlp(norm(some)), out=result)
    return out
