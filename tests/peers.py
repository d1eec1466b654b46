"""Independent implementations to compare with, or a skip that says why there is none.

The gate skips none of them: there, what is missing is an error.
"""

import importlib
import os

import pytest
import torch

from vswin.costs.peers import libraries


def import_torchvision():
    """torchvision, or a skip that says why not."""
    try:
        return libraries.import_torchvision()
    except ModuleNotFoundError as error:
        _skip(f"torchvision is not installed: {error}")


def import_timm():
    """timm, which imports torchvision, or a skip that says why not."""
    import_torchvision()
    try:
        return importlib.import_module("timm")
    except ModuleNotFoundError as error:
        _skip(f"timm is not installed: {error}")


def _skip(why):
    (pytest.fail if "CI" in os.environ else pytest.skip)(why)


def randomise_(model, seed=0):
    """Weights of a size that makes every part of a model matter: nothing near zero, nothing one."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if name.endswith("relative_position_bias_table"):
                parameter.copy_(noise)
            elif name.endswith("bias"):
                parameter.copy_(0.1 * noise)
            elif parameter.ndim == 1:
                parameter.copy_(1 + 0.2 * noise)
            else:
                fan_in = parameter[0].numel()
                parameter.copy_(noise / fan_in**0.5)
    return model.eval()
