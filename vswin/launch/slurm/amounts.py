"""How many GPUs and how much memory a profile asks for, and how sbatch is told."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Annotated, Any, Literal

from pydantic import PlainValidator

GpuOption = Literal["gpus-per-node", "gres", "gpus", "gpus-per-task", "none"]
NONE = "none"
"""What stands for no line of sbatch, where leaving a key out means something else."""
ALL = "all"
"""All memory of a node."""


@dataclasses.dataclass(frozen=True)
class Gpus:
    """GPUs of a run on each of its nodes."""

    count: int
    kind: str | None = None
    """What the site calls them, such as "a100"; None where any will do."""

    def times(self, count: int) -> str:
        """So many of this kind in Slurm's words, such as "a100:4"."""
        return str(count) if self.kind is None else f"{self.kind}:{count}"


def _gpus(value: Any) -> Gpus:
    """A number, or a kind and a number.

    Raises:
        ValueError: if it is neither; says how the value is written.
    """
    if isinstance(value, Gpus):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        if value < 0:
            raise ValueError(f"wanted at least 0, not {value}")
        return Gpus(value)
    if isinstance(value, str):
        found = re.fullmatch(r"([\w.+-]+):([1-9]\d*)", value, re.ASCII)
        if found and found[1] != "gpu":
            return Gpus(int(found[2]), found[1])
        if "," in value:
            raise ValueError(f"a run has GPUs of one kind, such as 'a100:4', not {value!r}")
        if value.startswith("gpu:"):
            raise ValueError(
                f"leave 'gpu:' out of {value!r}; `gpu_option = \"gres\"` writes it before the rest"
            )
    raise ValueError(f"wanted a number, or a kind and a number such as 'a100:4', not {value!r}")


def _memory(value: Any) -> float | str | None:
    """GB, or one of the words.

    Raises:
        ValueError: if it is neither.
    """
    if value is None or value in (ALL, NONE):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"wanted a number of GB, {ALL!r} or {NONE!r}, not {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"wanted a finite number, not {value!r}")
    if value <= 0:
        raise ValueError(f"wanted more than 0, not {value!r}")
    return value


GpuCount = Annotated[Gpus, PlainValidator(_gpus)]
Memory = Annotated[float | str | None, PlainValidator(_memory)]
"""GB of a job on each node; "all" is all that the node has, "none" the site's default, unsaid."""


def memory_of_node(value: float | str | None) -> str | None:
    """What `--mem` is given; None: there is no such line."""
    if value is None or value == NONE:
        return None
    return "0" if value == ALL else in_mb(float(value))


def in_mb(gb: float | None) -> str | None:
    """An amount of memory in Slurm's words."""
    return None if gb is None else f"{math.ceil(1024 * gb)}MB"
