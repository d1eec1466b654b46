"""Section 3.2, the geometry of 3D (shifted) windows.

Which token sits in which window, and what it may attend to: integers only, no weights.

A grid of T' x H' x W' tokens is numbered in t-major order (t, then h, then w). Everything here is a
pure function of a few small tuples. What is computed once per shape and remembered is in numpy:
tensors belong to the mode they were made in (inference, fake tensors of `torch.export`), numbers do
not.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vswin.models.swin.config import Triple

Integers = NDArray[np.integer[Any]]
ALIGNED = 8
"""Numbers that start together in a GPU's memory: 16 bytes of the smallest that attention takes."""


@dataclasses.dataclass(frozen=True)
class WindowGroup:
    """Windows of one size: what one call of attention serves."""

    size: Triple
    """(p, h, w) in tokens; smaller than the window where a shift cuts it off at the border."""
    count: int
    """Windows of this size in one clip."""
    volume: int
    """N, the number of tokens in one of these windows."""


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


def bias_table_rows(window: Triple) -> int:
    """Rows of the relative position bias table of a window: its offsets (section 3.2)."""
    return math.prod(2 * size - 1 for size in window)


@dataclasses.dataclass(frozen=True, eq=False)
class Partition:
    """How the token grids of some clips are cut into windows."""

    window: Triple
    """The window after clipping to the grid, in tokens."""
    groups: tuple[WindowGroup, ...]
    """All windows by size. Tokens are ordered by group, then clip, then window, then place."""
    volume: int
    """L, the tokens of the grid."""
    index: Integers
    """(B * K,) row of the (B * L, C) tokens at each place of the windows; B * L is padding."""
    inverse: Integers
    """(B * L,) place of each token: undoes `index`."""
    padded: bool
    """Whether the windows reach beyond the grid, so that `index` contains B * L."""
    bias_index: Integers
    """(N * N,) row of the relative position bias table for each pair of places in `window`."""
    bias_rows: Integers
    """(S,) the same for the windows of every group, one after the other; each starts at a multiple
    of `ALIGNED`, and what fills the gaps is read by nobody."""
    allowed: NDArray[np.bool_] | None
    """(windows, N, N), True where a query (dim 1) may attend to a key (dim 2); None where all
    tokens of a window see each other. By mask it has one for each group."""


@functools.lru_cache(maxsize=64)
def partition(
    grid: Triple,
    window_size: Triple,
    shift_size: Triple,
    masked: bool,
    batch: int,
    by_mask: bool = False,
) -> Partition:
    """The numbers of a layout, see `vswin.models.swin.windows.window_layout`."""
    window, shift = clip_window(grid, window_size, shift_size)
    time, height, width = (math.ceil(g / w) * w for g, w in zip(grid, window, strict=True))
    padded = (time, height, width)
    volume = math.prod(grid)
    tokens = np.full(padded, volume)
    tokens[: grid[0], : grid[1], : grid[2]] = np.arange(volume).reshape(grid)

    allowed = None
    if masked and any(shift):
        number = _window_numbers(padded, window, shift)
        move = [-step for step in shift]
        tokens, number = (np.roll(x, move, axis=(0, 1, 2)) for x in (tokens, number))
        number = _cut(number, window, (0, 0, 0))[window]
        allowed = number[:, :, None] == number[:, None, :]
        shift = (0, 0, 0)
    windows = list(_cut(tokens, window, shift).items())
    if allowed is not None and by_mask:
        windows, allowed = _by_mask(windows, allowed)
    index, inverse = _batch_index([found for _, found in windows], volume, batch)
    bias_index = relative_positions(window, window_size).reshape(-1)
    return Partition(
        window=window,
        groups=tuple(WindowGroup(size, *found.shape) for size, found in windows),
        volume=volume,
        index=index,
        inverse=inverse,
        padded=padded != grid,
        bias_index=bias_index,
        bias_rows=(
            bias_index
            if all(size == window for size, _ in windows)
            else _bias_rows([size for size, _ in windows], window_size)
        ),
        allowed=allowed,
    )


def _by_mask(
    windows: list[tuple[Triple, Integers]], allowed: NDArray[np.bool_]
) -> tuple[list[tuple[Triple, Integers]], NDArray[np.bool_]]:
    """Windows of one size, each with a mask: as many groups as there are different masks."""
    ((window, tokens),) = windows
    same: dict[bytes, list[int]] = {}
    for number, mask in enumerate(allowed):
        same.setdefault(mask.tobytes(), []).append(number)
    groups = [(window, tokens[numbers]) for numbers in same.values()]
    return groups, allowed[[numbers[0] for numbers in same.values()]]


def gap(volume: int) -> int:
    """Rows between the N * N of one size and those of the next in `Partition.bias_rows`."""
    return -(volume**2) % ALIGNED


def _bias_rows(sizes: Iterable[Triple], table_window: Triple) -> Integers:
    rows = (relative_positions(size, table_window) for size in sizes)
    return np.concatenate([np.pad(x.reshape(-1), (0, gap(len(x)))) for x in rows])


def relative_positions(window: Triple, table_window: Triple) -> Integers:
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
    coords = np.indices(window).reshape(3, -1)
    offset = coords[:, :, None] - coords[:, None, :]
    extent = [2 * size - 1 for size in table_window]
    dt, dh, dw = (offset[axis] + table_window[axis] - 1 for axis in range(3))
    return (dt * extent[1] + dh) * extent[2] + dw


def _cut(grid: Integers, window: Triple, shift: Triple) -> dict[Triple, Integers]:
    """The windows of a grid (T, H, W), by size (p, h, w): (count, p * h * w) of its entries each.

    An axis is cut at shift, shift + window, ... (Figure 3): one window may be left over before
    the first cut, one after the last.
    """
    axes: list[dict[int, Integers]] = []
    for length, size, first in zip(grid.shape, window, shift, strict=True):
        cuts = sorted({0, *range(first, length, size), length})
        by_size: dict[int, list[range]] = {}
        for start, stop in itertools.pairwise(cuts):
            by_size.setdefault(stop - start, []).append(range(start, stop))
        axes.append({size: np.array(found) for size, found in by_size.items()})
    windows = {}
    for (p, t), (m, h), (n, w) in itertools.product(*(axis.items() for axis in axes)):
        # Each is (count, size); together (counts, counts, counts, p, m, n).
        members = grid[
            t[:, None, None, :, None, None], h[:, None, None, :, None], w[:, None, None, :]
        ]
        windows[p, m, n] = members.reshape(-1, p * m * n)
    return windows


def _batch_index(windows: Iterable[Integers], volume: int, batch: int) -> tuple[Integers, Integers]:
    """The gather of a whole batch, and its inverse, as `Partition` has them.

    Args:
        windows: for each size (count, N), token numbers of one clip, `volume` for padding.
        volume: L, the tokens of one clip.
        batch: clips.
    """
    clip = volume * np.arange(batch)[:, None, None]
    padding = batch * volume
    index = np.concatenate([np.where(x < volume, x + clip, padding).reshape(-1) for x in windows])
    inverse = np.empty(padding + 1, dtype=np.int32)
    inverse[index] = np.arange(len(index), dtype=np.int32)
    return index.astype(np.int32), inverse[:padding]


def _window_numbers(padded: Triple, window: Triple, shift: Triple) -> Integers:
    """(T', H', W'): which window of the shifted partition each token belongs to."""
    places = np.arange(math.prod(padded))
    number = np.empty_like(places)
    first = 0
    for members in _cut(places.reshape(padded), window, shift).values():
        number[members] = first + np.arange(len(members))[:, None]
        first += len(members)
    return number.reshape(padded)
