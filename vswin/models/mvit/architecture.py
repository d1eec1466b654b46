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
from vswin.models.layouts import Kind, Layout
from vswin.models.mvit.config import PRESETS, MViTConfig, Positions, Triple
from vswin.models.mvit.geometry import position_tables
from vswin.models.mvit.layouts import EMBEDDING, NOTE, TABLES

NOT_IN_WEIGHTS = ("drop_path", "head_dropout", "activation_checkpointing")
"""Fields that change nothing in evaluation."""
SILENT = (
    *("frames", "image_size", "patch_stride", "skip"),
    *("kv_stride", "kv_adaptive", "q_stride", "pool_norm_eps"),
)
"""Fields that shapes leave open. Position tables have a row for each token, not for each pixel, and
a projection around an MLP may be of normalised tokens or not."""
SILENT_WITHOUT_KV_POOLS = ("kv_pool_last_stage", "kv_unpooled_blocks")
"""Fields that they leave open, too, where no convolution pools keys and values."""
SILENT_WITHOUT_POOLS = ("pooling", "pool_kernel", "num_heads", "q_pool_blocks")
"""And where no convolution pools at all."""


@dataclasses.dataclass(frozen=True)
class Architecture:
    """What a checkpoint says about its model."""

    config: MViTConfig
    """Where the checkpoint is silent, as the most similar preset has it."""
    has_head: bool
    silent: tuple[str, ...]
    """Fields that the checkpoint leaves open; none in files of `save_weights(model, ...)` in our
    layout, which say all."""
    tables: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """Rows of its position tables."""
    says_kind: bool = True
    """Whether it is certain that it is of images, or of videos."""

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
        """The clips, where a joint table is of none that published models have.

        What else shapes leave open is as in the preset.
        """
        is_joint = self.config.positions == "joint" and "image_size" in self.silent
        if not is_joint or self.tables == position_tables(self.config):
            return {}
        rows = in_words(self.tables)
        question = f"has {rows} and does not say for what clips; say it with --frames and --size"
        return {name: question for name in ("frames", "image_size") if name in self.silent}

    def options(self) -> dict[str, Any]:
        """What `build_model(base, ...)` is to be told besides what it assumes."""
        return differences(self.config, PRESETS[self.base], NOT_IN_WEIGHTS)

    def size(self) -> str:
        """Preset, channels, depths and heads, in words; the clips only if it says them."""
        config = self.config
        words = [
            f"C={config.embed_dim}",
            f"depths {'-'.join(map(str, config.depths))}",
            *([] if "num_heads" in self.silent else [f"heads {config.num_heads}"]),
            *([] if "image_size" in self.silent else [f"{config.frames}×{config.image_size}²"]),
        ]
        return f"{self.base} ({', '.join(words)})"

    def facts(self) -> dict[str, Any]:
        """What a user may want to know besides size and classes."""
        config = self.config
        return {
            "frames": config.frames,
            "image_size": config.image_size,
            "positions": config.positions,
            "pooling": config.pooling,
            "kv_pool_last_stage": config.kv_pool_last_stage,
            "assumed": ", ".join(f"{n}={getattr(config, n)!r}" for n in self.silent) or "nothing",
        }

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


def in_words(rows: Mapping[str, int]) -> str:
    """Of position tables: `pos_embed of 2049 rows`."""
    return ", ".join(f"{name} of {count} rows" for name, count in rows.items())


def architecture(
    weights: Mapping[str, Tensor], entries: Mapping[str, Tensor], source: str, layout: Layout
) -> Architecture:
    """Infers the model from weights under our names.

    Args:
        weights: under our names and in our shapes.
        entries: all that the checkpoint holds, under its own names.
        source: the checkpoint's name, for errors.
        layout: the checkpoint's.

    Raises:
        WeightsError: if weights are missing or contradict each other.
    """
    has_head, note = "head.weight" in weights, _noted(entries, source)
    if all(field.name in note for field in dataclasses.fields(MViTConfig)):
        return Architecture(MViTConfig(**note), has_head, silent=())
    kind = layout.kind
    if note:  # from a foreign layout: of images' clips it says that they have one frame
        kind = "2d" if note.get("frames") == 1 else "video"
    said = _read_off(weights, source) | note | ({"frames": 1} if kind == "2d" else {})
    if layout.name == "torchvision":  # its model has no other skip
        said["skip"] = "normalized"
    if has_head:
        said["num_classes"] = len(weights["head.weight"])
    tables = {name: weights[name].shape[1] for name in TABLES if name in weights}
    try:
        config, silent = _with_assumptions(said, tables, kind)
    except ModelError as error:
        raise WeightsError(f"{source} is of no model that can be built: {error}") from error
    return Architecture(config, has_head, silent, tables, says_kind=kind is not None)


