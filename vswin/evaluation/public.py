"""Testing any checkpoint on videos, and asking it what a video shows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from vswin.data.annotations import Video, VideoList
from vswin.data.clips import read_views
from vswin.data.datasets import DATASETS, class_names
from vswin.data.video_data import VideoData, ViewsTest, sampling_of
from vswin.errors import UsageError
from vswin.evaluation.views import VideoEvaluation, evaluate_videos, score_views
from vswin.models.build import build_model
from vswin.models.swin.config import VideoSwinConfig
from vswin.models.swin.model import VideoSwinTransformer
from vswin.training.distributed import World
from vswin.weights.checkpoint import Checkpoint
from vswin.weights.files import read_checkpoint
from vswin.weights.loading import load_checkpoint


@dataclasses.dataclass(frozen=True)
class Answer:
    """One class that a video may show."""

    name: str
    score: float
    """SoftMax, averaged over the views."""


def model_of(
    weights: Path, window_size: tuple[int, int, int] | None = None
) -> tuple[VideoSwinTransformer, Checkpoint]:
    """The model that a checkpoint's shapes describe, with its weights.

    Args:
        weights: a video checkpoint in any public layout.
        window_size: where the checkpoint leaves it open.

    Raises:
        WeightsError: if the file cannot be read, or is no checkpoint of a video model.
        UsageError: if it has no classifier, or its window is open and not given.
    """
    checkpoint = read_checkpoint(weights)
    found = checkpoint.found
    if found.kind != "video" or found.num_classes is None:
        what = "a 2D (image) checkpoint" if found.kind != "video" else "one without a classifier"
        raise UsageError(f"{weights} is {what}; videos are tested with a trained video model")
    options = found.options() | ({"window_size": window_size} if window_size else {})
    if "window_size" not in options:
        raise UsageError(f"{weights} fits several windows; say which with --window PxMxM")
    model = build_model(found.preset or "swin_t", **options)
    load_checkpoint(model, checkpoint, expect="video")
    return model.eval(), checkpoint


def natural_size(config: VideoSwinConfig) -> int:
    """Height and width at which the last stage is one window, as at 224 pixels with M = 7."""
    return config.patch_size[1] * 2 ** (len(config.depths) - 1) * config.window_size[1]


def classes_for(num_classes: int, dataset: str | None) -> tuple[str, ...]:
    """Names of a model's classes.

    Args:
        num_classes: of the model.
        dataset: what it was trained on; None takes the dataset with so many classes.

    Raises:
        UsageError: if the dataset has another number, or none has this one.
    """
    if dataset is None:
        fitting = [d.name for d in DATASETS.values() if d.num_classes == num_classes]
        if len(fitting) != 1:
            raise UsageError(
                f"the model has {num_classes} classes, which {len(fitting)} known datasets have; "
                f"say which with --dataset; known: {', '.join(DATASETS)}"
            )
        dataset = fitting[0]
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
    window_size: tuple[int, int, int] | None = None,
    precision: str = "fp32",
    workers: int = 0,
    notes: Path | None = None,
    on_video: Callable[[int, int], None] = lambda done, videos: None,
) -> tuple[VideoEvaluation, Checkpoint]:
    """Tests a checkpoint, at its natural size unless another is given.

    Raises:
        WeightsError, UsageError, UntestableError: as the functions that it calls.
    """
    model, checkpoint = model_of(weights, window_size)
    size = size or natural_size(model.config)
    data = clips_for(videos.dataset, frames, stride, size, test)
    classes_for(model.config.num_classes, videos.dataset)
    evaluation = evaluate_videos(
        model.to(world.device), videos, data, test, world, precision, workers, notes, on_video
    )
    return evaluation, checkpoint


def predict_video(
    video: Path,
    model: VideoSwinTransformer,
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
    return [Answer(names[label], score) for label, score in pairs]
