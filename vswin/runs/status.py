"""Where one run stands, with all that is known of it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from vswin.runs.store import RunFolder, State


@dataclasses.dataclass(frozen=True)
class RunStatus:
    """Where one run stands."""

    run: RunFolder
    state: State
    detail: str = ""
    """Why: the last line of an error, what Slurm says, where it is being done."""
    activity: str = ""
    """What its process last said that it was doing: training, testing."""
    step: int = 0
    steps: int = 0
    """Training steps, or tested videos, of that."""
    clips_per_second: float | None = None
    """Of the last epoch in training."""
    eta_s: float | None = None
    """Seconds that what it is doing will still take."""
    epoch: int | None = None
    """Epochs finished."""
    loss: float | None = None
    """Mean training loss of the last epoch."""
    top1: float | None = None
    """In [0, 1]: the test's where it is done, else the last epoch's in training."""
    attempts: int = 0
    """How often it was begun."""
    seconds: float | None = None
    """Time spent on it, all attempts together; None where that was not noted."""
    gpus: int = 0
    """GPUs that it used at a time; 0 on the CPU."""
    host: str | None = None
    """Where its process runs, or last ran."""
    job_id: str | None = None
    """The Slurm job that it is or was last in."""
    log: Path | None = None
    """The newest of what its processes printed."""

    @property
    def gpu_hours(self) -> float | None:
        """GPU-hours spent; None on the CPU or where that was not noted."""
        if not self.gpus or self.seconds is None:
            return None
        return self.seconds * self.gpus / 3600


def read_status(run: RunFolder) -> RunStatus:
    """What a run's folder says; what its status.json lacks, or says in another form, is left out.

    Raises:
        DamagedFileError: if its result or error cannot be read.
    """
    state, status = run.state(), run.status()

    def number(name: str) -> Any:
        value = status.get(name)
        return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None

    result = run.result() if state == "done" else None
    return RunStatus(
        run,
        state,
        detail=_error(run) if state == "failed" else "",
        activity=str(status.get("state") or ""),
        step=number("step") or 0,
        steps=number("steps") or 0,
        clips_per_second=number("clips_per_second"),
        eta_s=number("eta_s") if state == "running" else None,
        epoch=number("epoch"),
        loss=number("loss"),
        top1=result.metrics.get("top1") if result is not None else number("top1"),
        attempts=number("attempt") or 0,
        seconds=number("seconds"),
        gpus=number("gpus") or 0,
        host=status.get("host"),
        job_id=status.get("job"),
        log=run.log if run.log.exists() else None,
    )


def _error(run: RunFolder) -> str:
    error = run.error() or {}
    lines = [line for line in str(error.get("message", "")).splitlines() if line.strip()]
    return f"{error.get('type')}: {lines[-1].strip()}" if lines else str(error.get("type"))
