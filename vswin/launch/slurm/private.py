"""What we know of submitit beyond its public API. Tests compare it with the installed version.

pyproject.toml bounds that version: each of these may change with any release.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

PICKLE = "_submitted.pkl"
"""How the name of a job's pickle ends; it begins with the job's id."""
_CUT = ".save_tmp"
"""How the names of files end that submitit is still writing."""


def sbatch_script(python: str, folder: Path, count: int, parameters: dict[str, Any]) -> str:
    """The script that submitit hands to sbatch for `count` jobs; needs no Slurm on this machine."""
    from submitit.slurm.slurm import _make_sbatch_string  # slow to import; `status` never needs it

    command = f"{python} -u -m submitit.core._submit {shlex.quote(str(folder))}"
    return _make_sbatch_string(
        command, folder, map_count=count if count > 1 else None, **parameters
    )


def log_path(folder: Path, job_id: str, process: int) -> Path:
    """Where a process of a job prints to, in all its attempts; processes count from 0."""
    return folder / f"{job_id}_{process}_log.out"


def remove_cut_files(folder: Path, job_id: str, process: int) -> None:
    """Removes what an attempt that was killed while writing left; submitit would stumble on it.

    Each process removes its own result; the first one also the job's pickle.
    """
    (folder / f"{job_id}_{process}_result.pkl{_CUT}").unlink(missing_ok=True)
    if process == 0:
        (folder / f"{job_id}{PICKLE}{_CUT}").unlink(missing_ok=True)
