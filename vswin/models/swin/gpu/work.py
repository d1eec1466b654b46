"""Which program of `vswin.models.swin.gpu.kernels` does what: tables of integers, no weights."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from vswin.models.swin.config import Triple
from vswin.models.swin.partition import Integers, bias_table_rows, relative_positions
from vswin.models.swin.windows import tensors_are_plain

Sizes = tuple[tuple[Triple, int], ...]
"""(p, h, w) and number of a clip's windows of each size, in the order of a layout's groups."""
PROGRAMS = 2048
"""About how many share the gradient of the bias: enough for every GPU, and what they write is at
most 64 x 64 sums each."""


@dataclasses.dataclass(frozen=True, eq=False)
class Work:
    """What the programs read besides queries, keys and values; all int32."""

    block: int
    """Places of a window in a tile."""
    offsets: Tensor
    """For the places of each size, t-major, how far each moves a row of the bias table."""
    tiles: Tensor
    """(tiles, 4): first token, N, start in `offsets`, first place of the tile; large windows come
    first, for they take longest."""
    pairs: Tensor
    """(pairs, 7): first token, N, start in `offsets`, first query, first key, windows, and where
    the (N, N) sums over them start."""
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
    start: int
    """In `Work.offsets`."""


def work(
    sizes: Sizes, table_window: Triple, batch: int, heads: int, tile: int, device: torch.device
) -> Work:
    """The work for windows in the order of `vswin.models.swin.windows.WindowLayout`.

    Args:
        sizes: of the windows of one clip.
        table_window: (P, M, M), the window of the bias table.
        batch: clips.
        heads: of the attention.
        tile: places of a large window that a program takes at a time, 32 or 64.
        device: where the tensors shall live.
    """
    if not tensors_are_plain():
        return _work(sizes, table_window, batch, heads, tile, device)
    return _remembered(sizes, table_window, batch, heads, tile, device)


# See vswin.models.swin.windows.window_layout.
work._dynamo_marked_constant = True  # type: ignore[attr-defined]


def _work(
    sizes: Sizes, table_window: Triple, batch: int, heads: int, tile: int, device: torch.device
) -> Work:
    groups = list(_groups(sizes, batch))
    largest = max(group.volume for group in groups)
    block = next((n for n in (16, 32) if largest <= n), tile)
    offsets = [_offsets(group.size, table_window) for group in groups]
    by_volume = sorted(groups, key=lambda group: -group.volume)
    tiles = [_tiles(group, block) for group in by_volume]
    pairs, given = _pairs(groups, table_window, block, heads)
    rows = np.arange(bias_table_rows(table_window) + 1)
    order = np.argsort(given, kind="stable")

    def tensor(integers: Integers) -> Tensor:
        return torch.from_numpy(integers.astype(np.int32)).to(device)

    return Work(
        block=block,
        offsets=tensor(np.concatenate(offsets)),
        tiles=tensor(np.concatenate(tiles)),
        pairs=tensor(pairs),
        starts=tensor(np.searchsorted(given[order], rows)),
        positions=tensor(order),
    )


@functools.lru_cache(maxsize=128)  # as many as there are layouts
@torch.inference_mode(False)
def _remembered(
    sizes: Sizes, table_window: Triple, batch: int, heads: int, tile: int, device: torch.device
) -> Work:
    return _work(sizes, table_window, batch, heads, tile, device)


def _groups(sizes: Sizes, batch: int) -> Iterator[_Group]:
    first = start = 0
    for size, count in sizes:
        volume = int(np.prod(size))
        yield _Group(size, volume, batch * count, first, start)
        first, start = first + batch * count * volume, start + volume


def _offsets(size: Triple, table_window: Triple) -> Integers:
    """(N,) what a place adds to the row of the bias table: see `relative_positions`."""
    # Seen from the first place, whose own row is in the middle of the table.
    return relative_positions(size, table_window)[:, 0] - bias_table_rows(table_window) // 2


def _tiles(group: _Group, block: int) -> Integers:
    """(tiles, 4) of `Work.tiles`."""
    first = group.first + group.volume * np.arange(group.windows)
    place = np.arange(0, group.volume, block)
    tiles = np.empty((len(first), len(place), 4), dtype=np.int64)
    tiles[..., 0] = first[:, None]
    tiles[..., 1:3] = group.volume, group.start
    tiles[..., 3] = place
    return tiles.reshape(-1, 4)


def _pairs(
    groups: list[_Group], table_window: Triple, block: int, heads: int
) -> tuple[Integers, Integers]:
    """`Work.pairs`, and the row of the bias table for each of the sums."""
    tiles = {group: range(0, group.volume, block) for group in groups}
    products = heads * sum(group.windows * len(tiles[group]) ** 2 for group in groups)
    windows = -(-products // PROGRAMS)  # for a program
    pairs, rows, start = [], [], 0
    for group in groups:
        of_size = relative_positions(group.size, table_window).reshape(-1)
        for done in range(0, group.windows, windows):
            count = min(windows, group.windows - done)
            first = group.first + done * group.volume
            pairs += [
                (first, group.volume, group.start, query, key, count, start)
                for query, key in itertools.product(tiles[group], repeat=2)
            ]
            rows.append(of_size)
            start += len(of_size)
    return np.array(pairs), np.concatenate(rows)
