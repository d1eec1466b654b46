"""The SlowFast family as plain data: what code outside `vswin.models` needs to know of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from vswin.models.errors import ModelError
from vswin.models.fields import with_tuples
from vswin.models.registry import Family, NaturalClips
from vswin.models.slowfast.config import ALPHA, PRESETS, SlowFastConfig


def slug(config: SlowFastConfig, frames: int) -> tuple[str, ...]:
    """Frames of both pathways, and in what the lateral connections differ from the usual."""
    words = [f"t{frames // ALPHA}and{frames}"]
    words += [] if config.fusion_kernel == 7 else [f"fusion{config.fusion_kernel}"]
    return tuple(words)


def sizes(config: SlowFastConfig, frames: int) -> dict[str, str]:
    """Frames of the slow pathway, and blocks."""
    return {"slow_frames": str(frames // ALPHA), "depths": "-".join(map(str, config.depths))}


def shrink(
    config: SlowFastConfig, divisor: int, options: Mapping[str, Any], overrides: Mapping[str, Any]
) -> SlowFastConfig:
    """A small model in the place of one of the paper's.

    Args:
        config: the paper's.
        divisor: without effect: nothing in the configuration is a number of frames of the clip.
        options: none.
        overrides: of the fields of the configuration.

    Raises:
        ModelError: if there are options.
    """
    del divisor
    if options:
        raise ModelError(f"slowfast has no options of its own, but was given {dict(options)!r}")
    return dataclasses.replace(config, **with_tuples(overrides))


def require_whole(config: SlowFastConfig, frames: int, side: int) -> None:
    """Refuses clips that have no whole number of frames for the slow pathway.

    Raises:
        ModelError: names both numbers.
    """
    del config, side
    if frames % ALPHA:
        raise ModelError(f"{frames} frames are no multiple of {ALPHA}: the slow pathway's stride")


FAMILY = Family(
    name="slowfast",
    version=1,
    config_type=SlowFastConfig,
    presets=PRESETS,
    code="vswin.models.slowfast.code",
    slug=slug,
    sizes=sizes,
    work=lambda config, frames: frames,
    shrink=shrink,
    rule="macs",
    natural_clips=lambda config: NaturalClips(256, 32, 2, "half", "10x3", "spans"),
    require_whole=require_whole,
)
