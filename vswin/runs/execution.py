"""What the parts of a run's execution hand to each other."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from vswin.costs.cache import cost_at
from vswin.runs.config import RunConfig
from vswin.runs.reporter import Reporter
from vswin.runs.resources import ExecutionSettings
from vswin.runs.result import CountedCost, Execution, Result
from vswin.runs.store import RunFolder
from vswin.training.distributed import World
from vswin.weights.checkpoint import Checkpoint


@dataclasses.dataclass(frozen=True)
class RunContext:
    """A run that this process executes, and what it executes it with."""

    config: RunConfig
    folder: RunFolder
    world: World
    settings: ExecutionSettings
    reporter: Reporter | None
    """None in processes that only assist the main one."""

    def cost(self, size: int) -> CountedCost:
        """The cost of the run's model for one clip of its frames, `size` pixels high and wide."""
        model, frames = self.config.model, self.config.data.frames
        counted = cost_at(model, (model.in_channels, frames, size, size), "paper")
        return CountedCost(counted.flops, counted.params, counted.rule)

    def execution(self, micro_batch: int | None) -> Execution:
        """What a result says of how the run was executed."""
        threads, device = torch.get_num_threads(), self.world.device.type
        return Execution(self.world.size, micro_batch, threads, device)

    def state(self, state: str) -> None:
        """Tells what the run is doing now."""
        if self.reporter is not None:
            self.reporter.state(state)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a complete run leaves behind."""

    result: Result
    predictions: dict[str, np.ndarray]
    """The arrays of predictions.npz."""
    weights: Checkpoint | None
    """What is kept of the weights."""
