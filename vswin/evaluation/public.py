"""Testing any checkpoint on videos, and asking it what a video shows."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vswin.data.annotations import Video, VideoList
from vswin.data.clips import read_views
from vswin.data.datasets import DATASETS, class_names
from vswin.data.video_data import Sampling, VideoData, ViewsTest, sampling_of
from vswin.errors import UsageError
from vswin.evaluation.views import VideoEvaluation, evaluate_in_views, score_views
from vswin.models.build import build_model
from vswin.models.errors import WeightsError
from vswin.models.fields import is_count
from vswin.models.layouts import some
from vswin.models.registry import family, family_of, resolve_config
from vswin.training.distributed import World
from vswin.weights.checkpoint import Checkpoint, checkpoints_of
from vswin.weights.files import read_checkpoint
from vswin.weights.loading import load_checkpoint

logger = logging.getLogger("vswin")


@dataclasses.dataclass(frozen=True)
class ClipsAsked:
    """What somebody says of the clips of a test; None is what the model is meant for."""

    frames: int | None = None
    stride: int | None = None
    """Between two frames of a clip."""
    size: int | None = None
    """Height and width in pixels."""
    views: ViewsTest | None = None
    also: tuple[ViewsTest, ...] = ()
    """Further views that are tested in the same pass."""
    resize_positions: bool = False
    """Whether the position tables of a model are interpolated to clips of that size."""
    sampling: Sampling | None = None
    """None: as the dataset's clips are sampled, and placed as the model's are."""

    def __post_init__(self) -> None:
        """Refuses what is no number of frames or pixels.

        Raises:
            UsageError: if it is one that no clip can have.
        """
        for name in ("frames", "stride", "size"):
            value = getattr(self, name)
            if value is not None and not is_count(value):
                raise UsageError(f"{name}={value!r}: wanted an integer of at least 1")


@dataclasses.dataclass(frozen=True)
class CheckpointEvaluation:
    """What the tests of a checkpoint found."""

    checkpoint: Checkpoint
    config: Any
    """Of its model."""
    data: VideoData
    """How clips were cut."""
    found: dict[ViewsTest, VideoEvaluation]
    """By the views that each video was tested in."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """One class that a video may show."""

    label: int
    name: str
    score: float
    """SoftMax, averaged over the views."""


def model_of(
    weights: Path, asked: ClipsAsked = ClipsAsked(), **options: Any
) -> tuple[Any, Checkpoint]:
    """The model that a checkpoint's shapes describe, with its weights.

    Args:
        weights: a video checkpoint in any public layout.
        asked: the clips that it is to take.
        **options: of `vswin.build_model`, where the checkpoint leaves one open.

    Raises:
        WeightsError: if the file cannot be read, is no checkpoint of a video model, or does not
            say where its position tables, which are to be interpolated, belong.
        UsageError: if it has no classifier, an option is open and not given, or its position tables
            are for other clips.
    """
    checkpoint = read_checkpoint(weights)
    found = checkpoint.found
    if found.kind != "video" or found.num_classes is None:
        what = "a 2D (image) checkpoint" if found.kind != "video" else "one without a classifier"
        if checkpoint.other_head:
            what = f"one with a classifier that is not known here ({some(checkpoint.other_head)})"
        raise UsageError(f"{weights} is {what}; videos are tested with a trained video model")
    if asked.frames and asked.size:
        clips = family(checkpoint.family).clip_options(asked.frames, asked.size)
        options |= {name: value for name, value in clips.items() if name in found.open}
    for option, question in found.open.items():
        if option not in options:
            raise UsageError(f"{weights} {question}")
    config = resolve_config(found.base, **found.options() | options)
    fitting = _clip_options(checkpoint, config, asked)
    model = build_model(found.base, **found.options() | options | fitting)
    positions = {"positions": "resize"} if fitting else {}
    load_checkpoint(model, checkpoint, expect="video", inflation=positions)
    silent = getattr(found, "silent", ())  # a family's whose shapes always leave something open
    assumed = [f"{n}={getattr(model.config, n)!r}" for n in silent if n not in options | fitting]
    if assumed:
        logger.warning("%s does not say all of its model; assumed: %s", weights, ", ".join(assumed))
    return model.eval(), checkpoint


def _clip_options(checkpoint: Checkpoint, config: Any, asked: ClipsAsked) -> dict[str, Any]:
    """The options that make a model with position tables fit the clips that are asked for.

    Raises:
        UsageError: if it does not fit them and is not to be made to, or has no such tables.
        WeightsError: if its tables cannot be interpolated, as nothing says what they are for.
    """
    made_for = family_of(config)
    usual = made_for.natural_clips(config)
    frames, size = asked.frames or usual.frames, asked.size or usual.size
    fitting = made_for.clip_options(frames, size)
    if asked.resize_positions and not fitting:
        raise UsageError(
            f"{checkpoint.source} is of family {made_for.name}, which takes clips of any size and "
            "has no position tables to resize; leave --resize-positions out"
        )
    if (frames, size) == (usual.frames, usual.size):
        return {}
    if fitting and not (asked.resize_positions or _fits(checkpoint, config, fitting)):
        _fit(checkpoint, config, fitting, "resize")
        longer = made_for.clip_options(2 * usual.frames, usual.size)
        has = "" if _fits(checkpoint, config, longer) else f"{usual.frames} frames of "
        raise UsageError(
            f"{checkpoint.source} has position tables for {has}{usual.size}×{usual.size} pixels, "
            f"not for {f'{frames} of ' if has else ''}{size}×{size}; "
            "--resize-positions interpolates them"
        )
    return fitting


def _fits(checkpoint: Checkpoint, config: Any, fitting: Mapping[str, Any]) -> bool:
    """Whether position tables are already for such clips, or for clips of any size."""
    try:
        _fit(checkpoint, config, fitting, "exact")
    except WeightsError:
        return False
    return True


def _fit(checkpoint: Checkpoint, config: Any, fitting: Mapping[str, Any], positions: str) -> None:
    """Tries whether a checkpoint is one of a model of such clips.

    Raises:
        WeightsError: if it is not.
    """
    choices = family_of(config).choices_with({"positions": positions})
    sized = dataclasses.replace(config, **fitting)
    adapt = checkpoints_of(checkpoint.family).adapt
    adapt(checkpoint.weights, checkpoint.found, sized, choices, checkpoint.source)


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
            "on something else (`vswin new` and head=False: docs/own_dataset.md)"
        )
    return names


def clips_for(
    dataset: str, model: Any, asked: ClipsAsked, checkpoint: Checkpoint | None = None
) -> tuple[VideoData, ViewsTest]:
    """How a dataset's test clips are cut for a model, and their views.

    Args:
        dataset: a public one, or empty.
        model: what is tested.
        asked: of the clips.
        checkpoint: whose weights it has; where its position tables were resized to another number
            of frames, these are as far apart as those that it was trained with.

    Raises:
        UsageError: if several clips are wanted of a dataset whose clips are whole videos.
    """
    usual, sampling = family_of(model).natural_clips(model.config), sampling_of(dataset)
    sampling = asked.sampling or (usual.placing if sampling == "dense" else sampling)
    stride = usual.stride
    if checkpoint is not None and asked.resize_positions:
        found = checkpoint.found
        trained = resolve_config(found.base, **found.options())
        stride = family_of(trained).natural_clips(trained).stride
    test = asked.views or _usual_views(usual.views, sampling)
    several = next((each for each in (test, *asked.also) if each.clips > 1), None)
    if sampling == "segments" and several:
        raise UsageError(
            f"{several} views of {dataset}: a clip takes a frame from each part of the video, so "
            "there is only one; wanted 1x3 or 1x1"
        )
    data = VideoData(
        dataset=dataset,
        frames=asked.frames or usual.frames,
        stride=asked.stride or stride,
        size=asked.size or usual.size,
        sampling=sampling,
        pixels=usual.pixels,
    )
    return data, test


def _usual_views(of_model: str | None, sampling: str) -> ViewsTest:
    """The model's, or 4 x 3; of Something-Something one clip, which is the whole video."""
    clips, crops = map(int, ("1x3" if sampling == "segments" else of_model or "4x3").split("x"))
    return ViewsTest(clips, crops)  # type: ignore[arg-type]


