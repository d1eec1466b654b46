"""Reading off a checkpoint's tensors what model they belong to."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from vswin.models.errors import ModelError, WeightsError
from vswin.models.fields import with_tuples
from vswin.models.layouts import Kind
from vswin.models.mvit.config import PRESETS, MViTConfig, Positions, Triple
from vswin.models.mvit.layouts import EMBEDDING, NOTE

NOT_IN_WEIGHTS = ("drop_path", "head_dropout", "activation_checkpointing")
"""Fields that change nothing in evaluation."""
SILENT = ("kv_stride", "kv_adaptive", "q_stride", "pool_norm_eps")
"""Fields that shapes leave open."""
SILENT_WITHOUT_POOLS = (
    *("pooling", "pool_kernel", "num_heads", "q_pool_blocks"),
    *("kv_pool_last_stage", "kv_unpooled_blocks"),
)
"""Fields that they leave open, too, where no convolution pools."""
STRIDES: dict[Triple, Triple] = {
    (3, 7, 7): (2, 4, 4),
    (1, 7, 7): (1, 4, 4),
    (1, 16, 16): (1, 16, 16),
}
"""Of the published patch embeddings, by their kernels."""


@dataclasses.dataclass(frozen=True)
class Architecture:
    """What a checkpoint says about its model."""

    config: MViTConfig
    """Where the checkpoint is silent, as the most similar preset has it."""
    has_head: bool
    silent: tuple[str, ...]
    """Fields that the checkpoint leaves open; none in ours, which say all."""

    @property
    def kind(self) -> Kind:
        """Whether it is of an image or of a video model."""
        return "2d" if self.config.is_image_model else "video"

    @property
    def num_classes(self) -> int | None:
        """None without a classifier."""
        return self.config.num_classes if self.has_head else None

    @property
    def base(self) -> str:
        """The preset that `options` are to be laid over."""
        return nearest(self.config)

    @property
    def open(self) -> Mapping[str, str]:
        """Nothing: what shapes leave open is as in the preset."""
        return {}

    def options(self) -> dict[str, Any]:
        """What `build_model(base, ...)` is to be told besides what it assumes."""
        return differences(self.config, PRESETS[self.base], NOT_IN_WEIGHTS)

    def size(self) -> str:
        """Preset, channels, depths and heads, in words."""
        config = self.config
        depths = "-".join(map(str, config.depths))
        return (
            f"{self.base} (C={config.embed_dim}, depths {depths}, heads {config.num_heads}, "
            f"{config.frames}×{config.image_size}²)"
        )

    def facts(self) -> dict[str, Any]:
        """What a user may want to know besides size and classes."""
        config = self.config
        assumed = self.silent if self.says_clips else ("frames", "image_size", *self.silent)
        return {
            "frames": config.frames,
            "image_size": config.image_size,
            "positions": config.positions,
            "pooling": config.pooling,
            "kv_pool_last_stage": config.kv_pool_last_stage,
            "assumed": ", ".join(f"{n}={getattr(config, n)!r}" for n in assumed) or "nothing",
        }

    @property
    def says_clips(self) -> bool:
        """Whether it says what clips it is for: one joint table's rows may be of several."""
        is_one_table = self.config.positions == "joint" and not self.config.is_image_model
        return self.is_certain or not is_one_table

    @property
    def is_certain(self) -> bool:
        """Whether `options` say all."""
        return not self.silent


def differences(config: MViTConfig, base: MViTConfig, but: tuple[str, ...] = ()) -> dict[str, Any]:
    """The fields in which a configuration differs from another, with its values."""
    names = [field.name for field in dataclasses.fields(config) if field.name not in but]
    return {n: getattr(config, n) for n in names if getattr(config, n) != getattr(base, n)}


def nearest(config: MViTConfig) -> str:
    """The preset that differs from a configuration in the fewest fields."""
    return min(PRESETS, key=lambda name: len(differences(config, PRESETS[name], NOT_IN_WEIGHTS)))


def architecture(
    weights: Mapping[str, Tensor], entries: Mapping[str, Tensor], source: str, is_video: bool
) -> Architecture:
    """Infers the model from weights under our names.

    Args:
        weights: under our names and in our shapes.
        entries: all that the checkpoint holds, under its own names.
        source: the checkpoint's name, for errors.
        is_video: whether its layout is one of video models alone.

    Raises:
        WeightsError: if weights are missing or contradict each other.
    """
    has_head = "head.weight" in weights
    if (note := _noted(entries, source)) is not None:
        return Architecture(note, has_head, silent=())
    found = _read_off(weights, source, is_video)
    if has_head:
        found["num_classes"] = len(weights["head.weight"])
    try:
        config = MViTConfig(**found)
        preset = PRESETS[nearest(config)]
        open_here = SILENT if "pooling" in found else (*SILENT, *SILENT_WITHOUT_POOLS)
        silent = {n: getattr(preset, n) for n in open_here if n not in found}
        return Architecture(dataclasses.replace(config, **silent), has_head, tuple(silent))
    except ModelError as error:
        raise WeightsError(f"{source} is of no model that can be built: {error}") from error


