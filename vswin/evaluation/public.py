"""Testing any checkpoint on videos, and asking it what a video shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vswin.data.annotations import Video, VideoList
from vswin.data.clips import read_views
from vswin.data.datasets import DATASETS, class_names
from vswin.data.video_data import VideoData, ViewsTest, sampling_of
from vswin.errors import UsageError
from vswin.evaluation.views import VideoEvaluation, evaluate_videos, score_views
from vswin.models.build import build_model
from vswin.models.layouts import some
from vswin.models.registry import family_of
from vswin.training.distributed import World
from vswin.weights.checkpoint import Checkpoint
from vswin.weights.files import read_checkpoint
from vswin.weights.loading import load_checkpoint


@dataclasses.dataclass(frozen=True)
class Answer:
    """One class that a video may show."""

    label: int
    name: str
    score: float
    """SoftMax, averaged over the views."""


def model_of(weights: Path, **options: Any) -> tuple[Any, Checkpoint]:
    """The model that a checkpoint's shapes describe, with its weights.

    Args:
        weights: a video checkpoint in any public layout.
        **options: of `vswin.build_model`, where the checkpoint leaves one open.

    Raises:
        WeightsError: if the file cannot be read, or is no checkpoint of a video model.
        UsageError: if it has no classifier, or an option is open and not given.
    """
    checkpoint = read_checkpoint(weights)
    found = checkpoint.found
    if found.kind != "video" or found.num_classes is None:
        what = "a 2D (image) checkpoint" if found.kind != "video" else "one without a classifier"
        if checkpoint.other_head:
            what = f"one with a classifier that is not known here ({some(checkpoint.other_head)})"
        raise UsageError(f"{weights} is {what}; videos are tested with a trained video model")
    for option, question in found.open.items():
        if option not in options:
            raise UsageError(f"{weights} {question}")
    model = build_model(found.base, **found.options() | options)
    load_checkpoint(model, checkpoint, expect="video")
    return model.eval(), checkpoint


def natural_size(model: nn.Module) -> int:
    """Height and width of the clips that a model is meant for."""
    return family_of(model).natural_size(model.config)


def dataset_with(num_classes: int) -> str | None:
    """The public dataset that has so many classes; None if there is none, or several."""
    fitting = [d.name for d in DATASETS.values() if d.class_file and d.num_classes == num_classes]
    return fitting[0] if len(fitting) == 1 else None


def require_classes_of(dataset: str, num_classes: int) -> tuple[str, ...]:
    """Names of a dataset's classes, of which a model has so many.

    Raises:
        UsageError: if there is no such dataset, or it has another number.
    """
    names = class_names(dataset)
    if len(names) != num_classes:
        raise UsageError(
            f"the model has {num_classes} classes, and {dataset} has {len(names)}; it was trained "
            "on something else"
        )
    return names


def clips_for(dataset: str, frames: int, stride: int, size: int, test: ViewsTest) -> VideoData:
    """How a dataset's test clips are cut.

    Raises:
        UsageError: if several clips are wanted of a dataset whose clips are whole videos.
    """
    sampling = sampling_of(dataset)
    if sampling == "segments" and test.clips > 1:
        raise UsageError(
            f"{test} views of {dataset}: a clip takes a frame from each part of the video, so "
            "there is only one; wanted 1x3 or 1x1"
        )
    return VideoData(dataset=dataset, frames=frames, stride=stride, size=size, sampling=sampling)


def evaluate_weights(
    weights: Path,
    videos: VideoList,
    test: ViewsTest,
    world: World,
    frames: int = 32,
    stride: int = 2,
    size: int | None = None,
    options: Mapping[str, Any] | None = None,
    precision: str = "fp32",
    workers: int = 0,
    notes: Path | None = None,
    on_video: Callable[[int, int], None] = lambda done, videos: None,
) -> tuple[VideoEvaluation, Checkpoint]:
    """Tests a checkpoint, at its natural size unless another is given.

    Args:
        weights: as for `model_of`, as are `options`.
        videos: what to test on.
        test: the views of each.
        world: this process and those beside it.
        frames: of a clip.
        stride: between two of its frames.
        size: height and width in pixels.
        options: of the model.
        precision: of matrix products.
        workers: decoding processes.
        notes: where to keep what is done, so that an interrupted test goes on.
        on_video: told how many videos are done, of how many.

    Raises:
        WeightsError, UsageError, UntestableError: as the functions that it calls.
    """
    model, checkpoint = model_of(weights, **options or {})
    size = size or natural_size(model)
    data = clips_for(videos.dataset, frames, stride, size, test)
    assert checkpoint.found.num_classes is not None  # or it would not have been taken
    require_classes_of(videos.dataset, checkpoint.found.num_classes)
    evaluation = evaluate_videos(
        model.to(world.device), videos, data, test, world, precision, workers, notes, on_video
    )
    return evaluation, checkpoint


def predict_video(
    video: Path,
    model: nn.Module,
    names: Sequence[str],
    data: VideoData,
    test: ViewsTest,
    device: torch.device,
    top: int = 5,
) -> list[Answer]:
    """The classes with the highest scores, the highest first.

    Raises:
        UnreadableVideoError: if the video cannot be read.
    """
    views = read_views(Video(video, -1, video.name), data, test)
    scores = score_views(model.to(device).eval(), views, device).mean(dim=0)
    best = scores.topk(min(top, len(names)))
    pairs: list[Any] = list(zip(best.indices.tolist(), best.values.tolist(), strict=True))
    return [Answer(label, names[label], score) for label, score in pairs]
