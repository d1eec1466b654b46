"""Checkpoints of Swin Transformers, beyond names: windows, lookup tables, and inflation.

Shapes do not always say what window a bias table was made for. Published layouts have lookup
tables of relative positions that do, and our own files note it.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor

from vswin.models.errors import WeightsError
from vswin.models.layouts import Action, Adapted, CheckpointCode, Kind, Layout
from vswin.models.swin.architecture import Architecture, architecture, require_same_size
from vswin.models.swin.config import BiasInit, EmbeddingInit, Triple, VideoSwinConfig
from vswin.models.swin.inflation import crop_bias_table, inflate_bias_table, inflate_embedding
from vswin.models.swin.layouts import LAYOUTS, NOT_WEIGHTS, TABLE, recognise
from vswin.models.swin.partition import bias_table_rows
from vswin.models.swin.windows import relative_position_index

EMBEDDING = "patch_embed.proj.weight"


def read(
    weights: dict[str, Tensor], entries: Mapping[str, Tensor], layout: Layout, source: str
) -> tuple[dict[str, Tensor], Architecture]:
    """The weights, with five dimensions of the patch embedding also in 2D, and their model.

    Args:
        weights: under our names.
        entries: all that the checkpoint holds, under its own names.
        layout: the checkpoint's.
        source: the checkpoint's name, for errors.

    Raises:
        WeightsError: if the bias tables are not of one window, or of another order than here.
    """
    if EMBEDDING not in weights:
        raise WeightsError(f"{source} lacks {EMBEDDING}")
    if weights[EMBEDDING].ndim == 4 and layout.kind == "2d":
        weights = weights | {EMBEDDING: weights[EMBEDDING].unsqueeze(2)}
    tables = {k: v for k, v in entries.items() if k.endswith("relative_position_index")}
    for key, table in tables.items():
        if table.layout != torch.strided or table.is_meta:
            raise WeightsError(
                f"{source}: {key} is {table.dtype}, {table.layout}; wanted a dense tensor with "
                "values"
            )
    _require_one_window(weights, source)
    noted, volume = _noted_window(entries), _volume(tables)
    found = architecture(weights, source, layout.kind, noted, volume)
    found = dataclasses.replace(found, window_is_noted=noted is not None, index_tables=tables)
    if found.window_size is not None:
        _require_order_of(found, found.window_size, source)
    return weights, found


def as_of(found: Architecture, config: VideoSwinConfig) -> Architecture:
    """What is found in a known model's weights, unless a note of the window says otherwise."""
    if found.window_is_noted:
        return found
    kind: Kind = "2d" if config.is_image_model else "video"
    return dataclasses.replace(found, kind=kind, window_size=config.window_size)


def adapt(
    weights: Mapping[str, Tensor],
    found: Architecture,
    config: VideoSwinConfig,
    inflation: Mapping[str, str],
    source: str,
) -> Adapted:
    """Weights in a model's shapes (section 3.4).

    Args:
        weights: under our names.
        found: what they say about their model.
        config: of the model that they are wanted for.
        inflation: "embedding" (Table 8) and "bias" (Table 9).
        source: the checkpoint's name, for errors.

    Raises:
        WeightsError: if the checkpoint is of another kind, size or design, or made for a smaller
            window, or a choice of inflation would have no effect.
    """
    _require_model(found, config, source)
    applied = _applied(found, config, inflation, source)
    fitted: dict[str, Tensor] = {}
    actions: dict[str, tuple[Action, ...]] = {}
    for name, value in weights.items():
        if name.endswith(TABLE):
            fitted[name], actions[name] = _fit_table(
                name, value, found, config, cast("BiasInit", inflation["bias"]), source
            )
        elif name == EMBEDDING and found.kind == "2d" and config.patch_size[0] > 1:
            how = cast("EmbeddingInit", inflation["embedding"])
            fitted[name] = inflate_embedding(value.squeeze(2), config.patch_size[0], how)
            actions[name] = ("inflated",)
        else:
            fitted[name], actions[name] = value, ("mapped",)
    return Adapted(fitted, actions, applied)


def write(
    weights: dict[str, Tensor], found: Architecture, layout: Layout, source: str
) -> dict[str, Tensor]:
    """What a file in a layout holds: the lookup tables that its own loader wants; in ours a note.

    Raises:
        WeightsError: if the layout cannot say what window the weights are for.
    """
    window = found.window_size
    if layout.kind == "2d":
        weights = weights | {EMBEDDING: weights[EMBEDDING].squeeze(2)}
    if layout.name == "timm_2d":
        if window is None or window[1] != window[2]:
            raise WeightsError(
                f"layout timm_2d cannot say that the window is {window}; wanted (1, M, M)"
            )
        return weights
    if layout.kind is None:  # shapes do not always say it
        note = {} if window is None else {"window_size": torch.tensor(window, device="cpu")}
        return weights | note
    if window is None:
        raise WeightsError(
            f"{source} has bias tables that fit several windows; only layout vswin can hold them"
        )
    index = relative_position_index(window, window)
    end = "relative_position_bias_table"
    tables = [name for name in weights if name.endswith(end)]
    return weights | {
        name.replace(end, "relative_position_index"): index.clone() for name in tables
    }


CHECKPOINTS = CheckpointCode(
    layouts=LAYOUTS,
    recognise=recognise,
    read=read,
    as_of=as_of,
    adapt=adapt,
    write=write,
    not_weights=NOT_WEIGHTS,
    only_in_video=lambda name: ".temporal." in name or name.startswith("temporal_layers."),
)
"""Table 4's temporal layers have no counterpart in an image model."""


