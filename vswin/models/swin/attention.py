"""Section 3.2: multi-head self-attention in (shifted) 3D windows with 3D relative position bias."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from vswin.models.modes import is_differentiated_or_mapped
from vswin.models.swin.config import Triple
from vswin.models.swin.cpu import attention as attention_cpu
from vswin.models.swin.partition import bias_table_rows, clip_window
from vswin.models.swin.windows import (
    WindowLayout,
    bias_of,
    by_size,
    window_layout,
)

SMALL_WINDOW = 128
"""Tokens in a window up to which one call for all windows may be faster than cutting them up."""
SMALL_BYTES = 2**25
"""Scores of all windows up to which it is: what stays in a processor's cache."""


class WindowAttention3D(nn.Module):
    """Equation 2: SoftMax(Q K^T / sqrt(d) + B) V inside each window, per head.

    There are three kernel variants with the same result. Small inputs on the CPU take masked
    windows, all in one call; other inputs windows without masks, one call for each size: in torch's
    fused attention or, for training on the CPU, in `vswin.models.swin.cpu.attention`.

    Args:
        dim: channels C.
        window_size: (P, M, M), which sets the size of the bias table B-hat.
        num_heads: heads, each with d = dim / num_heads channels.
    """

    def __init__(self, dim: int, window_size: Triple, num_heads: int) -> None:
        super().__init__()
        self.window_size = window_size
        self.num_heads = num_heads
        rows = bias_table_rows(window_size)
        self.relative_position_bias_table = nn.Parameter(torch.zeros(rows, num_heads))
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def layout(self, x: Tensor, grid: Triple, shift_size: Triple) -> WindowLayout:
        """The windows for (B, T'*H'*W', C) tokens of a (T', H', W') grid."""
        volume = math.prod(clip_window(grid, self.window_size, shift_size)[0])
        if torch.compiler.is_exporting():  # one call for each block; B may be left open
            return window_layout(grid, self.window_size, shift_size, x.device, True, x.shape[0])
        batch, tokens = map(int, x.shape[:2])  # while traced, sizes are tensors
        scores = batch * tokens * volume * self.num_heads * x.element_size()
        small = x.device.type == "cpu" and volume <= SMALL_WINDOW and scores <= SMALL_BYTES
        return window_layout(grid, self.window_size, shift_size, x.device, small, batch)

    def forward(self, windows: Tensor, layout: WindowLayout) -> Tensor:
        """(B * K, C) tokens in the order of the layout -> the same shape."""
        qkv = self.qkv(windows)
        bias = self.bias(layout)
        if layout.masked:
            out = masked_attention(qkv, bias, layout)
        elif attention_cpu.serves(qkv, bias):
            out = attention_cpu.attention(qkv, bias, layout)
        else:
            out = attention(qkv, bias, layout)
        return self.proj(out)

    def bias(self, layout: WindowLayout) -> Tensor:
        """B, taken from B-hat: (heads, p, h, w, p, h, w) for the layout's window."""
        table = self.relative_position_bias_table.t()
        if torch.compiler.is_exporting():  # the simpler operator; its gradient is slower
            rows = table.index_select(1, layout.bias_index)
        else:
            rows = table.gather(1, layout.bias_index.expand(self.num_heads, -1))
        return rows.view(self.num_heads, *layout.window, *layout.window)


def attention(qkv: Tensor, bias: Tensor, layout: WindowLayout) -> Tensor:
    """Equation 2 in windows without masks, by size.

    Args:
        qkv: (B * K, 3C), queries, keys and values of all heads, tokens in the layout's order.
        bias: (heads, p, h, w, p, h, w), B for the layout's window.
        layout: the windows.

    Returns:
        (B * K, C).
    """
    out = []
    for size, (windows,) in by_size(layout, qkv):
        out.append(fused(windows, bias_of(bias, size)).flatten(0, 1))
    return out[0] if len(out) == 1 else torch.cat(out)


def fused(windows: Tensor, bias: Tensor) -> Tensor:
    """Equation 2 in torch's fused attention.

    Args:
        windows: (n, N, 3C), queries, keys and values of all heads.
        bias: (heads, N, N).

    Returns:
        (n, N, C).
    """
    q, k, v = windows.unflatten(2, (3, len(bias), -1)).permute(2, 0, 3, 1, 4)
    return merge_heads(dot_product(q, k, v, bias[None].to(q.dtype)))


def dot_product(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    """Equation 2 for each head: (n, heads, N, d), three times, and (n or 1, heads, N, N)."""
    if not is_differentiated_or_mapped():
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    # Not all that torch's fused attention chooses from can be differentiated forwards, or mapped.
    scores = (q * q.shape[-1] ** -0.5) @ k.mT
    return (scores if bias is None else scores + bias).softmax(dim=-1) @ v


def merge_heads(out: Tensor) -> Tensor:
    """(n, heads, N, d) -> (n, N, C)."""
    out = out.transpose(1, 2)
    if torch.compiler.is_exporting():
        # Kernels differ in how they lay out their result: a view of one may be none of another's.
        out = out.clone(memory_format=torch.contiguous_format)
    return out.flatten(2)


def masked_attention(qkv: Tensor, bias: Tensor, layout: WindowLayout) -> Tensor:
    """Equation 2 in all windows at once: as `attention`, for a masked layout."""
    heads, (group,) = len(bias), layout.groups
    q, k, v = qkv.view(-1, group.volume, 3, heads, qkv.shape[1] // 3 // heads).permute(
        2, 0, 3, 1, 4
    )
    bias = bias_of(bias, layout.window).to(q.dtype)
    if layout.allowed is not None:
        # One mask per window: (window, head) takes the place of the head, so that the mask
        # broadcasts over the batch.
        bias = bias.masked_fill(~layout.allowed[:, None], -math.inf).flatten(0, 1)
        q, k, v = (x.reshape(-1, len(bias), *x.shape[2:]) for x in (q, k, v))
    if bias.requires_grad and torch.is_grad_enabled() and not is_differentiated_or_mapped():
        # What the fused attention falls back to for a bias that needs a gradient guards against
        # rows that are masked throughout, which no window has, at a tenth of a step's time.
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
        out = scores.add_(bias).softmax(dim=-1) @ v
    else:
        out = dot_product(q, k, v, bias[None])
    out = out.reshape(-1, heads, group.volume, out.shape[-1])  # and what it was is freed
    return merge_heads(out).flatten(0, 1)
