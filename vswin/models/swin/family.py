"""The Swin family as plain data: what code outside `vswin.models` needs to know of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, get_args

from vswin.models.errors import ModelError
from vswin.models.registry import Family
from vswin.models.swin.config import PRESETS, BiasInit, EmbeddingInit, VideoSwinConfig


def slug(config: VideoSwinConfig, frames: int) -> tuple[str, ...]:
    """Tokens in time, window, and in what the model differs from the usual."""
    window = "x".join(map(str, config.window_size))
    words = [f"t{frames // config.patch_size[0]}", f"w{window}"]
    words += [] if config.design == "joint" else [config.design]
    words += [] if config.shift == "3d" else [f"shift_{config.shift}"]
    return tuple(words)


def sizes(config: VideoSwinConfig, frames: int) -> dict[str, str]:
    """Tokens in time, and the window (Table 5)."""
    tokens = str(frames // config.patch_size[0])
    return {"tokens": tokens, "window": "×".join(map(str, config.window_size))}


def image_counterpart(config: VideoSwinConfig, num_classes: int) -> VideoSwinConfig:
    """The 2D Swin Transformer that a video model's weights are inflated from (section 3.4)."""
    return dataclasses.replace(
        config,
        patch_size=(1, *config.patch_size[1:]),
        window_size=(1, *config.window_size[1:]),
        num_classes=num_classes,
        design="joint",
        shift="3d",
    )


def shrink(
    config: VideoSwinConfig, divisor: int, options: Mapping[str, Any], overrides: Mapping[str, Any]
) -> VideoSwinConfig:
    """A small model in the place of one of the paper's.

    Args:
        config: the paper's.
        divisor: of temporal sizes.
        options: `spatial_window` stands for M = 7.
        overrides: of the fields of the configuration.

    Raises:
        ModelError: if the window cannot be divided, or an option is not as it should be.
    """
    side = options.get("spatial_window")
    if set(options) != {"spatial_window"} or not isinstance(side, int) or side < 1:
        raise ModelError(f"swin wants spatial_window, an integer >= 1, not {dict(options)!r}")
    time, rest = divmod(config.window_size[0], divisor)
    if config.window_size[0] == 1:
        time = 1
    elif rest or not time:
        raise ModelError(
            f"temporal window {config.window_size[0]} cannot be divided by the protocol's "
            f"temporal_divisor {divisor}"
        )
    fields = {"window_size": (time, side, side), **overrides}
    frozen: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    return dataclasses.replace(config, **frozen)


def natural_size(config: VideoSwinConfig) -> int:
    """Height and width at which the last stage is one window, as at 224 pixels with M = 7."""
    return config.patch_size[1] * 2 ** (len(config.depths) - 1) * config.window_size[1]


def complete(overrides: dict[str, Any]) -> dict[str, Any]:
    """The split design takes spatial windows, unless another one is asked for by name."""
    if overrides.get("design") == "split" and "window_size" not in overrides:
        return {"window_size": (1, 7, 7), **overrides}
    return overrides


def window(text: str) -> dict[str, Any]:
    """From PxMxM to a window.

    Raises:
        ModelError: if it is not three sizes.
    """
    parts = text.split("x")
    if len(parts) != 3 or not all(part.isdecimal() for part in parts):
        raise ModelError("wanted PxMxM, such as 8x7x7")
    return {"window_size": tuple(map(int, parts))}


FAMILY = Family(
    name="swin",
    version=1,
    config_type=VideoSwinConfig,
    presets=PRESETS,
    code="vswin.models.swin.code",
    slug=slug,
    sizes=sizes,
    work=lambda config, frames: frames * config.window_size[0],
    shrink=shrink,
    natural_size=natural_size,
    is_image_model=lambda config: config.is_image_model,
    image_counterpart=image_counterpart,
    inflation={"embedding": get_args(EmbeddingInit), "bias": get_args(BiasInit)},
    words={"window": window, "design": lambda text: {"design": text}},
    complete=complete,
)
