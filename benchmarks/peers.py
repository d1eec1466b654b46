"""Importing torchvision beside a torch that it was not built for."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

import torch

# torchvision's wheel for this torch is built for CUDA. Where torch is the CPU build, two operators
# that no video model uses are missing, and the import fails for that alone.
_MISSING = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_kept: list[torch.library.Library] = []


def import_torchvision() -> ModuleType:
    """torchvision; where its import fails for want of two operators, those are declared first.

    Raises:
        ModuleNotFoundError: if it is not installed.
    """
    try:
        return importlib.import_module("torchvision")
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
