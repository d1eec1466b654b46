"""`vswin features`: what a model makes of videos, for programs of one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vswin.cli.classifier import require_video
from vswin.cli.options import DataFileOption, model_options, resumable, use_data_file
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
    progress_bar,
    require_device_and_precision,
)
from vswin.errors import UsageError, VswinError

if TYPE_CHECKING:  # `vswin --help` has no use for it
    from vswin.data.annotations import Video

LISTS = (".txt", ".list", ".lst")
"""How the names of lists end."""
NAMED = 5
"""Unreadable videos that are named in a line."""


def features(
    weights: WeightsOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write (.npz).")],
    videos: Annotated[
        list[Path] | None,
        typer.Argument(help="Video files, or lists of them: text files (.txt), a path a line."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option("--data", "-d", help="A dataset of the data file instead, with its labels."),
    ] = None,
    split: Annotated[str, typer.Option(help="Of that dataset.")] = "test",
    tokens: Annotated[
        bool, typer.Option("--tokens", help="All tokens of one view, not a vector of each video.")
    ] = False,
    views: ViewsOption = None,
    frames: FramesOption = None,
    stride: StrideOption = None,
    size: SizeOption = None,
    resize_positions: ResizeOption = False,
    window: WindowOption = None,
    batch: Annotated[int, typer.Option(min=1, help="Videos in a batch.")] = 4,
    workers: Annotated[
        int | None, typer.Option(min=0, help="Decoding processes (default: by cores, on a GPU).")
    ] = None,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out videos that cannot be read.")
    ] = False,
    device: DeviceOption = "cpu",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    data_file: DataFileOption = None,
) -> None:
    """What a model makes of videos before it classifies: `features` and `videos` in an .npz file.

    A vector is what the classifier reads, as mean over the views. What is done is kept until all
    is: the same command goes on where it stopped.
    """
    out = out.expanduser().absolute()
    if out.suffix != ".npz" or out.is_dir():
        raise UsageError(f"--out {out}: wanted the path of a file that ends in .npz")
    if tokens and views not in (None, "1x1"):
        raise UsageError(f"--views {views} with --tokens: tokens are of one view; wanted 1x1")

    import torch

    from vswin.files import require_writable
    from vswin.launch.pool import decoders
    from vswin.runs.trained import open_weights
    from vswin.using.features import Extraction, extract_features

    require_device_and_precision(device, "fp32")
    use_data_file(data_file)
    listed = _listed(videos or [], data, split)
    require_writable(out.parent, "--out")
    asked = clips_asked(
        frames, stride, size, "1x1" if tokens else views, resize_positions=resize_positions
    )
    opened = open_weights(weights, asked, **model_options(window=window))
    model, clips = opened.model, opened.clips()
    cut, test = clips.data, clips.test
    what = Extraction(cut, test, tokens, repr(model.config), opened.checkpoint.digest)
    workers = decoders(device, 1) if workers is None else workers
    on = torch.device(device)
    with resumable(), progress_bar("videos", not as_json) as show:
        unreadable = extract_features(
            model.to(on), listed, what, out, on, batch, workers, skip_unreadable, show
        )
    left = len([video for video in listed if video.path not in unreadable])
    if unreadable and not (skip_unreadable and left):
        raise VswinError(
            f"{len(unreadable)} of {len(listed)} videos cannot be read: {_named(unreadable)}; "
            "nothing was written, what was computed is kept; fetch them again, or give "
            "--skip-unreadable"
        )
    if as_json:
        said: dict[str, Any] = {"file": str(out), "videos": left}
        said |= {"views": str(test), "frames": cut.frames}
        print(json.dumps(said | {"left_out": {str(p): why for p, why in unreadable.items()}}))
        return
    if unreadable:
        print(f"left out: {_named(unreadable)}")
    print(f"written: {out}: {left} videos, {test} views each, {cut.frames} frames")


def _named(unreadable: dict[Path, str]) -> str:
    """A few of them: a line holds no thousands."""
    few = [f"{path} ({why})" for path, why in list(unreadable.items())[:NAMED]]
    more = len(unreadable) - len(few)
    return "; ".join(few) + (f" and {more} more (--json names all)" if more else "")


def _listed(given: list[Path], dataset: str | None, split: str) -> list[Video]:
    """The videos that are asked for, in order.

    Raises:
        UsageError: if none are, or both files and a dataset, or a file is not there.
        MissingDataError, AnnotationError: as `vswin.data.listed.listed_videos`.
    """
    from vswin.data.annotations import Video
    from vswin.data.data_file import SPLITS, load_sources
    from vswin.data.datasets import dataset as known_dataset
    from vswin.data.listed import listed_videos

    if bool(given) == (dataset is not None):
        raise UsageError("wanted videos, a list of them, or --data DATASET, and one of these alone")
    if dataset is None:
        return [Video(path, -1, path.name) for each in given for path in _files(each.expanduser())]
    known_dataset(dataset)
    if split not in SPLITS:
        raise UsageError(f"--split {split}: the data file knows {', '.join(SPLITS)}")
    return list(listed_videos(load_sources(), dataset, split).videos)


def _files(given: Path) -> list[Path]:
    """The videos that an argument means, in order.

    Raises:
        UsageError: if it is neither a video nor a list of files that are there.
    """
    if given.suffix.lower() not in LISTS:
        return [require_video(given)]
    from vswin.data.lists.text import read_text

    lines = [line.strip() for line in read_text(given).splitlines()]
    found = {n: given.parent / Path(line).expanduser() for n, line in enumerate(lines, 1) if line}
    if not found:
        raise UsageError(f"{given} is empty; wanted the path of a video in each line")
    for number, path in found.items():
        if not path.is_file():
            raise UsageError(f"{given}, line {number}: there is no file {path}")
    return list(found.values())
