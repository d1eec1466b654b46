"""`vswin export`: a model in a file that runs without this package."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vswin.cli.classifier import named_by_hand, require_video
from vswin.cli.options import model_options
from vswin.cli.videos import (
    FramesOption,
    ResizeOption,
    SizeOption,
    WeightsOption,
    WindowOption,
    clips_asked,
)
from vswin.errors import UsageError

if TYPE_CHECKING:  # `vswin --help` has no use for torch
    from vswin.data.video_data import VideoData
    from vswin.using.exporting import Difference
    from vswin.weights.checkpoint import Checkpoint

FORMATS = ("onnx", "pt2")


def export(
    weights: WeightsOption,
    to: Annotated[str, typer.Option(help="onnx, or pt2: a program of torch.export.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")],
    frames: FramesOption = None,
    size: SizeOption = None,
    resize_positions: ResizeOption = False,
    window: WindowOption = None,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8",
            help="Weights of linear layers in eight bits (ONNX); the loss is measured and printed.",
        ),
    ] = False,
    video: Annotated[
        list[Path] | None,
        typer.Option(help="A video to compare on, beside random clips (repeat for several)."),
    ] = None,
) -> None:
    """A model in a file that other programs run: ONNX or torch.export, for any batch.

    The file is kept only if it gives the model's logits. docs/export.md says how to run it.
    """
    if to not in FORMATS:
        raise UsageError(f"--to {to}: wanted {' or '.join(FORMATS)}")
    out = out.expanduser().absolute()
    if out.suffix != f".{to}" or out.is_dir():
        raise UsageError(f"--out {out}: wanted the path of a file that ends in .{to}")
    if int8 and to != "onnx":
        raise UsageError("--int8 goes with --to onnx")

    import torch

    from vswin.files import require_writable
    from vswin.runs.trained import open_weights
    from vswin.using.exporting import TOLERANCE, export_model

    videos = [require_video(path) for path in video or ()]
    require_writable(out.parent, "--out")
    asked = clips_asked(frames, None, size, None, resize_positions=resize_positions)
    opened = open_weights(weights, asked, **model_options(window=window))
    model, meant = opened.model, opened.clips()
    cut = meant.data
    shape = (model.config.in_channels, cut.frames, cut.size, cut.size)
    with named_by_hand():
        clips = torch.cat([meant.read(path) for path in videos]) if videos else None
    print(f"exporting for clips of {cut.frames} frames of {cut.size}×{cut.size} pixels", flush=True)
    about = _about(opened.checkpoint, cut)
    found = export_model(model, shape, to, out, about, clips, int8, _say)  # type: ignore[arg-type]
    beside = f" and {len(clips)} of {len(videos)} videos" if clips is not None else ""
    random = found.parity.clips - (0 if clips is None else len(clips))
    print(
        f"parity with the model, on {random} random clips{beside}: {_words(found.parity)}; "
        f"{TOLERANCE:.0e} is allowed"
    )
    if found.int8 is not None:
        of = f"views of {len(videos)} videos" if videos else "random clips, which no video is like"
        print(f"loss of int8, on {found.int8.clips} {of}: {_words(found.int8)}")
        print(f"size: {found.bytes_before:,} bytes before, {out.stat().st_size:,} in int8")
    print(f"written: {out} ({out.stat().st_size:,} bytes)")


def _say(step: str) -> None:
    print(f"{step} ...", file=sys.stderr, flush=True)


def _words(found: Difference) -> str:
    return (
        f"logits differ by at most {found.logits:.1e} of the largest, the first class is the same "
        f"in {found.agreeing} of {found.clips}"
    )


def _about(checkpoint: Checkpoint, cut: VideoData) -> dict[str, Any]:
    """What the file says of itself: what goes in, and what it was made of."""
    from vswin.data.transforms import NORMALISED
    from vswin.version import VERSION

    mean, std = NORMALISED[cut.pixels]
    return {
        "preset": checkpoint.found.base,
        "num_classes": checkpoint.found.num_classes,
        "clip": "float32 (batch, RGB, frames, height, width), (0 to 255 - mean) / std",
        "frames": cut.frames,
        "sampling": cut.sampling,
        "stride": cut.stride,
        "size": cut.size,
        "mean": list(mean),
        "std": list(std),
        "weights": checkpoint.digest,
        "vswin": VERSION,
    }
