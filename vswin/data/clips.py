"""From listed videos to what a model is trained and tested on: one clip, or several views.

Every random number is a function of the run's seed, the epoch and the video's place in its list,
so a clip is the same whichever process or worker cuts it, and whenever.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from vswin.data.annotations import Video
from vswin.data.rand_augment import draw_rand_augment, rand_augment
from vswin.data.sampling import (
    dense_test,
    dense_train,
    segments_test,
    segments_train,
    spans_test,
    spans_train,
)
from vswin.data.transforms import (
    Box,
    crop,
    draw_crop,
    draw_erasing,
    draw_flip,
    erase,
    flip,
    normalise,
    resize,
    resize_short_side,
    to_clip,
    uniform_crops,
)
from vswin.data.video import UnreadableVideoError, open_video
from vswin.data.video_data import Pixels, VideoData, ViewsTest
from vswin.errors import VswinError

BLOCK = 64
"""Frames in their full size that are held at a time where several tests share them."""
SUBSTITUTES = 20
"""Other videos that are tried, one after the other, in place of one that cannot be read."""


class NoReadableVideoError(VswinError):
    """A video and all its substitutes cannot be read."""


@dataclasses.dataclass(frozen=True)
class Sample:
    """One training clip."""

    clip: Tensor
    """uint8 (3, T, size, size)."""
    label: int
    erased: Box | None
    """What is erased once it is normalised."""
    replaced: bool
    """Whether the video that was asked for could not be read, and this is another."""
    pixels: Pixels = "imagenet"
    """How it is to be normalised."""


class TrainClips(torch.utils.data.Dataset[Sample]):
    """A clip of each listed video, another one in every epoch. Keys are (epoch, place in list)."""

    def __init__(self, videos: tuple[Video, ...], data: VideoData, seed: int) -> None:
        self.videos, self.data, self.seed = videos, data, seed

    def __len__(self) -> int:
        return len(self.videos)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        """Cuts the clip; takes a seeded other video in place of one that cannot be read.

        Raises:
            NoReadableVideoError: if the substitutes cannot be read either.
        """
        epoch, place = key
        rng = random_of(self.seed, "clip", epoch, place)
        try:
            return self._cut(self.videos[place], rng, replaced=False)
        except UnreadableVideoError as error:
            first = error
        others = random_of(self.seed, "substitute", epoch, place)
        for other in others.integers(len(self.videos), size=SUBSTITUTES):
            try:
                return self._cut(self.videos[other], rng, replaced=True)
            except UnreadableVideoError:
                continue
        raise NoReadableVideoError(
            f"{first}; nor can {SUBSTITUTES} others that were tried in its place; "
            "`vswin data check` says what is there"
        )

    def _cut(self, video: Video, rng: np.random.Generator, replaced: bool) -> Sample:
        data, before = self.data, rng.bit_generator.state
        with open_video(video.path) as reader:

            def read_some(count: int) -> np.ndarray:
                rng.bit_generator.state = before  # a second call draws as if it were the first
                if data.sampling == "segments":
                    indices = segments_train(count, data.frames, rng)
                elif data.sampling == "spans":
                    indices = spans_train(count, data.frames, data.stride, reader.fps, rng)
                else:
                    indices = dense_train(count, data.frames, data.stride, rng)
                return reader.read(indices.tolist(), short_side=data.resize)

            frames = reader.with_true_count(read_some)
        height, width = frames.shape[1:3]
        box = draw_crop(height, width, rng, data.area, data.ratio)
        frames = resize(crop(frames, box), data.size, data.size)
        if draw_flip(rng, data.flip):
            frames = flip(frames)
        if data.rand_augment is not None:
            frames = rand_augment(frames, draw_rand_augment(rng, *data.rand_augment))
        erased = draw_erasing(data.size, data.size, rng, data.erasing)
        return Sample(to_clip(frames), video.label, erased, replaced, data.pixels)


@dataclasses.dataclass(frozen=True)
class ClipBatch:
    """A micro-batch of training clips, as `vswin.training.batch.MicroBatch` wants it."""

    clips: Tensor
    """uint8 (b, 3, T, size, size)."""
    labels: Tensor
    """int64 (b,)."""
    erased: tuple[Box | None, ...]
    """For each clip what is erased once it is normalised."""
    first: int
    """Position of the first clip in the step's batch."""
    replaced: int
    """Clips that stand for a video that could not be read."""
    pixels: Pixels = "imagenet"
    """How they are to be normalised."""

    def __len__(self) -> int:
        return len(self.labels)

    def pin_memory(self) -> ClipBatch:
        """The same in memory that a GPU can read while the CPU goes on."""
        return dataclasses.replace(
            self, clips=self.clips.pin_memory(), labels=self.labels.pin_memory()
        )

    def on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """float32 clips, normalised and erased, and labels, on `device`."""
        clips = normalise(self.clips.to(device, non_blocking=True), pixels=self.pixels)
        return erase(clips, self.erased), self.labels.to(device, non_blocking=True)


