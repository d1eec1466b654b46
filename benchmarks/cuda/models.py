"""Command B: models, eager, beside torchvision's with the same weights; time and memory."""

from __future__ import annotations

import functools
from typing import get_args

import torch

from benchmarks.cuda.cells import Cell, Line
from benchmarks.cuda.setting import THEIRS, WITHOUT_TRITON, Setting
from benchmarks.machine import forget_peak, memory_mib
from benchmarks.steps import Mode, step_of

GIB = 2.0**30
HUGE = 32
"""Clips that torchvision's Swin-B is not tried with: they do not fit."""


def cells(setting: Setting) -> list[Cell]:
    """What decides first: Swin-T at eight clips, trained and tested; Swin-B; other numbers."""
    found = [Cell("matmul", lambda: {"matmul_flop_per_s": setting.matmul_rate()}, 2)]
    return found + [
        _cell(setting, preset, mode, clips, who)
        for clips in setting.clips
        for preset in setting.presets
        for mode in reversed(get_args(Mode))  # training first
        for who in _compared(setting, clips)
        if not (preset == "swin_b" and clips >= HUGE and who == THEIRS)
    ]


def largest_cells(setting: Setting) -> list[Cell]:
    """The most clips that fit in training."""
    return [
        Cell(
            f"largest {preset}, {who}",
            functools.partial(largest, setting, preset, who),
            12,
            {"preset": preset, "mode": "train", "variant": who},
        )
        for preset in setting.presets
        for who in (setting.ours, THEIRS)
    ]


def _compared(setting: Setting, clips: int) -> list[str]:
    """All variants with the number of clips that matters most, else what users have."""
    first = (setting.ours, THEIRS, WITHOUT_TRITON)
    others = setting.variants if clips == setting.clips[0] else ()
    return list(dict.fromkeys((*first, *others)))


def _cell(setting: Setting, preset: str, mode: Mode, clips: int, who: str) -> Cell:
    guess = 1 + clips * (0.1 if preset == "swin_t" else 0.25)
    measure = functools.partial(step, setting, preset, mode, clips, who)
    return Cell(f"{preset} {mode} {clips}, {who}", measure, guess, _what(preset, mode, clips, who))


def _what(preset: str, mode: Mode, clips: int, who: str) -> Line:
    return {"preset": preset, "mode": mode, "batch": clips, "variant": who, "compiled": False}


def step(setting: Setting, preset: str, mode: Mode, clips: int, who: str) -> Line:
    """Time, clips per second, share of the matrix rate, and peak memory beyond the model."""
    with setting.taking(preset, who) as model:
        run = step_of(model, setting.clip(clips), mode, torch.bfloat16)
        forget_peak(setting.device)
        before = memory_mib(setting.device)
        took = setting.timed(run)
        used = (memory_mib(setting.device) - before) * 2**20
    found = rates(setting, preset, mode, clips, took) | {"peak_gib": used / GIB}
    remember(setting, _what(preset, mode, clips, who) | found)
    return found


def remember(setting: Setting, line: Line) -> None:
    """Keeps the memory of a step for `largest`; a line of another cell says nothing."""
    if line.get("compiled") is False and "peak_gib" in line:
        key = (*(line[name] for name in ("preset", "mode", "variant", "batch")),)
        setting.found["bytes", key] = line["peak_gib"] * GIB


def rates(setting: Setting, preset: str, mode: Mode, clips: int, took: float) -> Line:
    """What a step's seconds come to."""
    work = 2 * setting.macs(preset) * (3 if mode == "train" else 1) * clips
    return {
        "step_ms": 1e3 * took,
        "clips_per_s": clips / took,
        "share_of_matmul_rate": work / took / setting.matmul_rate(),
    }


def largest(setting: Setting, preset: str, who: str) -> Line:
    """By the memory of two numbers of clips that were measured, then tried, twice at most.

    Raises:
        RuntimeError: if those were not measured, or nothing fits.
    """
    known = sorted(
        (clips, used)
        for clips in setting.clips
        if (used := setting.found.get(("bytes", (preset, "train", who, clips)))) is not None
    )
    if len(known) < 2:
        raise RuntimeError("the memory of two numbers of clips must have been measured before")
    (few, less), (many, more) = known[0], known[-1]
    # Half the mean at least: two small measurements may differ by less than what is noise in them.
    slope = max((more - less) / (many - few), more / many / 2, 1.0)
    free = _free(setting, more)
    expected = int(few + (free - less) / slope)
    for share in (0.96, 0.88):
        clips = max(1, int(share * expected))
        try:
            found = step(setting, preset, "train", clips, who)
        except torch.OutOfMemoryError:
            torch.cuda.empty_cache()
            continue
        return found | {"batch": clips, "expected": expected, "free_gib": free / GIB}
    raise RuntimeError(f"not even {clips} clips fit, where {expected} were expected to")


def _free(setting: Setting, more: float) -> float:
    """Bytes for a step; where there is no GPU, one in a test, half as many again as were used."""
    if setting.device.type == "cuda":
        torch.cuda.empty_cache()
        return torch.cuda.mem_get_info(setting.device)[0]
    return 1.5 * more
