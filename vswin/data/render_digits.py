"""Moving Digits as video files, in the layout of Kinetics or of Something-Something.

They take the place of those datasets wherever the path from a video file to a table is rehearsed:
decoder, transforms, distributed training, views. Kinetics' classes can mostly be told from a single
frame, and so can these: a clip shows one digit several times, and each digit has its colour.
Something-Something's cannot: what is seen there is any digits, and the class is how they move.
"""

from __future__ import annotations

import colorsys
import csv
import dataclasses
import io
import json
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import numpy as np

from vswin.data.datasets import class_names
from vswin.data.moving_digits import MovingDigits, Split
from vswin.errors import UsageError
from vswin.files import atomic_write, write_json, write_text

Layout = Literal["kinetics", "ssv2"]
FRAMES = 64
"""Frames of a video: as many as the paper's clip stretches over."""
FPS = 30
SCALE = 2
"""Pixels of the video for each of the torus."""
SIDE = 24
"""Height of the torus, of which the video shows a little more than all in width."""
WIDTH = 32
_CODECS = {
    "kinetics": ("libx264", {"crf": "26", "preset": "ultrafast", "g": "30"}),
    "ssv2": ("libvpx-vp9", {"crf": "36", "b": "0", "deadline": "realtime", "cpu-used": "8"}),
}
_DIALS = {
    # A revolution of the torus in a video; classes that a frame tells, and one that none does.
    "kinetics": MovingDigits(
        0, FRAMES, FRAMES, SIDE, digits=5, speed=SIDE / FRAMES, noise=0.05, task="appearance"
    ),
    "ssv2": MovingDigits(0, FRAMES, FRAMES, SIDE, digits=5, speed=SIDE / FRAMES / 2, noise=0.05),
}


@dataclasses.dataclass(frozen=True)
class Rendered:
    """A video to be rendered."""

    id: str
    label: int
    frames: np.ndarray
    """uint8 (FRAMES, height, width, 3)."""


def make_digits(
    folder: Path,
    layout: Layout,
    train: int = 300,
    test: int = 60,
    seed: int = 0,
    on_video: Callable[[int, int], None] = lambda done, videos: None,
) -> Path:
    """Renders a tree of videos with its lists; what is there already is left alone.

    Kinetics: `train/<class>/<id>_<start>_<end>.mp4` (H.264), likewise `test/`, with `train.csv` and
    `test.csv` as DeepMind publishes them. Something-Something: `videos/<id>.webm` (VP9) with
    `labels.json`, `train.json` and `validation.json`. Beside them, `data.yaml` says where they are.

    Args:
        folder: where to; made if it is not there.
        layout: whose.
        train: number of videos.
        test: likewise; their digits are by other writers.
        seed: of the generator.
        on_video: called with (videos done, videos in all).

    Returns:
        The data file.

    Raises:
        UsageError: if a number of videos is not positive, or the folder holds a tree of other
            settings.
    """
    if min(train, test) < 1:
        raise UsageError(f"--train {train} --test {test}: wanted at least one video of each")
    settings = {"layout": layout, "train": train, "test": test, "seed": seed, "version": 1}
    root = folder.expanduser().absolute() / layout
    note = root / "rendered.json"
    if note.exists() and json.loads(note.read_text()) != settings:
        raise UsageError(
            f"{root} holds videos of other settings ({note.read_text().strip()}); remove it, or "
            "name another folder"
        )
    root.mkdir(parents=True, exist_ok=True)
    write_json(note, settings)
    listed: dict[Split, list[tuple[str, int]]] = {"train": [], "test": []}
    done = 0
    counts: dict[Split, int] = {"train": train, "test": test}
    for split, count in counts.items():
        for video in _videos(layout, split, count, seed):
            path = root / _place(layout, split, video)
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                with atomic_write(path) as file:
                    file.write(encode(video.frames, layout))
            listed[split].append((video.id, video.label))
            done += 1
            on_video(done, train + test)
    (_write_kinetics if layout == "kinetics" else _write_ssv2)(root, listed)
    return _write_data_file(root.parent)


