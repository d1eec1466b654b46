"""The MViT family as plain data: what code outside `vswin.models` needs to know of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from vswin.models.errors import ModelError
from vswin.models.fields import with_tuples
from vswin.models.mvit.config import PRESETS, MViTConfig
from vswin.models.mvit.geometry import blocks
from vswin.models.registry import Family, NaturalClips


def slug(config: MViTConfig, frames: int) -> tuple[str, ...]:
    """Tokens in time, and in what the model differs from the usual."""
    usual = MViTConfig()
    words = [f"t{frames // config.patch_stride[0]}"]
    if config.kv_stride != usual.kv_stride:
        words.append("kv" + "x".join(map(str, config.kv_stride)))
    words += [] if config.kv_adaptive else ["fixed"]
    words += ["kv_last"] if config.kv_pool_last_stage else []
    words += [] if config.pooling == usual.pooling else [config.pooling]
    words += [] if config.positions == usual.positions else [f"pos_{config.positions}"]
    words += [] if config.skip == usual.skip else [f"skip_{config.skip}"]
    return tuple(words)


def sizes(config: MViTConfig, frames: int) -> dict[str, str]:
    """Tokens in time, and the stride of keys and values (Table A.6)."""
    tokens = str(frames // config.patch_stride[0])
    return {"tokens": tokens, "kv_stride": "×".join(map(str, config.kv_stride))}


def work(config: MViTConfig, frames: int) -> int:
    """Scores of attention, which grow with frames squared."""
    clip = (frames, config.image_size, config.image_size)
    plans = blocks(config, clip)
    return sum(p.num_heads * math.prod(p.q_grid) * math.prod(p.kv_grid) for p in plans)


def shrink(
    config: MViTConfig, divisor: int, options: Mapping[str, Any], overrides: Mapping[str, Any]
) -> MViTConfig:
    """A small model in the place of one of the paper's.

    Args:
        config: the paper's.
        divisor: of its frames.
        options: none.
        overrides: of the fields of the configuration.

    Raises:
        ModelError: if the frames cannot be divided, or there are options.
    """
    if options:
        raise ModelError(f"mvit has no options of its own, but was given {dict(options)!r}")
    frames, rest = divmod(config.frames, divisor)
    if rest:
        raise ModelError(
            f"frames {config.frames} cannot be divided by the protocol's temporal_divisor {divisor}"
        )
    fields = {"frames": frames, **overrides}
    frozen = with_tuples(fields)
    return dataclasses.replace(config, **frozen)


def natural_clips(config: MViTConfig) -> NaturalClips:
    """T x tau as the presets are called: 16 x 4, 32 x 3, 64 x 3; ViT-B 8 x 8. 5 x 1 views (D.1).

    In Table A.4, models with cubes that are 4 frames apart take 32 x 2. An image is a clip of one
    frame, normalised as ImageNet's are (section D.5).
    """
    if config.is_image_model:
        return NaturalClips(config.image_size, 1, 1, "imagenet", "1x1", "spans")
    stride = {8: 8, 16: 4}.get(config.frames, 2 if config.patch_stride[0] == 4 else 3)
    return NaturalClips(config.image_size, config.frames, stride, "half", "5x1", "spans")


def require_whole(config: MViTConfig, frames: int, side: int) -> None:
    """Refuses clips of another size than the position tables are for.

    Raises:
        ModelError: names both sizes.
    """
    if (frames, side) != (config.frames, config.image_size):
        raise ModelError(
            f"clips of {frames} frames of {side} × {side} pixels do not fit a model of "
            f"frames={config.frames}, image_size={config.image_size}"
        )


FAMILY = Family(
    name="mvit",
    version=1,
    config_type=MViTConfig,
    presets=PRESETS,
    code="vswin.models.mvit.code",
    attention="vswin.models.mvit.attending",
    slug=slug,
    sizes=sizes,
    work=work,
    shrink=shrink,
    natural_clips=natural_clips,
    rule="macs",
    clip_options=lambda frames, side: {"frames": frames, "image_size": side},
    require_whole=require_whole,
    fitting={"positions": ("exact", "resize")},
    is_image_model=lambda config: config.is_image_model,
)
