"""Videos that are rendered where none are at hand, to see what a model does before training.

They are frames in memory; the same numbers give the same frames.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from vswin.data.render_digits import FRAMES, rendered
from vswin.data.sampling import dense_test
from vswin.data.transforms import normalise, resize_short_side, to_clip, uniform_crops
from vswin.models.registry import NaturalClips

SampleKind = Literal["digits", "photographs", "noise"]
"""digits: those of the rehearsal's videos, in the layout of Kinetics. photographs: parts of the two
that scikit-learn brings, panned sideways. noise: every pixel of every frame drawn evenly."""
SAMPLE_KINDS: tuple[SampleKind, ...] = ("digits", "photographs", "noise")
PHOTOGRAPHS = ("china.jpg", "flower.jpg")
PAN = 2
"""Pixels of a photograph from frame to frame."""


def sample_clips(kind: SampleKind, count: int, natural: NaturalClips) -> Tensor:
    """Clips of rendered videos, cut and normalised as a model is meant to see them.

    A clip is the middle of its video, which has 64 frames, and the centre of its frames.

    Args:
        kind: of the videos.
        count: B.
        natural: what the model is meant for.

    Returns:
        float32 (B, 3, T, size, size).
    """
    clips = []
    for frames in _VIDEOS[kind](count):
        (places,) = dense_test(len(frames), natural.frames, natural.stride, 1)
        scaled = resize_short_side(frames[places], natural.size)
        clips.append(to_clip(uniform_crops(scaled, natural.size, 1)[0]))
    return normalise(torch.stack(clips), pixels=natural.pixels)


def _digits(count: int) -> Iterator[np.ndarray]:
    """uint8 (64, height, width, 3), so many times."""
    for video in rendered("kinetics", "test", count, seed=0):
        yield video.frames


def _photographs(count: int) -> Iterator[np.ndarray]:
    yield from map(_photograph, range(count))


def _photograph(number: int) -> np.ndarray:
    """A part of a photograph, as large and where chance says, and as often mirrored as not."""
    from PIL import Image

    rng = np.random.Generator(np.random.Philox(number))
    files = importlib.metadata.distribution("scikit-learn")
    name = PHOTOGRAPHS[number % len(PHOTOGRAPHS)]
    with Image.open(str(files.locate_file(f"sklearn/datasets/images/{name}"))) as image:
        pixels = np.asarray(image.convert("RGB"))
    height, width = pixels.shape[:2]
    side = int(rng.integers(height // 2, height + 1))
    top = int(rng.integers(height - side + 1))
    left = int(rng.integers(width - side - PAN * (FRAMES - 1) + 1))
    starts = range(left, left + PAN * FRAMES, PAN)
    video = np.stack([pixels[top : top + side, start : start + side] for start in starts])
    return video[:, :, ::-1] if rng.random() < 0.5 else video


def _noise(count: int) -> Iterator[np.ndarray]:
    for number in range(count):
        rng = np.random.Generator(np.random.Philox(number))
        yield rng.integers(256, size=(FRAMES, 224, 224, 3), dtype=np.uint8)


_VIDEOS: dict[SampleKind, Callable[[int], Iterator[np.ndarray]]] = {
    "digits": _digits,
    "photographs": _photographs,
    "noise": _noise,
}
