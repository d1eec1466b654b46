"""Video Swin Transformer (arXiv 2106.13230), reproduced table by table.

The public names are loaded on first use, so that `vswin --help` need not wait for torch.
"""

from __future__ import annotations

import importlib
from typing import Any

from vswin.cost import cost  # bound here: the function, not the module, is `vswin.cost`
from vswin.version import VERSION

__version__ = VERSION

_HOME = {
    "build_model": "vswin.models",
    "load_weights": "vswin.weights",
    "save_weights": "vswin.weights",
    "load_study": "vswin.report",
    "write_report": "vswin.report",
    "plan_study": "vswin.runs.study",
    "run_study": "vswin.runs.study",
    "check_parameters": "vswin.notebook",
}
__all__ = [
    "build_model",
    "check_parameters",
    "cost",
    "load_study",
    "load_weights",
    "plan_study",
    "run_study",
    "save_weights",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'vswin' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
