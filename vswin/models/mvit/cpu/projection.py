"""LN and the linear layers of queries, keys and values for training on the CPU.

Some tokens at a time, so that what a pass reads is in the cache; the LN's output, which autograd
would keep, is computed again in the backward pass. Keys and values are made of the tokens alone
that a pool reads, which is one in seven where a 3 x 3 filter moves by 8.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx, once_differentiable
from torch.nn import functional as F  # noqa: N812

from vswin.models.cpu import chunked
from vswin.models.mvit.config import Triple
from vswin.models.mvit.cpu.mlp import joined
from vswin.models.mvit.cpu.products import add_product_, linear
from vswin.models.mvit.geometry import Pool

Group = tuple[Tensor | None, tuple[int, ...]]
"""Rows of the tokens, None for all, and which of queries (0), keys (1), values (2) they become."""


def project(x: Tensor, norm: nn.LayerNorm, qkv: nn.Linear, groups: list[Group]) -> list[Tensor]:
    """LN and linear layers.

    Args:
        x: (B, N, C).
        norm: LN.
        qkv: C -> 3C.
        groups: what to make of which of the B * N rows.

    Returns:
        (B, rows, C) for each part, in the order of the groups.
    """
    tokens = x.flatten(0, 1)
    if torch.is_grad_enabled():
        weights = (norm.weight, norm.bias, qkv.weight, qkv.bias)
        flat = _Projection.apply(tokens, norm.eps, groups, *weights)
    else:
        flat = _forward(tokens, norm.eps, groups, norm.weight, norm.bias, qkv.weight, qkv.bias)
    return [part.unflatten(0, (len(x), -1)) for part in flat]


@functools.lru_cache(maxsize=64)
@torch.inference_mode(False)  # rows first asked for in inference serve training later
def rows_read(grid: Triple, pool: Pool, batch: int) -> tuple[Tensor | None, Triple]:
    """The rows of (B * (1 + T'*H'*W'), C) tokens that a pool reads, and the grid that they make.

    The class token's is among them. None is all rows.
    """
    axes = pool.read(grid)
    found = (len(axes[0]), len(axes[1]), len(axes[2]))
    if found == grid:
        return None, grid
    cells = torch.arange(1, 1 + grid[0] * grid[1] * grid[2]).view(grid)
    for axis, places in enumerate(axes):
        cells = cells.index_select(axis, torch.tensor(places))
    clip = torch.cat((torch.zeros(1, dtype=cells.dtype), cells.flatten()))
    step = 1 + grid[0] * grid[1] * grid[2]
    return (clip + step * torch.arange(batch)[:, None]).flatten(), found


def class_rows(x: Tensor) -> Tensor:
    """The rows of the class tokens among (B * N, C)."""
    return torch.arange(0, len(x) * x.shape[1], x.shape[1])


def _forward(
    tokens: Tensor,
    eps: float,
    groups: list[Group],
    norm_weight: Tensor,
    norm_bias: Tensor,
    weight: Tensor,
    bias: Tensor,
) -> list[Tensor]:
    layers = list(zip(weight.chunk(3), bias.chunk(3), strict=True))
    out: list[Tensor] = []
    for rows, parts in groups:
        made: list[list[Tensor]] = [[] for _ in parts]
        for x in _chunks(tokens, rows):
            z = F.layer_norm(x, x.shape[1:], norm_weight, norm_bias, eps)
            for part, results in zip(parts, made, strict=True):
                results.append(linear(z, *layers[part]))
        out += map(joined, made)
    return out


class _Projection(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: FunctionCtx, tokens: Tensor, eps: float, groups: list[Group], *weights: Tensor
    ) -> tuple[Tensor, ...]:
        ctx.save_for_backward(tokens, *weights)
        ctx.eps, ctx.groups = eps, groups  # type: ignore[attr-defined]
        return tuple(_forward(tokens, eps, groups, *weights))

    @staticmethod
    @once_differentiable
    def backward(ctx: FunctionCtx, *grads: Tensor) -> tuple[Tensor | None, ...]:
        tokens, norm_weight, norm_bias, weight, _ = ctx.saved_tensors  # type: ignore[attr-defined]
        size, eps = tokens.shape[1:], ctx.eps  # type: ignore[attr-defined]
        weights = weight.chunk(3)
        by_norm = [torch.zeros_like(norm_weight), torch.zeros_like(norm_bias)]
        by_weights: list[Tensor | None] = [None] * 3
        by_biases = list(weight.new_zeros(3, *size))
        remaining, by_tokens = iter(grads), None
        for rows, parts in ctx.groups:  # type: ignore[attr-defined]
            of_parts = [next(remaining).split(chunked.CHUNK) for _ in parts]
            out = []
            for x, *dys in zip(_chunks(tokens, rows), *of_parts, strict=True):
                z, mean, rstd = torch.native_layer_norm(x, size, norm_weight, norm_bias, eps)
                dz = None
                for part, dy in zip(parts, dys, strict=True):
                    by_z = linear(dy, weights[part].t())
                    dz = by_z if dz is None else dz.add_(by_z)
                    by_weights[part] = add_product_(by_weights[part], dy.t(), z)
                    by_biases[part].add_(dy.sum(dim=0))
                dx, *found = torch.ops.aten.native_layer_norm_backward(
                    dz, x, size, mean, rstd, norm_weight, norm_bias, [True] * 3
                )
                out.append(dx)
                for total, one in zip(by_norm, found, strict=False):
                    total.add_(one)
            by_tokens = _added(by_tokens, joined(out), rows, tokens)
        by_weight = torch.cat([w for w in by_weights if w is not None])
        return (by_tokens, None, None, *by_norm, by_weight, torch.cat(by_biases))


def _added(total: Tensor | None, found: Tensor, rows: Tensor | None, tokens: Tensor) -> Tensor:
    """Adds gradients by some rows of the tokens."""
    if rows is None:
        return found if total is None else total.add_(found)
    total = torch.zeros_like(tokens) if total is None else total
    return total.index_add_(0, rows, found)


def _chunks(tokens: Tensor, rows: Tensor | None) -> Iterator[Tensor]:
    if rows is None:
        yield from tokens.split(chunked.CHUNK)
    else:
        yield from (tokens.index_select(0, some) for some in rows.split(chunked.CHUNK))
