"""Multi head pooling attention: attention whose queries, keys and values are pooled first."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from vswin.models.mvit.config import Pooling, Triple
from vswin.models.mvit.cpu import depthwise
from vswin.models.mvit.geometry import BlockPlan, Pool


class PoolingAttention(nn.Module):
    """SoftMax(Q K^T / sqrt(d)) V of pooled Q, K and V, for each head.

    The class token is not pooled. Each of the three is pooled by a depthwise convolution, whose
    filters all heads share, and an LN over each head's channels; or by the maximum, without an LN.
    What is not pooled is not normalised either.

    Args:
        plan: channels, heads and pooling of the block.
        pooling: "conv" or "max".
        eps: of the LNs after pooling.
    """

    def __init__(self, plan: BlockPlan, pooling: Pooling, eps: float) -> None:
        super().__init__()
        self.num_heads, self.q, self.kv = plan.num_heads, plan.q, plan.kv
        head_dim = plan.dim // plan.num_heads
        self.qkv = nn.Linear(plan.dim, 3 * plan.dim)
        self.proj = nn.Linear(plan.dim, plan.dim)
        self.pool_q, self.norm_q = _pool_and_norm(head_dim, plan.q, pooling, eps)
        self.pool_k, self.norm_k = _pool_and_norm(head_dim, plan.kv, pooling, eps)
        self.pool_v, self.norm_v = _pool_and_norm(head_dim, plan.kv, pooling, eps)

    def forward(self, x: Tensor, grid: Triple, class_only: bool = False) -> Tensor:
        """(B, 1 + T'*H'*W', C) tokens, class first -> (B, 1 + queries, C).

        Args:
            x: the tokens.
            grid: (T', H', W').
            class_only: whether only the class token asks, for (B, 1, C); not where queries are
                pooled.
        """
        weights, biases = self.qkv.weight.chunk(3), self.qkv.bias.chunk(3)
        asking = x[:, :1] if class_only else x
        q, k, v = map(F.linear, (asking, x, x), weights, biases)
        if not class_only:
            q = self.pooled_queries(q, grid)
        return self.attend(q, *self.pooled_keys_values(k, v, grid, self.kv))

    def pooled_queries(self, q: Tensor, grid: Triple) -> Tensor:
        """(B, 1 + T'*H'*W', C) -> (B, 1 + queries, C)."""
        return pooled(self._heads(q), grid, self.q, self.pool_q, self.norm_q).flatten(2)

    def pooled_keys_values(
        self, k: Tensor, v: Tensor, grid: Triple, pool: Pool | None
    ) -> tuple[Tensor, Tensor]:
        """(B, 1 + T'*H'*W', C) each -> (B, 1 + fewer, C) each.

        Args:
            k: keys.
            v: values.
            grid: (T', H', W'), which may lack what the pool does not read.
            pool: `self.kv`, or its `dense` for such a grid.
        """
        k = pooled(self._heads(k), grid, pool, self.pool_k, self.norm_k).flatten(2)
        return k, pooled(self._heads(v), grid, pool, self.pool_v, self.norm_v).flatten(2)

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """(B, queries, C), (B, keys, C), (B, keys, C) after pooling -> (B, queries, C)."""
        return self.proj(self.mixed(q, k, v))

    def mixed(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """The same before the last linear layer: values, weighted."""
        q, k, v = (self._heads(x).transpose(1, 2) for x in (q, k, v))
        out = F.scaled_dot_product_attention(q, k, v)
        return out.transpose(1, 2).flatten(2)

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.num_heads, -1))


class DepthwiseConv(nn.Module):
    """One 3D filter for each channel of a head, without a bias; all heads share them."""

    def __init__(self, head_dim: int, kernel: Triple) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(head_dim, 1, *kernel))

    def forward(self, x: Tensor, pool: Pool) -> Tensor:
        """(B, heads * head_dim, T', H', W') -> the same of a smaller grid."""
        filters = self.weight.repeat(x.shape[1] // len(self.weight), 1, 1, 1, 1)
        if depthwise.serves(x, filters):
            return depthwise.convolve(x, filters, pool)
        return F.conv3d(x, filters, None, pool.stride, pool.padding, groups=x.shape[1])


def _pool_and_norm(
    head_dim: int, pool: Pool | None, pooling: Pooling, eps: float
) -> tuple[DepthwiseConv | None, nn.LayerNorm | None]:
    if pool is None or pooling == "max":
        return None, None
    return DepthwiseConv(head_dim, pool.kernel), nn.LayerNorm(head_dim, eps=eps)


def pooled(
    x: Tensor,
    grid: Triple,
    pool: Pool | None,
    conv: nn.Module | None = None,
    norm: nn.Module | None = None,
) -> Tensor:
    """Queries, keys or values after pooling.

    Args:
        x: (B, 1 + T'*H'*W', heads, head_dim), class token first.
        grid: (T', H', W').
        pool: kernel and stride; None leaves them as they are.
        conv: the convolution; without one the maximum is taken.
        norm: LN over head_dim, of the class token, too.

    Returns:
        (B, 1 + fewer, heads, head_dim).
    """
    if pool is None:
        return x
    class_token, rest = x.split((1, x.shape[1] - 1), dim=1)
    # Channels stay last in memory, so that this view costs no copy.
    volume = rest.flatten(2).unflatten(1, grid).permute(0, 4, 1, 2, 3)
    volume = max_pool(volume, pool) if conv is None else conv(volume, pool)
    rest = volume.permute(0, 2, 3, 4, 1).flatten(1, 3).unflatten(2, x.shape[2:])
    out = torch.cat((class_token, rest), dim=1)
    return out if norm is None else norm(out)


def max_pool(x: Tensor, pool: Pool) -> Tensor:
    """(B, C, T', H', W') -> the same of a smaller grid."""
    if pool.kernel[0] > 1:
        return F.max_pool3d(x, pool.kernel, pool.stride, pool.padding)
    # Frame by frame: torch's 2D kernel is the faster one where channels are last in memory.
    batch, time = x.shape[0], x.shape[2]
    frames = x.transpose(1, 2).flatten(0, 1)
    out = F.max_pool2d(frames, pool.kernel[1:], pool.stride[1:], pool.padding[1:])
    return out.unflatten(0, (batch, time)).transpose(1, 2)
