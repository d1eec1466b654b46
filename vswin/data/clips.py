"""From listed videos to what a model is trained and tested on: one clip, or several views.

Every random number is a function of the run's seed, the epoch and the video's place in its list,
so a clip is the same whichever process or worker cuts it, and whenever.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import Ge, Gt, Le, Len
from torch import Tensor

from vswin.data.annotations import Video
from vswin.data.rand_augment import draw_rand_augment, rand_augment
from vswin.data.sampling import dense_test, dense_train, segments_test, segments_train
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
from vswin.errors import VswinError

Share = Annotated[float, Ge(0), Le(1)]
SUBSTITUTES = 20
"""Other videos that are tried, one after the other, in place of one that cannot be read."""


IN_SEGMENTS = ("ssv2", "digits_ssv2")
"""Datasets whose clips take one frame from each of equal segments of the video."""
Sampling = Literal["dense", "segments"]


class NoReadableVideoError(VswinError):
    """A video and all its substitutes cannot be read."""


@dataclasses.dataclass(frozen=True)
class VideoData:
    """Which videos a model is trained and tested on, and how clips are cut from them.

    Defaults are the paper's for Kinetics (section 4.1) and, where it is silent, the released
    configurations'.
    """

    dataset: str
    """A name that `vswin.data.datasets` knows."""
    frames: Annotated[int, Ge(1)] = 32
    """Frames of a clip."""
    stride: Annotated[int, Ge(1)] = 2
    """Every how many frames of the video one is taken; without effect for segments."""
    sampling: Sampling = "dense"
    """A stretch of the video, or one frame from each of equal segments (Something-Something)."""
    size: Annotated[int, Ge(1)] = 224
    """Height and width of a clip in pixels."""
    resize: Annotated[int, Ge(1)] = 256
    """Short side in pixels that training frames are brought to before they are cropped."""
    area: Annotated[tuple[Share, Share], Len(2, 2)] = (0.08, 1.0)
    """Smallest and largest share of the frame that a training crop covers."""
    ratio: tuple[Annotated[float, Gt(0)], Annotated[float, Gt(0)]] = (3 / 4, 4 / 3)
    """Smallest and largest width / height of a training crop."""
    flip: Share = 0.5
    """Probability that a training clip is mirrored."""
    rand_augment: tuple[Annotated[int, Ge(0)], Annotated[int, Ge(0), Le(30)]] | None = None
    """(N, M) of RandAugment: operations, and their magnitude of 30."""
    erasing: Share = 0.0
    """Probability that a box of a training clip is erased."""


def sampling_of(dataset: str) -> Sampling:
    """How clips of a dataset are sampled as published."""
    return "segments" if dataset in IN_SEGMENTS else "dense"


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
        data = self.data
        with open_video(video.path) as reader:
            if data.sampling == "segments":
                indices = segments_train(reader.frames, data.frames, rng)
            else:
                indices = dense_train(reader.frames, data.frames, data.stride, rng)
            frames = reader.read(indices, short_side=data.resize)
        box = draw_crop(*frames.shape[1:3], rng, data.area, data.ratio)
        frames = resize(crop(frames, box), data.size, data.size)
        if draw_flip(rng, data.flip):
            frames = flip(frames)
        if data.rand_augment is not None:
            frames = rand_augment(frames, draw_rand_augment(rng, *data.rand_augment))
        erased = draw_erasing(data.size, data.size, rng, data.erasing)
        return Sample(to_clip(frames), video.label, erased, replaced)


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

    def __len__(self) -> int:
        return len(self.labels)

    def pin_memory(self) -> ClipBatch:
        """The same in memory that a GPU can read while the CPU goes on."""
        return dataclasses.replace(
            self, clips=self.clips.pin_memory(), labels=self.labels.pin_memory()
        )

    def on(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """float32 clips, normalised and erased, and labels, on `device`."""
        clips = normalise(self.clips.to(device, non_blocking=True))
        return erase(clips, self.erased), self.labels.to(device, non_blocking=True)


def collate(samples: list[Sample], first: int) -> ClipBatch:
    """Puts training clips into a micro-batch whose first clip is the step's `first`."""
    return ClipBatch(
        torch.stack([sample.clip for sample in samples]),
        torch.tensor([sample.label for sample in samples]),
        tuple(sample.erased for sample in samples),
        first,
        sum(sample.replaced for sample in samples),
    )


@dataclasses.dataclass(frozen=True)
class ViewsTest:
    """How a video is tested: scores are averaged over clips in time x crops in space."""

    clips: Annotated[int, Ge(1)] = 4
    """Clips, evenly spread over the video; section 4.1 says 4 x 3 views for Kinetics."""
    crops: Literal[1, 3, 5] = 3
    """Square crops of each clip along its longer side; one is the centre."""

    def __str__(self) -> str:
        return f"{self.clips}×{self.crops}"


def read_views(video: Video, data: VideoData, test: ViewsTest) -> Tensor:
    """All views of a video: each clip is decoded once, scaled, and cropped.

    Frames are scaled as the released models were tested, not by the decoder, whose smoother way is
    kept for training.

    Returns:
        uint8 (clips * crops, 3, T, size, size), clip by clip.

    Raises:
        UnreadableVideoError: if it cannot be read.
    """
    views = []
    with open_video(video.path) as reader:
        if data.sampling == "segments":
            indices = np.tile(segments_test(reader.frames, data.frames), (test.clips, 1))
        else:
            indices = dense_test(reader.frames, data.frames, data.stride, test.clips)
        for clip in indices:
            frames = resize_short_side(reader.read(clip), data.size)
            views += [to_clip(view) for view in uniform_crops(frames, data.size, test.crops)]
    return torch.stack(views)


def random_of(
    seed: int, use: Literal["order", "clip", "substitute"], *key: int
) -> np.random.Generator:
    """Random numbers that depend on the arguments alone."""
    stream = ("order", "clip", "substitute").index(use)
    return np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, stream, *key))))
