"""`vswin demo`: a page on this machine that says what videos show."""

from __future__ import annotations

import contextlib
import threading
from typing import Annotated

import typer

from vswin.cli.classifier import ClassesOption, DatasetOption, classifier_of
from vswin.cli.options import DataFileOption, ended_by_signals, use_data_file
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


def demo(
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
    port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="Of the page (default: the first free from 7860)."),
    ] = None,
    max_mb: Annotated[int, typer.Option(min=1, help="Largest video that is taken.")] = 200,
    device: DeviceOption = "cpu",
    data_file: DataFileOption = None,
) -> None:
    """A page in the browser: drop a video, see the top classes and where the model looks.

    It is for this machine alone (127.0.0.1). Videos are removed once they are answered.
    """
    from vswin.extras import require_extra

    require_extra("demo")
    import torch

    from vswin.using.demo import answering, served

    require_device_and_precision(device, "fp32")
    use_data_file(data_file)
    asked = clips_asked(frames, stride, size, views, resize_positions=resize_positions)
    ready = classifier_of(weights, asked, window, dataset, classes)
    known = ready.classes
    answer = answering(ready.model, known.names, ready.cut, ready.test, torch.device(device), top)
    if known.note:
        print(known.note)
    with (
        contextlib.suppress(KeyboardInterrupt),  # the way in which it ends
        ended_by_signals(),
        served(weights.name, answer, port, max_mb) as address,
    ):
        print(f"{address}  (Ctrl-C ends it)", flush=True)
        threading.Event().wait()
