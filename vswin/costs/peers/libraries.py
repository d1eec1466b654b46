"""The libraries that build other works' models, imported only when they are needed."""

from __future__ import annotations

import importlib
import importlib.metadata
import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Any

import torch

from vswin.errors import VswinError

INSTALL = "pip install -e '.[peers]' in the project's folder"

# torchvision's wheel for this torch is built for CUDA. Where torch is the CPU build, two operators
# that no video model uses are missing, and the import fails for that alone.
_MISSING = {
    "nms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_kept: list[torch.library.Library] = []


class MissingLibraryError(VswinError):
    """A library that builds a model is not installed; the message names it."""


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


def module(name: str) -> Any:
    """A module of a library; torchvision first, which the others import.

    Raises:
        MissingLibraryError: if the library, or what it needs, is not installed.
    """
    try:
        import_torchvision()
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise MissingLibraryError(f"{error.name} is not installed: {INSTALL}") from error


def versions(libraries: Iterable[str]) -> str:
    """As "timm 1.0.31, transformers 5.24.0".

    Raises:
        MissingLibraryError: if one is not installed.
    """
    try:
        return ", ".join(f"{each} {importlib.metadata.version(each)}" for each in libraries)
    except importlib.metadata.PackageNotFoundError as error:
        raise MissingLibraryError(f"{error.name} is not installed: {INSTALL}") from error
