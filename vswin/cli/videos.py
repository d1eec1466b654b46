"""`vswin eval`: a checkpoint on listed videos. `vswin data make-digits`: videos to rehearse on."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vswin.cli.options import (
    DataFileOption,
    EvaluatedOption,
    model_options,
    say_project,
    use_data_file,
)
from vswin.errors import UsageError
from vswin.extras import require_extra
from vswin.project import has_project

if TYPE_CHECKING:  # imported by the commands themselves: `vswin --help` has no use for torch
    from vswin.data.annotations import VideoList
    from vswin.evaluation.public import ClipsAsked

NEXT = {"kinetics": "table8", "ssv2": "table3"}
"""A table that each layout is for; Table 3 starts from a model of the other's videos."""
WeightsOption = Annotated[
    Path,
    typer.Option(
        "--weights",
        "-w",
        help="A video checkpoint in any public layout: a file, or a name of `vswin weights list`.",
    ),
]
ViewsOption = Annotated[
    str | None,
    typer.Option(help="Clips x crops: 4x3, 10x5, 1x3, 1x1 (default: by dataset and model)."),
]
SeveralViewsOption = Annotated[
    str | None,
    typer.Option(
        help="Clips x crops: 4x3, 10x5, 1x3 (default: by dataset and model). Several, such as "
        "1x1,3x1,5x1, are tested in one pass over the videos."
    ),
]
FramesOption = Annotated[
    int | None, typer.Option(min=1, help="Frames of a clip (default: the model's, 32 for Swin).")
]
StrideOption = Annotated[
    int | None,
    typer.Option(min=1, help="Every how many frames one is taken (default: by model, 2 for Swin)."),
]
SizeOption = Annotated[
    int | None,
    typer.Option(
        min=1, help="Height and width of a crop in pixels (default: the model's, 224 as a rule)."
    ),
]
ResizeOption = Annotated[
    bool,
    typer.Option(
        "--resize-positions",
        help="Interpolate a model's position tables (MViT) to clips of another --frames or --size.",
    ),
]
WindowOption = Annotated[
    str | None, typer.Option(help="PxMxM, where the checkpoint leaves it open.")
]
DeviceOption = Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")]
PrecisionOption = Annotated[str, typer.Option(help="fp32, bf16 or fp16.")]


