"""What is installed on demand, `pip install 'vswin[NAME]'`: without it, a command says which."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping

from vswin.errors import VswinError

MODULES: Mapping[str, tuple[str, ...]] = {
    "studies": ("sklearn", "statsmodels", "pandas", "matplotlib"),
    "notebooks": ("papermill", "nbformat", "ipykernel"),
    "slurm": ("submitit",),
    "tensorboard": ("tensorboard",),
    "demo": ("gradio", "matplotlib"),
}
"""The extras of pyproject.toml, and the modules that commands import of each.

The others are asked for where they are used, in words of their own.
"""


class MissingExtraError(VswinError):
    """Something is to be used that is not installed."""


def require_extra(name: str) -> None:
    """Refuses at once what would fail later, when hours may have been spent.

    Raises:
        MissingExtraError: if a part of it is missing; names the part, and what installs it.
    """
    for module in MODULES[name]:
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError(_words(module, name))


def explained(error: ModuleNotFoundError) -> str | None:
    """One line in the place of a traceback where a part of an extra is missing; None elsewhere."""
    missing = (error.name or "").partition(".")[0].replace("scikit-learn", "sklearn")
    extras = (name for name, modules in MODULES.items() if missing in modules)
    return next((_words(missing, name) for name in extras), None)


def _words(module: str, extra: str) -> str:
    return f"this needs {module}, which is not installed: pip install 'vswin[{extra}]'"