def encode(frames: np.ndarray, layout: Layout) -> bytes:
    """A video file: H.264 in MP4 for Kinetics, VP9 in WebM for Something-Something.

    Args:
        frames: uint8 (T, H, W, 3), even height and width.
        layout: whose.
    """
    codec, options = _CODECS[layout]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4" if layout == "kinetics" else "webm") as container:
        stream = container.add_stream(codec, rate=FPS, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1  # the same bytes wherever it runs
        stream.time_base = Fraction(1, FPS)
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


def rendered(layout: Layout, split: Split, count: int, seed: int) -> list[Rendered]:
    """The first of the videos that `make_digits` writes, as frames."""
    return list(_videos(layout, split, count, seed))


def _videos(layout: Layout, split: Split, count: int, seed: int) -> Iterator[Rendered]:
    dials = dataclasses.replace(_DIALS[layout], generator_seed=seed)
    at_a_time = len(dials.classes)
    for start in range(0, count, at_a_time):
        clips, labels = dials.batch(split, (start,), at_a_time)
        for offset in range(min(at_a_time, count - start)):
            number = start + offset + (10_000_000 if split == "test" else 0)
            label = int(labels[offset])
            colour = (1.0, 1.0, 1.0)
            if layout == "kinetics":
                label = dials.classes.digits[label]  # type: ignore[index]
                colour = colorsys.hsv_to_rgb(label / 10, 0.8, 1.0)
            name = f"digits{number:08d}" if layout == "kinetics" else str(number)
            yield Rendered(name, label, _pixels(clips[offset, 0].numpy(), colour))


def _pixels(clip: np.ndarray, colour: tuple[float, float, float]) -> np.ndarray:
    """uint8 RGB frames of a clip about zero; the torus begins again at the right edge."""
    wide = np.pad(clip, ((0, 0), (0, 0), (0, WIDTH - SIDE)), mode="wrap")
    large = wide.repeat(SCALE, axis=1).repeat(SCALE, axis=2)
    shades = 70 + 45 * large[..., None] * np.asarray(colour)
    return np.clip(shades, 0, 255).astype(np.uint8)


def _place(layout: Layout, split: Split, video: Rendered) -> Path:
    if layout == "ssv2":
        return Path("videos") / f"{video.id}.webm"
    name = class_names("digits_kinetics")[video.label]
    return Path(split) / name / f"{video.id}_{0:06d}_{2:06d}.mp4"


def _write_kinetics(root: Path, listed: dict[Split, list[tuple[str, int]]]) -> None:
    for split, videos in listed.items():
        text = io.StringIO()
        rows = csv.writer(text, lineterminator="\n")
        rows.writerow(["label", "youtube_id", "time_start", "time_end", "split"])
        names = class_names("digits_kinetics")
        rows.writerows([names[label], name, 0, 2, split] for name, label in videos)
        write_text(root / f"{split}.csv", text.getvalue())


def _write_ssv2(root: Path, listed: dict[Split, list[tuple[str, int]]]) -> None:
    names = class_names("digits_ssv2")
    write_json(root / "labels.json", {name: str(label) for label, name in enumerate(names)})
    for split, file in (("train", "train.json"), ("test", "validation.json")):
        entries = [
            {
                "id": name,
                "label": f"digits {names[label]}",
                "template": names[label],
                "placeholders": [],
            }
            for name, label in listed[split]  # type: ignore[index]
        ]
        write_json(root / file, entries)


def _write_data_file(folder: Path) -> Path:
    """Says where the layouts that have been rendered are, for VSWIN_DATA."""
    lines = ["# Rendered by `vswin data make-digits`; use it with VSWIN_DATA.", "datasets:"]
    if (folder / "kinetics" / "test.csv").exists():
        lines += [
            "  digits_kinetics:",
            "    train: {annotations: kinetics/train.csv, videos: kinetics/train}",
            "    test: {annotations: kinetics/test.csv, videos: kinetics/test}",
        ]
    if (folder / "ssv2" / "validation.json").exists():
        labels = "labels: ssv2/labels.json"
        lines += [
            "  digits_ssv2:",
            f"    train: {{annotations: ssv2/train.json, videos: ssv2/videos, {labels}}}",
            f"    test: {{annotations: ssv2/validation.json, videos: ssv2/videos, {labels}}}",
        ]
    write_text(folder / "data.yaml", "\n".join(lines) + "\n")
    return folder / "data.yaml"
