"""A notebook's kernel is the Python that executes it, whatever else is installed here."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

KERNEL = "python3"
"""The name of the kernel, which notebooks ask for."""


@contextlib.contextmanager
def own_kernel() -> Iterator[dict[str, str]]:
    """Variables for a process in which the kernel `python3` is this very Python.

    The user, the site or the owner of the environment may have given that name to another Python:
    what JUPYTER_PATH names is found before all of those. IPython's files and startup scripts are
    nobody's, and all that it writes goes to a folder of its own, since there may be no home.
    """
    from ipykernel.kernelspec import write_kernel_spec  # slow, and most commands do without

    with tempfile.TemporaryDirectory(prefix="vswin-kernel-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        write_kernel_spec(folder / "kernels" / KERNEL)
        yield {
            "JUPYTER_PATH": name,
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "IPYTHONDIR": str(folder / "ipython"),
            "PYTHONSTARTUP": os.devnull,
        }
