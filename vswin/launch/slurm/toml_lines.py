"""Where each key of a TOML file is given, which its reader does not tell."""

from __future__ import annotations

import sys
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:  # the same reader, from before it was in the standard library
    import tomli as tomllib

__all__ = ["key_lines", "tomllib"]


def key_lines(text: str) -> dict[tuple[str, ...], int]:
    """The line (from 1) where each key of a valid TOML text is given.

    The reader is asked about every beginning of the text that is whole: the keys that appear in one
    are of the statement that this beginning ends with.

    Returns:
        The line of each key, by its path from the top: ("notebook", "cpus").
    """
    found: dict[tuple[str, ...], int] = {}
    start, parts = 1, text.splitlines()
    for end in range(1, len(parts) + 1):
        try:
            content = tomllib.loads("\n".join(parts[:end]))
        except tomllib.TOMLDecodeError:
            continue  # within a statement of several lines
        for key in _keys(content):
            found.setdefault(key, start)
        start = end + 1
    return found


def _keys(content: dict[str, Any]) -> list[tuple[str, ...]]:
    """Every key of a table and of the tables in it."""
    keys: list[tuple[str, ...]] = [(key,) for key in content]
    for key, value in content.items():
        if isinstance(value, dict):
            keys += [(key, *inner) for inner in _keys(value)]
    return keys
