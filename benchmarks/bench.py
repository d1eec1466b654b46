"""Our model against torchvision's, with the same weights: `make bench`.

Both run in one process, turn by turn, so that whatever else the machine does hits both; what counts
is the median over the pairs of their ratio. The outputs are compared first. Peak memory is that of
a process of its own for each model, less what it held before the step.

`--case` picks cases by name, `--pairs` says how often; the result is benchmarks/results/cpu.csv.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

import pandas as pd
import torch
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

import vswin
from benchmarks.peers import import_torchvision
from vswin.files import write_text
from vswin.runs.provenance import git_state

RESULTS = Path(__file__).parent / "results"
Mode = Literal["forward", "train"]
Who = Literal["ours", "torchvision"]
TOLERANCE = 1e-4


@dataclasses.dataclass(frozen=True)
class Case:
    """What is timed."""

    preset: str
    mode: Mode
    batch: int
    frames: int
    size: int
    pairs: int
    """Turns of each model, unless `--pairs` says otherwise."""

    @property
    def name(self) -> str:
        """Like swin_t-forward-1x32x224."""
        return f"{self.preset}-{self.mode}-{self.batch}x{self.frames}x{self.size}"


CASES = {
    case.name: case
    for case in (
        Case("swin_t", "forward", 1, 32, 224, pairs=7),
        Case("swin_t", "train", 1, 32, 224, pairs=5),
        Case("swin_t", "forward", 4, 16, 224, pairs=5),
        Case("swin_b", "forward", 1, 32, 224, pairs=3),
        Case("swin_b", "train", 1, 16, 224, pairs=3),
    )
}


def build(case: Case) -> tuple[nn.Module, nn.Module]:
    """(ours, torchvision's) with the same weights."""
    torch.manual_seed(0)
    torchvision = import_torchvision()
    theirs = getattr(torchvision.models.video, case.preset.replace("swin", "swin3d"))(weights=None)
    for module in theirs.modules():  # so that training gives the same logits, too
        if isinstance(module, torchvision.ops.StochasticDepth):
            module.p = 0.0
    ours = vswin.build_model(case.preset, drop_path=0.0, head_dropout=0.0)
    vswin.load_weights(ours, theirs.state_dict())
    return ours, theirs


def step_of(model: nn.Module, case: Case) -> Callable[[], Tensor]:
    """One forward pass, or one training step with AdamW; returns logits."""
    generator = torch.Generator().manual_seed(1)
    clip = torch.randn(case.batch, 3, case.frames, case.size, case.size, generator=generator)
    labels = torch.arange(case.batch) % 400
    if case.mode == "forward":
        model.eval()

        def forward() -> Tensor:
            with torch.inference_mode():
                return model(clip)

        return forward
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, fused=True)

    def train() -> Tensor:
        logits = model(clip)
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(logits, labels).backward()
        optimizer.step()
        return logits.detach()

    return train


def measure(case: Case, pairs: int) -> dict[str, float | int | str]:
    """Times both models, turn by turn."""
    steps = [step_of(model, case) for model in build(case)]
    logits = [step() for step in steps]  # also the warm-up
    difference = (logits[0] - logits[1]).abs().max().item()
    if not difference < TOLERANCE:
        raise RuntimeError(f"{case.name}: logits differ by {difference:g}; nothing to compare")
    seconds: list[list[float]] = []
    for _ in track(range(pairs), description=case.name):
        turn = []
        for step in steps:
            start = time.perf_counter()
            step()
            turn.append(time.perf_counter() - start)
        seconds.append(turn)
    ours, theirs = (statistics.median(column) for column in zip(*seconds, strict=True))
    macs = vswin.cost(build(case)[0], (3, case.frames, case.size, case.size), rule="macs").flops
    work = 2 * macs * case.batch * (3 if case.mode == "train" else 1)
    return {
        "case": case.name,
        "pairs": pairs,
        "ours_s": ours,
        "torchvision_s": theirs,
        "speedup": statistics.median(t / o for o, t in seconds),
        "largest_difference": difference,
        "share_of_matmul_rate": work / ours / matmul_rate(),
    }


def matmul_rate() -> float:
    """Operations per second of a float32 matrix product of 2048^3, the best of five."""
    a, b = torch.randn(2, 2048, 2048)
    best = min(_time(lambda: a @ b) for _ in range(5))
    return 2 * 2048**3 / best


def peak_memory(case: Case, who: Who) -> float:
    """MiB that a step needs beyond the model and its input, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.bench", "--memory", who, "--case", case.name]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=RESULTS.parents[1]
    )
    return json.loads(done.stdout.splitlines()[-1])


def _own_peak_memory(case: Case, who: Who) -> float:
    model = build(case)[0 if who == "ours" else 1]
    step = step_of(model, case)
    before = _high_water_mib()
    step()
    return _high_water_mib() - before


def _high_water_mib() -> float:
    """Most memory that this process has held. Linux's rusage would count its parent's, too."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _time(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    """Measures and writes the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--case", action="append", choices=sorted(CASES), help="default: all")
    parser.add_argument("--pairs", type=int, help="turns of each model (default: by case)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--output", type=Path, default=RESULTS / "cpu.csv")
    parser.add_argument("--memory", choices=["ours", "torchvision"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cases = [CASES[name] for name in args.case or CASES]
    if args.memory:
        print(json.dumps(_own_peak_memory(cases[0], args.memory)))
        return
    commit, dirty = git_state()
    about = {
        "threads": args.threads,
        "torch": torch.__version__,
        "torchvision": import_torchvision().__version__,
        "machine": platform.processor() or platform.machine(),
        "date": datetime.now(timezone.utc).date().isoformat(),
        "commit": f"{(commit or 'unknown')[:12]}{'+' if dirty else ''}",
    }
    lines = []
    for case in cases:
        line = measure(case, args.pairs or case.pairs)
        for who in ("ours", "torchvision"):
            line[f"{who}_peak_mib"] = peak_memory(case, who)
        lines.append(line | about)
        args.output.parent.mkdir(parents=True, exist_ok=True)
        write_text(args.output, pd.DataFrame(lines).to_csv(index=False, float_format="%.4g"))
        print(pd.DataFrame(lines)[[*line]].round(3).to_string(index=False))
    print(f"written: {args.output}")


if __name__ == "__main__":
    main()
