"""Position tables for clips of another size: bicubic in space, linear in time.

The MViT papers do not say how; this is what SlowFast's loader does.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from vswin.models.mvit.config import Triple


def resized(tables: Mapping[str, Tensor], has: Triple, wanted: Triple) -> dict[str, Tensor]:
    """The tables of a model for another grid.

    What belongs to the class token is copied. Values lie at the centres of cells, and beyond the
    outermost ones the outermost count, as `align_corners=False` has it.

    Args:
        tables: (1, rows, C) by name, as `vswin.models.mvit.geometry.position_tables` has them.
        has: (T', H', W') of the tokens that they are for.
        wanted: of those that they shall be for.
    """
    time, *space = wanted
    out = dict(tables)
    if "pos_embed_spatial" in tables:
        frames = tables["pos_embed_spatial"].unflatten(1, has[1:])
        out["pos_embed_spatial"] = _in_space(frames, space).flatten(1, 2)
    if "pos_embed_temporal" in tables:
        out["pos_embed_temporal"] = _in_time(tables["pos_embed_temporal"], time)
    if "pos_embed" in tables:
        of_class, rest = tables["pos_embed"].tensor_split([1], dim=1)
        frames = _in_space(rest[0].unflatten(0, has), space)
        rows = _in_time(frames.permute(1, 2, 0, 3).flatten(0, 1), time)
        cells = rows.unflatten(0, space).permute(2, 0, 1, 3)
        out["pos_embed"] = torch.cat((of_class, cells.flatten(0, 2)[None]), dim=1)
    return out


def _in_space(frames: Tensor, size: list[int]) -> Tensor:
    """(B, H', W', C) -> (B, H, W, C)."""
    if [*frames.shape[1:3]] == size:
        return frames
    return F.interpolate(frames.permute(0, 3, 1, 2), size, mode="bicubic").permute(0, 2, 3, 1)


def _in_time(rows: Tensor, length: int) -> Tensor:
    """(B, T', C) -> (B, T, C)."""
    if rows.shape[1] == length:
        return rows
    return F.interpolate(rows.transpose(1, 2), length, mode="linear").transpose(1, 2)
