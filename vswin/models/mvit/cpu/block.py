"""A block on the CPU, some tokens at a time.

Once keys and values are there, what becomes of a query concerns no other. In inference, attention,
MLP and both residual connections are computed for some queries, in memory that is used again for
the next ones and stays in the cache. In training, what is before the pools and the MLP go by parts,
and keep less for the backward pass. `python -m benchmarks mvit` has what this brings.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from vswin.models.cpu import chunked
from vswin.models.mvit.config import Triple
from vswin.models.mvit.cpu.products import linear
from vswin.models.mvit.cpu.projection import Group, class_rows, project, rows_read

if TYPE_CHECKING:  # which import this module
    from vswin.models.mvit.attention import PoolingAttention
    from vswin.models.mvit.model import MultiscaleBlock

LARGE_BYTES = 2**22
"""A hidden layer of the MLP from which on passes over it cost more than calls do."""


def attend_serves(x: Tensor, norm: nn.LayerNorm, attn: PoolingAttention) -> bool:
    """Whether `attend` is faster or keeps less for training, with the same result."""
    return trains(x, norm, attn.qkv) and not chunked.has_listeners(attn)


def attend(
    x: Tensor, norm: nn.LayerNorm, attn: PoolingAttention, grid: Triple, class_only: bool
) -> Tensor:
    """Attention(LN(x)): (B, 1 + T'*H'*W', C) -> (B, 1 + queries, C).

    Args:
        x: the tokens, class first.
        norm: LN.
        attn: pooling attention.
        grid: (T', H', W').
        class_only: whether only the class token asks, for (B, 1, C).
    """
    asking: Group = (class_rows(x) if class_only else None, (0,))
    q, k, v = _projected(x, norm, attn, grid, [asking])
    return attn.attend(q if class_only else attn.pooled_queries(q, grid), k, v)


def infer_serves(x: Tensor, block: MultiscaleBlock) -> bool:
    """Whether `infer` is faster, with the same result."""
    attn, mlp = block.attn, block.mlp
    layers = [block.norm1, block.norm2, attn.qkv, attn.proj, mlp.fc1, mlp.fc2]
    return (
        not torch.is_grad_enabled()
        and not block.drop_path.active
        and chunked.possible(x, *layers, *([] if block.proj is None else [block.proj]))
        and _is_large(x)
        and not chunked.has_listeners(attn)
        and not chunked.has_listeners(mlp)
    )


def infer(x: Tensor, skip: Tensor, block: MultiscaleBlock, grid: Triple) -> Tensor:
    """Pooling attention and MLP with their residual connections.

    Args:
        x: (B, 1 + T'*H'*W', C), the block's input.
        skip: (B, N, C), the residual of the attention: where queries are pooled, pooled like them,
            or else the tokens that ask.
        block: with its weights.
        grid: (T', H', W').

    Returns:
        (B, N, C').
    """
    attn, dim = block.attn, block.plan.dim
    pooled = attn.q is not None
    *queries, k, v = _projected(x, block.norm1, attn, grid, [(None, (0,))] if pooled else [])
    queries = [attn.pooled_queries(q, grid) for q in queries]
    weight, bias = attn.qkv.weight[:dim], attn.qkv.bias[:dim]
    out = []
    for some in _pieces(skip):
        residual = skip[some]
        q = queries[0][some] if pooled else linear(block.norm1(residual), weight, bias)
        attended = attn.mixed(q, k[some[0]], v[some[0]])
        out.append(_fed(linear(attended, attn.proj.weight, attn.proj.bias).add_(residual), block))
    return out[0] if len(out) == 1 else torch.cat(out, dim=1).view(len(x), -1, block.plan.dim_out)


def _fed(x: Tensor, block: MultiscaleBlock) -> Tensor:
    """The block's second half."""
    z = block.norm2(x)
    hidden = linear(z, block.mlp.fc1.weight, block.mlp.fc1.bias, gelu=True)
    fed = linear(hidden, block.mlp.fc2.weight, block.mlp.fc2.bias)
    if block.plan.dim == block.plan.dim_out:
        return fed.add_(x)
    if block.proj is None:
        return fed
    source = z if block.skip == "normalized" else x
    return fed.add_(linear(source, block.proj.weight, block.proj.bias))


def _projected(
    x: Tensor, norm: nn.LayerNorm, attn: PoolingAttention, grid: Triple, asking: list[Group]
) -> list[Tensor]:
    """Queries as `asking` says, not pooled; then keys and values, pooled."""
    rows, kv_grid, pool = None, grid, attn.kv
    if pool is not None:
        rows, kv_grid = rows_read(grid, pool, len(x))
        pool = pool.dense if rows is not None else pool
    if asking and asking[0][0] is None and rows is None:
        groups: list[Group] = [(None, (0, 1, 2))]
    else:
        groups = [*asking, (rows, (1, 2))]
    *q, k, v = project(x, norm, attn.qkv, groups)
    return [*q, *attn.pooled_keys_values(k, v, kv_grid, pool)]


def _pieces(x: Tensor) -> Iterator[tuple[slice, slice]]:
    """Parts of (B, N, C) in one clip each."""
    for clip in range(len(x)):
        for start in range(0, x.shape[1], chunked.CHUNK):
            yield slice(clip, clip + 1), slice(start, start + chunked.CHUNK)


def trains(x: Tensor, *layers: nn.LayerNorm | nn.Linear) -> bool:
    """Whether kernels that compute all gradients themselves are faster, with the same result.

    With a weight that is frozen they are not: torch skips its gradient.
    """
    return (
        torch.is_grad_enabled()
        and chunked.possible(x, *layers)
        and all(w.requires_grad for layer in layers for w in layer.parameters())
        and _is_large(x)
    )


def _is_large(x: Tensor) -> bool:
    """Whether the hidden layer of the MLP, of four times the channels, is large."""
    return 4 * x.numel() * x.element_size() > LARGE_BYTES
