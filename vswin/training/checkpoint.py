"""Checkpoints: what a killed training goes on from."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch

from vswin.errors import VswinError
from vswin.files import atomic_write, require_intact_zip

KEYS = {"model", "optimizer", "scaler", "step", "sums", "train_seconds"}
"""What a checkpoint holds."""
KEEP = 2
"""Checkpoints that are kept, so that one that turns out broken leaves another."""


class DamagedCheckpointsError(VswinError):
    """A training was begun, and nothing that it can go on from is left."""


log = logging.getLogger(__name__)


def save_checkpoint(folder: Path, step: int, state: dict[str, Any]) -> Path:
    """Writes `state` as the checkpoint after `step` steps, atomically, and drops old ones."""
    folder.mkdir(parents=True, exist_ok=True)
    path = _path(folder, step)
    with atomic_write(path) as file:
        torch.save(state, file)
    for old in _newest_first(folder)[KEEP:]:
        old.unlink(missing_ok=True)
    return path


def load_newest_checkpoint(folder: Path) -> dict[str, Any] | None:
    """The newest checkpoint that can be read, on the CPU, or None if there is none.

    A broken one (a truncated file, say) is set aside with a warning that names it, so that it does
    not count among those that are kept.

    Raises:
        DamagedCheckpointsError: if there are some, and none can be read.
    """
    paths = _newest_first(folder)
    for path in paths:
        try:
            return _read(path)
        except Exception as error:  # whatever a damaged file makes the reader raise
            log.warning("checkpoint %s cannot be read (%s); trying the one before", path, error)
            path.replace(path.with_suffix(".damaged"))
    if paths:
        raise DamagedCheckpointsError(
            f"no checkpoint in {folder} can be read, {paths[0].name} is the newest; remove the "
            "run's folder to begin anew"
        )
    return None


def load_checkpoint(folder: Path, step: int) -> dict[str, Any]:
    """The checkpoint after `step` steps, on the CPU; raises whatever a damaged file makes of it."""
    return _read(_path(folder, step))


def _path(folder: Path, step: int) -> Path:
    return folder / f"step-{step:08d}.pt"


def _read(path: Path) -> dict[str, Any]:
    require_intact_zip(path)
    state = torch.load(path, map_location="cpu", weights_only=True)
    if missing := KEYS - state.keys():
        raise ValueError(f"another version of vswin wrote it: no {', '.join(sorted(missing))}")
    return state


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.pt"), reverse=True)