def collate(samples: list[Sample], first: int) -> ClipBatch:
    """Puts training clips into a micro-batch whose first clip is the step's `first`."""
    return ClipBatch(
        torch.stack([sample.clip for sample in samples]),
        torch.tensor([sample.label for sample in samples]),
        tuple(sample.erased for sample in samples),
        first,
        sum(sample.replaced for sample in samples),
        samples[0].pixels,
    )


def read_views(video: Video, data: VideoData, test: ViewsTest) -> Tensor:
    """All views of a video: each clip is decoded once, scaled, and cropped.

    Frames are scaled as the released models were tested, not by the decoder, whose smoother filter
    is kept for training.

    Returns:
        uint8 (clips * crops, 3, T, size, size), clip by clip.

    Raises:
        UnreadableVideoError: if it cannot be read.
    """
    with open_video(video.path) as reader:

        def read_all(count: int) -> Tensor:
            views = []
            for clip in frames_of_clips(data, test, count, reader.fps):
                frames = resize_short_side(reader.read(clip), data.size)
                views += [to_clip(view) for view in uniform_crops(frames, data.size, test.crops)]
            return torch.stack(views)

        return reader.with_true_count(read_all)


@dataclasses.dataclass(frozen=True)
class SharedViews:
    """The views of a video for several tests; one that several of them have is there once."""

    views: Tensor
    """uint8 (v, 3, T, size, size)."""
    places: tuple[tuple[int, ...], ...]
    """For each test, where its views are among those, in the order of `read_views`."""

    def pin_memory(self) -> SharedViews:
        """The same in memory that a GPU can read while the CPU goes on."""
        return dataclasses.replace(self, views=self.views.pin_memory())


def read_shared_views(video: Video, data: VideoData, tests: Sequence[ViewsTest]) -> SharedViews:
    """The views of a video for several tests; each frame of the video is decoded and scaled once.

    Raises:
        UnreadableVideoError: if it cannot be read.
    """
    with open_video(video.path) as reader:

        def read_all(count: int) -> SharedViews:
            clips_of = [
                [tuple(clip.tolist()) for clip in frames_of_clips(data, test, count, reader.fps)]
                for test in tests
            ]
            wanted = sorted({index for clips in clips_of for clip in clips for index in clip})
            blocks = [wanted[i : i + BLOCK] for i in range(0, len(wanted), BLOCK)]
            frames = np.concatenate(
                [resize_short_side(reader.read(block), data.size) for block in blocks]
            )
            views: list[Tensor] = []
            known: dict[tuple[Any, ...], range] = {}
            for test, clips in zip(tests, clips_of, strict=True):
                for clip in clips:
                    if (clip, test.crops) not in known:
                        chosen = frames[np.searchsorted(wanted, clip)]
                        found = [to_clip(v) for v in uniform_crops(chosen, data.size, test.crops)]
                        known[clip, test.crops] = range(len(views), len(views) + len(found))
                        views += found
            places = tuple(
                tuple(place for clip in clips for place in known[clip, test.crops])
                for test, clips in zip(tests, clips_of, strict=True)
            )
            return SharedViews(torch.stack(views), places)

        return reader.with_true_count(read_all)


def frames_of_clips(data: VideoData, test: ViewsTest, frames: int, fps: float) -> np.ndarray:
    """Which frames of a video each clip of a test takes: int64 (clips, T).

    Args:
        data: how clips are cut.
        test: how many there are.
        frames: of the video.
        fps: the video's frames in a second; only `spans` look at them.
    """
    if data.sampling == "segments":
        return np.tile(segments_test(frames, data.frames), (test.clips, 1))
    if data.sampling == "spans":
        return spans_test(frames, data.frames, data.stride, fps, test.clips)
    return dense_test(frames, data.frames, data.stride, test.clips)


def random_of(
    seed: int, use: Literal["order", "clip", "substitute"], *key: int
) -> np.random.Generator:
    """Random numbers that depend on the arguments alone."""
    stream = ("order", "clip", "substitute").index(use)
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, stream, *key))))