def _read_off(weights: Mapping[str, Tensor], source: str, is_video: bool) -> dict[str, Any]:
    embed, kernel = _of(weights, EMBEDDING, source).shape[:2], _kernel(weights, EMBEDDING, source)
    numbers = [int(m[1]) for name in weights if (m := re.match(r"blocks\.(\d+)\.", name))]
    dims = [
        _of(weights, f"blocks.{i}.norm1.weight", source).shape[0]
        for i in range(1 + max(numbers, default=-1))
    ]
    depths = tuple(dims.count(dim) for dim in sorted(set(dims)))
    found: dict[str, Any] = {
        "depths": depths,
        "embed_dim": embed[0],
        "in_channels": embed[1],
        "patch_kernel": kernel,
        "patch_stride": STRIDES.get(kernel, kernel),
    }
    pools = {
        part: [i for i in range(len(dims)) if f"blocks.{i}.attn.pool_{part}.weight" in weights]
        for part in "qk"
    }
    if pools["q"] or pools["k"]:
        found |= _pools(weights, depths, pools["q"], pools["k"], source)
        found["num_heads"] = max(1, embed[0] // found.pop("head_dim"))
    return found | _positions(weights, found, source, is_video)


def _pools(
    weights: Mapping[str, Tensor],
    depths: tuple[int, ...],
    q_pools: list[int],
    kv_pools: list[int],
    source: str,
) -> dict[str, Any]:
    """What the convolutions say: which blocks pool, with what kernel, and the width of a head."""
    name = f"blocks.{q_pools[0]}.attn.pool_q" if q_pools else f"blocks.{kv_pools[0]}.attn.pool_k"
    found: dict[str, Any] = {
        "pooling": "conv",
        "pool_kernel": _kernel(weights, f"{name}.weight", source),
        "head_dim": weights[f"{name}.weight"].shape[0],
    }
    firsts = [sum(depths[:stage]) for stage in range(1, len(depths))]
    if q_pools != firsts:
        found["q_pool_blocks"] = tuple(q_pools)
    if not kv_pools:
        return found | {"kv_stride": (1, 1, 1)}
    found["kv_pool_last_stage"] = kv_pools[-1] >= sum(depths[:-1])
    usual = range(sum(depths if found["kv_pool_last_stage"] else depths[:-1]))
    found["kv_unpooled_blocks"] = tuple(i for i in usual if i not in kv_pools)
    return found


def _positions(
    weights: Mapping[str, Tensor], found: dict[str, Any], source: str, is_video: bool
) -> dict[str, Any]:
    """The kind of position tables, and the clips that they are for."""
    stride = found["patch_stride"]
    may_be_image = found["patch_kernel"][0] == 1 and not is_video
    kinds: dict[str, Positions] = {"pos_embed_temporal": "separate", "pos_embed": "joint"}
    kind = next((k for name, k in kinds.items() if name in weights), None)
    rows = {name: weights[name].shape[1] for name in weights if name.startswith("pos_embed")}
    if kind == "separate":
        side = math.isqrt(_of(weights, "pos_embed_spatial", source).shape[1])
        frames = rows["pos_embed_temporal"] * stride[0]
    elif kind == "joint":
        # One frame, or else what the published models of 224 pixels have.
        side = math.isqrt(rows["pos_embed"] - 1)
        frames = 1
        if side * side != rows["pos_embed"] - 1 or not may_be_image:
            side = 224 // stride[1]
            frames = (rows["pos_embed"] - 1) // (side * side) * stride[0]
    elif "pos_embed_spatial" in rows:
        kind, side, frames = "space", math.isqrt(rows["pos_embed_spatial"]), 8 * stride[0]
    else:
        kind, side, frames = "none", 224 // stride[1], 8 * stride[0]
    # A joint table does not say how many of its rows are time; what is wrong here is found later.
    return {
        "positions": kind,
        "frames": max(2 if is_video else 1, frames),
        "image_size": side * stride[1],
    }


def _noted(entries: Mapping[str, Tensor], source: str) -> MViTConfig | None:
    """The configuration that `vswin.save_weights` notes."""
    note = entries.get(NOTE)
    if note is None:
        return None
    try:
        return MViTConfig(**with_tuples(json.loads(bytes(note.tolist()))))
    except (ValueError, TypeError, AttributeError, RuntimeError, ModelError) as error:
        raise WeightsError(f"{source}: its note {NOTE} cannot be read ({error})") from error


def _kernel(weights: Mapping[str, Tensor], name: str, source: str) -> Triple:
    shape = _of(weights, name, source).shape
    if len(shape) != 5:
        raise WeightsError(f"{source}: {name} has shape {tuple(shape)}, wanted 5 dimensions")
    return shape[2], shape[3], shape[4]


def _of(weights: Mapping[str, Tensor], name: str, source: str) -> Tensor:
    if name not in weights:
        raise WeightsError(f"{source} lacks {name}")
    return weights[name]
