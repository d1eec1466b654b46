"""Section 3.2, the geometry of 3D (shifted) windows.

Which token sits in which window, and what it may attend to: integers only, no weights.

A grid of T' x H' x W' tokens is numbered in t-major order (t, then h, then w). Everything here is a
pure function of a few small tuples, so it is computed once per shape and remembered.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import torch
from torch import Tensor

from vswin.models.presets import Triple


@dataclasses.dataclass(frozen=True, eq=False)
class WindowLayout:
    """How one token grid is cut into windows, ready for gathering (see `window_layout`)."""

    window: Triple
    """The window after clipping to the grid, in tokens."""
    num_windows: int
    index: Tensor
    """(num_windows * N,) token number at each window position; L (= grid volume) is padding."""
    inverse: Tensor
    """(L,) window position of each token: undoes `index`."""
    padded: bool
    """Whether the windows reach beyond the grid, so that `index` contains L."""
    allowed: Tensor | None
    """(num_windows, N, N) bool, True where a query (dim 1) may attend to a key (dim 2); None
    without a shift, when all tokens of a window see each other."""
    bias_index: Tensor
    """(N * N,) row of the relative position bias table for each pair of positions."""

    @property
    def volume(self) -> int:
        """N, the number of tokens in a window."""
        return math.prod(self.window)


def clip_window(grid: Triple, window: Triple, shift: Triple) -> tuple[Triple, Triple]:
    """The window and the shift that are used on `grid`.

    Along an axis that fits into one window, the window is the axis and there is nothing to shift
    (the released code's rule; at 224 x 224 it turns off the spatial shift of the last stage).
    """
    fits = [size <= win for size, win in zip(grid, window, strict=True)]
    clipped = tuple(g if f else w for g, w, f in zip(grid, window, fits, strict=True))
    shifts = tuple(0 if f else s for s, f in zip(shift, fits, strict=True))
    return clipped, shifts  # type: ignore[return-value]


def half_window(window: Triple, axes: str) -> Triple:
    """The shift of every second block: (floor(P/2), floor(M/2), floor(M/2)), section 3.2.

    Args:
        window: (P, M, M) in tokens.
        axes: "3d" shifts all three axes, "spatial" height and width, "none" nothing (Table 6).
    """
    shifted = {"3d": (1, 1, 1), "spatial": (0, 1, 1), "none": (0, 0, 0)}[axes]
    return tuple(w // 2 * s for w, s in zip(window, shifted, strict=True))  # type: ignore[return-value]


@functools.lru_cache(maxsize=128)
@torch.inference_mode(False)  # a layout first met in inference serves training later
def window_layout(
    grid: Triple, window_size: Triple, shift_size: Triple, device: torch.device
) -> WindowLayout:
    """The windows of a token grid: ceil(T'/P) x ceil(H'/M) x ceil(W'/M) of them (section 3.2).

    The shifted partition has more, smaller windows (Figure 3: 27 instead of 8). Following the
    efficient batch computation of the 2D Swin Transformer, the grid is rolled by the shift so that
    the number of windows stays the same, and tokens from different regions of the unrolled grid
    are kept apart by `allowed`. Where the sizes do not divide, the grid is padded at the end of
    each axis; padding takes part in attention as zero tokens, as in the released code, so that
    published weights compute what they were trained for.

    Args:
        grid: (T', H', W') in tokens.
        window_size: (P, M, M) as configured, which is also the window of the bias table.
        shift_size: (t, h, w) by which this block's windows are shifted.
        device: where the tensors of the layout shall live.
    """
    window, shift = clip_window(grid, window_size, shift_size)
    counts = tuple(math.ceil(g / w) for g, w in zip(grid, window, strict=True))
    padded = tuple(c * w for c, w in zip(counts, window, strict=True))

    volume = math.prod(grid)
    # Built on the CPU, whatever the default device: "meta" has no values to index with.
    tokens = torch.full(padded, volume, device="cpu")
    tokens[: grid[0], : grid[1], : grid[2]] = torch.arange(volume, device="cpu").view(grid)
    tokens = torch.roll(tokens, [-s for s in shift], dims=(0, 1, 2))
    index = _cut(tokens, window).flatten()

    positions = torch.arange(index.numel(), device="cpu")
    real = index < volume
    inverse = torch.empty(volume, dtype=torch.long, device="cpu")
    inverse[index[real]] = positions[real]

    allowed = None
    if any(shift):
        region = _cut(shift_regions(padded, window, shift), window).to(device)
        allowed = region[:, :, None] == region[:, None, :]
    return WindowLayout(
        window=window,
        num_windows=math.prod(counts),
        index=index.to(device),
        inverse=inverse.to(device),
        padded=padded != grid,
        allowed=allowed,
        bias_index=relative_position_index(window, window_size).flatten().to(device),
    )


def shift_regions(padded: Triple, window: Triple, shift: Triple) -> Tensor:
    """Which window of the shifted partition each place of the rolled grid belongs to.

    Args:
        padded: (T', H', W') after padding, in tokens.
        window: the window after clipping.
        shift: the shift after clipping.

    Returns:
        (T', H', W') int64: the same number within one window of Figure 3's right side.
    """
    region = torch.zeros(padded, dtype=torch.long, device="cpu")
    for axis, (size, win, move) in enumerate(zip(padded, window, shift, strict=True)):
        # After the roll, place i holds token (i + move) mod size. Shifted windows are cut at
        # tokens move, move + win, ...; what is left before the first cut is a window of its own.
        token = (torch.arange(size, device="cpu") + move) % size
        number = torch.div(token - move, win, rounding_mode="floor") + 1
        shape = [1, 1, 1]
        shape[axis] = size
        region = region * (size // win + 2) + number.view(shape)
    return region


def bias_table_rows(window: Triple) -> int:
    """Rows of the relative position bias table of a window: its offsets (section 3.2)."""
    return math.prod(2 * size - 1 for size in window)


def relative_position_index(window: Triple, table_window: Triple) -> Tensor:
    """Row of the 3D relative position bias table for every pair of positions in a window.

    The table B-hat of section 3.2 has one row for each offset in [-P+1, P-1] x [-M+1, M-1]^2,
    t-major. A window that was clipped to a small grid looks its offsets up in the same table, so a
    pair at offset (dt, dh, dw) has the same bias however the window was clipped. Public
    implementations slice the index matrix of the full window (`index[:N, :N]`) instead. That is
    the same when only time is clipped. When space is clipped, it gives most pairs the bias of
    another offset; here they get their own.

    Args:
        window: the clipped window (p, h, w), at most `table_window` on each axis.
        table_window: (P, M, M), the window that the table was made for.

    Returns:
        (N, N) int64 with N = p * h * w: rows for query (dim 0) minus key (dim 1).
    """
    axes = [torch.arange(size, device="cpu") for size in window]
    coords = torch.stack(torch.meshgrid(*axes, indexing="ij")).flatten(1)  # (3, N)
    offset = coords[:, :, None] - coords[:, None, :]
    extent = [2 * size - 1 for size in table_window]
    dt, dh, dw = (offset[axis] + table_window[axis] - 1 for axis in range(3))
    return (dt * extent[1] + dh) * extent[2] + dw


def _cut(grid: Tensor, window: Triple) -> Tensor:
    """(T, H, W) -> (num_windows, N); sizes must divide."""
    (t, h, w), (p, m, n) = grid.shape, window
    cut = grid.view(t // p, p, h // m, m, w // n, n).permute(0, 2, 4, 1, 3, 5)
    return cut.reshape(-1, p * m * n)


def to_windows(tokens: Tensor, layout: WindowLayout) -> Tensor:
    """(B, L, C) tokens of the grid -> (B, num_windows * N, C), window after window."""
    return _gather(tokens, layout.index, layout.inverse, layout.padded, False)


def from_windows(windows: Tensor, layout: WindowLayout) -> Tensor:
    """(B, num_windows * N, C) -> (B, L, C): undoes `to_windows` and drops the padding."""
    return _gather(windows, layout.inverse, layout.index, False, layout.padded)


class _Gather(torch.autograd.Function):
    """A gather of rows whose backward is a gather too; the stock one scatters and accumulates."""

    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx,
        x: Tensor,
        index: Tensor,
        inverse: Tensor,
        pad_forward: bool,
        pad_backward: bool,
    ) -> Tensor:
        ctx.save_for_backward(inverse)
        ctx.pad_backward = pad_backward  # type: ignore[attr-defined]
        return _rows(x, index, pad_forward)

    @staticmethod
    def backward(
        ctx: torch.autograd.function.FunctionCtx, grad: Tensor
    ) -> tuple[Tensor, None, None, None, None]:
        (inverse,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return _rows(grad, inverse, ctx.pad_backward), None, None, None, None  # type: ignore[attr-defined]


def _gather(
    x: Tensor, index: Tensor, inverse: Tensor, pad_forward: bool, pad_backward: bool
) -> Tensor:
    if torch.is_grad_enabled() and x.requires_grad:
        return _Gather.apply(x, index, inverse, pad_forward, pad_backward)
    return _rows(x, index, pad_forward)


def _rows(x: Tensor, index: Tensor, pad: bool) -> Tensor:
    """(B, L, C), (K,) -> (B, K, C); with `pad`, index L reads zeros."""
    if pad:
        x = torch.cat((x, x.new_zeros(x.shape[0], 1, x.shape[2])), dim=1)
    return x.index_select(1, index)
