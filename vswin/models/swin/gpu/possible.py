"""Whether kernels of our own can compute something."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil

import torch
from torch import Tensor
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from vswin.models.modes import is_differentiated_or_mapped, is_exporting

IS_INSTALLED = importlib.util.find_spec("triton") is not None
IS_INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
"""Whether Triton shall run its kernels on the CPU, slowly; it reads the same."""
DTYPES = (torch.float32, torch.float16, torch.bfloat16)
OLDEST = (8, 0)
"""Compute capability: on what is older, kernels do not fit into a program's registers."""


def refusal(tokens: Tensor) -> str | None:
    """Why Triton's kernels cannot take them."""
    if not IS_INSTALLED:
        return "Triton is not installed (on Linux: pip install triton)"
    if not tokens.is_cuda and not IS_INTERPRETED:
        return f"tokens are on the device {tokens.device.type}, wanted a GPU"
    if tokens.dtype not in DTYPES:
        return f"tokens are {tokens.dtype}, wanted fp32, fp16 or bf16"
    if is_exporting() or is_differentiated_or_mapped() or torch.jit.is_tracing():
        return "torch.export, torch.jit.trace and torch.func cannot see into it"
    is_wrapped: bool = is_traceable_wrapper_subclass(tokens)  # DTensor, say
    if is_wrapped:
        return f"tokens are a {type(tokens).__name__}, wanted a tensor on one device"
    return None if IS_INTERPRETED or torch.compiler.is_compiling() else _lack(tokens.device)


@functools.cache
def _lack(device: torch.device) -> str | None:
    """What the machine has not."""
    if torch.cuda.get_device_capability(device) < OLDEST:
        return "the GPU is older than Ampere"
    if not (os.environ.get("CC") or shutil.which("clang") or shutil.which("gcc")):
        return "there is no C compiler, with which Triton builds what starts a kernel"
    return None


def runs_directly(tokens: Tensor) -> bool:
    """Whether kernels can be started at once: neither compiled nor on what has no numbers."""
    compiled = torch.compiler.is_compiling()
    return not compiled and type(tokens) is Tensor and not tokens.is_meta
