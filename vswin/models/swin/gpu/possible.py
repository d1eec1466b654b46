"""Whether kernels of our own can compute something."""

from __future__ import annotations

import importlib.util
import os

import torch
from torch import Tensor

from vswin.models.modes import is_differentiated_or_mapped, is_exporting

IS_INSTALLED = importlib.util.find_spec("triton") is not None
IS_INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
"""Whether Triton shall run its kernels on the CPU, slowly; it reads the same."""
DTYPES = (torch.float32, torch.float16, torch.bfloat16)


def refusal(tokens: Tensor) -> str | None:
    """Why Triton's kernels cannot take them."""
    if not IS_INSTALLED:
        return "Triton is not installed (on Linux: pip install triton)"
    if not tokens.is_cuda and not IS_INTERPRETED:
        return f"tokens are on the device {tokens.device.type}, wanted a GPU"
    if tokens.dtype not in DTYPES:
        return f"tokens are {tokens.dtype}, wanted fp32, fp16 or bf16"
    if is_exporting() or is_differentiated_or_mapped():
        return "neither torch.export nor torch.func knows what to make of it"
    return None


def runs_directly(tokens: Tensor) -> bool:
    """Whether kernels can be started at once: neither compiled nor on what has no numbers."""
    compiled = torch.compiler.is_compiling()
    return not compiled and type(tokens) is Tensor and not tokens.is_meta
