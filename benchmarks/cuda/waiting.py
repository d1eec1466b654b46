"""Command A: does a step wait for the GPU, and how much of its time does the GPU work?"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.cuda.cells import Cell, Line
from benchmarks.cuda.setting import THEIRS, Setting
from benchmarks.steps import step_of

PRESET = "swin_t"


def cells(setting: Setting) -> list[Cell]:
    """Training steps of both models."""
    waits = functools.partial(three_steps, setting)
    found = [Cell("a step waits for nothing", waits, 5, {"preset": PRESET, "batch": 2})]
    for clips in setting.clips[:2]:
        for name in (*setting.variants, THEIRS):
            measure = functools.partial(one_step, setting, name, clips)
            what = {"preset": PRESET, "batch": clips, "variant": name}
            found.append(Cell(f"profile {name}, {clips} clips", measure, 3, what))
    return found


def three_steps(setting: Setting) -> Line:
    """An error names what waits; layouts, which are copied once, are there before."""
    model = setting.pair(PRESET)[0]
    step = step_of(model, setting.clip(2), "train", torch.bfloat16)
    step()
    setting.wait()
    with no_waiting(setting.device):
        for _ in range(3):
            step()
    model.zero_grad(set_to_none=True)
    return {"steps": 3}


def one_step(setting: Setting, name: str, clips: int) -> Line:
    """Kernels, milliseconds that the device is busy, and of a step that nobody profiles."""
    on_gpu = setting.device.type == "cuda"
    activities = [ProfilerActivity.CUDA if on_gpu else ProfilerActivity.CPU]
    with setting.taking(PRESET, name) as model:
        step = step_of(model, setting.clip(clips), "train", torch.bfloat16)
        wall = setting.timed(step)
        with profile(activities=activities) as profiled:
            step()
            setting.wait()
    wanted = "CUDA" if on_gpu else "CPU"
    kernels = [
        event
        for event in profiled.events()
        if event.device_type.name == wanted and not event.is_user_annotation
    ]
    busy = sum(e.time_range.elapsed_us() for e in kernels) / 1e3 if on_gpu else None
    return {"kernels": len(kernels), "busy_ms": busy, "wall_ms": 1e3 * wall}


@contextlib.contextmanager
def no_waiting(device: torch.device) -> Iterator[None]:
    """Makes whatever waits for the GPU an error."""
    if device.type != "cuda":
        yield
        return
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")
