"""What runs inside a job. Stateless: what is pickled is words; what was done is on disk.

A job that Slurm starts again, on whatever node and for whatever reason, finds the newest valid
checkpoint of its run and goes on from there.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import submitit

from vswin.errors import VswinError
from vswin.launch.slurm.private import remove_cut_files
from vswin.launch.slurm.signals import settle_signals
from vswin.place import slurm_job
from vswin.runs.reporter import Interrupted
from vswin.runs.requirements import SourceNotReadyError, require_source
from vswin.runs.store import RunFolder

PATIENCE_S = 240.0
"""How long a job waits for a run's former writer to be recognised as dead; it was on a node that
may have been lost seconds ago."""


class RunFailedError(VswinError):
    """A job's run did not complete; Slurm shall know."""


class BlockedError(VswinError):
    """A job's run starts from another one, which failed or is not complete."""


class CommandFailedError(VswinError):
    """A job's command ended with an error."""


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
            BlockedError: if a run that it starts from is not complete.
        """
        from vswin.runs.execute import main  # needs torch, which whoever submits does without

        environment = submitit.JobEnvironment()
        remove_cut_files(environment.paths.folder, environment.job_id, environment.global_rank)
        settle_signals()
        if environment.num_tasks > 1:
            submitit.helpers.TorchDistributedEnvironment().export(
                set_cuda_visible_devices=False, overwrite=True
            )
            os.environ["MASTER_ADDR"] = _address(os.environ["MASTER_ADDR"])
        try:
            self.require_sources()
        except BlockedError:
            if environment.global_rank == 0:
                self._note_interruption()
            raise
        try:
            # submitit ignores SIGTERM, and so must the run: with a grace time it comes that long
            # before the job is put back into the queue, and a job that ended by then would not be.
            arguments = [self.folder, *self.arguments, "--patience", str(PATIENCE_S)]
            code = main(arguments, stop_signals=(signal.SIGINT,))
        finally:
            for child in multiprocessing.active_children():
                child.kill()  # they ignore the signal that Python would end them with, and wait for
        if code:
            raise RunFailedError(f"{Path(self.folder).name} ended with code {code}; see above")
        return code

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """What submitit puts back into the queue after a signal: the same words.

        This runs between two instructions of whatever the run was doing, so it saves nothing.

        Raises:
            Interrupted: if this job cannot be put back; the run ends as one that can be resumed.
        """
        if not self.requeue or shutil.which("scontrol") is None:
            why = "the profile says requeue = false" if not self.requeue else "no scontrol here"
            raise Interrupted(f"Slurm wants the node back, and {why}; submit again to go on")
        return submitit.helpers.DelayedSubmission(self)

    def require_sources(self) -> None:
        """Refuses to begin a run before the runs that it starts from are complete.

        Raises:
            BlockedError: if one is not.
        """
        folder = RunFolder(Path(self.folder))
        config = folder.config()
        for ancestor in config.ancestors:
            source = RunFolder(folder.path.with_name(ancestor.run_id))
            if source.state() == "failed":
                raise BlockedError(f"{folder.run_id} starts from {source.run_id}, which failed")
        if folder.state() != "done":
            try:
                require_source(folder, config)
            except SourceNotReadyError as error:
                raise BlockedError(str(error)) from error

    def _note_interruption(self) -> None:
        """Leaves word that this job ended without a fault of its own run."""
        folder = RunFolder(Path(self.folder))
        folder.write_status(**folder.status() | {"state": "interrupted", "job": slurm_job()})


@dataclasses.dataclass(frozen=True)
class CommandJob:
    """Calls vswin once runs have ended, for a report of them, say."""

    arguments: tuple[str, ...]
    """Of the command line."""
    mark: str
    """A file that shall be as old as the store that the command has seen."""

    def __call__(self) -> int:
        """Calls it.

        Raises:
            CommandFailedError: if it ended with an error.
        """
        mark = Path(self.mark)
        mark.parent.mkdir(parents=True, exist_ok=True)
        seen = mark.with_name(f".tmp-{mark.name}-{os.getpid()}")  # by the file system's clock
        seen.touch()
        command = [sys.executable, "-m", "vswin", *self.arguments]
        code = subprocess.run(command, check=False).returncode
        if code:
            seen.unlink()
            words = " ".join(("vswin", *self.arguments))
            raise CommandFailedError(f"`{words}` ended with code {code}; see above")
        seen.replace(mark)
        return 0

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """The same again."""
        return submitit.helpers.DelayedSubmission(self)


def _address(node: str) -> str:
    """Where a node can be reached; Slurm's name for it need not be a host name.

    Raises:
        RunFailedError: if neither the network nor Slurm knows.
    """
    try:
        socket.getaddrinfo(node, None)
        return node
    except OSError as unknown:
        command = ["scontrol", "show", "node", node, "--oneliner"]
        try:
            answer = subprocess.run(
                command, capture_output=True, text=True, check=True, timeout=60
            ).stdout
        except (OSError, subprocess.SubprocessError) as error:
            raise RunFailedError(f"node {node} has no address: {unknown}, {error}") from error
    addresses = [word for word in answer.split() if word.startswith("NodeAddr=")]
    if not addresses:
        raise RunFailedError(f"node {node} has no address: scontrol names none")
    return addresses[0].removeprefix("NodeAddr=")
