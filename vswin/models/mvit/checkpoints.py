"""Checkpoints of Multiscale Vision Transformers, beyond names."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from vswin.models.errors import ModelError, WeightsError
from vswin.models.layouts import Action, Adapted, CheckpointCode, Layout, copied
from vswin.models.mvit.architecture import (
    NOT_IN_WEIGHTS,
    Architecture,
    architecture,
    differences,
    in_words,
)
from vswin.models.mvit.config import MViTConfig, Triple
from vswin.models.mvit.geometry import (
    blocks,
    function_of,
    grows,
    patch_grid,
    pools,
    position_tables,
)
from vswin.models.mvit.layouts import EMBEDDING, LAYOUTS, NOT_WEIGHTS, NOTE, TABLES, recognise
from vswin.models.mvit.positions import resized

_TOKENS = ("cls_token", *TABLES)
CLIP = ("frames", "image_size")
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
    return shaped, architecture(shaped, entries, source, layout)


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
    if found.is_certain or _is_of_other_kind(found, config):
        return found
    num_classes = found.num_classes or config.num_classes
    return Architecture(dataclasses.replace(config, num_classes=num_classes), found.has_head, ())


def _is_of_other_kind(found: Architecture, config: MViTConfig) -> bool:
    return found.says_kind and found.config.is_image_model != config.is_image_model


def adapt(
    weights: Mapping[str, Tensor],
    found: Architecture,
    config: MViTConfig,
    inflation: Mapping[str, str],
    source: str,
) -> Adapted:
    """Weights for a model that is the checkpoint's own, of clips of another size if asked for.

    What the checkpoint leaves open is as in the model.

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
    differ = _differing(found, config)
    if not differ and (why := _impossible(found, config)):
        raise WeightsError(f"{source} {why}")
    rows = {name: weights[name].shape[1] for name in TABLES if name in weights}
    grid = _table_grid(rows, found, config)
    if grid is None and not differ:
        raise WeightsError(
            f"{source}: {in_words(rows)}, and nothing says of how many frames and of what size; "
            f"wanted {in_words(position_tables(config))}, or a file that says it, as those of "
            "vswin.save_weights do"
        )
    clips = _clips(grid, found, config)
    if grid and clips and not differ and inflation["positions"] == "resize":
        return _resized(weights, rows, grid, config)
    if differ or clips:
        raise WeightsError(f"{source} {_another(differ, clips, found, config)}")
    return copied(weights, found, config, inflation, source)


def _differing(found: Architecture, config: MViTConfig) -> dict[str, Any]:
    """The fields, with the checkpoint's values, that make its model another one; clips aside."""
    clip = (config.frames, config.image_size, config.image_size)

    def function(**changed: Any) -> tuple[Any, ...] | None:
        try:
            return function_of(dataclasses.replace(found.config, **changed), clip)
        except ModelError:  # what is changed does not go with the rest
            return None

    own = {name: getattr(config, name) for name in found.silent}
    aside = (*NOT_IN_WEIGHTS, *CLIP, "num_classes", *found.silent)
    differ = differences(found.config, config, aside)
    is_same = (found_function := function(**own)) == function_of(config, clip)
    if is_same:
        differ = {}
    elif found_function is not None:  # without those that are only spelled differently
        alike = {n for n in differ if function(**own, **{n: getattr(config, n)}) == found_function}
        differ = {n: v for n, v in differ.items() if n not in alike} or differ
    if _is_of_other_kind(found, config):
        differ = {"frames": found.config.frames, **differ}
    return differ


def _impossible(found: Architecture, config: MViTConfig) -> str | None:
    """Why the model cannot have what the checkpoint leaves open, whose values its weights bound."""
    plans = blocks(config)
    without_pools = "pooling" in found.silent
    if without_pools and config.pooling == "conv" and pools(plans):
        return (
            "has no convolutions that pool, but this model has pooling='conv'; build it with "
            "pooling='max', or without pools: kv_stride=(1, 1, 1), q_pool_blocks=()"
        )
    if not without_pools and "kv_stride" in found.silent and config.kv_stride == (1, 1, 1):
        return (
            "has convolutions that pool keys and values, but this model has kv_stride=(1, 1, 1); "
            "build it with another one"
        )
    if "skip" in found.silent and config.skip == "none" and grows(plans):
        return (
            "has projections around its MLPs, but this model has skip='none'; build it with "
            "skip='normalized' or skip='unnormalized'"
        )
    return None


