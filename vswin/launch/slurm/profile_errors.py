"""What is wrong with a profile, in one line for each problem: file, line, key, what was wanted."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vswin.launch.slurm.options import OF_NOTEBOOK, OF_RUNS
from vswin.launch.slurm.toml_lines import key_lines

Keys = Mapping[str, Sequence[str]]
"""The keys that there are, by table; "" is the top."""


def syntax_line(path: Path, text: str, message: str) -> str:
    """What the TOML reader could not read."""
    found = re.search(r"^(.*) \(at (?:line (\d+), column \d+|end of document)\)$", message)
    what, line = found.groups() if found else (message, None)
    if what.startswith(("Cannot overwrite", "Cannot declare")):
        what = "a key or table is given twice"
    return f"{path}, line {line or max(1, len(text.splitlines()))}: not valid TOML: {what}"


def problem_lines(path: Path, text: str, problems: Sequence[Any], keys: Keys) -> list[str]:
    """Every problem that pydantic found, in the order of the file's lines."""
    lines = key_lines(text)
    found = sorted(_explain(lines, problem, keys) for problem in problems)
    return [f"{path}, line {line}: {message}" for line, message in found]


def _explain(lines: dict[tuple[str, ...], int], problem: Any, keys: Keys) -> tuple[int, str]:
    """Where one problem is, and its key with what was wanted."""
    place = [str(part) for part in problem["loc"] if part != "[key]"]
    line = _nearest_line(lines, place)
    if problem["type"] == "extra_forbidden":
        return line, f"unknown key {'.'.join(place)!r}; {_nearest_key(place, keys)}"
    message = problem["msg"].removeprefix("Value error, ")
    for theirs, ours in (
        ("Input should be", "wanted"),
        ("greater than or equal to", "at least"),
        ("less than or equal to", "at most"),
        ("greater than", "more than"),
        (" a valid dictionary or instance of NotebookProfile", " a table"),
        ("a valid tuple", "a list"),
        ("a valid dictionary", "a table"),
        ("valid ", ""),
        ("a integer", "an integer"),
    ):
        message = message.replace(theirs, ours)
    if problem["type"] != "value_error":
        message += f", not {problem['input']!r}"
    return line, f"{'.'.join(place)}: {message}"


def _nearest_key(place: list[str], keys: Keys) -> str:
    """What to do about an unknown key."""
    *table, name = place
    known = keys[".".join(table)]
    option = name.replace("_", "-").lower()
    key = (OF_NOTEBOOK if table else OF_RUNS).get(option) or (
        "gpu_option" if option == "gres" else None
    )
    if key is not None and option != key.replace("_", "-"):
        return f"did you mean {key!r}?"
    if table and name in keys[""]:
        return f"it belongs above the first [...], not into [{'.'.join(table)}]"
    close = difflib.get_close_matches(option.replace("-", "_"), known, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    further = ".".join([*table, "sbatch"])
    return f"known: {', '.join(known)}; further options of sbatch go into [{further}]"


def _nearest_line(lines: dict[tuple[str, ...], int], place: list[str]) -> int:
    """The line of the innermost part of `place` that the file has."""
    while place and tuple(place) not in lines:
        place = place[:-1]
    return lines.get(tuple(place), 1)
