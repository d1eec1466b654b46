"""Where the time of training goes under protocol proxy: `python -m benchmarks training`.

The loop as a whole (`vswin.training.loop.train`, checkpoints included) in clips per second, on one
thread as runs have it, and one step taken apart: data, forward, backward, optimiser.
`matrix_products` repeats every matrix product of the step, and nothing else, on contiguous operands
of the same shapes: the part of the step that better elementwise code would leave as it is.
`before_ms` is the whole step at another commit (`--against`), turn by turn with ours.
"""

from __future__ import annotations

import contextlib
import itertools
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from rich.progress import track
from torch.nn import functional as F  # noqa: N812
from torch.profiler import ProfilerActivity, profile

from benchmarks.machine import RESULTS, last_words, naming, seconds
from benchmarks.models import proxy_config
from vswin.errors import VswinError
from vswin.models.swin.initialisation import initialise_
from vswin.models.swin.model import VideoSwinTransformer
from vswin.training.batch import by_step
from vswin.training.loop import Options, Progress, train
from vswin.training.recipe import build_optimizer

CASE = "proxy-loop"
CPU = torch.device("cpu")
PRODUCTS = {"aten::mm": torch.mm, "aten::bmm": torch.bmm, "aten::addmm": torch.addmm}
WORKER = """
import dataclasses, sys, time
sys.path.insert(0, sys.argv[1])
import torch
import vswin
assert vswin.__file__.startswith(sys.argv[1]), vswin.__file__
from vswin.training.recipe import build_optimizer
torch.set_num_threads(1)
config = vswin.plan_study("table5", "proxy", rows=["win8"]).runs[0].config
torch.manual_seed(0)
# Public names alone: an earlier commit has its modules elsewhere.
model = vswin.build_model("swin_t", **dataclasses.asdict(config.model)).train()
optimizer = build_optimizer(model, config.recipe)
for number, _ in enumerate(sys.stdin):
    start = time.perf_counter()
    clips, labels = config.data.batch("train", (0, number), config.recipe.batch_size)
    loss = torch.nn.functional.cross_entropy(model(clips), labels)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    print(time.perf_counter() - start, flush=True)
"""


def run(steps: int, against: str) -> list[dict[str, Any]]:
    """The table's one line.

    Args:
        steps: how many are timed.
        against: the commit to compare with.

    Raises:
        BenchmarkError: if the commit is not there, or a process that is timed dies.
    """
    threads = torch.get_num_threads()
    with naming(CASE):
        torch.set_num_threads(1)
        try:
            line = {"case": CASE, "clips_per_s": loop_rate(), **parts_of_a_step(steps)}
            line["matrix_products_ms"] = matrix_products(steps)
        finally:
            torch.set_num_threads(threads)
        return [line | compared_with(against, steps) | {"threads": 1}]


def loop_rate(epochs: int = 3) -> float:
    """Clips per second from the end of the first epoch to the end of the last."""
    config = proxy_config()
    model = VideoSwinTransformer(config.model)
    initialise_(model, config.recipe.linear_std, config.recipe.bias_std)
    ends: list[float] = []

    class Enough(Exception):  # noqa: N818
        """The loop has no other end than the recipe's."""

    def on_epoch(progress: Progress) -> None:
        ends.append(time.perf_counter())
        if progress.epoch == epochs:
            raise Enough

    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(Enough):
        train(
            model,
            by_step(lambda step: config.data.batch("train", (0, step), config.recipe.batch_size)),
            config.recipe,
            0,
            Path(folder),
            options=Options(on_epoch=on_epoch),
        )
    clips = (epochs - 1) * config.recipe.steps_per_epoch * config.recipe.batch_size
    return clips / (ends[-1] - ends[0])


def parts_of_a_step(steps: int) -> dict[str, float]:
    """Median milliseconds of each part."""
    config = proxy_config()
    model = VideoSwinTransformer(config.model).train()
    optimizer = build_optimizer(model, config.recipe)
    times: list[tuple[float, ...]] = []
    for step in track(range(steps), description="parts of a step"):
        marks = [time.perf_counter()]
        clips, labels = config.data.batch("train", (0, step), config.recipe.batch_size)
        marks.append(time.perf_counter())
        loss = F.cross_entropy(model(clips), labels)
        marks.append(time.perf_counter())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        marks.append(time.perf_counter())
        optimizer.step()
        marks.append(time.perf_counter())
        times.append(tuple(b - a for a, b in itertools.pairwise(marks)))
    names = ("data_ms", "forward_ms", "backward_ms", "optimizer_ms")
    parts = zip(*times[2:], strict=True)
    return {name: 1e3 * statistics.median(part) for name, part in zip(names, parts, strict=True)}


def matrix_products(steps: int) -> float:
    """Milliseconds of a step's matrix products alone."""
    config = proxy_config()
    model = VideoSwinTransformer(config.model).train()
    clips, labels = config.data.batch("train", (0, 0), config.recipe.batch_size)
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as profiled:
        F.cross_entropy(model(clips), labels).backward()
    shapes = Counter(
        (event.name, tuple(map(tuple, event.input_shapes[: 3 if "addmm" in event.name else 2])))
        for event in profiled.events()
        if event.name in PRODUCTS
    )
    total = 0.0
    for (name, sizes), count in shapes.items():
        operands = [torch.randn(size) for size in sizes]
        times = [seconds(lambda: PRODUCTS[name](*operands), CPU) for _ in range(steps)]  # noqa: B023
        total += count * statistics.median(times)
    return 1e3 * total


def compared_with(commit: str, steps: int) -> dict[str, Any]:
    """A whole step here and at another commit, turn by turn, each in a process of its own."""
    root = RESULTS.parents[1]
    with _checkout(root, commit) as other:
        times: list[list[float]] = []
        with _worker(root) as ours, _worker(other) as theirs:
            for _ in track(range(steps), description=f"against {commit[:12]}"):
                times.append([_ask(ours, "this code"), _ask(theirs, commit)])
    now, before = (1e3 * statistics.median(column) for column in zip(*times[2:], strict=True))
    ratio = statistics.median(b / a for a, b in times[2:])
    return {"step_ms": now, "before_ms": before, "speedup": ratio, "against": commit}


@contextlib.contextmanager
def _checkout(root: Path, commit: str) -> Iterator[Path]:
    """The files of a commit, in a folder of their own; git's state stays as it is."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "before.zip"
        command = ["git", "-C", str(root), "archive", "--output", str(archive), commit]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise VswinError(
                f"commit {commit} cannot be read ({last_words(done)}); a full git clone has it, "
                "or name another with --against"
            )
        with zipfile.ZipFile(archive) as files:
            files.extractall(Path(folder) / "before")
        yield Path(folder) / "before"


@contextlib.contextmanager
def _worker(root: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", WORKER, str(root)]
    with subprocess.Popen(command, stdin=-1, stdout=-1, text=True, cwd=root) as worker:
        try:
            yield worker
        finally:
            with contextlib.suppress(BrokenPipeError):  # what a dead one was not told any more
                worker.stdin.close()


def _ask(worker: subprocess.Popen[str], what: str) -> float:
    """Seconds that the worker's next step takes."""
    try:
        worker.stdin.write("step\n")
        worker.stdin.flush()
        return float(worker.stdout.readline())
    except (BrokenPipeError, ValueError) as error:  # no line at all is no number, either
        raise VswinError(
            f"the process that times {what} has died or said no time; its last words are above"
        ) from error
