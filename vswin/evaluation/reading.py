"""Clips for a loop of one's own: the tensors that `vswin predict` and `vswin eval` feed a model."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vswin.data.annotations import Video
from vswin.data.clips import frames_of_clips, read_views
from vswin.data.transforms import normalise, resize_short_side, to_clip, uniform_crops
from vswin.data.video_data import VideoData, ViewsTest, parse_views
from vswin.errors import UsageError
from vswin.evaluation.public import ClipsAsked, clips_for, dataset_with
from vswin.models.registry import family_of


@dataclasses.dataclass(frozen=True)
class ClipTransforms:
    """What happens to a video before a model sees it; `read` does all of it.

    Frames are uint8 (T, H, W, 3), red first; what a model takes is float32 (B, 3, T, S, S).
    """

    data: VideoData
    """How clips are cut: frames, stride, size, sampling, normalisation."""
    test: ViewsTest
    """In how many clips, and crops of each."""

    def read(self, video: str | Path) -> Tensor:
        """The views of a video, clip by clip: float32 (clips * crops, 3, T, S, S).

        Raises:
            UnreadableVideoError: if it cannot be read.
        """
        path = Path(video).expanduser()
        return self.normalise(read_views(Video(path, -1, path.name), self.data, self.test))

    def frames(self, count: int, fps: float) -> np.ndarray:
        """Which frames of a video of `count` frames each clip takes: int64 (clips, T).

        Args:
            count: frames of the video.
            fps: its frames in a second: MViT's authors cut clips by time.
        """
        return frames_of_clips(self.data, self.test, count, fps)

    def crop(self, frames: np.ndarray) -> Tensor:
        """Scales the frames of one clip and crops them: uint8 (crops, 3, T, S, S).

        Args:
            frames: uint8 (T, H, W, 3), of any height and width.

        Raises:
            UsageError: if they are something else.
        """
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[-1] != 3:
            raise UsageError(
                f"frames are {frames.dtype} {frames.shape}; wanted uint8 (T, H, W, 3), red first"
            )
        scaled = resize_short_side(frames, self.data.size)
        crops = uniform_crops(scaled, self.data.size, self.test.crops)
        return torch.stack([to_clip(view) for view in crops])

    def normalise(self, clips: Tensor) -> Tensor:
        """Pixels from 0 to 255, (B, 3, T, S, S), as float32 in the scale that the model knows."""
        return normalise(clips, pixels=self.data.pixels)


def transforms_for(
    model: Any,
    dataset: str | None = None,
    views: str | None = None,
    frames: int | None = None,
    stride: int | None = None,
    size: int | None = None,
) -> ClipTransforms:
    """How clips are cut for a model, as `vswin predict` does it with published weights.

    A model does not know the run that it is of: `vswin.load_model` gives the clips of yours.

    Args:
        model: of `vswin.build_model`.
        dataset: what it was trained on; None is the public dataset that has as many classes.
        views: clips x crops, as "4x3"; None is as the model, or the dataset, is tested.
        frames: of a clip; None, here and below, is what the model is meant for.
        stride: every how many frames of the video one is taken.
        size: height and width in pixels.

    Raises:
        UsageError: if there is no such dataset, it cannot be tested in these views, or a number is
            below 1.
        ModelError: if it is no model of this package.
    """
    family_of(model)  # or it is none of ours
    asked = ClipsAsked(frames, stride, size, None if views is None else parse_views(views))
    trained_on = dataset or dataset_with(model.config.num_classes)
    return ClipTransforms(*clips_for(trained_on or "", model, asked))


def read_clips(video: str | Path, model: Any, **options: Any) -> Tensor:
    """The views of a video, ready for a model: float32 (clips * crops, 3, T, S, S).

    `model(read_clips(video, model)).softmax(-1).mean(0)` are the scores of `vswin predict`.

    Args:
        video: a file.
        model: of `vswin.build_model`; the clips are on the CPU, wherever it is.
        **options: of `transforms_for`: dataset, views, frames, stride, size.

    Raises:
        UnreadableVideoError: if it cannot be read.
        UsageError, ModelError: as `transforms_for`.
    """
    return transforms_for(model, **options).read(video)
