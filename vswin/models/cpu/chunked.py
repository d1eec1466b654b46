"""When a block may be computed chunk by chunk on the CPU, rather than layer by layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vswin.models.modes import is_transformed

CHUNK = 2048
"""Tokens that the FFN takes at a time."""
CACHE_BYTES = 2**24
"""A hidden layer of the FFN up to this size stays in a processor's cache by itself."""


def possible(x: Tensor, *modules: nn.Module) -> bool:
    """Whether plain arithmetic with the modules' weights is what the modules would do.

    Not on a GPU, in half precision or under autocast; not where torch.compile, torch.export or a
    trace records the layers, or torch.func transforms them; not where a layer was replaced by
    another kind, has no bias or weights of another kind, or somebody listens to it.
    """
    return (
        x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.float64)
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
        and not torch.jit.is_tracing()
        and not is_transformed(x)
        and all(is_plain(module) for module in modules)
    )


def hidden_is_large(x: Tensor, fc1: nn.Linear) -> bool:
    """Whether the FFN's hidden layer for (..., C) tokens does not stay in the cache."""
    return x.shape[:-1].numel() * fc1.out_features * x.element_size() > CACHE_BYTES


def has_listeners(module: nn.Module) -> bool:
    """Whether somebody has hooked into the module, which must then be called itself."""
    return any(
        (
            module._forward_pre_hooks,
            module._forward_hooks,
            module._backward_pre_hooks,
            module._backward_hooks,
        )
    )


def is_plain(module: nn.Module) -> bool:
    """Whether the module is torch's own layer, with a bias, and nobody has changed what it does."""
    return (
        type(module) in (nn.Linear, nn.LayerNorm)
        and "forward" not in vars(module)
        and module.bias is not None
        and all(type(w) in (Tensor, nn.Parameter) for w in (module.weight, module.bias))
        and not has_listeners(module)
    )
