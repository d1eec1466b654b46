"""The models of the paper (section 3). Torch and nothing of ours but itself.

Names are loaded on first use, so that configurations can be read without importing torch.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "build_model": "vswin.models.build",
    "ModelError": "vswin.models.errors",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'vswin.models' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
