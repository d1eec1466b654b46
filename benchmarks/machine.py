"""What a measurement was made on, and how time and memory are measured."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import platform
import re
import resource
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from vswin.errors import VswinError
from vswin.files import write_text
from vswin.runs.provenance import provenance

RESULTS = Path(__file__).parent / "results"


class BenchmarkError(VswinError):
    """A measurement failed; one line that names what was measured."""


@contextlib.contextmanager
def naming(case: str) -> Iterator[None]:
    """Makes whatever goes wrong in a measurement one line that names the case.

    Raises:
        BenchmarkError: instead of what a step, a file or another process may raise.
    """
    try:
        yield
    except (
        VswinError, RuntimeError, ValueError, OSError, ImportError, subprocess.SubprocessError
    ) as error:  # fmt: skip
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise BenchmarkError(f"{case}: {said[0]}") from error


def last_words(done: subprocess.CompletedProcess[str]) -> str:
    """What a process that has failed said last: its error."""
    said = done.stderr.strip().splitlines()
    return said[-1] if said else f"it ended with status {done.returncode} and said nothing"


def about(device: torch.device) -> dict[str, Any]:
    """Machine, versions, commit and date, for each line of a table."""
    found = provenance(device)
    commit = f"{(found['commit'] or 'unknown')[:12]}{'+' if found['dirty'] else ''}"
    return {
        "machine": found["device"],
        "threads": found["threads"],
        "system": platform.system(),
        "python": found["python"],
        "torch": torch.__version__,
        "commit": commit,
        "date": datetime.now(timezone.utc).date().isoformat(),
    }


def write_table(lines: list[dict[str, Any]], name: str, folder: Path = RESULTS) -> Path:
    """Writes results/NAME.csv, and prints what was measured."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.csv"
    table = pd.DataFrame(lines)
    write_text(path, table.to_csv(index=False, float_format="%.4g"))
    shown = table.drop(columns=[c for c in about(torch.device("cpu")) if c in table])
    print(shown.to_string(index=False, float_format="%.4g"))
    print(f"written: {path}")
    return path


def seconds(call: Callable[[], object], device: torch.device) -> float:
    """How long a call takes, work on a GPU included."""
    _wait(device)
    start = time.perf_counter()
    call()
    _wait(device)
    return time.perf_counter() - start


def matmul_rate(device: torch.device, dtype: torch.dtype = torch.float32) -> float:
    """Operations per second of a square matrix product, the median of five."""
    size = 2048 if device.type == "cpu" else 8192
    a, b = torch.randn(2, size, size, device=device, dtype=dtype)
    a @ b
    return 2 * size**3 / statistics.median(seconds(lambda: a @ b, device) for _ in range(5))


def forget_peak(device: torch.device) -> None:
    """Makes `memory_mib` count from now on, where the system can.

    Memory that was freed but kept for later goes back first: what a step takes from it would not
    show.
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif platform.system() == "Linux":
        with contextlib.suppress(OSError, AttributeError):  # a libc without it
            ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")


def memory_mib(device: torch.device) -> float:
    """Most memory held so far: by this process, or by torch on the GPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    status = Path("/proc/self/status")
    if status.exists():  # rusage starts at the parent's peak on Linux
        return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if platform.system() == "Darwin" else 2**10)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
