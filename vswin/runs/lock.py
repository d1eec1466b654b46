"""One writer for each run: a lock file with a heartbeat, which a dead writer loses."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vswin.errors import VswinError
from vswin.files import naming, write_text
from vswin.place import host, slurm_job

HEARTBEAT_S = 5.0
"""How often a writer shows that it lives."""
STALE_S = 90.0
"""Silence after which a writer on another host counts as dead."""
WATCH_S = 1.0
"""Time between two readings of a lock whose holder makes no sign of life."""
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class LockedError(VswinError):
    """Somebody else is writing this run."""


class NoLocksError(VswinError):
    """The file system of the results cannot lock files."""


@contextlib.contextmanager
def run_lock(folder: Path, patience_s: float = 0.0) -> Iterator[Callable[[], bool]]:
    """Holds the right to write in a run's folder; gives it back at the end of the block.

    Args:
        folder: the run's.
        patience_s: how long to wait while a holder on another host makes no sign of life. It may
            have died just now, as where Slurm restarts a job on another node: it counts as dead
            after `STALE_S` of silence, so that a patience of somewhat more settles it.

    Yields:
        Whether it is still ours: a writer whose host was silent for long may have lost it. It is
        lost where it is gone or says that it is another's. One that cannot be read just now says
        nothing, and a file server that stumbles must not end a training.

    Raises:
        LockedError: if another process holds it and lives, or was not given up for dead in time.
        NoLocksError: if the file system cannot lock files.
        NotWritableError: if nothing can be written in the folder.
    """
    path = folder / "lock"
    token = uuid.uuid4().hex

    def is_ours() -> bool:
        try:
            owner = _parsed(path.read_bytes())
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return owner.get("token", token) == token

    _acquire(path, token, patience_s)
    stop = threading.Event()
    beat = threading.Thread(target=_beat, args=(path, stop, is_ours), daemon=True)
    beat.start()
    try:
        yield is_ours
    finally:
        stop.set()
        beat.join()
        _release(path, token)


def is_locked(folder: Path) -> bool:
    """Whether a living writer holds the run; a lock that cannot be read just now may be one's."""
    path = folder / "lock"
    try:
        return not _read(path).is_dead
    except FileNotFoundError:
        return False
    except OSError:
        return True


@dataclasses.dataclass(frozen=True)
class _Holder:
    """Who holds a lock, as one reading of it shows."""

    owner: dict[str, Any]
    """What the lock says; empty if that cannot be read."""
    beat: int
    """When its holder last showed that it lives, by the file system's clock; nanoseconds."""
    silence: float
    """Seconds since."""

    @property
    def is_here(self) -> bool:
        """Whether it is a process of this host, which can be looked for."""
        return self.owner.get("host") == host() and isinstance(self.owner.get("pid"), int)

    @property
    def is_dead(self) -> bool:
        """On this host by its process, elsewhere by its silence."""
        if self.is_here:
            # A number may have been given to a new process; the time that one started tells.
            started = _start(self.owner["pid"])
            return started is None or started != self.owner.get("start")
        return self.silence > STALE_S

    def has_moved_since(self, before: _Holder) -> bool:
        """Whether somebody was seen to live: the heart has beaten, or another took the lock."""
        return (self.beat, self.owner.get("token")) != (before.beat, before.owner.get("token"))


def _acquire(path: Path, token: str, patience_s: float) -> None:
    """Creates the lock file, or takes it over from a dead writer.

    Whoever reads the lock holds a second, kernel-kept lock meanwhile: otherwise two processes
    that both find a dead writer could each remove what the other has just created.
    """
    deadline = time.monotonic() + patience_s
    first: _Holder | None = None
    while True:
        with _guarded(path):
            try:
                holder, reason = _read(path), None
            except FileNotFoundError:
                holder, reason = None, None
            except OSError as error:
                holder, reason = None, error
            if reason is None and (holder is None or holder.is_dead):
                _take(path, token)
                return
        remaining = deadline - time.monotonic()
        if holder is not None:
            first = first or holder
            if holder.is_here or holder.has_moved_since(first) or remaining <= 0:
                raise LockedError(_who(path, holder))
        elif reason is not None and remaining <= 0:
            raise LockedError(
                f"{path} cannot be read ({reason.strerror}), so {path.parent.name} may be being "
                "written by somebody; try again"
            ) from reason
        time.sleep(min(WATCH_S, remaining))


@contextlib.contextmanager
def _guarded(path: Path) -> Iterator[None]:
    guard = path.with_name("lock.guard")
    with naming(guard):
        file = guard.open("w")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            raise NoLocksError(
                f"{guard}: this file system cannot lock files ({error.strerror}), so that two "
                "writers could spoil a run; mount it with locks (Lustre: flock, NFS: without "
                "nolock) or choose another results folder"
            ) from error
        yield


def _take(path: Path, token: str) -> None:
    pid = os.getpid()
    owner = {
        "token": token,
        "host": host(),
        "pid": pid,
        "start": _start(pid),
        "job": slurm_job(),
    }
    write_text(path, json.dumps(owner))


def _release(path: Path, token: str) -> None:
    """Removes the lock if it is ours; where that cannot be told, it is a dead writer's once we end.

    Guarded: between reading it and removing it, a successor could have taken it over.
    """
    with contextlib.suppress(OSError, NoLocksError), _guarded(path):
        if _parsed(path.read_bytes()).get("token") == token:
            path.unlink()


def _read(path: Path) -> _Holder:
    """Reads a lock.

    Raises:
        FileNotFoundError: if there is none.
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:  # opened first: over NFS that makes the time of the beat new
        beat = os.fstat(file.fileno()).st_mtime_ns
        owner = _parsed(file.read())
    now = time.time() if owner.get("host") == host() else _clock_of(path)
    return _Holder(owner, beat, now - beat / 1e9)


def _clock_of(path: Path) -> float:
    """The time that the lock's file system would give a beat now; a server's may not be ours.

    Ours, where nothing may be written there.
    """
    guard = path.with_name("lock.guard")
    try:
        guard.touch()
        return guard.stat().st_mtime
    except OSError:
        return time.time()


def _who(path: Path, holder: _Holder) -> str:
    owner = holder.owner
    job = f" (Slurm job {owner['job']})" if owner.get("job") else ""
    where = f"process {owner.get('pid')} on {owner.get('host')}{job}"
    silent = (
        ""
        if holder.is_here
        else f", which last made a sign of life {max(0.0, holder.silence):.0f} s ago and counts as "
        f"dead after {STALE_S:.0f} s"
    )
    return f"{path.parent.name} is being written by {where}{silent}; wait for it, or stop it first"


def _parsed(content: bytes) -> dict[str, Any]:
    """What a lock says; nothing if a dead writer's is damaged."""
    with contextlib.suppress(ValueError):
        owner = json.loads(content)
        return owner if isinstance(owner, dict) else {}
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