def _require_order_of(found: Architecture, window: Triple, source: str) -> None:
    """Refuses bias tables whose rows mean other offsets than those of `window` do here."""
    wanted = relative_position_index(window, window).flatten()
    for key, value in found.index_tables.items():
        if not torch.equal(value.flatten().cpu().long(), wanted):
            raise WeightsError(
                f"{source}: {key} is not that of window {window}, so that the bias "
                "tables mean something else than here"
            )


def _require_one_window(weights: Mapping[str, Tensor], source: str) -> None:
    tables = {k: v for k, v in weights.items() if re.search(rf"blocks\.\d+\.{TABLE}$", k)}
    rows = {value.shape[0]: name for name, value in tables.items() if value.ndim == 2}
    if len(rows) > 1:
        some_of = ", ".join(f"{name} has {count} rows" for count, name in rows.items())
        raise WeightsError(
            f"{source} has bias tables of several windows ({some_of}): another architecture, such "
            "as Swin-S3, or one for small images; wanted one window throughout"
        )


def _volume(index_tables: Mapping[str, Tensor]) -> int | None:
    """N, which a table of N * N relative positions has, flat or not; None without one."""
    sizes = {math.isqrt(value.numel()) for value in index_tables.values()}
    return max(sizes, default=None)


def _noted_window(entries: Mapping[str, Tensor]) -> Triple | None:
    """The window that `vswin.save_weights` notes in our own layout."""
    note = entries.get("window_size")
    if note is None or note.shape != (3,) or note.is_meta or note.dtype != torch.int64:
        return None
    time, height, width = note.tolist()
    return time, height, width


def _require_model(found: Architecture, config: VideoSwinConfig, source: str) -> None:
    if found.kind == "video" and config.is_image_model:
        raise WeightsError(
            f"{source} is a video checkpoint, but the model is the 2D Swin Transformer "
            f"(patch_size={config.patch_size}, window_size={config.window_size}); "
            "wanted a 2D checkpoint"
        )
    if found.kind == "video" and found.design != config.design:
        raise WeightsError(
            f"{source} holds the {found.design} design, but the model is "
            f"design={config.design!r}; wanted the same design, or 2D weights"
        )
    require_same_size(found, config, source)
    if found.window_size is None:  # then it can only be the model's
        _require_order_of(found, config.spatial_window, source)


def _applied(
    found: Architecture, config: VideoSwinConfig, inflation: Mapping[str, str], source: str
) -> dict[str, str]:
    """The choices of Tables 8 and 9 as far as they have an effect; a vain one is refused."""
    is_2d = found.kind == "2d"
    applied = {}
    for name, default, frames, parts in (
        ("embedding", "inflate", config.patch_size[0], "patches"),
        ("bias", "duplicate", config.spatial_window[0], "windows"),
    ):
        if is_2d and frames > 1:
            applied[name] = inflation[name]
        elif inflation[name] != default:
            why = (
                f"the model's {parts} have one frame"
                if is_2d
                else f"{source} is a video checkpoint, which is not inflated"
            )
            raise WeightsError(f"{name}={inflation[name]!r} would have no effect: {why}")
    return applied


def _fit_table(
    name: str,
    table: Tensor,
    found: Architecture,
    config: VideoSwinConfig,
    how: BiasInit,
    source: str,
) -> tuple[Tensor, tuple[Action, ...]]:
    """A bias table (rows, heads) for the model's window, and what was done to it."""
    window = config.temporal_window if ".temporal." in name else config.spatial_window
    rows = table.shape[0]
    if found.kind == "2d":
        if config.is_image_model and rows == bias_table_rows(window):
            return table, ("mapped",)
        _require_square(name, rows, source)
        actions: list[Action] = ["inflated"] if window[0] > 1 else []
        if rows != bias_table_rows((1, *window[1:])):
            actions.append("resized")
        return inflate_bias_table(table, window, how), tuple(actions or ["mapped"])
    has = _table_window(name, rows, window, found, source)
    if has == window:
        return table, ("mapped",)
    return crop_bias_table(table, has, window), ("cropped",)


def _table_window(name: str, rows: int, window: Triple, found: Architecture, source: str) -> Triple:
    """The window that a video checkpoint's table was made for, which must hold the model's."""
    if window[1:] == (1, 1):
        has: Triple = ((rows + 1) // 2, 1, 1)
    elif found.window_size is not None:
        has = found.window_size if found.design == "joint" else (1, *found.window_size[1:])
    elif rows == bias_table_rows(window):
        has = window
    else:
        raise WeightsError(
            f"{source}: {name} has {rows} rows, which several windows have, and nothing says which "
            f"it is; wanted the {bias_table_rows(window)} rows of window {window}, or a file that "
            "says its window, as those of vswin.save_weights do"
        )
    if rows != bias_table_rows(has):
        raise WeightsError(
            f"{source}: {name} has {rows} rows, wanted {bias_table_rows(has)} as window {has}"
        )
    if any(want > have for want, have in zip(window, has, strict=True)):
        raise WeightsError(
            f"window_size={window} is larger than {has}, the window that the bias tables of "
            f"{source} were made for: they have no values for the offsets between; wanted a window "
            "of at most that size, or 2D weights, which are inflated to any"
        )
    return has


def _require_square(name: str, rows: int, source: str) -> None:
    side = math.isqrt(rows)
    if side * side != rows or side % 2 == 0:
        raise WeightsError(
            f"{source}: {name} has {rows} rows; a 2D table has (2M - 1)^2, such as 169 or 529"
        )
