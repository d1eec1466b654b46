"""Table 4: what the split and factorized designs have that the joint one has not.

Both attend within frames only, in spatial windows (1, M, M), and need further layers to look along
time. The paper describes them in one sentence each; no code was released. The printed costs allow
the readings below (and exclude, for split, attention over all tokens of a clip or over one token
for each frame); what they leave open was chosen here and is marked as chosen.

split
    "Two temporal transformer layers on top of the spatial-only Swin Transformer": standard
    pre-norm layers of the last stage's width, heads and MLP ratio, before the final LN. They
    attend over all T' frames at each position of the last grid. Chosen: the order of frames
    reaches them as a fixed sinusoidal encoding of the frame number, added to the input of each
    attention (not to the residual stream, where it would disturb pre-trained features). It has no
    weights, costs no multiply-accumulates, and works for clips of any length.
factorized
    "A temporal-only MSA layer after each spatial-only MSA layer", with "a weighting parameter at
    the end ... initialised as zero": LN, attention along time at each position, one weight, and a
    residual connection, in every block between the spatial attention and the MLP. Chosen: the
    weight is one number for each layer; attention has a relative position bias over time, as all
    of the Swin Transformer's has; it runs in windows (P, 1, 1), which are shifted along time in
    every second block as 3D windows are, and with P = T' see the whole clip.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from vswin.models.layers import MLP, DropPath, feed_forward
from vswin.models.swin.attention import WindowAttention3D, dot_product, merge_heads
from vswin.models.swin.config import Triple
from vswin.models.swin.norms import norm_into_windows, norm_kernel
from vswin.models.swin.variants import Variant
from vswin.models.swin.windows import from_windows

CPU = torch.device("cpu")
SPLIT_LAYERS = 2
"""Temporal transformer layers of the split design."""


class FactorizedTemporalAttention(nn.Module):
    """The factorized design's temporal-only MSA layer, without its residual connection.

    Args:
        dim: channels C.
        window_size: (P, 1, 1).
        num_heads: heads, as in the spatial attention before it.
        shift_size: (t, 0, 0) by which this block's temporal windows are shifted.
    """

    def __init__(self, dim: int, window_size: Triple, num_heads: int, shift_size: Triple) -> None:
        super().__init__()
        self.window_size = window_size
        self.shift_size = shift_size
        self.variant: Variant | None = None
        self.norm = nn.LayerNorm(dim)
        self.attn = WindowAttention3D(dim, window_size, num_heads)
        self.gate = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, grid: Triple) -> Tensor:
        """(B, T'*H'*W', C) tokens of a (T', H', W') grid -> the same shape, zero at the start."""
        layout = self.attn.layout(x, grid, self.shift_size)
        kernel = norm_kernel(self.variant, x)
        windows = self.attn(norm_into_windows(x, self.norm, layout, kernel), layout)
        return self.gate * from_windows(windows, layout)


class TemporalTransformerLayer(nn.Module):
    """One of the split design's layers: LN, MSA over time, residual; LN, FFN, residual.

    Args:
        dim: channels of the last stage.
        num_heads: its heads.
        mlp_ratio: expansion of the MLP.
        drop_path: stochastic depth rate.
    """

    def __init__(self, dim: int, num_heads: int, mlp_ratio: float, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn = TemporalAttention(dim, num_heads)
        self.drop_path = DropPath(drop_path)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = MLP(dim, int(dim * mlp_ratio))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T', H', W', C) -> the same shape; positions in space do not see each other."""
        position = frame_encoding(x.shape[1], x.shape[-1], x.device).to(x.dtype)
        x = x + self.drop_path(self.attn(self.norm1(x) + position[:, None, None]))
        return x + self.drop_path(feed_forward(x, self.norm2, self.mlp))


class TemporalAttention(nn.Module):
    """Multi-head self-attention over all frames at each position."""

    def __init__(self, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T', H', W', C) -> the same shape."""
        batch, frames, height, width, dim = x.shape
        qkv = self.qkv(x).view(batch, frames, height * width, 3, self.num_heads, -1)
        q, k, v = qkv.permute(3, 0, 2, 4, 1, 5).flatten(1, 2)  # each (B * H'W', heads, T', d)
        out = merge_heads(dot_product(q, k, v))
        out = out.view(batch, height * width, frames, dim).transpose(1, 2)
        return self.proj(out.reshape(batch, frames, height, width, dim))


def frame_encoding(frames: int, dim: int, device: torch.device = CPU) -> Tensor:
    """(T', C) sines and cosines of the frame number at wavelengths from 2 pi to 10,000 * 2 pi.

    They are computed where they are wanted: a GPU would be waited for while they are copied to it.
    """
    channel = torch.arange(0, dim, 2, dtype=torch.float32, device=device)
    rate = torch.exp(-math.log(10_000) * channel / dim)
    angle = torch.arange(frames, dtype=torch.float32, device=device)[:, None] * rate
    return torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(1)[:, :dim]
