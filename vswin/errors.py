"""Errors that a user can cause. Each says in one line what was wrong and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class VswinError(Exception):
    """Base of all errors that the command line shows as one line, without a traceback."""

    exit_code = 1
    """What the command line ends with: 1, the work failed; 2, what was asked for is wrong."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows in place of a traceback, by IPython's convention: the one line."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(VswinError):
    """Something was asked for that does not exist; the message names what does."""

    exit_code = 2


def unknown(what: str, name: str, known: Iterable[str], where: str = "") -> UsageError:
    """The error for a name that does not exist: says which do, and which is nearest."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return UsageError(f"unknown {what} {name!r}{where}; known: {', '.join(known)}{hint}")
