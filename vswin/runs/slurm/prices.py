"""What runs will cost in GPU-hours, before they are submitted."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from vswin.errors import VswinError
from vswin.runs.identity import RunConfig
from vswin.runs.requirements import NoEstimateError, cost_of, estimate, speed_in
from vswin.runs.slurm.submit import Request


class TooExpensiveError(VswinError):
    """What would be submitted costs more than was allowed."""


@dataclasses.dataclass(frozen=True)
class Bill:
    """GPU-hours of several runs together."""

    gpu_hours: float | None
    """None where nothing tells; 0 on CPUs."""
    basis: str
    """What it was computed from."""

    def __str__(self) -> str:
        """As "964 GPU-hours (15 % of 312 TFLOP/s)"."""
        if self.gpu_hours is None:
            return f"GPU-hours unknown: {self.basis}"
        return f"{self.gpu_hours:.3g} GPU-hours ({self.basis})"

    def require(self, most: float | None) -> None:
        """Refuses what is more, or might be.

        Raises:
            TooExpensiveError: says how much it would be.
        """
        if most is None or self.gpu_hours == 0:
            return
        if self.gpu_hours is None or self.gpu_hours > most:
            raise TooExpensiveError(f"--max-gpu-hours {most:g}, and this would be {self}")


def price(request: Request, configs: Sequence[RunConfig]) -> Bill:
    """An estimate for runs; what they did before they were interrupted is not taken off."""
    on_gpus = [config for config in configs if request.shape(config).gpus]
    if not on_gpus:
        return Bill(0.0, "no GPU" if configs else "nothing to run")
    if not all(config.is_on_videos for config in on_gpus):
        return Bill(None, "runs of the embedded benchmark take minutes on a GPU, not measured here")
    profile = request.profile
    speed = speed_in(request.store, profile.peak_tflops, profile.share)
    try:
        prices = [estimate(c, cost_of(c), request.store, speed) for c in on_gpus]
    except NoEstimateError as error:  # it is no reason not to submit
        return Bill(None, str(error))
    basis = ", ".join(dict.fromkeys(p.basis for p in prices))
    return Bill(sum(p.total for p in prices), basis)
