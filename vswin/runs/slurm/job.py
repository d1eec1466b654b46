"""What runs inside a job. Stateless: what is pickled is words; what was done is on disk.

A job that Slurm starts again, on whatever node and for whatever reason, finds the newest valid
checkpoint of its run and goes on from there.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import submitit

from vswin.errors import VswinError

PATIENCE_S = 240.0
"""How long a job waits for a run's former writer to be recognised as dead; it was on a node that
may have been lost seconds ago."""


class RunFailedError(VswinError):
    """A job's run did not complete; Slurm shall know."""


class BlockedError(VswinError):
    """A job's run starts from another one, which failed."""


class NotebookFailedError(VswinError):
    """A job's notebook stopped with an error."""


@dataclasses.dataclass(frozen=True)
class RunJob:
    """Trains and tests one run, or goes on with it."""

    folder: str
    """The run's folder."""
    arguments: tuple[str, ...]
    """What `vswin.runs.execute` is called with beside the folder."""
    requeue: bool
    """Whether the site lets a job be put back into the queue."""

    def __call__(self) -> int:
        """Executes the run.

        Raises:
            RunFailedError: if it did not complete.
            BlockedError: if a run that it starts from failed.
        """
        from vswin.runs.execute import main  # in the job, from the snapshot; it needs torch

        environment = submitit.JobEnvironment()
        if environment.global_rank == 0:
            _clear(environment.paths)
        if environment.num_tasks > 1:
            submitit.helpers.TorchDistributedEnvironment().export(
                set_cuda_visible_devices=False, overwrite=True
            )
            os.environ["MASTER_ADDR"] = _address(os.environ["MASTER_ADDR"])
        self.require_sources()
        code = main([self.folder, *self.arguments, "--patience", str(PATIENCE_S)])
        if code:
            raise RunFailedError(f"{Path(self.folder).name} ended with code {code}; see above")
        return code

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """What submitit puts back into the queue after a signal: the same words.

        This runs between two instructions of whatever the run was doing, so it saves nothing.

        Raises:
            Interrupted: if this job cannot be put back; the run ends as one that can be resumed.
        """
        from vswin.runs.reporter import Interrupted

        if not self.requeue or shutil.which("scontrol") is None:
            why = "the profile says requeue = false" if not self.requeue else "no scontrol here"
            raise Interrupted(f"Slurm wants the node back, and {why}; submit again to go on")
        return submitit.helpers.DelayedSubmission(self)

    def require_sources(self) -> None:
        """Refuses to repeat, in each job that starts from it, a run that has failed.

        Raises:
            BlockedError: if that is so.
        """
        from vswin.runs.identity import Initialisation
        from vswin.runs.store import RunFolder

        folder = RunFolder(Path(self.folder))
        init = folder.config().init
        while isinstance(init, Initialisation):
            source = RunFolder(folder.path.with_name(init.pretraining.run_id))
            if source.state() == "failed":
                raise BlockedError(f"{folder.run_id} starts from {source.run_id}, which failed")
            init = init.pretraining.init


@dataclasses.dataclass(frozen=True)
class NotebookJob:
    """Executes a table's notebook on what is in the store."""

    table: str
    protocol: str
    seeds: int
    results_dir: str

    def __call__(self) -> int:
        """Executes it.

        Raises:
            NotebookFailedError: if a cell failed.
        """
        # A command, for notebooks are above runs: they know reports.
        given = ("--protocol", self.protocol, "--seeds", str(self.seeds))
        given = (*given, "--results-dir", self.results_dir, "--no-run-missing")
        command = [sys.executable, "-m", "vswin", "notebook", self.table, *given]
        if code := subprocess.run(command, check=False).returncode:
            raise NotebookFailedError(f"the notebook of {self.table} ended with code {code}")
        return 0

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """The same again."""
        return submitit.helpers.DelayedSubmission(self)


def _clear(paths: submitit.core.utils.JobPaths) -> None:
    """Removes what an attempt that was killed while writing left; submitit would stumble on it."""
    for path in (paths.submitted_pickle, paths.result_pickle):
        path.with_suffix(path.suffix + ".save_tmp").unlink(missing_ok=True)


def _address(node: str) -> str:
    """Where a node can be reached; Slurm's name for it need not be a host name."""
    try:
        socket.getaddrinfo(node, None)
    except OSError:
        command = ["scontrol", "show", "node", node, "--oneliner"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        for word in answer.stdout.split():
            if word.startswith("NodeAddr="):
                return word.removeprefix("NodeAddr=")
    return node