def evaluate_weights(
    weights: Path,
    videos: VideoList,
    asked: ClipsAsked,
    world: World,
    options: Mapping[str, Any] | None = None,
    precision: str = "fp32",
    workers: int = 0,
    notes: Path | None = None,
    on_video: Callable[[int, int], None] = lambda done, videos: None,
) -> CheckpointEvaluation:
    """Tests a checkpoint, on the clips that it is meant for unless others are asked for.

    Args:
        weights: as for `model_of`, as are `options`.
        videos: what to test on.
        asked: how clips are cut.
        world: this process and those beside it.
        options: of the model.
        precision: of matrix products.
        workers: decoding processes.
        notes: where to keep what is done, so that an interrupted test goes on.
        on_video: told how many videos are done, of how many.

    Raises:
        WeightsError, UsageError, UntestableError: as the functions that it calls.
    """
    model, checkpoint = model_of(weights, asked, **options or {})
    data, test = clips_for(videos.dataset, model, asked, checkpoint)
    assert checkpoint.found.num_classes is not None  # or it would not have been taken
    require_classes_of(videos.dataset, checkpoint.found.num_classes)
    tests = list(dict.fromkeys((test, *asked.also)))
    found = evaluate_in_views(
        model.to(world.device), videos, data, tests, world, precision, workers, notes, on_video
    )
    by_test = dict(zip(tests, found, strict=True))
    return CheckpointEvaluation(checkpoint, model.config, data, by_test)


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
    model = model.to(device).eval()
    scores = score_views(model, views, device, pixels=data.pixels).mean(dim=0)
    best = scores.topk(min(top, len(names)))
    pairs: list[Any] = list(zip(best.indices.tolist(), best.values.tolist(), strict=True))
    return [Answer(label, names[label], score) for label, score in pairs]
