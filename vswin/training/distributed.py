"""The processes that train or test one run together: one for each GPU, or several on the CPU.

They find each other through the variables that torchrun sets (RANK, WORLD_SIZE, LOCAL_RANK,
MASTER_ADDR, MASTER_PORT). A process without them is alone, and nothing here then has
an effect.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import os
import time
from collections.abc import Iterator
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from vswin.errors import UsageError

T = TypeVar("T")
VARIABLES = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
PATIENCE = datetime.timedelta(hours=24)
"""How long a process waits for the others: some have hours of testing left when one is done."""
SETTLE_S = 0.5
"""Pause before the processes part: gloo's threads let go of their last work only while Python's
global lock is free, and a process that is taken down before, holding it, waits for them forever."""


@dataclasses.dataclass(frozen=True)
class World:
    """This process among those of its run."""

    rank: int = 0
    """0 is the one that writes to disk."""
    size: int = 1
    device: torch.device = dataclasses.field(default_factory=lambda: torch.device("cpu"))
    """Where this process computes."""

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that writes to disk."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes, in a new tensor; float64 keeps counts exact."""
        total = values.detach().clone()
        if self.size > 1:
            dist.all_reduce(total)
        return total

    def agree(self, value: T) -> T:
        """The main process's `value`, everywhere."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, device=self.device)
        return box[0]

    def gather(self, value: T) -> list[T]:
        """Every process's `value`, by rank, everywhere."""
        if self.size == 1:
            return [value]
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, value)
        return found


def require_device(device: str, processes: int = 1) -> None:
    """Refuses a device that is not here, or not for so many processes.

    Raises:
        UsageError: names those that are.
    """
    count = torch.cuda.device_count()
    known = ["cpu", *(["cuda"] if count else []), *(f"cuda:{i}" for i in range(count))]
    if device not in known:
        raise UsageError(f"--device {device}: not available here; known: {', '.join(known)}")
    if device.startswith("cuda:") and processes > 1:
        raise UsageError(
            f"--device {device} --processes {processes}: each process takes a GPU of its own; "
            "wanted --device cuda"
        )
    if device == "cuda" and processes > count:
        raise UsageError(f"--processes {processes}: this machine has {count} GPUs")


@contextlib.contextmanager
def joined(device: torch.device) -> Iterator[World]:
    """Joins the other processes of the run, if the environment says that there are any.

    Args:
        device: cpu, cuda (then each process takes the GPU of its LOCAL_RANK) or cuda:N.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if device.type == "cuda":
        if device.index is None:
            # Some launchers show all of a node's GPUs to each process, others each its own.
            local_rank = int(  # type: ignore[unreachable]  # torch's types leave None out
                os.environ.get("LOCAL_RANK", "0")
            )
            device = torch.device("cuda", local_rank % max(1, torch.cuda.device_count()))
        torch.cuda.set_device(device)
        # fp32 means fp32: torch would round what convolutions multiply to the 10 bits of TF32, and
        # does not do so in other products. Who wants it faster says bf16.
        torch.backends.cudnn.allow_tf32 = False
    if size == 1:
        yield World(device=device)
        return
    if missing := [name for name in VARIABLES if name not in os.environ]:
        raise UsageError(
            f"WORLD_SIZE is {size}, but {', '.join(missing)} is not set; start the processes with "
            "torchrun or --processes, or unset WORLD_SIZE"
        )
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=PATIENCE)
    try:
        yield World(dist.get_rank(), dist.get_world_size(), device)
    finally:
        time.sleep(SETTLE_S)
        dist.destroy_process_group()
