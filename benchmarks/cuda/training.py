"""Command C: the training loop, from memory and from files; resumed, in fp16, twice the same."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import itertools
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.cuda.cells import Cell, Line
from benchmarks.cuda.setting import Setting
from benchmarks.cuda.waiting import no_waiting
from benchmarks.decoding import moving_scene
from vswin.data.annotations import Video, VideoList
from vswin.data.clips import ClipBatch
from vswin.data.video_data import VideoData
from vswin.training.batch import Batches
from vswin.training.distributed import World
from vswin.training.feeding import video_batches
from vswin.training.loop import Options, Progress, train
from vswin.training.recipe import Recipe

PRESET = "swin_t"
VIDEOS = 20


class Cut(Exception):  # noqa: N818
    """The end of a training that is killed."""


def cells(setting: Setting, folder: Path) -> list[Cell]:
    """The most important first.

    Args:
        setting: as in the other commands.
        folder: an empty one, for videos and checkpoints.
    """
    found = [
        Cell("loop from memory, bf16", lambda: from_memory(setting, "bf16", 3), 40),
        Cell("files, read alone", lambda: files(setting, folder, trains=False), 45),
        Cell("loop from files, bf16", lambda: files(setting, folder, trains=True), 45),
        Cell("cut and resumed", lambda: cut_and_resumed(setting), 20),
        Cell("twice the same", lambda: twice(setting), 15),
        Cell("a step of the loop waits for nothing", lambda: waits(setting), 5),
        Cell("loop from memory, fp16", lambda: from_memory(setting, "fp16", 2), 30),
    ]
    return [dataclasses.replace(cell, what={"preset": PRESET, "mode": "train"}) for cell in found]


def recipe(setting: Setting, epochs: int, steps: int, precision: Any = "bf16") -> Recipe:
    """A batch of 64 clips, in a test of 2."""
    return Recipe(
        steps_per_epoch=steps, epochs=epochs, warmup_epochs=0.0, precision=precision,
        batch_size=2 if setting.tiny else 64,
    )  # fmt: skip


def from_memory(setting: Setting, precision: str, epochs: int) -> Line:
    """Epochs of 20 steps (in a test of one); the last one is timed."""
    how = recipe(setting, epochs, 1 if setting.tiny else 20, precision)
    told, _ = _train(setting, how, _from_memory(setting, how.batch_size))
    return {"clips_per_s": told[-1].clips_per_second, "loss": told[-1].loss}


def files(setting: Setting, folder: Path, trains: bool) -> Line:
    """Clips per second of what is read by workers, with and without the training that it is for.

    The list has 20 videos, which are two files by turns: with many key frames, and with few.
    """
    workers = 0 if setting.tiny else max(1, (os.cpu_count() or 2) - 1)
    how = recipe(setting, 2, 1 if setting.tiny else 5)
    frames, size, _ = setting.size
    data = VideoData("kinetics400", frames=frames, size=size, resize=size * 8 // 7)
    batches = video_batches(
        _videos(setting, folder),
        data,
        how,
        0,
        World(device=setting.device),
        _micro(setting),
        workers,
    )
    line: Line = {"workers": workers}
    if trains:
        told, _ = _train(setting, how, batches)
        return line | {"clips_per_s": told[-1].clips_per_second}
    steps = batches(0)
    next(steps)  # workers start
    begun = time.perf_counter()
    count = sum(len(part) for step in steps for part in step)
    return line | {"clips_per_s": count / (time.perf_counter() - begun)}


def cut_and_resumed(setting: Setting) -> Line:
    """A training that ends in its second epoch and goes on from the checkpoint of the first."""
    how = recipe(setting, 2, 2)
    batches = _from_memory(setting, how.batch_size)
    with _deterministic(), tempfile.TemporaryDirectory() as folder:
        _, whole = _train(setting, how, batches)
        with contextlib.suppress(Cut):
            _train(setting, how, batches, Path(folder), cut_after=3)
        _, resumed = _train(setting, how, batches, Path(folder))
    return _compared(whole, resumed)


def twice(setting: Setting) -> Line:
    """Two trainings of four steps, where torch is told to be deterministic."""
    how = recipe(setting, 1, 4)
    batches = _from_memory(setting, how.batch_size)
    with _deterministic():
        return _compared(*(_train(setting, how, batches)[1] for _ in range(2)))


def waits(setting: Setting) -> Line:
    """An error if clips that come from pinned memory, or their step, wait for the GPU."""
    model = _model(setting)
    parts = next(_from_memory(setting, _micro(setting))(0))
    clips, _ = parts[0].on(setting.device)
    model(clips).sum().backward()  # layouts are copied once
    setting.wait()
    with no_waiting(setting.device):
        clips, _ = parts[0].on(setting.device)
        model(clips).sum().backward()
    return {"steps": 1}


def _train(
    setting: Setting,
    how: Recipe,
    batches: Batches,
    folder: Path | None = None,
    cut_after: int | None = None,
) -> tuple[list[Progress], nn.Module]:
    """What the loop told of each epoch, and the model that it left."""
    told: list[Progress] = []

    def on_step(step: int, steps: int) -> None:
        if step == cut_after:
            raise Cut

    model, options = _model(setting), Options(on_step=on_step, on_epoch=told.append)
    with tempfile.TemporaryDirectory() as own:
        train(
            model, batches, how, 0, folder or Path(own), World(device=setting.device), options
        )  # fmt: skip
    return told, model


def _model(setting: Setting) -> nn.Module:
    """The same at every call."""
    return copy.deepcopy(setting.pair(PRESET)[0]).train()


def _micro(setting: Setting) -> int:
    return 2 if setting.tiny else 8


def _from_memory(setting: Setting, clips: int) -> Batches:
    """The same batch of random pixels in every step, as micro-batches."""
    generator, size = torch.Generator().manual_seed(0), _micro(setting)
    parts = []
    for first in range(0, clips, size):
        shape = (size, 3, *setting.size)
        pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        part = ClipBatch(pixels, (torch.arange(size) + first) % 10, (None,) * size, first, 0)
        parts.append(part.pin_memory() if setting.device.type == "cuda" else part)
    return lambda _: itertools.repeat(parts)


def _videos(setting: Setting, folder: Path) -> VideoList:
    """Encoded at the first call."""
    frames, size = (20, (32, 40)) if setting.tiny else (300, (256, 340))
    paths = []
    for gop in (250, 16):
        known = folder / f"{gop}.mp4"
        paths.append(known if known.exists() else moving_scene(folder, gop, frames, size))
    listed = (Video(paths[i % 2], i % 10, str(i)) for i in range(VIDEOS))
    return VideoList("kinetics400", "train", folder, tuple(listed))


def _compared(one: nn.Module, other: nn.Module) -> Line:
    """Weights of two trainings."""
    pairs = list(zip(one.parameters(), other.parameters(), strict=True))
    apart = max(((a - b).norm() / a.norm().clamp(min=1e-12)).item() for a, b in pairs)
    return {"right": all(torch.equal(a, b) for a, b in pairs), "largest_difference": apart}


@contextlib.contextmanager
def _deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)
