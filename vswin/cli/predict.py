"""`vswin predict`: what one video shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from vswin.cli.classifier import (
    ClassesOption,
    DatasetOption,
    classifier_of,
    named_by_hand,
    require_video,
)
from vswin.cli.options import DataFileOption, use_data_file
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


def predict(
    video: Annotated[Path, typer.Argument(help="A video file.")],
    weights: WeightsOption,
    dataset: DatasetOption = None,
    classes: ClassesOption = None,
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

    from vswin.evaluation.public import predict_video

    require_device_and_precision(device, "fp32")
    use_data_file(data_file)
    asked = clips_asked(frames, stride, size, views, resize_positions=resize_positions)
    video = require_video(video)
    ready = classifier_of(weights, asked, window, dataset, classes)
    names, on = ready.classes.names, torch.device(device)
    with named_by_hand():
        answers = predict_video(video, ready.model, names, ready.cut, ready.test, on, top)
    if as_json:
        shown = [{"label": a.label, "class": a.name, "score": round(a.score, 6)} for a in answers]
        print(json.dumps(shown))
        return
    for answer in answers:
        print(f"{100 * answer.score:5.1f} %  {answer.name}")
    if ready.classes.note:
        print(ready.classes.note)
