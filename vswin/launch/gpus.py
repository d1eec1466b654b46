"""GPUs of this machine, shared out among runs: each gets its own, and gives them back."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from vswin.errors import UsageError

VARIABLE = "CUDA_VISIBLE_DEVICES"


def visible_gpus(count: int | None = None, environ: Mapping[str, str] = os.environ) -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them.

    Args:
        count: how many there are; None asks torch.
        environ: where somebody may have narrowed them down, by number or by UUID.
    """
    if count is None:
        import torch  # takes a second; only who computes on GPUs needs it

        count = torch.cuda.device_count()
    if VARIABLE not in environ:
        return [str(number) for number in range(count)]
    # CUDA ends the list at the first name that it does not know, and so does torch's count.
    return [name.strip() for name in environ[VARIABLE].split(",")][:count]


class Slots:
    """Groups of GPUs, each for one run at a time."""

    def __init__(self, gpus: Sequence[str], each: int) -> None:
        """Makes as many groups of `each` GPUs as there are."""
        self.count = len(gpus) // each
        self.free = [tuple(gpus[i * each : (i + 1) * each]) for i in range(self.count)]
        self.taken: dict[str, tuple[str, ...]] = {}

    def take(self, run_id: str) -> dict[str, str]:
        """Gives a run its GPUs; says so to its process, in its environment."""
        self.taken[run_id] = self.free.pop(0)
        return {VARIABLE: ",".join(self.taken[run_id])}

    def give_back(self, run_id: str) -> None:
        """Frees what a run had, if it had any."""
        if run_id in self.taken:
            self.free.append(self.taken.pop(run_id))


def runs_at_a_time(jobs: int, gpus: int, processes: int) -> int:
    """How many runs of `processes` GPUs each go on at a time.

    Args:
        jobs: what was asked for; 0 takes all GPUs.
        gpus: how many there are.
        processes: GPUs of each run.

    Raises:
        UsageError: if there are not so many.
    """
    fit = gpus // processes
    if max(1, jobs) > fit:
        wanted = f"--jobs {jobs} --processes {processes}" if jobs else f"--processes {processes}"
        remedy = f"; wanted --jobs {fit} at most" if fit else ""
        raise UsageError(
            f"{wanted} takes {max(1, jobs) * processes} GPUs, one for each process; "
            f"there {'is' if gpus == 1 else 'are'} {gpus} here{remedy}"
        )
    return jobs or fit
