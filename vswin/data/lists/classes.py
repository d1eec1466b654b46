"""A dataset's own file of classes, compared with the order that labels have here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vswin.data.lists.listing import AnnotationError
from vswin.data.lists.text import content_lines, parse_json, read_text
from vswin.data.published import class_key

_NUMBER_FIRST = re.compile(r"\"?(\d+)\"?[\s,;|:]+(.+)")
_NUMBER_LAST = re.compile(r"(.+?)[\s,;|:]+\"?(\d+)\"?")


def require_classes(dataset: str, ours: Sequence[str], labels: Path) -> None:
    """Compares a file of classes with the order that labels have here.

    Args:
        dataset: its name, for messages.
        ours: its classes in the order that labels have here.
        labels: a JSON object of labels by class or the other way round, a JSON list, or a text with
            one class a line, which may have its label before or after it, and a header.

    Raises:
        AnnotationError: if it has other classes, the same in another order, or labels that are not
            0, 1, 2 and so on.
    """
    theirs = read_classes(labels)
    for label, (mine, other) in enumerate(zip(ours, theirs, strict=False)):
        if class_key(mine) != class_key(other):
            raise AnnotationError(
                f"{labels}: class {label} is {other!r}, here it is {mine!r}; with another order "
                "labels and published weights mean other classes"
            )
    if len(ours) != len(theirs):
        raise AnnotationError(f"{labels} has {len(theirs)} classes, {dataset} has {len(ours)}")


def read_classes(path: Path, first: Sequence[int] = (0,)) -> list[str]:
    """The classes of a file in the order of their labels; its forms are those of `require_classes`.

    Args:
        path: the file.
        first: what the label of the first class may be; 1 in UCF101's.

    Raises:
        AnnotationError: if it cannot be read, or labels do not count on from the first.
    """
    text = read_text(path, "a list of classes")
    if text.lstrip()[:1] not in ("[", "{"):
        lines = [line for _, line in content_lines(text)[0]]
        numbered = _numbered_lines(path, lines, first) or _numbered_lines(path, lines[1:], first)
        return numbered or lines
    content = parse_json(path, text)
    if isinstance(content, list):
        return [str(name) for name in content]
    if content and all(str(key).isdecimal() for key in content):
        content = {name: number for number, name in content.items()}
    return _in_order(path, content, first)


def _numbered_lines(path: Path, lines: list[str], first: Sequence[int]) -> list[str]:
    """Lines that all have a label before or after the class; none if they have not."""
    for pattern, name, number in ((_NUMBER_FIRST, 2, 1), (_NUMBER_LAST, 1, 2)):
        found = [pattern.fullmatch(line) for line in lines]
        labels = {match[name]: match[number] for match in found if match}
        if lines and len(labels) == len(lines):  # "digit 0", "digit 1" … is one name many times
            return _in_order(path, labels, first)
    return []


def _in_order(path: Path, labels: Mapping[str, Any], first: Sequence[int]) -> list[str]:
    try:
        numbers = {name: int(label) for name, label in labels.items()}
    except (TypeError, ValueError) as error:
        raise AnnotationError(f"{path}: labels should be numbers ({error})") from error
    names = sorted(numbers, key=lambda name: numbers[name])
    start = numbers[names[0]] if names and numbers[names[0]] in first else first[0]
    for place, name in enumerate(names, start):
        if numbers[name] != place:
            raise AnnotationError(
                f"{path}: the label of {name!r} is {numbers[name]}, wanted {place}; labels are 0, "
                "1, 2 and so on, each once"
            )
    return names
