"""What attends to what in MViT, see `vswin.models.attention_distance`."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from vswin.models.attention_distance import Attention, AttentionLayer
from vswin.models.mvit.attention import PoolingAttention, pooled
from vswin.models.mvit.config import Triple
from vswin.models.mvit.geometry import Pool, patch_grid
from vswin.models.mvit.model import MultiscaleViT


@dataclasses.dataclass(frozen=True)
class Lattice:
    """Where a block's tokens are, in steps of the patch embedding's grid, along each axis."""

    first: tuple[float, ...] = (0.0, 0.0, 0.0)
    step: tuple[int, ...] = (1, 1, 1)

    def pooled(self, pool: Pool | None) -> Lattice:
        """Of what is pooled from them: at the centre of each kernel."""
        if pool is None:
            return self
        axes = zip(self.first, self.step, pool.kernel, pool.padding, strict=True)
        return Lattice(
            tuple(first + step * ((kernel - 1) / 2 - pad) for first, step, kernel, pad in axes),
            tuple(step * stride for step, stride in zip(self.step, pool.stride, strict=True)),
        )

    def places(self, grid: Triple) -> Tensor:
        """(T' * H' * W', 3) of the tokens of a grid."""
        axes = [
            first + step * torch.arange(size, dtype=torch.float64)
            for first, step, size in zip(self.first, self.step, grid, strict=True)
        ]
        return torch.cartesian_prod(*axes)


def token_grid(model: MultiscaleViT, size: Triple) -> Triple:
    """(T', H', W') of the patch embedding for clips of (T, H, W)."""
    return patch_grid(model.config, size)


def attention_layers(model: MultiscaleViT) -> list[AttentionLayer]:
    """The attention of every block."""
    found, lattice = [], Lattice()
    for number, plan in enumerate(model.plans):
        block: Any = model.blocks[number]
        attentions = functools.partial(_attentions, block.attn, lattice)
        found.append(AttentionLayer(f"blocks.{number}", block.attn, attentions))
        lattice = lattice.pooled(plan.q)
    return found


def _attentions(
    attn: PoolingAttention, lattice: Lattice, x: Tensor, grid: Triple, class_only: bool = False
) -> Iterator[Attention]:
    """Pooled queries and keys of (1, 1 + T'*H'*W', C) tokens; the class token has no place."""
    assert not class_only  # features are asked for, which takes all tokens
    q, k = queries_and_keys(attn, x, grid)
    q_places, k_places = (
        lattice.pooled(pool).places(grid if pool is None else pool.out(grid))
        for pool in (attn.q, attn.kv)
    )
    placed = torch.ones(1, k.shape[1], dtype=torch.bool, device=k.device)
    placed[0, 0] = False
    yield Attention(
        q=q[:, 1:].transpose(1, 2),
        k=k.transpose(1, 2),
        q_places=q_places,
        k_places=torch.cat((torch.zeros(1, 3, dtype=k_places.dtype), k_places)),
        k_placed=placed,
    )


def queries_and_keys(attn: PoolingAttention, x: Tensor, grid: Triple) -> tuple[Tensor, Tensor]:
    """Those of (B, 1 + T'*H'*W', C) tokens, pooled: (B, 1 + fewer, heads, head_dim) each."""
    weights, biases = attn.qkv.weight.chunk(3), attn.qkv.bias.chunk(3)
    q, k = (
        F.linear(x, weight, bias).unflatten(2, (attn.num_heads, -1))
        for weight, bias in zip(weights[:2], biases[:2], strict=True)
    )
    q = pooled(q, grid, attn.q, attn.pool_q, attn.norm_q)
    return q, pooled(k, grid, attn.kv, attn.pool_k, attn.norm_k)
