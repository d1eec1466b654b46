"""What is installed on demand: without it, a command says which packages it lacks.

By their own names, never `vswin[NAME]`: a package index may have a stranger's `vswin`.
"""

from __future__ import annotations

import importlib.util
import shlex
from collections.abc import Mapping

from vswin.errors import VswinError

MODULES: Mapping[str, tuple[str, ...]] = {
    "studies": ("sklearn", "statsmodels", "pandas", "matplotlib"),
    "notebooks": ("papermill", "nbformat", "ipykernel"),
    "slurm": ("submitit",),
    "tensorboard": ("tensorboard",),
    "export": ("onnx", "onnxscript", "onnxruntime"),
    "demo": ("gradio", "matplotlib"),
    "hub": ("huggingface_hub",),
}
"""The extras of pyproject.toml, and the modules that commands import of each."""
PACKAGES: Mapping[str, tuple[str, ...]] = {
    "studies": ("scikit-learn>=1.5", "statsmodels>=0.14.4", "pandas>=2.2", "matplotlib>=3.9"),
    "notebooks": ("papermill>=2.7", "jupyterlab>=4.3", "ipykernel>=6.29"),
    "slurm": ("submitit>=1.5,<1.6",),
    "tensorboard": ("tensorboard>=2.18",),
    "export": ("onnx>=1.19", "onnxscript>=0.5", "onnxruntime>=1.20"),
    "demo": ("gradio>=6.0,<7", "matplotlib>=3.9"),
    "hub": ("huggingface-hub>=0.30,<3",),
}
"""What pyproject.toml lists for each; a test compares. What is installed of this package may be
older than the code, or nothing, so that its metadata cannot be asked."""


class MissingExtraError(VswinError):
    """Something is to be used that is not installed."""


def require_extra(name: str, what: str = "this", otherwise: str = "") -> None:
    """Refuses at once what would fail later, when hours may have been spent.

    Args:
        name: of the extra.
        what: needs it.
        otherwise: the end of an error: what else a person can do.

    Raises:
        MissingExtraError: if a part of it is missing; names the part, and what installs it.
    """
    for module in MODULES[name]:
        if importlib.util.find_spec(module) is None:
            raise MissingExtraError(_words(module, name, what) + otherwise)


def explained(error: ModuleNotFoundError) -> str | None:
    """One line in the place of a traceback where a part of an extra is missing; None elsewhere."""
    missing = (error.name or "").partition(".")[0].replace("scikit-learn", "sklearn")
    extras = (name for name, modules in MODULES.items() if missing in modules)
    return next((_words(missing, name) for name in extras), None)


def _words(module: str, extra: str, what: str = "this") -> str:
    command = shlex.join(("pip", "install", *PACKAGES[extra]))
    return f"{what} needs {module}, which is not installed: {command}"
