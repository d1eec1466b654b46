"""The Swin family as plain data: what code outside `vswin.models` needs to know of it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, get_args

from vswin.models.errors import ModelError
from vswin.models.fields import with_tuples
from vswin.models.registry import Family, NaturalClips
from vswin.models.swin.config import PRESETS, BiasInit, EmbeddingInit, VideoSwinConfig
from vswin.models.swin.defaults import complete


def tokens_in_time(config: VideoSwinConfig, frames: int) -> int:
    """T'; what does not fill the last token is padded."""
    return -(-frames // config.patch_size[0])


def slug(config: VideoSwinConfig, frames: int) -> tuple[str, ...]:
    """Tokens in time, window, and in what the model differs from the usual."""
    window = "x".join(map(str, config.window_size))
    words = [f"t{tokens_in_time(config, frames)}", f"w{window}"]
    words += [] if config.design == "joint" else [config.design]
    words += [f"gate_{config.initial_gate:g}"] if config.initial_gate else []
    words += [] if config.shift == "3d" else [f"shift_{config.shift}"]
    return tuple(words)


def sizes(config: VideoSwinConfig, frames: int) -> dict[str, str]:
    """Tokens in time, and the window (Table 5)."""
    return {
        "tokens": str(tokens_in_time(config, frames)),
        "window": "×".join(map(str, config.window_size)),
    }


def work(config: VideoSwinConfig, frames: int) -> int:
    """How long a clip takes beside another: 12C² + 2NC for each token of a window of N, over 2C."""
    per_token = 6 * config.embed_dim + math.prod(config.window_size)
    return frames * sum(config.depths) * per_token


def image_counterpart(config: VideoSwinConfig, num_classes: int) -> VideoSwinConfig:
    """The 2D Swin Transformer that a video model's weights are inflated from (section 3.4)."""
    return dataclasses.replace(
        config,
        patch_size=(1, *config.patch_size[1:]),
        window_size=(1, *config.window_size[1:]),
        num_classes=num_classes,
        design="joint",
        shift="3d",
        initial_gate=0.0,
    )


def shrink(
    config: VideoSwinConfig, divisor: int, options: Mapping[str, Any], overrides: Mapping[str, Any]
) -> VideoSwinConfig:
    """A small model in the place of one of the paper's.

    Args:
        config: the paper's.
        divisor: of temporal sizes.
        options: `spatial_window`, what stands for each M, as {7: 3}; a number stands for M = 7.
        overrides: of the fields of the configuration.

    Raises:
        ModelError: if the window cannot be made small, or an option is not as it should be.
    """
    sides = _sides(options)
    fields: dict[str, Any] = {
        "window_size": (
            _window_in_time(config, divisor),
            *(_window_in_space(config, side, sides) for side in config.window_size[1:]),
        ),
        **overrides,
    }
    frozen = with_tuples(fields)
    return dataclasses.replace(config, **complete(config, frozen))


def _sides(options: Mapping[str, Any]) -> dict[int, int]:
    """What stands for each M of the paper."""
    given = options.get("spatial_window")
    sides: dict[Any, Any] = given if isinstance(given, dict) else {7: given}
    counts = [*sides, *sides.values()]
    is_good = all(isinstance(n, int) and not isinstance(n, bool) and n >= 1 for n in counts)
    if set(options) != {"spatial_window"} or not sides or not is_good:
        raise ModelError(
            f"swin wants spatial_window, an integer >= 1 or what stands for each M, as {{7: 3}}, "
            f"not {dict(options)!r}"
        )
    if len(set(sides.values())) < len(sides):
        raise ModelError(f"swin.spatial_window {sides!r}: two windows would become the same one")
    return sides


def _window_in_time(config: VideoSwinConfig, divisor: int) -> int:
    size = config.window_size[0]
    small, rest = divmod(size, divisor)
    if size == 1:  # windows of a single frame stay what they are
        return 1
    what = f"temporal window {size} cannot be divided by the protocol's temporal_divisor {divisor}"
    if rest or not small:
        raise ModelError(f"{what} (model.window_size {_written(config)}); choose a multiple of it")
    if small == 1 and config.design == "factorized":
        raise ModelError(
            f"temporal window {size} of the factorized design would be 1 here, which stands for "
            f"the whole clip (model.window_size {_written(config)}); choose a larger one"
        )
    return small


def _window_in_space(config: VideoSwinConfig, side: int, sides: Mapping[int, int]) -> int:
    if side not in sides:
        known = ", ".join(map(str, sorted(sides)))
        raise ModelError(
            f"spatial window {side} has nothing in its place (model.window_size "
            f"{_written(config)}); the protocol has something for {known} (spatial_window): choose "
            "one of these, or another protocol"
        )
    return sides[side]


def _written(config: VideoSwinConfig) -> list[int]:
    return list(config.window_size)


def require_whole(config: VideoSwinConfig, frames: int, side: int) -> None:
    """Refuses clips of so many frames and pixels that end within a token.

    Raises:
        ModelError: if they do; such a clip would be padded, and its sizes not be what they seem.
    """
    time, *space = config.patch_size
    if frames % time:
        raise ModelError(f"{frames} frames are no whole number of tokens of {time}")
    if any(side % patch for patch in space):
        raise ModelError(
            f"{side} pixels are no whole number of tokens of {' × '.join(map(str, space))}"
        )


def simplest(config: VideoSwinConfig) -> VideoSwinConfig:
    """Windows of a single frame cannot be shifted in time."""
    has_no_time = config.window_size[0] == 1 and config.design != "factorized"
    is_shifted = config.shift == "3d" and has_no_time
    return dataclasses.replace(config, shift="spatial") if is_shifted else config


def natural_clips(config: VideoSwinConfig) -> NaturalClips:
    """Of a size at which the last stage is one window, as at 224 pixels with M = 7."""
    size = config.patch_size[1] * 2 ** (len(config.depths) - 1) * config.window_size[1]
    return NaturalClips(size)


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
    attention="vswin.models.swin.attending",
    slug=slug,
    sizes=sizes,
    work=work,
    shrink=shrink,
    require_whole=require_whole,
    simplest=simplest,
    natural_clips=natural_clips,
    is_image_model=lambda config: config.is_image_model,
    image_counterpart=image_counterpart,
    inflation={"embedding": get_args(EmbeddingInit), "bias": get_args(BiasInit)},
    words={"window": window, "design": lambda text: {"design": text}},
    complete=complete,
)
