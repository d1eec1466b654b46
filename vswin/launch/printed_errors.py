"""What the files tell that processes print to: which is the newest, and which ends in an error.

A run of several processes keeps the error of its main process in error.json. That of another one is
only in what that one printed, since it ends before anybody could note it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

TAIL = 1 << 16
"""Bytes at the end of a log that are searched."""
_ERROR = re.compile(
    r"(?:\[rank\d+\]: )?"  # torch writes so where processes work together
    r"((?:\w+: )?error: .+|Fatal Python error: .+|(?:\w+\.)*\w*(?:Error|Exception)(?:: .*)?)"
)
_NO_CAUSE = re.compile(r"[\w.]*RunFailedError: |slurmstepd: error: \*\*\*")
"""That a job ended, or was ended, is no reason."""


@dataclasses.dataclass(frozen=True)
class LoggedError:
    """An error that a process printed."""

    process: int
    path: Path
    """Its log."""
    line: str
    """The last line that is an error's."""
    modified: float
    """When the log was last written."""


def logged_errors(logs: Mapping[int, Path]) -> list[LoggedError]:
    """The errors that processes printed last; first that of the process that fell silent first.

    The others end because of it, and later.

    Args:
        logs: what each process printed to; files that cannot be read are left out.
    """
    found = []
    for process, path in logs.items():
        with contextlib.suppress(OSError):
            if line := _last_error(path):
                found.append(LoggedError(process, path, line, path.stat().st_mtime))
    return sorted(found, key=lambda error: (error.modified, error.process))


def newest(paths: Iterable[Path]) -> Path | None:
    """The file that was written last; None if there is none of them."""
    times = {}
    for path in paths:
        with contextlib.suppress(OSError):
            times[path] = path.stat().st_mtime_ns
    return max(times, key=times.__getitem__, default=None)


def _last_error(path: Path) -> str | None:
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - TAIL))
        lines = file.read().decode(errors="replace").splitlines()
    for line in reversed(lines):
        if (found := _ERROR.fullmatch(line.rstrip())) and not _NO_CAUSE.match(found[1]):
            return found[1]
    return None
