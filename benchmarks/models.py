"""Our models against torchvision's, with the same weights: `python -m benchmarks models mvit`.

Both run in one process, turn by turn, so that whatever else the machine does hits both; what counts
is the median over the pairs of their ratio. The outputs are compared first. Each case has a process
of its own: memory that an earlier one left to the allocator would make the next one faster. Peak
memory is that of a process for each model, over three steps, less what it held before the first.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor, nn

import vswin
from benchmarks.machine import (
    RESULTS,
    forget_peak,
    last_words,
    matmul_rate,
    memory_mib,
    naming,
    seconds,
)
from benchmarks.peers import mvit_peer, swin_peer
from benchmarks.steps import Mode, clip_of, step_of
from vswin.costs.peers.libraries import import_torchvision
from vswin.experiments.planning import plan_study
from vswin.models.registry import build as build_ours
from vswin.models.registry import family_of, resolve_config

Who = Literal["ours", "torchvision"]
CONSOLE = Console(stderr=True)
WHO: tuple[Who, ...] = ("ours", "torchvision")
CPU = torch.device("cpu")
TOLERANCE = 1e-5
"""Largest difference of logits."""


@dataclasses.dataclass(frozen=True)
class Case:
    """What is timed."""

    preset: str
    """A preset, or "proxy": the model of Moving Digits."""
    mode: Mode
    batch: int
    """Clips."""
    frames: int
    size: int
    pairs: int
    """Turns of each model."""
    threads: int = 0
    """CPU threads; 0 is torch's default."""

    @property
    def name(self) -> str:
        """Like swin_t-forward-1x32x224."""
        return f"{self.preset}-{self.mode}-{self.batch}x{self.frames}x{self.size}"

    @property
    def channels(self) -> int:
        """Of the clips."""
        return proxy_config().model.in_channels if self.preset == "proxy" else 3


_CASES = (
    Case("swin_t", "forward", 1, 32, 224, pairs=8),
    Case("swin_t", "train", 1, 32, 224, pairs=6),
    Case("swin_t", "forward", 4, 16, 224, pairs=4),
    Case("swin_t", "train", 4, 16, 224, pairs=3),
    Case("swin_b", "forward", 1, 32, 224, pairs=4),
    Case("swin_b", "train", 1, 32, 224, pairs=2),
    Case("proxy", "forward", 32, 16, 24, pairs=32, threads=1),
    Case("proxy", "train", 32, 16, 24, pairs=32, threads=1),
)
MVIT_CASES = (
    Case("mvit_b_16x4", "forward", 1, 16, 224, pairs=6),
    Case("mvit_b_16x4", "train", 1, 16, 224, pairs=5),
)
CASES = {case.name: case for case in _CASES}
"""All cases of Swin, by name."""


@functools.cache
def proxy_config() -> Any:
    """The run of Table 5's baseline (32 frames, window 8) under protocol proxy."""
    return plan_study("table5", "proxy", rows=["win8"]).runs[0].config


def build(case: Case) -> tuple[nn.Module, nn.Module]:
    """(ours, torchvision's) with the same weights."""
    torch.manual_seed(0)
    ours, theirs = (build_one(case, who) for who in WHO)
    for name, parameter in theirs.named_parameters():
        if "bias_table" in name:  # as large as trained ones, so that an error would show
            nn.init.normal_(parameter)
    vswin.load_weights(ours, theirs.state_dict())
    return ours, theirs


def build_one(case: Case, who: Who) -> nn.Module:
    """One of the two, without dropout and stochastic depth."""
    config = proxy_config().model if case.preset == "proxy" else resolve_config(case.preset)
    config = dataclasses.replace(config, drop_path=0.0, head_dropout=0.0)
    if family_of(config).name == "mvit":  # as public code has it
        config = dataclasses.replace(config, kv_pool_last_stage=True)
    return build_ours(config) if who == "ours" else theirs_of(config)


def theirs_of(config: Any) -> nn.Module:
    """The peer of a configuration, without dropout and stochastic depth."""
    return mvit_peer(config) if family_of(config).name == "mvit" else swin_peer(config)


def case_step(model: nn.Module, case: Case) -> Callable[[], Tensor]:
    """A step of the case."""
    size = (case.batch, case.channels, case.frames, case.size, case.size)
    return step_of(model, clip_of(size, CPU), case.mode)


