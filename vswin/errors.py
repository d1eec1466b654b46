"""Errors that a user can cause. Each says in one line what was wrong and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class VswinError(Exception):
    """Base of all errors that the command line shows as one line, without a traceback."""


class UsageError(VswinError):
    """Something was asked for that does not exist; the message names what does."""


def unknown(what: str, name: str, known: Iterable[str], where: str = "") -> UsageError:
    """The error for a name that does not exist: says which do, and which is nearest."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return UsageError(f"unknown {what} {name!r}{where}; known: {', '.join(known)}{hint}")
