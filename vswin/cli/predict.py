"""`vswin predict`: what one video shows."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from vswin.cli.options import DataFileOption, model_options, use_data_file
from vswin.cli.trained import Trained, as_trained, trained_with
from vswin.cli.videos import (
    DeviceOption,
    FramesOption,
    ResizeOption,
    SizeOption,
    StrideOption,
    ViewsOption,
    WeightsOption,
    WindowOption,
    clips_asked,
    require_device_and_precision,
)
from vswin.errors import UsageError


def predict(
    video: Annotated[Path, typer.Argument(help="A video file.")],
    weights: WeightsOption,
    dataset: Annotated[
        str | None,
        typer.Option(help="What the model was trained on (default: by its number of classes)."),
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option(help="Names of the model's classes: one a line, or JSON. Without, numbers."),
    ] = None,
    views: ViewsOption = None,
    frames: FramesOption = None,
    stride: StrideOption = None,
    size: SizeOption = None,
    resize_positions: ResizeOption = False,
    window: WindowOption = None,
    top: Annotated[int, typer.Option(min=1, help="How many classes.")] = 5,
    device: DeviceOption = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data_file: DataFileOption = None,
) -> None:
    """What a video shows, in the names of the classes that a checkpoint was trained on.

    The weights of a run of yours, in its folder, say themselves what they were trained on.
    """
    import torch

    from vswin.data.video import UnreadableVideoError
    from vswin.evaluation.public import clips_for, model_of, predict_video
    from vswin.weights.named import weights_file

    require_device_and_precision(device, "fp32")
    use_data_file(data_file)
    asked = clips_asked(frames, stride, size, views, resize_positions=resize_positions)
    video = require_video(video)
    given = given_classes(dataset, classes)
    weights = weights_file(weights)
    trained = trained_with(weights)
    asked = as_trained(asked, trained)
    model, checkpoint = model_of(weights, asked, **model_options(window=window))
    count = checkpoint.found.num_classes
    assert count is not None  # or it would not have been taken
    known = classes_of(count, dataset, classes, given, trained)
    cut, test = clips_for(known.dataset or "", model, asked)
    try:
        answers = predict_video(video, model, known.names, cut, test, torch.device(device), top)
    except UnreadableVideoError as error:
        raise UsageError(f"{video} cannot be read as a video: {error.reason}") from error
    if as_json:
        shown = [{"label": a.label, "class": a.name, "score": round(a.score, 6)} for a in answers]
        print(json.dumps(shown))
        return
    for answer in answers:
        print(f"{100 * answer.score:5.1f} %  {answer.name}")
    if known.note:
        print(known.note)


@dataclasses.dataclass(frozen=True)
class Classes:
    """What a model's classes are called, as far as that is known."""

    names: Sequence[str]
    dataset: str | None
    """What the model was trained on."""
    note: str
    """What was assumed; empty if nothing was."""


def given_classes(dataset: str | None, classes: Path | None) -> tuple[str, ...] | None:
    """The names in `--classes`.

    Raises:
        UsageError: if `--dataset` is no dataset.
        AnnotationError: if the file has no names.
    """
    from vswin.data.datasets import dataset as known_dataset
    from vswin.data.lists.classes import read_classes

    if dataset is not None:
        known_dataset(dataset)
    return tuple(read_classes(classes.expanduser())) if classes is not None else None


def classes_of(
    count: int,
    dataset: str | None,
    classes: Path | None,
    given: tuple[str, ...] | None,
    trained: Trained | None,
) -> Classes:
    """The classes of a model that has `count` of them.

    Args:
        count: the model's.
        dataset: `--dataset`.
        classes: `--classes`.
        given: the names in it.
        trained: what is known of the run that the weights are of.

    Raises:
        UsageError: if the names, or the dataset's classes, are of another number.
    """
    from vswin.evaluation.public import dataset_with, require_classes_of

    if given is not None and len(given) != count:
        raise UsageError(f"{classes} names {len(given)} classes, and the model has {count}")
    trained_on = dataset or (trained.data.dataset if trained else None)
    if given is not None:
        return Classes(given, trained_on, "")
    if trained_on is not None:
        return Classes(require_classes_of(trained_on, count), trained_on, "")
    if (assumed := dataset_with(count)) is not None:
        note = f"(the {count} classes are assumed to be those of {assumed}; --classes gives others)"
        return Classes(require_classes_of(assumed, count), assumed, note)
    note = f"(numbers from 0: {count} classes are no known dataset's; --classes names them)"
    return Classes([f"class {label}" for label in range(count)], None, note)


def require_video(path: Path) -> Path:
    """A file of moving pictures.

    Raises:
        UsageError: if it is none; says what it is.
    """
    from vswin.data.video import UnreadableVideoError, open_video

    path = path.expanduser()
    if not path.exists():
        raise UsageError(f"{path}: there is no such file")
    if path.is_dir():
        raise UsageError(f"{path} is a folder; wanted a video file")
    try:
        with open_video(path):
            return path
    except UnreadableVideoError as error:
        raise UsageError(f"{path} cannot be read as a video: {error.reason}") from error
