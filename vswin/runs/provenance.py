"""Where a number came from: code, versions, machine."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import os
import platform
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vswin.files import read_json
from vswin.project import PREREGISTRATION, preregistration_file

if TYPE_CHECKING:
    import torch

ROOT = Path(__file__).parents[2]
"""The clone that the code is in, or a snapshot of it that was made for jobs."""
PACKAGES = ("torch", "numpy", "scikit-learn", "scipy", "pandas")


def provenance(device: torch.device) -> dict[str, Any]:
    """Commit, versions and machine, as JSON; to be taken when a run starts."""
    import torch  # who only asks for the commit does without

    commit, dirty = git_state()
    return {
        "commit": commit,
        "dirty": dirty,
        "preregistration": preregistration_digest(),
        "vswin": importlib.metadata.version("vswin"),
        "python": platform.python_version(),
        "packages": _versions(),
        "platform": platform.platform(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else _cpu_name(),
        "threads": torch.get_num_threads(),
        "cpus": os.cpu_count(),
        "host": platform.node(),
        "started": now(),
    }


def preregistration_digest(root: Path | None = None) -> str | None:
    """SHA-256 of what was registered before this run began; None where nothing was.

    It is no part of a run's identity: it says when the run was made, and not what it is. Which runs
    are registered, `vswin.experiments.preregistration` says.

    Args:
        root: a project; None is the one that this process works in.
    """
    file = root / "experiments" / PREREGISTRATION if root else preregistration_file()
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None


def now() -> str:
    """The time in UTC, ISO 8601."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def git_state(root: Path = ROOT) -> tuple[str | None, bool | None]:
    """The commit of the code that is running, and whether the code was edited since.

    Args:
        root: the clone, or a snapshot, which says so itself.

    Returns:
        (None, None) if the code is not in a git clone (an installed copy, say). Edits count in
        vswin/ and experiments/, which can change a result; in documents or results they do not.
    """
    if (record := read_json(root / "snapshot.json")) is not None:
        return record["commit"], record["dirty"]

    def git(*args: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", *args],
                cwd=root,
                capture_output=True,
                text=True,
                timeout=20,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout.strip()

    if not git("ls-files", "vswin"):  # no clone, or another project's with a copy of us inside
        return None, None
    changed = git("status", "--porcelain", "--untracked-files=no", "--", "vswin", "experiments")
    return git("rev-parse", "HEAD"), bool(changed)


def _versions() -> dict[str, str]:
    """Of `PACKAGES`, as far as they are installed: some are extras."""
    found = {}
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
