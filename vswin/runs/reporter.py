"""Telling where a run stands: status.json, metrics.jsonl, its log, and TensorBoard if wanted.

A status that cannot be written (a full disk) is said in the log and tried again; it ends no
training, whose checkpoints may fit yet. Metrics are a part of what a run leaves behind: a run whose
metrics cannot be written stops, as it does for a checkpoint or a result.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vswin.extras import require_extra
from vswin.place import host, slurm_job
from vswin.runs.store import RunFolder
from vswin.wording import duration

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

    from vswin.training.loop import Progress

STATUS_S = 1.0
"""Time between two checks of the lock and writes of status.json while steps go by."""


class Interrupted(BaseException):
    """The process was asked to stop; the run can be resumed."""


class Reporter:
    """Keeps status.json and metrics.jsonl up to date; stops the run when its parent is gone."""

    def __init__(
        self,
        folder: RunFolder,
        attempt: int,
        is_ours: Callable[[], bool],
        parent: int,
        tensorboard: bool = False,
        gpus: int = 0,
    ) -> None:
        self.folder, self.attempt, self.is_ours, self.parent = folder, attempt, is_ours, parent
        self.gpus = gpus
        self.fields: dict[str, Any] = {}
        self.seconds_before = _seconds(folder.status())
        self.since = self.checked = time.monotonic()
        self.begun: tuple[float, int] | None = None
        self.could_write = True
        self.board = _open_board(folder) if tensorboard else None
        self.state("starting")

    def state(self, state: str) -> None:
        """Notes what the run is doing now."""
        for done in ("step", "steps", "eta_s"):
            self.fields.pop(done, None)
        self.fields["state"] = state
        self.begun = None
        self._write()
        where = [f"attempt {self.attempt}", host()]
        where += [f"Slurm job {job}"] if (job := slurm_job()) else []
        where += [f"{self.gpus} GPU{'s' * (self.gpus > 1)}"] if self.gpus else []
        self._say(f"{state} ({', '.join(where)})" if state == "starting" else state)

    def step(self, step: int, steps: int) -> None:
        """Notes a training step."""
        self._advance("training", step, steps)

    def video(self, done: int, videos: int) -> None:
        """Notes a tested video."""
        self._advance("testing", done, videos)

    def _advance(self, state: str, done: int, total: int) -> None:
        if self.fields.get("state") != state or self.begun is None:
            self.begun = (time.monotonic(), done)
            self._say(f"{state}, {done} of {total} {'steps' if state == 'training' else 'videos'}")
        seconds = time.monotonic() - self.begun[0]
        self.fields |= {"state": state, "step": done, "steps": total}
        if done > self.begun[1]:
            self.fields["eta_s"] = round((total - done) * seconds / (done - self.begun[1]))
        self.check()

    def check(self) -> None:
        """Writes status.json if that is due.

        Raises:
            Interrupted: if the run's parent is gone or another process has taken the run over.
        """
        if os.getppid() != self.parent:
            raise Interrupted("the process that started this run is gone")
        if time.monotonic() - self.checked >= STATUS_S:
            self.checked = time.monotonic()
            if not self.is_ours():
                raise Interrupted("another process has taken this run over")
            self._write()

    def epoch(self, progress: Progress) -> None:
        """Notes an epoch."""
        line = {k: v for k, v in dataclasses.asdict(progress).items() if v is not None}
        self.folder.append_metrics(line)
        self.fields |= {k: line[k] for k in ("epoch", "loss", "top1", "clips_per_second")}
        if self.board is not None:
            for name in ("loss", "top1", "lr", "clips_per_second"):
                self.board.add_scalar(f"train/{name}", line[name], progress.step)
            self.board.flush()
        self._write()
        self._say(self._line(progress))

    def _line(self, progress: Progress) -> str:
        epochs = progress.steps * progress.epoch // progress.step
        left = self.fields.get("eta_s")
        return (
            f"epoch {progress.epoch} of {epochs}, loss {progress.loss:.4g}, "
            f"top-1 {100 * progress.top1:.1f} %, {progress.clips_per_second:.3g} clips/s"
            + (f", validation {100 * v:.1f} %" if (v := progress.validation) is not None else "")
            + (f", {duration(left)} left" if left is not None else "")
        )

    def _write(self) -> None:
        try:
            self.folder.write_status(
                **self.fields,
                attempt=self.attempt,
                heartbeat=time.time(),
                pid=os.getpid(),
                host=host(),
                job=slurm_job(),
                seconds=round(self.seconds_before + time.monotonic() - self.since, 3),
                gpus=self.gpus,
            )
        except OSError as error:
            if self.could_write:
                self._say(f"{error}; the run goes on without it")
            self.could_write = False
        else:
            self.could_write = True

    def _say(self, what: str) -> None:
        with contextlib.suppress(OSError):  # a full disk again: it ends no run either
            print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {what}", flush=True)


def _seconds(status: dict[str, Any]) -> float:
    """Time that earlier attempts took, as far as they could say."""
    seconds = status.get("seconds", 0.0)
    return float(seconds) if isinstance(seconds, (int, float)) else 0.0


def _open_board(folder: RunFolder) -> SummaryWriter:
    require_extra("tensorboard")
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(folder.path / "tensorboard")
