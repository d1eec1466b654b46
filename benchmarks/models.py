"""Our models against torchvision's, with the same weights: `python -m benchmarks models mvit`.

Both run in one process, turn by turn, so that whatever else the machine does hits both; what counts
is the median over the pairs of their ratio. The outputs are compared first. Each case has a process
of its own: memory that an earlier one left to the allocator would make the next one faster. Peak
memory is that of a process for each model, over three steps, less what it held before the first.

On a GPU (`--device cuda`) steps run under bf16 autocast, eager and compiled, at 8 clips and at the
most that fit.
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
from torch.nn import functional as F  # noqa: N812

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
from benchmarks.peers import mvit_peer
from vswin.costs.peers.libraries import import_torchvision
from vswin.experiments.planning import plan_study
from vswin.models.registry import build as build_ours
from vswin.models.registry import family_of, resolve_config

Mode = Literal["forward", "train"]
Who = Literal["ours", "torchvision"]
CONSOLE = Console(stderr=True)
WHO: tuple[Who, ...] = ("ours", "torchvision")
TOLERANCE = {torch.float32: 1e-5, torch.bfloat16: 2e-2}
"""Largest difference of logits."""


@dataclasses.dataclass(frozen=True)
class Case:
    """What is timed."""

    preset: str
    """A preset, or "proxy": the model of Moving Digits."""
    mode: Mode
    batch: int
    """Clips; 0 is the most that fit."""
    frames: int
    size: int
    pairs: int
    """Turns of each model."""
    device: str = "cpu"
    compiled: bool = False
    threads: int = 0
    """CPU threads; 0 is torch's default."""

    @property
    def name(self) -> str:
        """Like swin_t-forward-1x32x224."""
        batch = self.batch or "most"
        suffix = "-compiled" if self.compiled else ""
        return f"{self.preset}-{self.mode}-{batch}x{self.frames}x{self.size}{suffix}"

    @property
    def dtype(self) -> torch.dtype:
        """What matrix products are computed in."""
        return torch.float32 if self.device == "cpu" else torch.bfloat16

    @property
    def channels(self) -> int:
        """Of the clips."""
        return proxy_config().model.in_channels if self.preset == "proxy" else 3


CPU_CASES = (
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
GPU_CASES = tuple(
    Case(preset, mode, batch, 32, 224, pairs=15, device="cuda", compiled=compiled)
    for preset in ("swin_t", "swin_b")
    for mode in ("train", "forward")
    for batch in (8, 0)
    for compiled in (False, True)
)


def cases(device: str) -> dict[str, Case]:
    """All cases of Swin for a kind of device, by name."""
    return {case.name: case for case in (CPU_CASES if device == "cpu" else GPU_CASES)}


@functools.cache
def proxy_config() -> Any:
    """The run of Table 5's baseline (32 frames, window 8) under protocol proxy."""
    return plan_study("table5", "proxy", rows=["win8"]).runs[0].config


def build(case: Case) -> tuple[nn.Module, nn.Module]:
    """(ours, torchvision's) with the same weights, on the case's device."""
    torch.manual_seed(0)
    ours, theirs = (build_one(case, who) for who in WHO)
    for name, parameter in theirs.named_parameters():
        if "bias_table" in name:  # as large as trained ones, so that an error would show
            nn.init.normal_(parameter)
    vswin.load_weights(ours, theirs.state_dict())
    return ours.to(case.device), theirs.to(case.device)


def build_one(case: Case, who: Who) -> nn.Module:
    """One of the two, without dropout and stochastic depth."""
    config = proxy_config().model if case.preset == "proxy" else resolve_config(case.preset)
    config = dataclasses.replace(config, drop_path=0.0, head_dropout=0.0)
    if family_of(config).name == "mvit":  # as public code has it
        config = dataclasses.replace(config, kv_pool_last_stage=True)
    return build_ours(config) if who == "ours" else theirs_of(config)


def theirs_of(config: Any) -> nn.Module:
    """The peer of a configuration, without dropout and stochastic depth."""
    video = import_torchvision().models.video
    if family_of(config).name == "mvit":
        return mvit_peer(config)
    swin3d = video.swin_transformer
    return swin3d.SwinTransformer3d(
        patch_size=list(config.patch_size),
        embed_dim=config.embed_dim,
        depths=list(config.depths),
        num_heads=list(config.num_heads),
        window_size=list(config.window_size),
        stochastic_depth_prob=0.0,
        num_classes=config.num_classes,
        patch_embed=functools.partial(swin3d.PatchEmbed3d, in_channels=config.in_channels),
    )


def step_of(model: nn.Module, case: Case, batch: int) -> Callable[[], Tensor]:
    """One forward pass, or one training step with AdamW; returns logits."""
    generator = torch.Generator().manual_seed(1)
    size = (batch, case.channels, case.frames, case.size, case.size)
    clip = torch.randn(size, generator=generator).to(case.device)
    run = torch.compile(model, dynamic=False) if case.compiled else model
    autocast = torch.autocast(case.device, case.dtype, enabled=case.dtype != torch.float32)
    if case.mode == "forward":
        model.eval()

        def forward() -> Tensor:
            with torch.inference_mode(), autocast:
                return run(clip)

        return forward
    model.train()
    labels = torch.arange(batch, device=case.device) % 10
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, fused=True)

    def train() -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        with autocast:
            logits = run(clip)
            loss = F.cross_entropy(logits, labels)
        loss.backward()
        optimizer.step()
        return logits.detach()

    return train


