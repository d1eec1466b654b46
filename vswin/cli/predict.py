"""`vswin predict`: what one video shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from vswin.cli.options import DataFileOption, model_options, use_data_file
from vswin.cli.trained import as_trained, trained_with
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

    from vswin.data.datasets import dataset as known_dataset
    from vswin.data.lists.classes import read_classes
    from vswin.data.video import UnreadableVideoError
    from vswin.evaluation.public import (
        clips_for,
        dataset_with,
        model_of,
        predict_video,
        require_classes_of,
    )
    from vswin.weights.named import weights_file

    require_device_and_precision(device, "fp32")
    use_data_file(data_file)
    asked = clips_asked(frames, stride, size, views, resize_positions=resize_positions)
    video = _require_video(video)
    if dataset is not None:
        known_dataset(dataset)
    names = tuple(read_classes(classes.expanduser())) if classes is not None else None
    weights = weights_file(weights)
    trained = trained_with(weights)
    asked = as_trained(asked, trained)
    model, checkpoint = model_of(weights, asked, **model_options(window=window))
    count = checkpoint.found.num_classes
    assert count is not None  # or it would not have been taken
    if names is not None and len(names) != count:
        raise UsageError(f"{classes} names {len(names)} classes, and the model has {count}")
    trained_on = dataset or (trained.data.dataset if trained else None)
    is_assumed = trained_on is None
    if trained_on is None and names is None:
        trained_on = dataset_with(count)
    if trained_on is not None and names is None:
        names = require_classes_of(trained_on, count)
    cut, test = clips_for(trained_on or "", model, asked)
    labels = names or [f"class {label}" for label in range(count)]
    try:
        answers = predict_video(video, model, labels, cut, test, torch.device(device), top)
    except UnreadableVideoError as error:
        raise UsageError(f"{video} cannot be read as a video: {error.reason}") from error
    if as_json:
        shown = [{"label": a.label, "class": a.name, "score": round(a.score, 6)} for a in answers]
        print(json.dumps(shown))
        return
    for answer in answers:
        print(f"{100 * answer.score:5.1f} %  {answer.name}")
    if names is None:
        print(f"(numbers from 0: {count} classes are no known dataset's; --classes names them)")
    elif classes is None and is_assumed:
        print(
            f"(the {count} classes are assumed to be those of {trained_on}; --classes gives others)"
        )


def _require_video(path: Path) -> Path:
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
