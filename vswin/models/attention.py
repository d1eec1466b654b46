"""Section 3.2: multi-head self-attention in (shifted) 3D windows with 3D relative position bias."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from vswin.models import attention_cpu
from vswin.models.presets import Triple
from vswin.models.windows import WindowLayout, bias_of, bias_table_rows, by_size


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
        """(B * K, C) tokens in the order of the layout -> the same shape."""
        qkv = self.qkv(windows)
        bias = self._bias(layout)
        if attention_cpu.serves(qkv, bias):
            out = attention_cpu.attention(qkv, bias, layout)
        else:
            out = attention(qkv, bias, layout)
        return self.proj(out)

    def _bias(self, layout: WindowLayout) -> Tensor:
        """B, taken from B-hat: (heads, p, h, w, p, h, w) for the layout's window."""
        rows = self.relative_position_bias_table.index_select(0, layout.bias_index)
        return rows.t().reshape(self.num_heads, *layout.window, *layout.window)


def attention(qkv: Tensor, bias: Tensor, layout: WindowLayout) -> Tensor:
    """Equation 2 in all windows of a layout.

    Args:
        qkv: (B * K, 3C), queries, keys and values of all heads, tokens in the layout's order.
        bias: (heads, p, h, w, p, h, w), B for the layout's window.
        layout: the windows.

    Returns:
        (B * K, C).
    """
    out = []
    for size, (windows,) in by_size(layout, qkv):
        q, k, v = windows.unflatten(2, (3, len(bias), -1)).permute(2, 0, 3, 1, 4)
        mask = bias_of(bias, size)[None].to(q.dtype)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        out.append(attended.transpose(1, 2).flatten(2).flatten(0, 1))
    return out[0] if len(out) == 1 else torch.cat(out)
