"""How runs are executed. These settings are no part of what a run is.

What they may change in a result, and what covers that, is said in `vswin.runs.identity`.
"""

from __future__ import annotations

import argparse
import dataclasses

from vswin.errors import UsageError


@dataclasses.dataclass(frozen=True)
class ExecutionSettings:
    """How a run is executed."""

    processes: int = 1
    """Processes that train together: one for each GPU."""
    micro_batch: int = 8
    """Most clips that a process sends through the model at a time (8 in the released code)."""
    workers: int = 0
    """Processes that decode videos, for each training process."""
    checkpoint_minutes: float = 15.0
    """Time between two checkpoints within an epoch."""
    max_replaced: float = 0.01
    """Share of an epoch's clips that may stand for unreadable videos before training stops."""
    tensorboard: bool = False
    """Whether to write TensorBoard's events, too."""

    def __post_init__(self) -> None:
        """Refuses what cannot be.

        Raises:
            UsageError: if a number is too small.
        """
        for name, least in (("processes", 1), ("micro_batch", 1), ("workers", 0)):
            if getattr(self, name) < least:
                option = name.replace("_", "-")
                raise UsageError(f"--{option} {getattr(self, name)}: wanted at least {least}")
        if not 0 <= self.max_replaced <= 1:
            raise UsageError(f"--max-replaced {self.max_replaced}: wanted a share from 0 to 1")
        if not self.checkpoint_minutes > 0:
            raise UsageError(f"--checkpoint-minutes {self.checkpoint_minutes}: wanted more than 0")

    def arguments(self) -> list[str]:
        """What `vswin.runs.execute` is called with to have these settings."""
        words = []
        for field in dataclasses.fields(self):
            option, value = f"--{field.name.replace('_', '-')}", getattr(self, field.name)
            if value != field.default:
                words += [option] if value is True else [option, str(value)]
        return words


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that `ExecutionSettings.arguments` writes."""
    default = ExecutionSettings()
    for name, kind, text in (
        ("processes", int, "one for each GPU of the run"),
        ("micro_batch", int, "clips at a time, for each process"),
        ("workers", int, "decoding processes, for each process"),
        ("checkpoint_minutes", float, "time between two checkpoints within an epoch"),
        ("max_replaced", float, "share of clips that may stand for unreadable videos"),
    ):
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=kind, default=getattr(default, name), help=text)
    parser.add_argument("--tensorboard", action="store_true", help="write its events, too")


def from_arguments(args: argparse.Namespace) -> ExecutionSettings:
    """The settings that a parsed command line asks for.

    Raises:
        UsageError: if a number is too small.
    """
    names = [field.name for field in dataclasses.fields(ExecutionSettings)]
    return ExecutionSettings(**{name: getattr(args, name) for name in names})
