"""When a block may be computed in pieces on the CPU, rather than layer by layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

CACHE_BYTES = 2**24
"""A hidden layer of the FFN up to this size stays in a processor's cache by itself."""


def possible(x: Tensor, *modules: nn.Module) -> bool:
    """Whether plain arithmetic with the modules' weights is what the modules would do.

    Not on a GPU, in half precision or under autocast; not where torch.compile or a trace records
    the layers; not where a layer was replaced by another kind, or somebody listens to it.
    """
    return (
        x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.float64)
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()
        and all(_is_plain(module, x.dtype) for module in modules)
    )


def hidden_is_large(x: Tensor, fc1: nn.Linear) -> bool:
    """Whether the FFN's hidden layer for (..., C) tokens does not stay in the cache."""
    return x.shape[:-1].numel() * fc1.out_features * x.element_size() > CACHE_BYTES


def _is_plain(module: nn.Module, dtype: torch.dtype) -> bool:
    listeners = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
    return (
        type(module) in (nn.Linear, nn.LayerNorm)
        and module.weight.dtype == dtype
        and not any(listeners)
    )