def _with_assumptions(
    said: Mapping[str, Any], tables: Mapping[str, int], kind: Kind | None
) -> tuple[MViTConfig, tuple[str, ...]]:
    """The configuration of a checkpoint, and those of its fields that are assumed."""
    silent = list(SILENT)
    if "pooling" not in said or said.get("kv_stride") == (1, 1, 1):
        silent += SILENT_WITHOUT_KV_POOLS
    if "pooling" not in said:
        silent += SILENT_WITHOUT_POOLS
    silent = [name for name in silent if name not in said]
    # Published embeddings overlap by about a half where kernels are odd, and not at all elsewhere.
    stride = tuple(k // 2 + 1 if k % 2 else k for k in said["patch_kernel"])
    clips = _clips(tables, said, said.get("patch_stride", stride), kind)
    config = MViTConfig(**{"patch_stride": stride, **clips, **said})
    preset = PRESETS[nearest(config)]
    assumed = {n: getattr(preset, n) for n in silent if n not in ("patch_stride", *clips)}
    if "num_heads" in assumed:
        assumed["num_heads"] = math.gcd(preset.num_heads, config.embed_dim)
    if "pooling" in assumed and (len(config.depths) > 1 or preset.kv_stride != (1, 1, 1)):
        assumed["pooling"] = "max"  # convolutions would have weights
    return dataclasses.replace(config, **assumed), tuple(silent)


def _read_off(weights: Mapping[str, Tensor], source: str) -> dict[str, Any]:
    """What names and shapes say."""
    embed, kernel = _of(weights, EMBEDDING, source).shape[:2], _kernel(weights, EMBEDDING, source)
    numbers = [int(m[1]) for name in weights if (m := re.match(r"blocks\.(\d+)\.", name))]
    dims = [
        _of(weights, f"blocks.{i}.norm1.weight", source).shape[0]
        for i in range(1 + max(numbers, default=-1))
    ]
    depths = tuple(dims.count(dim) for dim in sorted(set(dims)))
    kinds: dict[str, Positions] = {
        "pos_embed_temporal": "separate",
        "pos_embed": "joint",
        "pos_embed_spatial": "space",
    }
    found: dict[str, Any] = {
        "depths": depths,
        "embed_dim": embed[0],
        "in_channels": embed[1],
        "patch_kernel": kernel,
        "positions": next((kind for name, kind in kinds.items() if name in weights), "none"),
    }
    if found["positions"] == "separate":
        _of(weights, "pos_embed_spatial", source)
    if len(depths) > 1 and not any(f"blocks.{i}.proj.weight" in weights for i in range(len(dims))):
        found["skip"] = "none"
    pools = {
        part: [i for i in range(len(dims)) if f"blocks.{i}.attn.pool_{part}.weight" in weights]
        for part in "qk"
    }
    if pools["q"] or pools["k"]:
        found |= _pools(weights, depths, pools["q"], pools["k"], source)
        found["num_heads"] = max(1, embed[0] // found.pop("head_dim"))
    return found


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
    found["q_pool_blocks"] = None if q_pools == firsts else tuple(q_pools)
    if not kv_pools:
        return found | {"kv_stride": (1, 1, 1)}
    found["kv_pool_last_stage"] = kv_pools[-1] >= sum(depths[:-1])
    usual = range(sum(depths if found["kv_pool_last_stage"] else depths[:-1]))
    found["kv_unpooled_blocks"] = tuple(i for i in usual if i not in kv_pools)
    return found


def _clips(
    tables: Mapping[str, int], said: Mapping[str, Any], stride: tuple[int, ...], kind: Kind | None
) -> dict[str, int]:
    """The clips that position tables may be for, with a patch embedding of that stride."""
    time, side, frames = stride[0], max(1, 224 // stride[1]), 8 * stride[0]
    if said["positions"] == "joint":
        rest = max(0, tables["pos_embed"] - 1)
        is_square = math.isqrt(rest) ** 2 == rest
        if kind == "2d" or (kind is None and said["patch_kernel"][0] == 1 and is_square):
            side, frames = math.isqrt(rest), 1
        else:  # as the published models of 224 pixels
            frames = rest // (side * side) * time
    elif said["positions"] != "none":
        side = math.isqrt(tables["pos_embed_spatial"])
        frames = tables.get("pos_embed_temporal", 8) * time
    return {
        "frames": max(2 if kind == "video" else 1, frames),
        "image_size": side * stride[1],
    }


def _noted(entries: Mapping[str, Tensor], source: str) -> dict[str, Any]:
    """What `vswin.save_weights` notes: all fields of the configuration that were certain."""
    if (note := entries.get(NOTE)) is None:
        return {}
    try:
        fields = with_tuples(json.loads(bytes(note.tolist())))
        MViTConfig(**fields)
    except (ValueError, TypeError, AttributeError, RuntimeError, ModelError) as error:
        raise WeightsError(f"{source}: its note {NOTE} cannot be read ({error})") from error
    return fields


def _kernel(weights: Mapping[str, Tensor], name: str, source: str) -> Triple:
    shape = _of(weights, name, source).shape
    if len(shape) != 5:
        raise WeightsError(f"{source}: {name} has shape {tuple(shape)}, wanted 5 dimensions")
    return shape[2], shape[3], shape[4]


def _of(weights: Mapping[str, Tensor], name: str, source: str) -> Tensor:
    if name not in weights:
        raise WeightsError(f"{source} lacks {name}")
    return weights[name]
