"""Weights, and what is known of the run in whose folder they are.

For commands and loops that are given a file alone: clips are cut as in the run, and as the model is
meant for where a file is of no run.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from torch import nn

from vswin.data.video_data import VideoData, ViewsTest, parse_views
from vswin.evaluation.public import ClipsAsked, clips_for, dataset_with, model_of
from vswin.evaluation.reading import ClipTransforms
from vswin.runs.store import RunFolder
from vswin.weights.checkpoint import Checkpoint
from vswin.weights.named import Source, weights_file


@dataclasses.dataclass(frozen=True)
class Trained:
    """The clips of a run on videos."""

    data: VideoData
    test: ViewsTest


@dataclasses.dataclass(frozen=True)
class Opened:
    """A checkpoint's model, and what is known of the clips that it takes."""

    model: Any
    """On the CPU, in evaluation mode."""
    checkpoint: Checkpoint
    trained: Trained | None
    """None if the file is of no run on videos."""
    asked: ClipsAsked
    """As somebody says, else as in the run."""

    def clips(self, dataset: str | None = None) -> ClipTransforms:
        """How videos are cut for it.

        Args:
            dataset: what it was trained on; None: as in its run, else the public dataset that has
                as many classes.

        Raises:
            UsageError: if there is no such dataset, or it cannot be tested in these views.
        """
        if dataset is None and self.trained is None:
            dataset = dataset_with(self.model.config.num_classes)
        return ClipTransforms(*clips_for(dataset or "", self.model, self.asked, self.checkpoint))


def trained_with(weights: Path) -> Trained | None:
    """How the run was trained and tested in whose folder a file is; None if it is in none.

    Raises:
        StoreError: if its run.json is damaged.
    """
    folder = RunFolder(weights.expanduser().absolute().parent)
    if not (folder.path / "run.json").is_file():
        return None
    config = folder.config()
    if not isinstance(config.data, VideoData) or not isinstance(config.test, ViewsTest):
        return None
    return Trained(config.data, config.test)


def as_trained(asked: ClipsAsked, trained: Trained | None) -> ClipsAsked:
    """What was asked of the clips, and what was not, as in the run."""
    if trained is None:
        return asked
    return dataclasses.replace(
        asked,
        frames=asked.frames or trained.data.frames,
        stride=asked.stride or trained.data.stride,
        size=asked.size or trained.data.size,
        views=asked.views or trained.test,
        sampling=trained.data.sampling,
    )


def open_weights(weights: Source, asked: ClipsAsked, **options: Any) -> Opened:
    """The model of a file, or of published weights by their name, for clips as in its run.

    Args:
        weights: a file in any public layout, or a name of `vswin weights list`.
        asked: of the clips.
        **options: of `vswin.build_model`, where the file leaves one open.

    Raises:
        UsageError, MissingDataError, WeightsError: if the weights are not there, are no video
            model's, or do not go with the options.
        StoreError: if they are in a run's folder, and its run.json is damaged.
    """
    file = weights_file(weights)
    trained = trained_with(file)
    asked = as_trained(asked, trained)
    return Opened(*model_of(file, asked, **options), trained, asked)


def load_model(
    weights: Source,
    dataset: str | None = None,
    views: str | None = None,
    frames: int | None = None,
    stride: int | None = None,
    size: int | None = None,
    resize_positions: bool = False,
    **options: Any,
) -> tuple[nn.Module, ClipTransforms]:
    """The trained model of a file, and how its clips are cut, as `vswin predict` does both.

    Of the weights of a run of yours, in its folder, clips are as in that run: its frames, stride,
    size, sampling and views. Of others they are what the model is meant for.

    Args:
        weights: a video checkpoint in any public layout, or a name of `vswin weights list`, such as
            "swin_t:kinetics400".
        dataset: what it was trained on; None is as in its run, else the public dataset that has as
            many classes.
        views: clips x crops, as "4x3"; None, here and below, is as said above.
        frames: of a clip.
        stride: every how many frames of the video one is taken.
        size: height and width in pixels.
        resize_positions: whether position tables (MViT) are interpolated to such clips.
        **options: fields of the model's configuration that the file leaves open, such as
            `window_size=(8, 7, 7)`.

    Returns:
        The model, in evaluation mode, and what `vswin.transforms_for` returns.

    Raises:
        UsageError: if the file is of no video model with a classifier, leaves an option open, has
            position tables for other clips, or an argument is impossible.
        MissingDataError: if published weights are not on this machine; says what fetches them.
        WeightsError: if the file cannot be read, or is no checkpoint.
        StoreError: if it is in a run's folder, and its run.json is damaged.
    """
    test = None if views is None else parse_views(views)
    asked = ClipsAsked(frames, stride, size, test, resize_positions=resize_positions)
    opened = open_weights(weights, asked, **options)
    return opened.model, opened.clips(dataset)
