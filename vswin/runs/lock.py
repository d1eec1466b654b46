"""One writer for each run: a lock file with a heartbeat, which a dead writer loses."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vswin.errors import VswinError
from vswin.files import DamagedFileError, read_json

HEARTBEAT_S = 5.0
"""How often a writer shows that it lives."""
STALE_S = 90.0
"""Silence after which a writer on another host counts as dead."""


class LockedError(VswinError):
    """Somebody else is writing this run."""


@contextlib.contextmanager
def run_lock(folder: Path) -> Iterator[Callable[[], bool]]:
    """Holds the right to write in a run's folder; gives it back at the end of the block.

    Yields:
        Whether it is still ours: a writer whose host was silent for long may have lost it.

    Raises:
        LockedError: if another living process holds it.
    """
    path = folder / "lock"
    token = uuid.uuid4().hex

    def is_ours() -> bool:
        return _owner(path).get("token") == token

    _acquire(path, token)
    stop = threading.Event()
    beat = threading.Thread(target=_beat, args=(path, stop, is_ours), daemon=True)
    beat.start()
    try:
        yield is_ours
    finally:
        stop.set()
        beat.join()
        if is_ours():
            path.unlink(missing_ok=True)


def is_locked(folder: Path) -> bool:
    """Whether a living writer holds the run."""
    path = folder / "lock"
    try:
        return not _is_stale(path)
    except FileNotFoundError:
        return False


def _acquire(path: Path, token: str) -> None:
    """Creates the lock file, or takes it over from a dead writer.

    Whoever looks at the lock holds a second, kernel-kept lock meanwhile: otherwise two processes
    that both find a dead writer could each remove what the other has just created.
    """
    with path.with_name("lock.guard").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if not _is_stale(path):
                owner = _owner(path)
                raise LockedError(
                    f"{path.parent.name} is being written by process {owner.get('pid')} on "
                    f"{owner.get('host')}; wait for it, or stop it first"
                )
        pid = os.getpid()
        owner = {"token": token, "host": socket.gethostname(), "pid": pid, "start": _start(pid)}
        temporary = path.with_name(f".tmp-lock-{token}")
        temporary.write_text(json.dumps(owner))
        temporary.replace(path)


def _is_stale(path: Path) -> bool:
    """Whether the lock's owner is dead: on this host by its process, elsewhere by its silence.

    Raises:
        FileNotFoundError: if there is no lock.
    """
    silence = time.time() - path.stat().st_mtime
    owner = _owner(path)
    if owner.get("host") == socket.gethostname() and isinstance(owner.get("pid"), int):
        # A number may have been given to a new process; the time that one started tells.
        started = _start(owner["pid"])
        return started is None or started != owner.get("start")
    return silence > STALE_S


def _owner(path: Path) -> dict[str, Any]:
    """Who holds the lock; empty if that cannot be read."""
    with contextlib.suppress(DamagedFileError):
        return read_json(path) or {}
    return {}


def _start(pid: int) -> str | None:
    """When a process of this host started, in whatever unit; None if it is dead.

    A zombie is dead: nobody waits for orphans in containers without an init process.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
        try:  # no /proc on this system: the number alone must do
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            pass
        return "unknown"
    return None if fields[0] == "Z" else fields[19]


def _beat(path: Path, stop: threading.Event, is_ours: Callable[[], bool]) -> None:
    while not stop.wait(HEARTBEAT_S):
        with contextlib.suppress(OSError):
            if is_ours():
                os.utime(path)
