"""What the parts of a run's execution hand to each other."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from vswin.runs.config import RunConfig
from vswin.runs.reporter import Reporter
from vswin.runs.resources import Effort
from vswin.runs.store import RunFolder
from vswin.training.distributed import World
from vswin.weights.checkpoint import Checkpoint


@dataclasses.dataclass(frozen=True)
class Task:
    """A run being executed by this process."""

    config: RunConfig
    folder: RunFolder
    world: World
    effort: Effort
    reporter: Reporter | None
    """None in processes that only assist the main one."""

    def state(self, state: str) -> None:
        """Tells what the run is doing now."""
        if self.reporter is not None:
            self.reporter.state(state)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a complete run leaves behind."""

    result: dict[str, Any]
    """The content of result.json."""
    predictions: dict[str, np.ndarray]
    """The arrays of predictions.npz."""
    weights: Checkpoint | None
    """What is kept of the weights."""
