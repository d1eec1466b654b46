"""What a list of videos says, before labels and files are looked up."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections import Counter
from collections.abc import Container, Iterable
from pathlib import Path
from typing import NamedTuple

from vswin.data.published import class_key
from vswin.data.video_files import split_groups, without_suffix
from vswin.errors import VswinError

_PARTS = re.compile(
    "(start|end|begin|stop|offset)(frame|time|timestamp|sec|second|seconds|index|idx)?|(frame|time)(start|end)"
)
_NUMBER = re.compile(r"(-?\d+)(?:\.0+)?")


class AnnotationError(VswinError):
    """A list of videos or classes cannot be used; the message names file and entry."""

    exit_code = 2


class Entry(NamedTuple):
    """A video as a list has it."""

    where: str
    """For messages: "line 17"."""
    id: str
    path: str
    """Without suffix; relative to the folder of videos, or absolute."""
    suffix: str
    label: int | str | None
    """A number or a class's name as written; None where the list has none."""


@dataclasses.dataclass
class Listing:
    """A list of videos as it is written."""

    format: str
    """For messages."""
    entries: list[Entry] = dataclasses.field(default_factory=list)
    left_out: list[str] = dataclasses.field(default_factory=list)
    """What is not a video's entry, as "line 17: what is wrong"."""
    root: Path | None = None
    """The folder that the paths begin in, if the list tells."""
    scattered: bool = False
    """Whether the files may lie in folders of splits and classes, of which the list is silent."""


def entry_of(where: str, name: str, label: int | str | None) -> Entry:
    """An entry that names its file, on whichever system the list was written."""
    if "\\" in name and "/" not in name:
        name = name.replace("\\", "/")
    stem, suffix = without_suffix(name.removeprefix("./").rstrip("/"))
    return Entry(where, stem, stem, suffix, label)


def refuse_parts(path: Path, names: Iterable[str]) -> None:
    """Refuses a list of parts of videos, by what its columns or keys are called.

    Raises:
        AnnotationError: if one says where a part begins or ends.
    """
    found = [name for name in names if _PARTS.fullmatch(class_key(name))]
    if found:
        raise AnnotationError(
            f"{path} lists parts of videos ({', '.join(found)}); wanted whole ones: cut them and "
            "list the clips"
        )


def label_of(text: str) -> int | str | None:
    """A label as it is written: "3" and "3.0" are numbers, "" is none, all else is a name."""
    text = text.strip(" \t\"'")
    number = _NUMBER.fullmatch(text)
    return int(number[1]) if number else text or None


def several_labels(text: str, classes: Container[str]) -> bool:
    """Whether it is two labels or more, as "0,20", "yoga; zumba" or a JSON list's "[1, 2]".

    Args:
        text: what stands where the label should.
        classes: all class keys.
    """
    for separator in (r"[\s,;|/+&]+", r"[,;|/+&]"):
        parts = [part.strip(" \"'") for part in re.split(separator, text.strip(" []()"))]
        known = (isinstance(label_of(part), int) or class_key(part) in classes for part in parts)
        if len(parts) > 1 and all(known):
            return True
    return False


def names_of_split(path: Path, parts: Iterable[str], split: str) -> tuple[str, ...]:
    """Under which names a list has a split.

    Args:
        path: the list, for messages.
        parts: which split each row says it is of; no rows at all are of all splits.
        split: the one that is wanted.

    Raises:
        AnnotationError: if all rows are of other splits.
    """
    there = Counter(parts)
    wanted = next((names for names in split_groups(split) if there.keys() & set(names)), ())
    if there and not wanted:
        found = ", ".join(f"{count} of {name!r}" for name, count in there.items())
        raise AnnotationError(f"{path} has no row of split {split!r}; it has {found}")
    return wanted


def kinetics_name(youtube_id: str, start: object, end: object) -> str | None:
    """The name of a clip's file in all public copies; None without id or if the times are none.

    It has the YouTube id and the seconds at which the clip starts and ends, with six digits.
    """
    name, first, last = youtube_id.strip(), _six_digits(str(start)), _six_digits(str(end))
    return f"{name}_{first}_{last}" if name and first and last else None


@functools.lru_cache(maxsize=4096)
def _six_digits(seconds: str) -> str | None:
    """As files are named after it, "10.0" is 000010; None for what is no time."""
    try:
        value = int(float(seconds))
    except (ValueError, OverflowError):
        return None
    return f"{value:06d}" if value >= 0 else None
