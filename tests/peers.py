"""Independent implementations to compare with, imported on machines with and without CUDA."""

import importlib
import sys

import pytest
import torch

# torchvision's wheel for this torch is built for CUDA. Where torch is the CPU build, two operators
# that no model of ours or theirs uses are missing, and the import fails for that alone.
_MISSING = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_kept = []


def import_torchvision():
    """torchvision's model files, or a skip that says why not."""
    try:
        return importlib.import_module("torchvision")
    except ModuleNotFoundError as error:
        pytest.skip(f"torchvision is not installed: {error}")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "DEF")
    for name, signature in _MISSING.items():
        library.define(f"{name}{signature}")
    _kept.append(library)  # a library that is collected takes its operators with it
    return importlib.import_module("torchvision")


def import_timm():
    """timm, which imports torchvision, or a skip that says why not."""
    import_torchvision()
    try:
        return importlib.import_module("timm")
    except ModuleNotFoundError as error:
        pytest.skip(f"timm is not installed: {error}")


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