def measure(case: Case) -> dict[str, Any]:
    """Times both models, turn by turn.

    Raises:
        RuntimeError: if their logits differ.
    """
    models = build(case)
    steps = [case_step(model, case) for model in models]
    difference = _compare([step() for step in steps])  # this fills caches
    times = [_turn(steps, case.batch, swap=turn % 2 == 1) for turn in range(case.pairs)]
    ours, theirs = (statistics.median(column) for column in zip(*times, strict=True))
    ratios = [t / o for o, t in times]
    size = (case.channels, case.frames, case.size, case.size)
    macs = vswin.cost(models[0], size, rule="macs").flops
    work = 2 * macs * (3 if case.mode == "train" else 1)
    return {
        "case": case.name,
        "pairs": case.pairs,
        "threads": torch.get_num_threads(),
        "ours_clips_per_s": 1 / ours,
        "torchvision_clips_per_s": 1 / theirs,
        "speedup": statistics.median(ratios),
        "speedup_min": min(ratios),
        "speedup_max": max(ratios),
        "share_of_matmul_rate": work / ours / matmul_rate(CPU),
        "ours_batch": case.batch,
        "torchvision_batch": case.batch,
        "largest_difference": difference,
    }


def _turn(steps: list[Callable[[], Tensor]], batch: int, swap: bool) -> list[float]:
    """Seconds for each clip, of our model and of torchvision's; who is first changes."""
    found = [0.0, 0.0]
    for i in (1, 0) if swap else (0, 1):
        found[i] = seconds(steps[i], CPU) / batch
    return found


def _compare(logits: list[Tensor]) -> float:
    """The largest difference of the logits of the first steps, made with the same weights."""
    difference = (logits[0] - logits[1]).abs().max().item()
    if not difference < TOLERANCE:
        raise RuntimeError(f"logits differ by {difference:g}; nothing to compare")
    return difference


def peak_memory(case: Case, who: Who) -> float:
    """MiB that a step needs beyond the model and its input, in a process of its own.

    Raises:
        RuntimeError: if the process fails.
    """
    done = _child(case, who=who)
    if done.returncode:
        raise RuntimeError(f"memory of {who}: {last_words(done)}")
    return json.loads(done.stdout.splitlines()[-1])


def _own_peak_memory(case: Case, who: Who) -> float:
    step = case_step(build_one(case, who), case)
    forget_peak(CPU)
    before = memory_mib(CPU)
    for _ in range(3):  # from the second on, AdamW's moments are there
        step()
    used = memory_mib(CPU) - before
    if used <= 0:
        raise RuntimeError(f"a peak of {used} MiB cannot be; memory is not measured right here")
    return used


def run(names: list[str], pairs: int | None) -> list[dict[str, Any]]:
    """All lines of the table.

    Raises:
        BenchmarkError: if a case fails.
    """
    return run_cases({name: CASES[name] for name in names}, pairs)


def run_cases(wanted: Mapping[str, Case], pairs: int | None) -> list[dict[str, Any]]:
    """A line for each case.

    Raises:
        BenchmarkError: if a case fails.
    """
    lines = []
    for name, case in track(wanted.items(), description="cases", console=CONSOLE):
        with naming(name):
            lines.append(_line(dataclasses.replace(case, pairs=pairs or case.pairs)))
        CONSOLE.print(f"{name}: {lines[-1]['speedup']:.2f} times as fast")
    return lines


def _line(case: Case) -> dict[str, Any]:
    done = _child(case)
    if done.returncode:
        raise RuntimeError(last_words(done))
    line = json.loads(done.stdout.splitlines()[-1])
    for who in WHO:
        line[f"{who}_peak_mib"] = peak_memory(case, who)
    return line | {"torchvision": import_torchvision().__version__}


def _child(case: Case, **asked: Any) -> subprocess.CompletedProcess[str]:
    """Runs this module on a case in a new process."""
    argument = json.dumps({"case": dataclasses.asdict(case), **asked})
    command = [sys.executable, "-m", "benchmarks.models", argument]
    root = RESULTS.parents[1]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)


def _main(argument: str) -> None:
    asked = json.loads(argument)
    case = Case(**asked["case"])
    if case.threads:
        torch.set_num_threads(case.threads)
    if "who" in asked:
        print(json.dumps(_own_peak_memory(case, asked["who"])))
    else:
        print(json.dumps(measure(case)))


if __name__ == "__main__":
    _main(sys.argv[1])
