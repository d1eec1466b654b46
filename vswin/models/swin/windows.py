"""Section 3.2, 3D (shifted) windows as tensors: gathering tokens into them, and back."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from vswin.models.modes import is_transformed
from vswin.models.swin.config import Triple
from vswin.models.swin.partition import WindowGroup, gap, partition, relative_positions

_PROBE = np.zeros(1, dtype=np.int32)
"""Says, made a tensor, whether a mode makes tensors of its own kind."""


@dataclasses.dataclass(frozen=True, eq=False)
class WindowLayout:
    """How one token grid is cut into windows, ready for gathering (see `window_layout`)."""

    window: Triple
    """The window after clipping to the grid, in tokens."""
    groups: tuple[WindowGroup, ...]
    """All windows by size. Tokens are ordered by group, then clip, then window, then place."""
    batch: int
    """B, clips; a symbol where `torch.export` leaves their number open."""
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
    bias_rows: Tensor
    """(S,) the same for the windows of every group, one after the other, see `biases_of`."""
    masked: bool
    """Whether shifted windows are full ones, kept apart by `allowed`, see `window_layout`."""
    allowed: Tensor | None
    """(windows, N, N) bool, True where a query (dim 1) may attend to a key (dim 2); None where
    all tokens of a window see each other. By mask it has one for each group."""
    by_mask: bool = False
    """Whether the windows of a group share a mask."""

    def to(self, device: torch.device) -> WindowLayout:
        """The same on another device."""
        return dataclasses.replace(
            self,
            index=self.index.to(device),
            inverse=self.inverse.to(device),
            bias_index=self.bias_index.to(device),
            bias_rows=self.bias_rows.to(device),
            allowed=None if self.allowed is None else self.allowed.to(device),
        )


def window_layout(
    grid: Triple,
    window_size: Triple,
    shift_size: Triple,
    device: torch.device,
    masked: bool = False,
    batch: int = 1,
    by_mask: bool = False,
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
        by_mask: whether masked windows are ordered by their mask, of which there are eight at most
            where each axis is cut into whole windows: one call for each, and none copies its mask
            for every window.
    """
    if type(batch) is not int:
        return _of_clips(_layout(grid, window_size, shift_size, masked, 1).to(device), batch)
    if not tensors_are_plain():
        return _layout(grid, window_size, shift_size, masked, batch, by_mask).to(device)
    return _remembered(grid, window_size, shift_size, masked, batch, by_mask, device)


# Integers that torch.compile need not read. The mark is what torch.compiler.assume_constant_result
# sets; calling that imports the compiler, which takes a second of every process that has no use
# for it. A test compiles a model.
window_layout._dynamo_marked_constant = True  # type: ignore[attr-defined]


def tensors_are_plain() -> bool:
    """Whether what is made now is of use later: not under a mode that makes its own kind."""
    return type(torch.from_numpy(_PROBE)) is Tensor


def _layout(
    grid: Triple,
    window_size: Triple,
    shift_size: Triple,
    masked: bool,
    batch: int,
    by_mask: bool = False,
) -> WindowLayout:
    """On the CPU: nothing is copied."""
    cut = partition(grid, window_size, shift_size, masked, batch, by_mask)
    return WindowLayout(
        window=cut.window,
        groups=cut.groups,
        batch=batch,
        volume=cut.volume,
        index=torch.from_numpy(cut.index),
        inverse=torch.from_numpy(cut.inverse),
        padded=cut.padded,
        bias_index=torch.from_numpy(cut.bias_index),
        bias_rows=torch.from_numpy(cut.bias_rows),
        masked=masked,
        by_mask=by_mask and cut.allowed is not None,
        allowed=None if cut.allowed is None else torch.from_numpy(cut.allowed),
    )


@functools.lru_cache(maxsize=128)  # one for each kind of block and number of clips: 8 or 16 of 16
@torch.inference_mode(False)  # a layout first met in inference serves training later
def _remembered(
    grid: Triple,
    window_size: Triple,
    shift_size: Triple,
    masked: bool,
    batch: int,
    by_mask: bool,
    device: torch.device,
) -> WindowLayout:
    """As torch makes it without a mode."""
    return _layout(grid, window_size, shift_size, masked, batch, by_mask).to(device)


def _of_clips(one: WindowLayout, batch: int) -> WindowLayout:
    """The layout of one clip for as many as there will be."""
    device, sizes = one.index.device, [group.count * group.volume for group in one.groups]
    clip = torch.arange(batch, device=device)[:, None]
    rows = torch.where(one.index < one.volume, one.index + clip * one.volume, batch * one.volume)
    places, start = [], 0
    for size in sizes:
        places.append(batch * start + clip * size + torch.arange(size, device=device))
        start += size
    return dataclasses.replace(
        one,
        batch=batch,
        index=torch.cat([part.flatten() for part in rows.split(sizes, dim=1)]),
        inverse=torch.cat(places, dim=1).index_select(1, one.inverse).flatten(),
    )


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


def biases_of(bias: Tensor, layout: WindowLayout) -> list[Tensor]:
    """The bias of the windows of each group (section 3.2), by mask with the mask in it.

    Args:
        bias: (heads, S), what the table has at the layout's `bias_rows`.
        layout: the windows.

    Returns:
        (heads, N, N) each, views.
    """
    volumes = [group.volume for group in layout.groups]
    if layout.allowed is not None:
        whole = bias.unflatten(1, (volumes[0], volumes[0]))
        return list(whole.masked_fill(~layout.allowed[:, None], -math.inf).unbind())
    if len(volumes) == 1:
        return [bias.unflatten(1, (volumes[0], volumes[0]))]
    # Split, and not sliced one by one: then their gradients are put together at once, too.
    parts = bias.split([n**2 + gap(n) for n in volumes], dim=1)
    pieces = (x[:, : n**2] if gap(n) else x for x, n in zip(parts, volumes, strict=True))
    return [x.unflatten(1, (n, n)) for x, n in zip(pieces, volumes, strict=True)]


def relative_position_index(window: Triple, table_window: Triple) -> Tensor:
    """`vswin.models.swin.partition.relative_positions` as a tensor: (N, N) int64."""
    return torch.from_numpy(relative_positions(window, table_window))


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
    if torch.is_grad_enabled() and x.requires_grad and not is_transformed(x):
        return _Gather.apply(x, index, inverse, pad_forward, pad_backward)
    return _rows(x, index, pad_forward)


def _rows(x: Tensor, index: Tensor, pad: bool) -> Tensor:
    """(R, C), (K,) -> (K, C); with `pad`, index R reads zeros."""
    if pad:
        x = torch.cat((x, x.new_zeros(1, x.shape[1])))
    return x.index_select(0, index)
