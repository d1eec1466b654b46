"""What a clip of 32 x 2 frames takes to read: `python -m benchmarks decoding`.

Ten seconds of 340 x 256 pixels as H.264, with a key frame every 250 and every 16 frames, read turn
by turn in one process and one thread: by decoding the whole file and picking frames, and by
`vswin.data.video` with and without the resize to a short side of 224.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
from rich.progress import track

from vswin.data.sampling import dense_train
from vswin.data.video import read_frames

FRAMES, HEIGHT, WIDTH = 300, 256, 340
GOPS = (250, 16)
TURNS = 20

Reader = Callable[[Path, np.ndarray], np.ndarray]


def whole_file(path: Path, indices: np.ndarray) -> np.ndarray:
    """Decodes and converts all frames, then picks."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
    return np.stack([frames[index] for index in indices])


VARIANTS: dict[str, Reader] = {
    "whole file": whole_file,
    "read_frames": read_frames,
    "read_frames, short side 224": lambda path, indices: read_frames(path, indices, 224),
}


def run() -> list[dict[str, Any]]:
    """A line for each distance of key frames and variant of reading."""
    with tempfile.TemporaryDirectory() as folder:
        return [line for gop in GOPS for line in _measure(moving_scene(Path(folder), gop), gop)]


def _measure(path: Path, gop: int) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    times: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for _ in track(range(1 + TURNS), description=f"a key frame every {gop}"):
        indices = dense_train(FRAMES, 32, 2, rng)
        for name, variant in VARIANTS.items():
            start = time.perf_counter()
            variant(path, indices)
            times[name].append(time.perf_counter() - start)
    base = times["whole file"][1:]
    return [
        {
            "case": f"clip-gop{gop}",
            "gop": gop,
            "variant": name,
            "turns": TURNS,
            "clip_ms": 1000 * statistics.median(found[1:]),
            "times_as_fast": statistics.median(b / f for b, f in zip(base, found[1:], strict=True)),
        }
        for name, found in times.items()
    ]


def moving_scene(
    folder: Path, gop: int, frames: int = FRAMES, size: tuple[int, int] = (HEIGHT, WIDTH)
) -> Path:
    """A camera moves over a textured plane; the sensor has some noise."""
    rng = np.random.default_rng(0)
    height, width = (n + frames for n in size)
    distance = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    phases = np.exp(2j * np.pi * rng.random((3, height, width)))
    waves = np.fft.ifft2(phases / np.maximum(distance, 0.005) ** 1.2).real
    plane = 120 + 45 * np.moveaxis(waves / waves.std(), 0, -1)
    path = folder / f"{gop}.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30)
        stream.height, stream.width = size
        stream.pix_fmt, stream.gop_size = "yuv420p", gop
        for i in range(frames):
            view = plane[i // 2 : i // 2 + size[0], i : i + size[1]]
            picture = (view + rng.normal(0, 3, view.shape)).clip(0, 255).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path