def evaluate(
    weights: WeightsOption,
    data: Annotated[str, typer.Option("--data", "-d", help="kinetics400, kinetics600, ssv2 …")],
    data_file: DataFileOption = None,
    split: Annotated[str, typer.Option(help="Of the machine's data file.")] = "test",
    annotations: Annotated[
        Path | None, typer.Option(help="A list of videos, in place of the data file's.")
    ] = None,
    videos: Annotated[Path | None, typer.Option(help="Folder of that list's files.")] = None,
    labels: Annotated[Path | None, typer.Option(help="Something-Something's labels.")] = None,
    views: SeveralViewsOption = None,
    frames: FramesOption = None,
    stride: StrideOption = None,
    size: SizeOption = None,
    resize_positions: ResizeOption = False,
    window: WindowOption = None,
    device: DeviceOption = "cpu",
    precision: PrecisionOption = "fp32",
    workers: Annotated[
        int | None, typer.Option(min=0, help="Decoding processes (default: by cores, on a GPU).")
    ] = None,
    processes: Annotated[int, typer.Option(min=1, help="One for each GPU.")] = 1,
    resume: Annotated[
        Path | None, typer.Option(help="Folder that notes what was tested; goes on from there.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Predictions of each video (.npz), or why there are none."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    results_dir: EvaluatedOption = None,
) -> None:
    """Top-1 and top-5 of a checkpoint on a dataset, with their intervals.

    What comes out on a list of the data file is kept under `evaluated` in the folder of results; of
    the published checkpoint of a table's row, `vswin report TABLE --protocol paper` shows it.

    Every listed video counts: one that cannot be read is wrong, and is named; that is no failure of
    the command. Several processes (--processes, or torchrun) share the videos; no video is counted
    twice.
    """
    import torch

    from vswin.cli.evaluated import tell
    from vswin.cli.keeping import open_keeping
    from vswin.data.data_file import SPLITS
    from vswin.data.datasets import dataset as known_dataset
    from vswin.evaluation.public import evaluate_weights
    from vswin.files import require_writable
    from vswin.launch.pool import decoders
    from vswin.runs.trained import as_trained, trained_with
    from vswin.training.distributed import joined
    from vswin.training.processes import assisted
    from vswin.weights.files import require_file
    from vswin.weights.named import weights_file

    if annotations is None:  # else nothing is asked of the project
        say_project(quiet=as_json)
    use_data_file(data_file)
    require_device_and_precision(device, precision, processes)
    first, *also = (views or "").split(",")
    asked = clips_asked(frames, stride, size, views and first, also, resize_positions)
    options = model_options(window=window)
    command = [sys.executable, "-m", "vswin", *sys.argv[1:]]
    if workers is None:
        workers = decoders(device, max(processes, int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))
    if output is not None:
        output = output.expanduser().absolute()
        if output.is_dir():
            raise UsageError(f"--output {output} is a folder; wanted the path of a file in it")
        require_writable(output.parent, "--output")
    resume = resume and require_writable(resume.expanduser(), "--resume")
    known_dataset(data)
    if annotations is None and split not in SPLITS:
        raise UsageError(f"--split {split}: the data file knows {', '.join(SPLITS)}")
    weights = weights_file(weights)
    asked = as_trained(asked, trained_with(weights))
    require_file(weights)  # before a list that may be long or far away
    listed = _list(data, split, annotations, videos, labels)
    if results_dir is None and annotations is None and has_project():
        results_dir = "results"
    keeping = open_keeping(results_dir, device, precision, weights, listed, asked, options)
    notes = resume or (keeping.notes if keeping else None)
    with (
        assisted(processes, command) as give_up,
        joined(torch.device(device)) as world,
        progress_bar("testing", world.is_main and not as_json) as show,
    ):
        try:
            evaluated = evaluate_weights(
                weights, listed, asked, world, options, precision, workers, notes, show
            )
        except BaseException:
            give_up()
            raise
        if not world.is_main:
            return
    kept = keeping.add(weights, listed, evaluated) if keeping else []
    tell(weights, evaluated, listed, output, as_json, kept)


def make_digits(
    folder: Annotated[Path, typer.Argument(help="Where to; made if it is not there.")],
    layout: Annotated[str, typer.Option(help="kinetics or ssv2.")],
    train: Annotated[int, typer.Option(min=1, help="Training videos.")] = 300,
    test: Annotated[int, typer.Option(min=1, help="Test videos.")] = 60,
    seed: Annotated[int, typer.Option(min=0, help="Of the generator.")] = 0,
) -> None:
    """Render small videos of moving digits in a dataset's layout, to rehearse with."""
    from vswin.data import render_digits

    if layout not in ("kinetics", "ssv2"):
        raise UsageError(f"--layout {layout}: wanted kinetics or ssv2")
    require_extra("studies")  # its digits
    with progress_bar("rendering", True) as show:
        data_file = render_digits.make_digits(folder, layout, train, test, seed, show)  # type: ignore[arg-type]
    print(
        f"{train} + {test} videos in {data_file.parent / layout}\n"
        f"next: vswin run {NEXT[layout]} --protocol rehearsal --data-file {data_file}"
    )


def _list(
    dataset: str, split: str, annotations: Path | None, videos: Path | None, labels: Path | None
) -> VideoList:
    from vswin.data.annotations import read_annotations, require_clean
    from vswin.data.data_file import load_sources
    from vswin.data.listed import listed_videos

    if annotations is not None:
        if videos is not None and not videos.expanduser().is_dir():
            raise UsageError(f"--videos {videos}: there is no such folder")
        return require_clean(read_annotations(dataset, annotations, videos, split, labels))
    if videos is not None or labels is not None:
        raise UsageError("--videos and --labels belong to --annotations")
    return listed_videos(load_sources(), dataset, split)  # type: ignore[arg-type]


@contextmanager
def progress_bar(what: str, wanted: bool) -> Iterator[Callable[[int, int], None]]:
    """Yields a callback for (done, all): a bar with rate and time left, on stderr."""
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    if not wanted:
        yield lambda done, total: None
        return
    columns = (
        TextColumn(what),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    bar = Progress(*columns, console=Console(stderr=True))
    task = bar.add_task(what, total=None)

    def show(done: int, total: int) -> None:
        bar.start()  # not before: what is refused has made no progress
        bar.update(task, completed=done, total=total)

    try:
        yield show
    finally:
        if bar.live.is_started:
            bar.stop()


def clips_asked(
    frames: int | None,
    stride: int | None,
    size: int | None,
    views: str | None,
    also: Sequence[str] = (),
    resize_positions: bool = False,
) -> ClipsAsked:
    """What the options say of clips.

    Raises:
        UsageError: if the views are not of the form "4x3".
    """
    from vswin.data.video_data import parse_views
    from vswin.evaluation.public import ClipsAsked

    test = None if views is None else parse_views(views, "--views")
    further = tuple(parse_views(each, "--views") for each in also)
    return ClipsAsked(frames, stride, size, test, further, resize_positions)


def require_device_and_precision(device: str, precision: str, processes: int = 1) -> None:
    """Refuses what cannot be computed with.

    Raises:
        UsageError: if the device is not here, or there is no such precision.
    """
    from vswin.training.distributed import require_device

    require_device(device, processes)
    if precision not in ("fp32", "bf16", "fp16"):
        raise UsageError(f"--precision {precision}: wanted fp32, bf16 or fp16")
