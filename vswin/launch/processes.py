"""The processes of runs on this machine, one for each run; a warm process starts them."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence

from vswin.data.data_file import VARIABLE, sources_file
from vswin.errors import VswinError
from vswin.files import naming
from vswin.launch.warm import How, Order
from vswin.project import project_root
from vswin.runs.store import RunFolder

GRACE_S = 15.0
"""How long a run may take to stop when asked to, before it is killed (it can still be resumed)."""


def environment_anywhere() -> dict[str, str]:
    """This process's environment, for one that starts in another folder: paths are absolute.

    `python -m` looks first in the folder where it starts, and a file of the user's there, such as
    random.py, would take the place of a module; so processes start in the project's folder.
    """
    environment = dict(os.environ)
    if VARIABLE in environment:
        environment[VARIABLE] = str(sources_file())
    if places := environment.get("PYTHONPATH"):
        environment["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, places.split(os.pathsep)))
    return environment


class NoProcessError(VswinError):
    """The process that starts the runs cannot be started, or has died."""


class Processes:
    """Starts processes of runs, says how they ended, and stops them."""

    def __init__(self, threads: int, device: str = "cpu") -> None:
        """Starts nothing yet; each run shall have so many CPU threads."""
        # On other systems, a process that has imported torch must not fork; with GPUs, none that
        # has asked for them. Runs there take long, so that a start from nothing does not matter.
        self.how: How = "fork" if sys.platform == "linux" and device == "cpu" else "spawn"
        # The variables are read when torch is imported; without them its pools take every core.
        self.pools = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))
        self.alive: set[str] = set()
        self.warm: subprocess.Popen[bytes] | None = None
        self.complaints = tempfile.TemporaryFile()  # noqa: SIM115  closed with the process
        self.received = b""

    def start(self, run: RunFolder, arguments: Sequence[str], own: Mapping[str, str]) -> None:
        """Starts a run's process.

        Args:
            run: its folder.
            arguments: what `vswin.runs.execute` is called with beside the folder.
            own: what its environment says beside this process's.

        Raises:
            NotWritableError: if its log cannot be written.
            NoProcessError: if it cannot be started.
        """
        with naming(run.log), run.log.open("ab"):
            pass
        environment = {**environment_anywhere(), **self.pools, **own}
        words = (str(run.path.absolute()), *arguments)
        self._send(Order(run.run_id, words, environment, str(run.log.resolve())))
        self.alive.add(run.run_id)

    def ended(self) -> dict[str, int]:
        """The runs whose processes have ended since the last call, with their exit codes.

        Raises:
            NoProcessError: if the warm process has died; the runs end by themselves, then.
        """
        if self.warm is None or self.warm.stdout is None:
            return {}
        while part := self.warm.stdout.read(1 << 16):  # None where there is nothing now
            self.received += part
        if part == b"" and self.alive:
            raise NoProcessError(f"the process that starts the runs has died: {self._complaint()}")
        *lines, self.received = self.received.split(b"\n")
        found = {answer["name"]: answer["code"] for answer in map(json.loads, lines)}
        self.alive -= found.keys()
        return found

    def stop(self) -> None:
        """Asks all runs to stop, kills those that do not in time, and ends the warm process."""
        if self.warm is None:
            return
        try:
            for signum, patience in ((signal.SIGTERM, GRACE_S), (signal.SIGKILL, GRACE_S)):
                for name in self.alive:
                    self._send(Order(name, signal=signum))
                deadline = time.monotonic() + patience
                while self.alive and time.monotonic() < deadline:
                    self.ended()
                    time.sleep(0.02)
        except NoProcessError:  # whoever it has started notices
            self.alive.clear()
        finally:
            self.warm.communicate()  # closes its stdin, on which it ends
            self.complaints.close()
            self.warm = None

    def _send(self, order: Order) -> None:
        if self.warm is None:
            # A session of its own: Ctrl-C in the terminal reaches us alone, and we stop the runs.
            self.warm = subprocess.Popen(
                [sys.executable, "-m", "vswin.launch.warm", self.how],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self.complaints,
                bufsize=0,
                cwd=project_root(),
                env=environment_anywhere() | self.pools,
                start_new_session=True,
            )
            os.set_blocking(self.warm.stdout.fileno(), False)  # type: ignore[union-attr]
        try:
            text = json.dumps(dataclasses.asdict(order)) + "\n"
            self.warm.stdin.write(text.encode())  # type: ignore[union-attr]
        except BrokenPipeError as error:
            raise NoProcessError(
                f"the process that starts the runs has died: {self._complaint()}"
            ) from error

    def _complaint(self) -> str:
        """The last line that the warm process printed."""
        self.complaints.seek(0)
        lines = self.complaints.read().decode(errors="replace").split("\n")
        last = [line.strip() for line in lines if line.strip()]
        return last[-1] if last else "it says nothing"
