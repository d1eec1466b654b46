"""Video Swin Transformer (arXiv 2106.13230), reproduced table by table.

The public names are loaded on first use, so that `vswin --help` need not wait for torch.
"""

from __future__ import annotations

import importlib
from typing import Any

from vswin.costs.counting import cost  # bound here: the function, not the module, is `vswin.cost`
from vswin.version import VERSION

__version__ = VERSION

HOME = {
    "cost": "vswin.costs.counting",
    "build_model": "vswin.models",
    "load_weights": "vswin.weights.files",
    "save_weights": "vswin.weights.files",
    "load_study": "vswin.report",
    "write_report": "vswin.report",
    "plan_study": "vswin.experiments.planning",
    "run_study": "vswin.launch.study",
    "progress": "vswin.launch.progress",
    "check_parameters": "vswin.report.notebooks",
}
__all__ = [
    "build_model",
    "check_parameters",
    "cost",
    "load_study",
    "load_weights",
    "plan_study",
    "progress",
    "run_study",
    "save_weights",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in HOME:
        raise AttributeError(f"module 'vswin' has no attribute {name!r}")
    return getattr(importlib.import_module(HOME[name]), name)
