"""Section 3.2, the geometry of 3D (shifted) windows.

Which token sits in which window, and what it may attend to: integers only, no weights.

A grid of T' x H' x W' tokens is numbered in t-major order (t, then h, then w). Everything here is a
pure function of a few small tuples, so it is computed once per shape and remembered.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterator

import torch
from torch import Tensor

from vswin.models.swin.config import Triple


@dataclasses.dataclass(frozen=True)
class WindowGroup:
    """Windows of one size: what one call of attention serves."""

    size: Triple
    """(p, h, w) in tokens; smaller than the window where a shift cuts it off at the border."""
    count: int
    """Windows of this size in one clip."""
    volume: int
    """N, the number of tokens in one of these windows."""


@dataclasses.dataclass(frozen=True, eq=False)
class WindowLayout:
    """How one token grid is cut into windows, ready for gathering (see `window_layout`)."""

    window: Triple
    """The window after clipping to the grid, in tokens."""
    groups: tuple[WindowGroup, ...]
    """All windows by size. Tokens are ordered by group, then clip, then window, then place."""
    batch: int
    """B, clips."""
    volume: int
    """L, the tokens of the grid."""
    index: Tensor
    """(B * K,) row of the (B * L, C) tokens at each place of the windows; B * L is padding."""
    inverse: Tensor
    """(B * L,) place of each token: undoes `index`."""
    padded: bool
    """Whether the windows reach beyond the grid, so that `index` contains B * L."""
    bias_index: Tensor
    """(N * N,) row of the relative position bias table for each pair of places in `window`."""
    masked: bool
    """Whether shifted windows are full ones, kept apart by `allowed`, see `window_layout`."""
    allowed: Tensor | None
    """(windows, N, N) bool, True where a query (dim 1) may attend to a key (dim 2); None where
    all tokens of a window see each other."""


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


def window_layout(
    grid: Triple,
    window_size: Triple,
    shift_size: Triple,
    device: torch.device,
    masked: bool = False,
    batch: int = 1,
) -> WindowLayout:
    """The windows of a token grid: ceil(T'/P) x ceil(H'/M) x ceil(W'/M) of them (section 3.2).

    The shifted partition has more, smaller windows (Figure 3: 27 instead of 8), of up to 27
    sizes. With `masked`, as in the efficient batch computation of the 2D Swin Transformer, the
    grid is rolled by the shift so that there are as many and as large windows as without, and
    tokens from different windows are kept apart by `allowed`. The result is the same; the small
    windows need 57 % of the multiplications in the shifted attention of Swin-T at
    32 x 224 x 224, the masked ones fewer calls.

    Where the sizes do not divide, the grid is padded at the end of each axis; padding takes part
    in attention as zero tokens, as in the released code, so that published weights compute what
    they were trained for.

    Args:
        grid: (T', H', W') in tokens.
        window_size: (P, M, M) as configured, which is also the window of the bias table.
        shift_size: (t, h, w) by which this block's windows are shifted.
        device: where the tensors of the layout shall live.
        masked: whether shifted windows are full ones with a mask.
        batch: clips.
    """
    return _window_layout(grid, window_size, shift_size, device, masked, batch)


# Integers that torch.compile need not read. The mark is what torch.compiler.assume_constant_result
# sets; calling that imports the compiler, which takes a second of every process that has no use
# for it. A test compiles a model.
window_layout._dynamo_marked_constant = True  # type: ignore[attr-defined]


@functools.lru_cache(maxsize=64)
@torch.inference_mode(False)  # a layout first met in inference serves training later
def _window_layout(
    grid: Triple,
    window_size: Triple,
    shift_size: Triple,
    device: torch.device,
    masked: bool,
    batch: int,
) -> WindowLayout:
    window, shift = clip_window(grid, window_size, shift_size)
    time, height, width = (math.ceil(g / w) * w for g, w in zip(grid, window, strict=True))
    padded = (time, height, width)
    volume = math.prod(grid)
    # Built on the CPU, whatever the default device: "meta" has no values to index with.
    tokens = torch.full(padded, volume, device="cpu")
    tokens[: grid[0], : grid[1], : grid[2]] = torch.arange(volume, device="cpu").view(grid)

    allowed = None
    if masked and any(shift):
        number = _window_numbers(padded, window, shift)
        move = [-step for step in shift]
        tokens, number = (torch.roll(x, move, dims=(0, 1, 2)) for x in (tokens, number))
        number = _cut(number, window, (0, 0, 0))[window]
        allowed = (number[:, :, None] == number[:, None, :]).to(device)
        shift = (0, 0, 0)
    windows = _cut(tokens, window, shift)
    index, inverse = _batch_index(list(windows.values()), volume, batch)
    return WindowLayout(
        window=window,
        groups=tuple(WindowGroup(size, *found.shape) for size, found in windows.items()),
        batch=batch,
        volume=volume,
        index=index.to(device),
        inverse=inverse.to(device),
        padded=padded != grid,
        bias_index=relative_position_index(window, window_size).flatten().to(device),
        masked=masked,
        allowed=allowed,
    )


def _cut(grid: Tensor, window: Triple, shift: Triple) -> dict[Triple, Tensor]:
    """The windows of a grid (T, H, W), by size (p, h, w): (count, p * h * w) of its entries each.

    An axis is cut at shift, shift + window, ... (Figure 3): one window may be left over before
    the first cut, one after the last.
    """
    axes: list[dict[int, Tensor]] = []
    for length, size, first in zip(map(int, grid.shape), window, shift, strict=True):
        cuts = sorted({0, *range(first, length, size), length})
        by_size: dict[int, list[range]] = {}
        for start, stop in itertools.pairwise(cuts):
            by_size.setdefault(stop - start, []).append(range(start, stop))
        axes.append({size: torch.tensor(found, device="cpu") for size, found in by_size.items()})
    windows = {}
    for (p, t), (m, h), (n, w) in itertools.product(*(axis.items() for axis in axes)):
        # Each is (count, size); together (counts, counts, counts, p, m, n).
        members = grid[
            t[:, None, None, :, None, None], h[:, None, None, :, None], w[:, None, None, :]
        ]
        windows[p, m, n] = members.reshape(-1, p * m * n)
    return windows


def _batch_index(windows: list[Tensor], volume: int, batch: int) -> tuple[Tensor, Tensor]:
    """The gather of a whole batch, and its inverse, as `WindowLayout` has them.

    Args:
        windows: for each size (count, N), token numbers of one clip, `volume` for padding.
        volume: L, the tokens of one clip.
        batch: clips.
    """
    clip = volume * torch.arange(batch, device="cpu")[:, None, None]
    padding = batch * volume
    index = torch.cat([torch.where(x < volume, x + clip, padding).flatten() for x in windows])
    inverse = torch.empty(padding + 1, dtype=torch.int32, device="cpu")
    inverse[index] = torch.arange(len(index), dtype=torch.int32, device="cpu")
    return index.int(), inverse[:padding]


def _window_numbers(padded: Triple, window: Triple, shift: Triple) -> Tensor:
    """(T', H', W') int64: which window of the shifted partition each token belongs to."""
    places = torch.arange(math.prod(padded), device="cpu")
    number = torch.empty_like(places)
    first = 0
    for members in _cut(places.view(padded), window, shift).values():
        number[members] = first + torch.arange(len(members), device="cpu")[:, None]
        first += len(members)
    return number.view(padded)


def bias_of(bias: Tensor, size: Triple) -> Tensor:
    """The bias of a smaller window: pairs at the same offset share it (section 3.2).

    Args:
        bias: (heads, p, h, w, p, h, w) for the layout's window.
        size: of a window in it.

    Returns:
        (heads, N, N), a view where the size is the whole window.
    """
    t, h, w = size
    return bias[:, :t, :h, :w, :t, :h, :w].flatten(4).flatten(1, 3)


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


def to_windows(tokens: Tensor, layout: WindowLayout) -> Tensor:
    """(B, L, C) tokens of the grid -> (B * K, C), in the order of the layout's groups."""
    return _gather(tokens.flatten(0, 1), layout.index, layout.inverse, layout.padded, False)


def from_windows(windows: Tensor, layout: WindowLayout) -> Tensor:
    """(B * K, C) -> (B, L, C): undoes `to_windows` and drops the padding."""
    tokens = _gather(windows, layout.inverse, layout.index, False, layout.padded)
    return tokens.view(layout.batch, layout.volume, -1)


def by_size(layout: WindowLayout, *rows: Tensor) -> Iterator[tuple[Triple, list[Tensor]]]:
    """The windows of each size, and their tokens: (B * K, ...) -> views (B * count, N, ...)."""
    tokens = [layout.batch * group.count * group.volume for group in layout.groups]
    parts = zip(*(x.split(tokens) for x in rows), strict=True)
    for group, tensors in zip(layout.groups, parts, strict=True):
        yield group.size, [x.unflatten(0, (-1, group.volume)) for x in tensors]


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
    """(R, C), (K,) -> (K, C); with `pad`, index R reads zeros."""
    if pad:
        x = torch.cat((x, x.new_zeros(1, x.shape[1])))
    return x.index_select(0, index)
