"""Where this process runs: its host, its job where Slurm has started it, its user's caches."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path


def host() -> str:
    """This machine, as locks and status files name it."""
    return socket.gethostname()


def slurm_job(environ: Mapping[str, str] = os.environ) -> str | None:
    """The id of the Slurm job that this process belongs to; None outside Slurm.

    An element of a job array is "A_k", as squeue and sacct print it, not the number that Slurm
    counts it under.
    """
    array, task = environ.get("SLURM_ARRAY_JOB_ID"), environ.get("SLURM_ARRAY_TASK_ID")
    if array and task:
        return f"{array}_{task}"
    return environ.get("SLURM_JOB_ID") or None


def cache_folder() -> Path:
    """Where this user's caches are: $XDG_CACHE_HOME/vswin, else ~/.cache/vswin."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The specification has relative ones ignored.
    return (Path(base) if Path(base).is_absolute() else Path("~/.cache").expanduser()) / "vswin"
