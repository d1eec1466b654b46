"""`vswin explain`: where in a video a model looks."""

from __future__ import annotations

from collections.abc import Sequence
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
    WeightsOption,
    WindowOption,
    clips_asked,
    require_device_and_precision,
)
from vswin.errors import UsageError, unknown

MOVIES = ("gif", "mp4")


def explain(
    video: Annotated[Path, typer.Argument(help="A video file.")],
    weights: WeightsOption,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Path of the picture, without .png (default: VIDEO.explained here)."
        ),
    ] = None,
    movie: Annotated[str, typer.Option(help="What moves: gif or mp4.")] = "gif",
    label: Annotated[
        str | None,
        typer.Option("--class", help="The class to ask about: its name or number (Swin)."),
    ] = None,
    dataset: DatasetOption = None,
    classes: ClassesOption = None,
    frames: FramesOption = None,
    stride: StrideOption = None,
    size: SizeOption = None,
    resize_positions: ResizeOption = False,
    window: WindowOption = None,
    top: Annotated[int, typer.Option(min=1, help="How many classes.")] = 5,
    device: DeviceOption = "cpu",
    data_file: DataFileOption = None,
) -> None:
    """Where in a video a model looks: a picture and a GIF or MP4 of frames beside heat maps.

    Of Swin, Grad-CAM on the last stage: what speaks for a class. Of MViT, attention rollout: what
    the answer rests on, whatever it is. Both are of one clip, from the middle of the video.
    """
    if movie not in MOVIES:
        raise UsageError(f"--movie {movie}: wanted {' or '.join(MOVIES)}")

    import torch

    from vswin.data.annotations import Video
    from vswin.data.clips import read_views
    from vswin.files import require_writable
    from vswin.using import explaining
    from vswin.using.heat_maps import method_of

    require_device_and_precision(device, "fp32")
    use_data_file(data_file)
    video = require_video(video)
    out = (out or Path(f"{video.stem}.explained")).expanduser().absolute()
    picture, moving = (out.with_name(f"{out.name}.{kind}") for kind in ("png", movie))
    require_writable(out.parent, "--out")
    asked = clips_asked(frames, stride, size, "1x1", resize_positions=resize_positions)
    ready = classifier_of(weights, asked, window, dataset, classes)
    names, cut, method = ready.classes.names, ready.cut, method_of(ready.model)
    if label is not None and not method.of_class:
        raise UsageError(f"--class {label}: {method.name} asks about no class; leave it out")
    asked_about = None if label is None else _number(label, names)
    with named_by_hand():
        (view,) = read_views(Video(video, -1, video.name), cut, ready.test)
    on = torch.device(device)
    found = explaining.explain(ready.model.to(on), view, cut.pixels, on, asked_about)
    best = (-found.scores).argsort(kind="stable")[:top]
    answers = [f"{100 * found.scores[place]:5.1f} %  {names[place]}" for place in best]
    explaining.write_picture(found, answers, picture)
    explaining.write_movie(found, moving, movie)  # type: ignore[arg-type]
    print("\n".join(answers))
    if ready.classes.note:
        print(ready.classes.note)
    about = f" for {names[found.label]}" if method.of_class else ""
    print(f"{found.method}{about}, of one clip of {cut.frames} frames")
    if not found.heat.any():
        print("the heat map is the same everywhere: nothing in this clip speaks for that class")
    print(f"written: {picture}\nwritten: {moving}")


def _number(text: str, names: Sequence[str]) -> int:
    """A class by its name, or by its number from 0."""
    if text in names:
        return names.index(text)
    if text.isdecimal() and int(text) < len(names):
        return int(text)
    raise (
        unknown("class", text, names)
        if len(names) <= 20
        else UsageError(
            f"--class {text}: the model has no such class; wanted a name, or a number from 0 to "
            f"{len(names) - 1}"
        )
    )