def _table_grid(rows: Mapping[str, int], found: Architecture, config: MViTConfig) -> Triple | None:
    """(T', H', W') of the tokens that position tables are for, the model's where they hold none.

    None if nothing says it.
    """
    kind, wanted = found.config.positions, patch_grid(config)
    if kind == "none":
        return wanted
    if found.is_certain:
        grid = patch_grid(found.config)
    elif kind == config.positions and rows == position_tables(config):
        return wanted
    else:
        is_joint = kind == "joint"
        cells = rows["pos_embed"] - 1 if is_joint else rows["pos_embed_spatial"]
        side = math.isqrt(cells)
        if side * side != cells or (is_joint and not found.config.is_image_model):
            return None
        grid = rows.get("pos_embed_temporal", 1), side, side
    return (wanted[0], *grid[1:]) if kind == "space" else grid


def _clips(grid: Triple | None, found: Architecture, config: MViTConfig) -> dict[str, int]:
    """Frames and size of the clips that tables for such a grid are for, where the model has others.

    A checkpoint that does not say them gets the model's stride between tokens.
    """
    if grid is None or found.config.positions != config.positions:
        return {}
    return {
        name: getattr(found.config, name) if found.is_certain else cells * stride
        for name, cells, stride, wanted in zip(
            ("frames", "image_size"), grid, config.patch_stride, patch_grid(config), strict=False
        )
        if cells != wanted
    }


def _another(
    differ: Mapping[str, Any], clips: Mapping[str, int], found: Architecture, config: MViTConfig
) -> str:
    """That a checkpoint is of another model, and what to build."""
    names = [field.name for field in dataclasses.fields(config)]
    values = dict(sorted({**clips, **differ}.items(), key=lambda item: names.index(item[0])))
    wanted = ", ".join(f"{name}={value!r}" for name, value in values.items())
    has = ", ".join(f"{name}={getattr(config, name)!r}" for name in values)
    hint = ""
    if clips and "patch_stride" in found.silent:
        hint += ", or with another patch_stride, which the file does not say"
    if clips and not differ:
        hint += "; or load it with positions='resize'"
    return f"is of a model with {wanted}, but this one has {has}; build it with {wanted}{hint}"


def _resized(
    weights: Mapping[str, Tensor], rows: Mapping[str, int], grid: Triple, config: MViTConfig
) -> Adapted:
    """Weights with position tables, which are for tokens of that grid, for other clips."""
    wanted = position_tables(config)
    tables = {name: weights[name] for name in rows}
    actions: dict[str, tuple[Action, ...]] = dict.fromkeys(weights, ("mapped",))
    actions |= {name: ("resized",) for name in rows if rows[name] != wanted[name]}
    tables = resized(tables, grid, patch_grid(config))
    return Adapted({**weights, **tables}, actions, {"positions": "resize"})


def write(
    weights: dict[str, Tensor], found: Architecture, layout: Layout, source: str
) -> dict[str, Tensor]:
    """What a file in a layout holds, under our names; in ours a note of the configuration.

    Raises:
        WeightsError: if the layout's model is another one.
    """
    config = found.config
    if layout.kind is None:
        # What a foreign file leaves open stays open; its stochastic depth is not known either.
        open_here = (*found.silent, *NOT_IN_WEIGHTS) if found.silent else ()
        said = {n: v for n, v in dataclasses.asdict(config).items() if n not in open_here}
        note = json.dumps(said).encode()
        return weights | {NOTE: torch.frombuffer(bytearray(note), dtype=torch.uint8).clone()}
    if layout.name == "torchvision":
        only = {"positions": "separate", "pooling": "conv", "skip": "normalized"}
        other = {n: getattr(config, n) for n, v in only.items() if getattr(config, n) != v}
        if other:
            raise WeightsError(
                f"{source} has {' and '.join(f'{n}={v!r}' for n, v in other.items())}, "
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
