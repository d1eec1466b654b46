"""`vswin features`: what a model makes of videos, for programs of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vswin.cli.options import DataFileOption, model_options, resumable, use_data_file
from vswin.cli.predict import require_video
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
    progress_bar,
    require_device_and_precision,
)
from vswin.errors import UsageError, VswinError

LISTS = (".txt", ".list", ".lst")
"""How the names of lists end."""


def features(
    videos: Annotated[
        list[Path],
        typer.Argument(help="Video files, or lists of them: text files (.txt), a path a line."),
    ],
    weights: WeightsOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write (.npz).")],
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

    from vswin.evaluation.public import clips_for, dataset_with, model_of
    from vswin.files import require_writable
    from vswin.launch.pool import decoders
    from vswin.using.features import Extraction, extract_features
    from vswin.weights.named import weights_file

    require_device_and_precision(device, "fp32")
    use_data_file(data_file)
    files = [path for given in videos for path in _files(given.expanduser())]
    require_writable(out.parent, "--out")
    weights = weights_file(weights)
    trained = trained_with(weights)
    asked = clips_asked(
        frames, stride, size, "1x1" if tokens else views, resize_positions=resize_positions
    )
    asked = as_trained(asked, trained)
    model, checkpoint = model_of(weights, asked, **model_options(window=window))
    guessed = None if trained else dataset_with(model.config.num_classes)
    cut, test = clips_for(guessed or "", model, asked)
    what = Extraction(cut, test, tokens, repr(model.config), checkpoint.digest)
    workers = decoders(device, 1) if workers is None else workers
    on = torch.device(device)
    with resumable(), progress_bar("videos", True) as show:
        unreadable = extract_features(
            model.to(on), files, what, out, on, batch, workers, skip_unreadable, show
        )
    named = "; ".join(f"{path} ({why})" for path, why in unreadable.items())
    left = len([path for path in files if path not in unreadable])
    if unreadable and not (skip_unreadable and left):
        raise VswinError(
            f"{len(unreadable)} of {len(files)} videos cannot be read: {named}; nothing was "
            "written, what was computed is kept; fetch them again, or give --skip-unreadable"
        )
    if unreadable:
        print(f"left out: {named}")
    print(f"written: {out}: {left} videos, {test} views each, {what.data.frames} frames")


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
