"""Video Swin Transformer (arXiv 2106.13230), reproduced table by table.

The public names are loaded on first use, so that `vswin --help` need not wait for torch.
"""

from __future__ import annotations

import importlib
from typing import Any

from vswin.cost import cost  # bound here: the function, not the module, is `vswin.cost`

__version__ = "0.1.0"

_HOME = {
    "build_model": "vswin.models",
    "load_study": "vswin.report",
}
__all__ = ["cost", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'vswin' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
