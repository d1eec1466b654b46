"""Command A: what the machine is, and how fast it copies and multiplies."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import os
import subprocess
from collections.abc import Iterable

import torch

from benchmarks.cuda.cells import Cell, Line
from benchmarks.cuda.setting import Setting

NEEDED = ("torch", "torchvision", "triton", "numpy", "pandas", "rich")
OF_ALL = ("torchvision",)
"""What every command imports where it is used; without the others none begins."""
OF_C = {
    "pydantic": "pydantic", "annotated_types": "annotated-types", "av": "av", "yaml": "pyyaml",
    "safetensors": "safetensors", "sklearn": "scikit-learn", "scipy": "scipy", "rich": "rich",
}  # fmt: skip
"""What command C imports besides, as modules, and their packages."""


def cells(setting: Setting) -> list[Cell]:
    """The first ones of the command."""
    return [
        Cell("environment", lambda: environment(setting), 2),
        Cell("rates", lambda: rates(setting), 5),
    ]


def environment(setting: Setting) -> Line:
    """Versions and sizes; nothing is timed."""
    found: Line = {"packages": {name: _version(name) for name in NEEDED}}
    found |= {"lacking": lacking(OF_C), "cores": os.cpu_count(), "cuda": torch.version.cuda}
    if setting.device.type == "cuda":
        card = torch.cuda.get_device_properties(setting.device)
        found |= {
            "capability": f"{card.major}.{card.minor}",
            "memory_gib": card.total_memory / 2**30,
            "processors": card.multi_processor_count,
            "cudnn": torch.backends.cudnn.version(),
            "driver": _driver(),
        }
    return found


def lacking(modules: Iterable[str]) -> list[str]:
    """Those that are not installed."""
    return [name for name in modules if importlib.util.find_spec(name) is None]


def rates(setting: Setting) -> Line:
    """A copy of 8 GB, which is read and written, and a square product."""
    size = 2**16 if setting.tiny else 8 * 10**9
    source = torch.empty(size, dtype=torch.uint8, device=setting.device)
    target = torch.empty_like(source)
    return {
        "copied_bytes_per_s": 2 * size / setting.timed(lambda: target.copy_(source)),
        "matmul_flop_per_s": setting.matmul_rate(),
    }


def _version(package: str) -> str | None:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(package)
    return None


def _driver() -> str | None:
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
        return done.stdout.split("\n")[0].strip()
    return None
