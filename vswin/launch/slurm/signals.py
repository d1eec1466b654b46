"""Slurm's signals inside a job: submitit's handling of them, adapted to a training.

submitit answers SIGUSR2, which Slurm sends before a time limit, by putting the job back into the
queue, and lets SIGTERM pass: what must end is killed soon after, and goes on from its checkpoint.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from types import FrameType

from vswin.runs.reporter import Interrupted

PAUSES_S = (5.0, 20.0)
"""Before further attempts to go back to the queue; a controller that restarts needs some time."""


def settle_signals() -> None:
    """Wraps the handler that submitit has installed; to be called once, at the beginning of a job.

    Processes that are forked from this one (they decode videos) must leave the signals alone: each
    would put the job back into the queue, and one that ends takes the training with it. Who calls
    this kills them in the end.
    """
    requeue = signal.getsignal(signal.SIGUSR2)

    def handle(signum: int, frame: FrameType | None) -> None:
        if not callable(requeue):
            return
        signal.signal(signal.SIGUSR2, signal.SIG_IGN)  # once is enough
        for pause in (*PAUSES_S, None):
            try:
                requeue(signum, frame)
                return
            except (subprocess.SubprocessError, OSError) as error:
                if pause is None:
                    raise Interrupted(
                        f"Slurm wants the node back and would not take the job back ({error}); "
                        "submit again to go on"
                    ) from error
                print(f"Slurm did not take the job back ({error}); again in {pause:g} s")
                time.sleep(pause)

    signal.signal(signal.SIGUSR2, handle)
    os.register_at_fork(after_in_child=_leave_signals_alone)


def _leave_signals_alone() -> None:
    for signum in (signal.SIGUSR2, signal.SIGTERM):
        signal.signal(signum, signal.SIG_IGN)
