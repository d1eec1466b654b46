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
from collections.abc import Iterator
from pathlib import Path

from vswin.errors import VswinError
from vswin.files import read_json

HEARTBEAT_S = 5.0
"""How often a writer shows that it lives."""
STALE_S = 90.0
"""Silence after which a writer on another host counts as dead."""


class LockedError(VswinError):
    """Somebody else is writing this run."""


@contextlib.contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Holds the right to write in a run's folder; gives it back at the end of the block.

    Raises:
        LockedError: if another living process holds it.
    """
    path = folder / "lock"
    token = uuid.uuid4().hex
    _acquire(path, token)
    stop = threading.Event()
    beat = threading.Thread(target=_beat, args=(path, stop), daemon=True)
    beat.start()
    try:
        yield
    finally:
        stop.set()
        beat.join()
        if (read_json(path) or {}).get("token") == token:
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
        text = json.dumps({"token": token, "host": socket.gethostname(), "pid": os.getpid()})
        temporary = path.with_name(f".tmp-lock-{token}")
        temporary.write_text(text)
        temporary.replace(path)


def _is_stale(path: Path) -> bool:
    """Whether the lock's owner is dead.

    Raises:
        FileNotFoundError: if there is no lock.
    """
    age = time.time() - path.stat().st_mtime
    if age > STALE_S:
        return True
    owner = _owner(path)
    return owner.get("host") == socket.gethostname() and not _is_alive(owner.get("pid"))


def _owner(path: Path) -> dict[str, object]:
    try:
        return read_json(path) or {}
    except ValueError:
        return {}


def _is_alive(pid: object) -> bool:
    if not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it lives, under another user
    try:  # a killed process that nobody has waited for (containers without an init) is dead, too
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return True


def _beat(path: Path, stop: threading.Event) -> None:
    while not stop.wait(HEARTBEAT_S):
        with contextlib.suppress(OSError):
            os.utime(path)
