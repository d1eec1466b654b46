"""Lists of other datasets and files of classes, which are called what they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from vswin.data.datasets import class_key
from vswin.data.lists.listing import AnnotationError, Entry, Listing
from vswin.data.lists.text import Lines
from vswin.data.video_files import PICTURES

_UCF101 = re.compile(r"(?:.*/)?v_([A-Za-z]+)_g\d\d_c\d\d")
_HMDB51 = re.compile(r".*_[a-z]_(?:cm|nm)_np\d+_(?:fr|ba|le|ri)_(?:goo|med|bad)_\d+")
_AVA = re.compile(r"[^,\s]+,\s*0?\d{3,4}(?:,\s*[01]?\.\d+){4}(?:,.*)?")

_NUMBERED = re.compile(r"(\d+)[\s,;|]+([^\d/\\.]+)")
"""A class with its number in front."""

_NO_DATASET = "docs/own_dataset.md says how data.yaml describes it"


def refuse_stranger_lines(path: Path, lines: Lines, classes: Mapping[str, int]) -> None:
    """Refuses lists that their lines give away before they are read.

    Raises:
        AnnotationError: says what the list is.
    """
    first = lines[0][1] if lines else ""
    if len(lines) > 2 and all(class_key(line) in classes for _, line in lines[1:]):
        raise _class_file(path)
    if re.fullmatch(r"id[,;\t]\s*name", first.lower()):
        raise _class_file(path)
    _refuse_other_classes(path, lines, classes)
    if _AVA.fullmatch(first):
        raise AnnotationError(
            f"{path} is a list of AVA: boxes in frames, each with its actions, which is another "
            "task; wanted one class for each video"
        )
    if {"subject", "scene", "script", "actions"} <= set(map(class_key, first.split(","))):
        raise AnnotationError(
            f"{path} is Charades' list: several actions in one video, which is another task; "
            "wanted one class for each video"
        )
    if re.match(r"https?://", first):
        raise AnnotationError(
            f"{path}, line {lines[0][0]}: an address to download from; wanted a list of files that "
            "are here"
        )


def refuse_strangers(path: Path, listing: Listing, classes: Mapping[str, int]) -> None:
    """Refuses what can be read, but is no list of this dataset's videos.

    Raises:
        AnnotationError: says what the list is.
    """
    entries = listing.entries
    if not entries or listing.scattered:
        return
    if _is_class_file(entries, classes):
        raise _class_file(path)
    if all(entry.id.lower().endswith(PICTURES) for entry in entries):
        raise AnnotationError(f"{path} lists pictures, as of extracted frames; wanted videos")
    ucf = [_UCF101.fullmatch(entry.id) for entry in entries]
    if all(ucf) and not all(match and class_key(match[1]) in classes for match in ucf):
        raise AnnotationError(
            f"{path} is a list of UCF101, which has other classes (and counts them from 1); "
            f"{_NO_DATASET}"
        )
    if all(_HMDB51.fullmatch(entry.id) and entry.label in (0, 1, 2) for entry in entries):
        raise AnnotationError(
            f"{path} is a list of HMDB51, whose 0, 1 and 2 are no classes: they say that a video "
            f"is not used, is for training, or for testing; {_NO_DATASET}"
        )


def _refuse_other_classes(path: Path, lines: Lines, classes: Mapping[str, int]) -> None:
    """Refuses files of another dataset's classes: with numbers that count on, or UCF101's."""
    numbers = r"^\d+[\s,;|]+|[\s,;|]+\d+$"
    keys = {class_key(re.sub(numbers, "", line)) for _, line in lines[:1000]}
    if "applyeyemakeup" in keys - classes.keys() and len(keys) == len(lines):
        raise AnnotationError(
            f"{path} is UCF101's file of classes, no list of videos, and these are other classes; "
            f"{_NO_DATASET}"
        )
    found = [_NUMBERED.fullmatch(line) for _, line in lines]
    names = {class_key(match[2]): int(match[1]) for match in found if match}
    counted = list(names.values()) in ([*range(len(lines))], [*range(1, len(lines) + 1)])
    if len(lines) > 2 and counted and not names.keys() <= classes.keys():
        raise AnnotationError(
            f"{path} is a file of classes, no list of videos, and has other classes than the "
            "dataset, as "
            f"{next(match[2] for match in found if match and class_key(match[2]) not in classes)!r}"
        )


def _class_file(path: Path) -> AnnotationError:
    return AnnotationError(f"{path} is a file of classes, no list of videos; `labels` takes it")


def _is_class_file(entries: list[Entry], classes: Mapping[str, int]) -> bool:
    """Whether the entries are classes and their labels, from 0 or from 1 on."""
    shifts = set[int | None]()
    for entry in entries:
        name, number = entry.id, entry.label
        if name.isdecimal() and isinstance(number, str):
            name, number = number, int(name)
        label = classes.get(class_key(name))
        shifts.add(number - label if isinstance(number, int) and label is not None else None)
    return len(entries) > 1 and shifts in ({0}, {1})
