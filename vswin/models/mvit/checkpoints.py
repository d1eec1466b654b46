"""Checkpoints of Multiscale Vision Transformers, beyond names."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping

import torch
from torch import Tensor

from vswin.models.errors import WeightsError
from vswin.models.layouts import Action, Adapted, CheckpointCode, Layout, copied
from vswin.models.mvit.architecture import (
    NOT_IN_WEIGHTS,
    Architecture,
    architecture,
    differences,
)
from vswin.models.mvit.config import MViTConfig
from vswin.models.mvit.geometry import patch_grid, position_tables
from vswin.models.mvit.layouts import EMBEDDING, LAYOUTS, NOT_WEIGHTS, NOTE, TABLES, recognise
from vswin.models.mvit.positions import resized

_TOKENS = ("cls_token", *TABLES)
CLIP = {"frames", "image_size"}
"""Fields that say what clips the position tables are for."""


def read(
    weights: dict[str, Tensor], entries: Mapping[str, Tensor], layout: Layout, source: str
) -> tuple[dict[str, Tensor], Architecture]:
    """The weights in our shapes, and their model.

    Args:
        weights: under our names.
        entries: all that the checkpoint holds, under its own names.
        layout: the checkpoint's.
        source: the checkpoint's name, for errors.

    Raises:
        WeightsError: if weights are missing or contradict each other.
    """
    shaped = {}
    for name, value in weights.items():
        if name == EMBEDDING and value.ndim == 4:
            shaped[name] = value.unsqueeze(2)
        elif name in _TOKENS and value.ndim < 3:
            shaped[name] = value.reshape(1, -1, value.shape[-1])
        else:
            shaped[name] = value
    shaped = _joined(shaped, source)
    return shaped, architecture(shaped, entries, source, layout.kind == "video")


def _joined(weights: dict[str, Tensor], source: str) -> dict[str, Tensor]:
    """With one linear layer in the place of those of queries, keys and values."""
    out = {}
    for name, value in weights.items():
        before, dot, end = name.rpartition(".attn.q.")
        if dot:
            parts = [f"{before}.attn.{part}.{end}" for part in "qkv"]
            if missing := [part for part in parts if part not in weights]:
                raise WeightsError(f"{source} lacks {missing[0]}")
            out[f"{before}.attn.qkv.{end}"] = torch.cat([weights[part] for part in parts])
        elif not any(f".attn.{part}." in name for part in "kv"):
            out[name] = value
    return out


def as_of(found: Architecture, config: MViTConfig) -> Architecture:
    """What is found in a known model's weights, unless the checkpoint says it itself."""
    if found.is_certain:
        return found
    num_classes = found.num_classes or config.num_classes
    return dataclasses.replace(found, config=dataclasses.replace(config, num_classes=num_classes))


def adapt(
    weights: Mapping[str, Tensor],
    found: Architecture,
    config: MViTConfig,
    inflation: Mapping[str, str],
    source: str,
) -> Adapted:
    """Weights for a model that is the checkpoint's own, of clips of another size if asked for.

    Args:
        weights: under our names.
        found: what they say about their model.
        config: of the model that they are for.
        inflation: `positions`, whether tables for clips of another size are refused ("exact") or
            interpolated ("resize").
        source: the checkpoint's name, for errors.

    Raises:
        WeightsError: if it is another one; names the keyword of `build_model` that differs.
    """
    differ = differences(found.config, config, (*NOT_IN_WEIGHTS, "num_classes", *found.silent))
    rows = {name: weights[name].shape[1] for name in TABLES if name in weights}
    if rows == position_tables(config):  # which may fit clips of several sizes
        differ.pop("frames", None)
        differ.pop("image_size", None)
    clips_differ = bool(differ and rows) and differ.keys() <= CLIP
    if not found.says_clips or rows != position_tables(found.config):
        if clips_differ:
            raise WeightsError(
                f"{source}: {_sizes(rows)}, and nothing says of how many frames and of what size; "
                f"wanted {_sizes(position_tables(config))}, or a file that says it, as those of "
                "vswin.save_weights do"
            )
        differ = {name: value for name, value in differ.items() if name not in CLIP}
    if clips_differ and inflation["positions"] == "resize":
        return _resized(weights, found, config, rows)
    if differ:
        wanted = ", ".join(f"{name}={value!r}" for name, value in differ.items())
        has = ", ".join(f"{name}={getattr(config, name)!r}" for name in differ)
        raise WeightsError(
            f"{source} is of a model with {wanted}, but this one has {has}; build it with {wanted}"
            + ("; or load it with positions='resize'" if clips_differ else "")
        )
    return copied(weights, found, config, inflation, source)


def _sizes(rows: Mapping[str, int]) -> str:
    """Of position tables: `pos_embed of 2049 rows`."""
    return ", ".join(f"{name} of {count} rows" for name, count in rows.items())


def _resized(
    weights: Mapping[str, Tensor],
    found: Architecture,
    config: MViTConfig,
    rows: Mapping[str, int],
) -> Adapted:
    """Weights with position tables for other clips."""
    wanted = position_tables(config)
    tables = {name: weights[name] for name in rows}
    grids = patch_grid(found.config), patch_grid(config)
    actions: dict[str, tuple[Action, ...]] = dict.fromkeys(weights, ("mapped",))
    actions |= {name: ("resized",) for name in rows if rows[name] != wanted[name]}
    return Adapted({**weights, **resized(tables, *grids)}, actions, {"positions": "resize"})


def write(
    weights: dict[str, Tensor], found: Architecture, layout: Layout, source: str
) -> dict[str, Tensor]:
    """What a file in a layout holds, under our names; in ours a note of the configuration.

    Raises:
        WeightsError: if the layout's model is another one.
    """
    config = found.config
    if layout.kind is None:
        note = json.dumps(dataclasses.asdict(config)).encode()
        return weights | {NOTE: torch.frombuffer(bytearray(note), dtype=torch.uint8).clone()}
    if layout.name == "torchvision":
        if config.positions != "separate" or config.pooling == "max":
            raise WeightsError(
                f"{source} has positions={config.positions!r} and pooling={config.pooling!r}, "
                "which torchvision's model has not; layout vswin or slowfast can hold it"
            )
        flat = {n: v.flatten(0, -2) for n, v in weights.items() if n in _TOKENS}
        flat |= {n: flat[n].flatten() for n in ("cls_token", "pos_embed_class")}
        return weights | flat
    if layout.name.startswith("pytorchvideo"):
        weights = _split(weights)
    if layout.kind == "2d":
        weights = weights | {EMBEDDING: weights[EMBEDDING].squeeze(2)}
    return weights


def _split(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """With three linear layers, of queries, keys and values, in the place of one."""
    out: dict[str, Tensor] = {}
    for name, value in weights.items():
        if ".attn.qkv." in name:
            parts = zip("qkv", value.chunk(3), strict=True)
            out |= {name.replace(".qkv.", f".{part}."): third for part, third in parts}
        else:
            out[name] = value
    return out


CHECKPOINTS = CheckpointCode(
    layouts=LAYOUTS,
    recognise=recognise,
    read=read,
    as_of=as_of,
    adapt=adapt,
    write=write,
    not_weights=NOT_WEIGHTS,
)
