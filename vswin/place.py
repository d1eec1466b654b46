"""Where this process runs: its host, and its job where Slurm has started it."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


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
