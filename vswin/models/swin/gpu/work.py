"""Which program of `vswin.models.swin.gpu.kernels` does what: tables of integers, no weights."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from vswin.models.swin.config import Triple
from vswin.models.swin.partition import Integers, bias_table_rows, relative_positions
from vswin.models.swin.windows import tensors_are_plain

Sizes = tuple[tuple[Triple, int], ...]
"""(p, h, w) and number of a clip's windows of each size, in the order of a layout's groups."""
NONE = np.empty(0, dtype=np.int64)
PROGRAMS = 2048
"""About how many share the gradient of the bias: enough for every GPU, and what they write is at
most 64 x 64 sums each."""


@dataclasses.dataclass(frozen=True, eq=False)
class Work:
    """What the programs read besides queries, keys and values; all int32."""

    block: int
    """Places of a window in a tile."""
    matrices: Tensor
    """(S,) for B of each size of window, filled up to whole tiles, rows of the bias table; what is
    no key has a row after the last one."""
    transposed: Tensor
    """The same for each matrix transposed."""
    tiles: Tensor
    """(tiles, 5): first token, N, first place of the tile, start of its B in `matrices`, start of
    what is kept for each of the window's queries; large windows come first, for they take
    longest."""
    pairs: Tensor
    """(pairs, 8): first token, N, first query, first key, start of their B, start of what is kept
    for the queries, windows, and where the (N, N) sums over them start."""
    starts: Tensor
    """(rows + 1,) where the list of each row of the bias table starts in `positions`."""
    positions: Tensor
    """Where among all sums the gradients of scores are that a row of the table gave its bias to."""


@dataclasses.dataclass(frozen=True)
class _Group:
    size: Triple
    volume: int
    """N, tokens of a window."""
    windows: int
    """Of all clips."""
    first: int
    """Its first token."""
    block: int
    """Places in a tile."""
    matrix: int
    """Start of its B in `Work.matrices`."""
    sums: int
    """Start of what is kept for each query, by window."""

    @property
    def places(self) -> int:
        """Of a window, filled up to whole tiles."""
        return -(-self.volume // self.block) * self.block


def work(
    sizes: Sizes,
    table_window: Triple,
    batch: int,
    heads: int,
    tile: int,
    device: torch.device,
    learns: bool = True,
) -> Work:
    """The work for windows in the order of `vswin.models.swin.windows.WindowLayout`.

    Args:
        sizes: of the windows of one clip.
        table_window: (P, M, M), the window of the bias table.
        batch: clips.
        heads: of the attention.
        tile: places of a large window that a program takes at a time, 32 or 64.
        device: where the tensors shall live.
        learns: whether gradients are wanted; what serves them alone is empty otherwise.
    """
    make = _remembered if tensors_are_plain() else _work
    return make(sizes, table_window, batch, heads, tile, device, learns)


# See vswin.models.swin.windows.window_layout.
work._dynamo_marked_constant = True  # type: ignore[attr-defined]


def _work(
    sizes: Sizes,
    table_window: Triple,
    batch: int,
    heads: int,
    tile: int,
    device: torch.device,
    learns: bool,
) -> Work:
    largest = max(math.prod(size) for size, _ in sizes)
    block = next((n for n in (16, 32) if largest <= n), tile)
    groups = list(_groups(sizes, batch, block))
    by_volume = sorted(groups, key=lambda group: -group.volume)
    tiles = [_tiles(group) for group in by_volume]
    matrices = [_matrix(group, table_window) for group in groups]
    pairs, given = _pairs(groups, table_window, heads) if learns else (NONE, NONE)
    rows = np.arange(bias_table_rows(table_window) + 1)
    order = np.argsort(given, kind="stable")
    transposed = [matrix.T.reshape(-1) for matrix in matrices] if learns else [NONE]

    def tensor(integers: Integers) -> Tensor:
        return torch.from_numpy(integers.astype(np.int32)).to(device)

    return Work(
        block=block,
        matrices=tensor(np.concatenate([matrix.reshape(-1) for matrix in matrices])),
        transposed=tensor(np.concatenate(transposed)),
        tiles=tensor(np.concatenate(tiles)),
        pairs=tensor(pairs),
        starts=tensor(np.searchsorted(given[order], rows)),
        positions=tensor(order),
    )


# A table that is first met in inference serves training later. As many as there are layouts.
_remembered = functools.lru_cache(maxsize=128)(torch.inference_mode(False)(_work))


def _groups(sizes: Sizes, batch: int, block: int) -> Iterator[_Group]:
    first = matrix = sums = 0
    for size, count in sizes:
        group = _Group(size, math.prod(size), batch * count, first, block, matrix, sums)
        yield group
        first += group.windows * group.volume
        matrix += group.places**2
        sums += group.windows * group.places


def _matrix(group: _Group, table_window: Triple) -> Integers:
    """(places, places) of `Work.matrices`."""
    rows = relative_positions(group.size, table_window)
    more = group.places - group.volume
    rows = np.pad(rows, ((0, more), (0, 0)))  # of what is no query nothing is kept
    return np.pad(rows, ((0, 0), (0, more)), constant_values=bias_table_rows(table_window))


def _tiles(group: _Group) -> Integers:
    """(tiles, 5) of `Work.tiles`."""
    window = np.arange(group.windows)[:, None]
    place = np.arange(0, group.volume, group.block)
    tiles = np.empty((group.windows, len(place), 5), dtype=np.int64)
    tiles[..., 0] = group.first + group.volume * window
    tiles[..., 1] = group.volume
    tiles[..., 2] = place
    tiles[..., 3] = group.matrix
    tiles[..., 4] = group.sums + group.places * window
    return tiles.reshape(-1, 5)


def _pairs(groups: list[_Group], table_window: Triple, heads: int) -> tuple[Integers, Integers]:
    """`Work.pairs`, and the row of the bias table for each of the sums."""
    tiles = {group: range(0, group.volume, group.block) for group in groups}
    products = heads * sum(group.windows * len(tiles[group]) ** 2 for group in groups)
    windows = -(-products // PROGRAMS)  # for a program
    pairs, rows, start = [], [], 0
    for group in groups:
        of_size = relative_positions(group.size, table_window).reshape(-1)
        for done in range(0, group.windows, windows):
            count = min(windows, group.windows - done)
            first, sums = group.first + done * group.volume, group.sums + done * group.places
            pairs += [
                (first, group.volume, query, key, group.matrix, sums, count, start)
                for query, key in itertools.product(tiles[group], repeat=2)
            ]
            rows.append(of_size)
            start += len(of_size)
    return np.array(pairs), np.concatenate(rows)
