"""Section 3.2: multi-head self-attention in (shifted) 3D windows with 3D relative position bias."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from vswin.models.presets import Triple
from vswin.models.windows import WindowLayout, bias_table_rows


class WindowAttention3D(nn.Module):
    """Equation 2: SoftMax(Q K^T / sqrt(d) + B) V inside each window, per head.

    Args:
        dim: channels C.
        window_size: (P, M, M), which sets the size of the bias table B-hat.
        num_heads: heads, each with d = dim / num_heads channels.
    """

    def __init__(self, dim: int, window_size: Triple, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        rows = bias_table_rows(window_size)
        self.relative_position_bias_table = nn.Parameter(torch.zeros(rows, num_heads))
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, windows: Tensor, layout: WindowLayout) -> Tensor:
        """(B, num_windows * N, C) -> the same shape; `layout` says who may attend to whom."""
        batch, _, dim = windows.shape
        count, volume = layout.num_windows, layout.volume
        qkv = self.qkv(windows).view(batch * count, volume, 3, self.num_heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B * num_windows, heads, N, d)
        bias = self._bias(layout)
        if layout.allowed is None:
            out = _attention(q, k, v, bias[None])
        else:
            # One mask per window: (window, head) takes the place of the head, so that the mask
            # broadcasts over the batch.
            blocked = bias.masked_fill(~layout.allowed[:, None], -math.inf).flatten(0, 1)
            q, k, v = (x.reshape(batch, -1, volume, x.shape[-1]) for x in (q, k, v))
            out = _attention(q, k, v, blocked[None])
            out = out.view(batch * count, self.num_heads, volume, -1)
        return self.proj(out.transpose(1, 2).reshape(batch, count * volume, dim))

    def _bias(self, layout: WindowLayout) -> Tensor:
        """B, taken from B-hat: (heads, N, N)."""
        rows = self.relative_position_bias_table.index_select(0, layout.bias_index)
        return rows.t().reshape(self.num_heads, layout.volume, layout.volume)


def _attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """Equation 2 for (batch, heads, N, d) queries, keys and values and a broadcast bias."""
    if bias.requires_grad and torch.is_grad_enabled() and q.device.type == "cpu":
        # The CPU has no fused kernel for a bias that needs a gradient; its fallback guards
        # against rows that are masked throughout, which no window has, at a tenth of a step's time.
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
        return scores.add_(bias).softmax(dim=-1) @ v
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