def measure(case: Case) -> dict[str, Any]:
    """Times both models, turn by turn.

    Raises:
        RuntimeError: if their logits differ.
    """
    device = torch.device(case.device)
    batches = [case.batch or largest_batch(case, who) for who in WHO]
    models = build(case)
    steps = [step_of(*pair) for pair in zip(models, (case, case), batches, strict=True)]
    difference = _compare([step() for step in steps], case)  # this compiles, and fills caches
    times = [
        _turn(steps, batches, device, alone=not case.batch, swap=turn % 2 == 1)
        for turn in range(case.pairs)
    ]
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
        "share_of_matmul_rate": work / ours / matmul_rate(device, case.dtype),
        "ours_batch": batches[0],
        "torchvision_batch": batches[1],
        "largest_difference": difference,
    }


def _turn(
    steps: list[Callable[[], Tensor]],
    batches: list[int],
    device: torch.device,
    alone: bool,
    swap: bool,
) -> list[float]:
    """Seconds for each clip, of our model and of torchvision's; who is first changes.

    `alone`: each has all of the GPU's memory in its turn, and a step to take hold of it.
    """
    found = [0.0, 0.0]
    for i in (1, 0) if swap else (0, 1):
        if alone:
            torch.cuda.empty_cache()
            steps[i]()
        found[i] = seconds(steps[i], device) / batches[i]
    return found


def _compare(logits: list[Tensor], case: Case) -> float:
    """The largest difference of the logits of the first steps, made with the same weights."""
    count = min(map(len, logits))
    difference = (logits[0][:count] - logits[1][:count]).abs().max().item()
    if not difference < TOLERANCE[case.dtype]:
        raise RuntimeError(f"logits differ by {difference:g}; nothing to compare")
    return difference


def largest_batch(case: Case, who: Who) -> int:
    """The most clips, in steps of 8, that a GPU has memory for; each try is a new process.

    8 fewer than that, in fact: when it is timed, the other model's weights are there, too.
    """
    fits, step = 0, 8
    while _measure_memory(case, who, fits + step) is not None:
        fits, step = fits + step, step * 2
    while step > 8:
        step //= 2
        if _measure_memory(case, who, fits + step) is not None:
            fits += step
    return max(8, fits - 8)


def peak_memory(case: Case, who: Who, batch: int) -> float:
    """MiB that a step needs beyond the model and its input, in a process of its own.

    Raises:
        RuntimeError: if there is too little.
    """
    found = _measure_memory(case, who, batch)
    if found is None:
        raise RuntimeError(f"too little memory for {who} and {batch} clips")
    return found


def _measure_memory(case: Case, who: Who, batch: int) -> float | None:
    done = _child(case, who=who, batch=batch)
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    if "OutOfMemoryError" in done.stderr:
        return None
    raise RuntimeError(f"memory of {who}: {last_words(done)}")


def _own_peak_memory(case: Case, who: Who, batch: int) -> float:
    device = torch.device(case.device)
    step = step_of(build_one(case, who).to(device), case, batch)
    forget_peak(device)
    before = memory_mib(device)
    for _ in range(3):  # from the second on, AdamW's moments are there
        step()
    used = memory_mib(device) - before
    if used <= 0:
        raise RuntimeError(f"a peak of {used} MiB cannot be; memory is not measured right here")
    return used


def run(names: list[str], pairs: int | None, device: str) -> list[dict[str, Any]]:
    """All lines of the table.

    Raises:
        BenchmarkError: if a case fails.
    """
    return run_cases({name: cases(device)[name] for name in names}, pairs)


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
        line[f"{who}_peak_mib"] = peak_memory(case, who, line[f"{who}_batch"])
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
        print(json.dumps(_own_peak_memory(case, asked["who"], asked["batch"])))
    else:
        print(json.dumps(measure(case)))


if __name__ == "__main__":
    _main(sys.argv[1])
