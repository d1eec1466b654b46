"""Section 3.2: multi-head self-attention in (shifted) 3D windows with 3D relative position bias."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.nn.attention import SDPBackend, sdpa_kernel

from vswin.models.modes import is_differentiated_or_mapped, is_exporting
from vswin.models.swin.config import Triple
from vswin.models.swin.cpu import attention as attention_cpu
from vswin.models.swin.gpu import attention as attention_gpu
from vswin.models.swin.partition import bias_table_rows, clip_window
from vswin.models.swin.variants import Variant, chosen
from vswin.models.swin.windows import (
    WindowLayout,
    bias_of,
    biases_of,
    by_size,
    window_layout,
)

SMALL_WINDOW = 128
"""Tokens in a window up to which one call for all windows may be faster than cutting them up."""
SMALL_BYTES = 2**25
"""Scores of all windows up to which it is: what stays in a processor's cache."""
MOST_WINDOWS = 2**16 - 1
"""Windows that one call takes: a GPU counts them in 16 bits, and what torch does with more fails
where the bias needs a gradient. The factorized design has so many from eleven clips on."""
GPU_KERNELS = [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
"""What torch may choose from on a GPU: not cuDNN, which it would take where the bias needs no
gradient. That plans for each number and size of windows anew, some tenths of a second each, and its
gradients can be NaN for windows of 64 tokens. Flash attention takes no bias."""


class WindowAttention3D(nn.Module):
    """Equation 2: SoftMax(Q K^T / sqrt(d) + B) V inside each window, per head.

    There are several kernels with the same result. Small inputs on the CPU take masked windows, all
    in one call; other inputs windows without masks, one call for each size: in torch's fused
    attention or, for training on the CPU, in `vswin.models.swin.cpu.attention`. Of what a GPU
    takes, `vswin.models.swin.variants` has the table.

    Args:
        dim: channels C.
        window_size: (P, M, M), which sets the size of the bias table B-hat.
        num_heads: heads, each with d = dim / num_heads channels.
    """

    def __init__(self, dim: int, window_size: Triple, num_heads: int) -> None:
        super().__init__()
        self.window_size = window_size
        self.num_heads = num_heads
        self.variant: Variant | None = None
        rows = bias_table_rows(window_size)
        self.relative_position_bias_table = nn.Parameter(torch.zeros(rows, num_heads))
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def layout(self, x: Tensor, grid: Triple, shift_size: Triple) -> WindowLayout:
        """The windows for (B, T'*H'*W', C) tokens of a (T', H', W') grid."""
        window, shift = clip_window(grid, self.window_size, shift_size)
        if is_exporting():  # one call for each block; B may be left open
            return window_layout(grid, self.window_size, shift_size, x.device, True, x.shape[0])
        batch, tokens = map(int, x.shape[:2])  # while traced, sizes are tensors
        if (variant := chosen(self.variant, x.device, batch)) is not None:
            masked = variant.attention == "by_mask" and any(shift)
            return window_layout(
                grid, self.window_size, shift_size, x.device, masked, batch, by_mask=masked
            )
        volume = math.prod(window)
        scores = batch * tokens * volume * self.num_heads * x.element_size()
        small = volume <= SMALL_WINDOW and scores <= SMALL_BYTES
        return window_layout(grid, self.window_size, shift_size, x.device, small, batch)

    def forward(self, windows: Tensor, layout: WindowLayout) -> Tensor:
        """(B * K, C) tokens in the order of the layout -> the same shape."""
        qkv = self.qkv(windows)
        if attention_gpu.takes(self.variant, qkv, layout, self.num_heads):
            table = self.relative_position_bias_table
            out = attention_gpu.attention(qkv, table, layout, self.window_size)
        elif layout.masked and not layout.by_mask:
            out = masked_attention(qkv, self.bias(layout), layout)
        elif self.variant is None and attention_cpu.serves(qkv, self.relative_position_bias_table):
            out = attention_cpu.attention(qkv, self.bias(layout), layout)
        else:
            out = attention(qkv, self._rows(layout.bias_rows), layout)
        return self.proj(out)

    def bias(self, layout: WindowLayout) -> Tensor:
        """B, taken from B-hat: (heads, p, h, w, p, h, w) for the layout's window."""
        rows = self._rows(layout.bias_index)
        return rows.view(self.num_heads, *layout.window, *layout.window)

    def _rows(self, index: Tensor) -> Tensor:
        """(S,) rows of B-hat -> (heads, S)."""
        table = self.relative_position_bias_table.t()
        if is_exporting():  # the simpler operator; its gradient is slower
            return table.index_select(1, index)
        return table.gather(1, index.expand(self.num_heads, -1))


def attention(qkv: Tensor, bias: Tensor, layout: WindowLayout) -> Tensor:
    """Equation 2 in windows by size, or by mask.

    Args:
        qkv: (B * K, 3C), queries, keys and values of all heads, tokens in the layout's order.
        bias: (heads, S), B at the layout's `bias_rows`.
        layout: the windows.

    Returns:
        (B * K, C).
    """
    if not qkv.is_cuda:
        return _attention(qkv, bias, layout)
    with sdpa_kernel(GPU_KERNELS):
        return _attention(qkv, bias, layout)


def _attention(qkv: Tensor, bias: Tensor, layout: WindowLayout) -> Tensor:
    out, biases = [], biases_of(bias.to(qkv.dtype), layout)
    for (_, (windows,)), of_size in zip(by_size(layout, qkv), biases, strict=True):
        # To split what is not too much would cost a copy of its gradient.
        too_many = len(windows) > MOST_WINDOWS
        parts = windows.split(MOST_WINDOWS) if too_many else (windows,)
        out += [fused(part, of_size).flatten(0, 1) for part in parts]
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
    # On a GPU, the backward pass of the fused one fails for a bias that learns alone.
    bias_alone = bias is not None and bias.requires_grad and not q.requires_grad
    if not bias_alone and not is_differentiated_or_mapped():
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
    # Not all that torch's fused attention chooses from can be differentiated forwards, or mapped.
    scores = (q * q.shape[-1] ** -0.5) @ k.mT
    return (scores if bias is None else scores + bias).softmax(dim=-1) @ v


def merge_heads(out: Tensor) -> Tensor:
    """(n, heads, N, d) -> (n, N, C)."""
    out = out.transpose(1, 2)
    if is_exporting():
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
