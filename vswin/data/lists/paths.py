"""Lists without a header: `path label`, `path frames label`, or paths alone.

What stands between the columns, which lines have numbers before the label and where a path with
spaces ends is decided for the list as a whole; a line that does not fit the others is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from vswin.data.datasets import class_key
from vswin.data.lists.listing import AnnotationError, Listing, entry_of, label_of, several_labels
from vswin.data.lists.text import Lines
from vswin.data.video_files import names_video

_EDGES = " \t,;|\N{NO-BREAK SPACE}"
_ANY = r"[\s,;|]+"
_QUOTED = re.compile(rf"""(["'])(.+?)\1(?:{_ANY}.*)?""")


class _Row(NamedTuple):
    number: int
    """Of the line, from 1."""
    full: str
    """The path and, where they may be the end of it, the numbers."""
    path: str
    numbers: tuple[int, ...]
    """What stands between the path and the label."""
    label: int | str | None
    exact: bool
    """Whether the path ends for certain where it does: in quotes, or like the name of a video."""
    tail: str
    """What is written after the path."""
    line: str

    @property
    def where(self) -> str:
        """For messages."""
        return f"line {self.number}"

    @property
    def mixed(self) -> bool:
        """Whether not the same stands before each number and the label, as in `a.mp4 1,2`."""
        found = re.findall(_ANY, self.tail)[: len(self.numbers) + 1]
        return len({separator.strip() for separator in found}) > 1


def read_path_list(
    path: Path, lines: Lines, classes: Mapping[str, int], columns: int | None = None
) -> Listing:
    """Paths and labels, separated by spaces, tabs, commas, semicolons or bars.

    A label is a number or the name of a class, and comes last; paths may have spaces. A number
    before the label in every line is that of the frames, which is not used. Without a header that
    says so, some of these numbers must be too large for labels.

    Args:
        path: the list, for messages.
        lines: its lines.
        classes: label by class key.
        columns: 2 (path, label) or 3 (path, frames, label) if a header says so.

    Raises:
        AnnotationError: if the columns can be read in two ways.
    """
    listing = Listing("list of paths and labels")
    separator = _separator([line for _, line in lines], classes)
    rows = [_cut(number, line, separator, classes) for number, line in lines]
    labelled = [row for row in rows if row.label is not None]
    if not labelled:
        _refuse_label_first(path, rows, classes)
    _refuse_index(path, rows)
    frames = columns == 3
    if columns is None and labelled and all(row.numbers for row in labelled):
        frames = True
        _refuse_other_orders(path, labelled, len(classes))
        fitting = [row for row in labelled if row.exact or (separator or "\n") not in row.path]
        _refuse_several_labels(path, fitting, len(classes))
    elif columns is None and separator in (",", ";", "|"):
        _refuse_several_separators(path, labelled)
    for row in rows:
        name = row.path
        if columns == 3 and isinstance(row.label, int) and not row.numbers:
            listing.left_out.append(f"{row.where}: no number of frames before the label")
            continue
        if frames and row.label is not None:
            several = len(row.numbers) > 1 or row.mixed or (not columns and row.numbers[0] < 1)
        else:
            several = bool(row.numbers) and (row.exact or row.mixed)
            name = row.path if several else row.full
        if several:
            listing.left_out.append(
                f"{row.where}: several numbers after {name!r} ({row.tail.strip(_EDGES)}); wanted "
                "one label, or frames and a label, the same in all lines"
            )
        elif not row.exact and separator and separator in name:
            listing.left_out.append(
                f"{row.where}: {row.line.count(separator) + 1} columns; wanted path and label, or "
                "path, frames and label. A name that has the separator in it needs quotes"
            )
        else:
            listing.entries.append(entry_of(row.where, name, row.label))
    return listing


def _separator(lines: Sequence[str], classes: Mapping[str, int]) -> str | None:
    """What stands before the label in more than half of the lines; None: spaces, or anything."""

    def labels(separator: str) -> int:
        ends = (line.rpartition(separator)[::2] for line in lines)
        return sum(bool(before) and _is_label(label_of(end), classes) for before, end in ends)

    best = max("\t;,|", key=labels)
    return best if 2 * labels(best) > len(lines) else None


def _cut(number: int, line: str, separator: str | None, classes: Mapping[str, int]) -> _Row:
    """A line's path, numbers and label."""

    def exact(path: str, tail: str) -> _Row:
        return _Row(number, path, path, *_tail(tail, classes), True, tail, line)

    def loose(full: str, label: int | str | None) -> _Row:
        path, numbers = full, list[int]()
        while (cut := _number_off(path, separator)) and label is not None:
            path = cut[0]
            numbers.insert(0, cut[1])
        return _Row(number, full, path, tuple(numbers), label, False, line[len(path) :], line)

    quoted = _QUOTED.fullmatch(line)
    if quoted:
        row = exact(quoted[2].replace('""', '"'), line[quoted.end(2) + 1 :])
        several = isinstance(row.label, str) and several_labels(row.label, classes)
        if several or row.label is None or _is_label(row.label, classes):
            return row
    end = names_video(line)
    last = re.fullmatch(rf"""(.+?){_ANY}(["'])([^"']+)\2""", line)
    if not end and last and several_labels(last[3], classes):
        end = last.end(1)
    if end:
        return exact(line[:end], line[end:])
    for match in re.finditer(_ANY, line):
        if match.start() and class_key(line[match.end() :]) in classes:
            return loose(line[: match.start()], line[match.end() :])
    if cut := _number_off(line, separator):
        return loose(*cut)
    for pattern in (r"\s*[\t;,|]\s*", r"\s+(?=\S+$)"):
        parts = re.split(pattern, line, maxsplit=1)
        if len(parts) == 2 and parts[0]:
            name, label = parts
            return _Row(number, name, name, (), label_of(label), True, line[len(name) :], line)
    return loose(line, None)


def _number_off(text: str, separator: str | None) -> tuple[str, int] | None:
    """What is before the number that a text ends in, and that number."""
    between = rf"\s*{re.escape(separator)}\s*" if separator else _ANY
    found = re.fullmatch(rf"""(.+?){between}((["']?)-?\d+(?:\.0+)?\3)""", text)
    label = label_of(found[2]) if found else None
    return (found[1], label) if found and isinstance(label, int) else None


def _tail(text: str, classes: Mapping[str, int]) -> tuple[tuple[int, ...], int | str | None]:
    """The numbers and the label that stand after a path."""
    text = text.strip(_EDGES)
    if re.fullmatch(r"""(["'])[^"']*\1""", text):  # in quotes it is one cell, whatever is in it
        return (), label_of(text)
    cells = re.split(_ANY, text)
    numbers = [number for number in map(label_of, cells) if isinstance(number, int)]
    if class_key(text) not in classes and len(numbers) == len(cells):
        return tuple(numbers[:-1]), numbers[-1]
    first = label_of(cells[0])
    rest = text[len(cells[0]) :].strip(_EDGES)
    if isinstance(first, int) and class_key(rest) in classes:
        return (first,), label_of(rest)
    return (), label_of(text)


def _is_label(label: int | str | None, classes: Mapping[str, int]) -> bool:
    return isinstance(label, int) or (label is not None and class_key(label) in classes)


def _refuse_label_first(path: Path, rows: Sequence[_Row], classes: Mapping[str, int]) -> None:
    """Paths without labels that all begin like one; in quotes they do not."""
    first = [re.match(r"""([^"'].*?)(?:[\t;,|]\s*|\s+)\S""", row.line) for row in rows]
    labels = [match[1] for match in first if match and _is_label(label_of(match[1]), classes)]
    if rows and len(labels) == len(rows):
        raise AnnotationError(
            f"{path}, {rows[0].where}: {labels[0]!r} stands first like a label; write path, then "
            "label, or put the name into quotes if it begins like that"
        )


def _refuse_index(path: Path, rows: Sequence[_Row]) -> None:
    """Names that begin with 0, 1, 2 and so on: a column that some tools write first."""
    first = [re.match(rf"(\d+){_ANY}\S", row.line) for row in rows if row.exact]
    numbers = [int(match[1]) for match in first if match]
    if len(rows) > 1 and numbers in (list(range(len(rows))), list(range(1, len(rows) + 1))):
        raise AnnotationError(
            f"{path}, {rows[0].where}: {numbers[0]} stands before the name, and the lines count on "
            "from there; take that column away, or put the names into quotes"
        )


def _refuse_other_orders(path: Path, rows: Sequence[_Row], classes: int) -> None:
    """Numbers before the labels that may be no frames."""
    labels = [row.label for row in rows if isinstance(row.label, int)]
    if len(labels) == len(rows) and max(row.numbers[-1] for row in rows) < classes <= max(labels):
        row = next(row for row in rows if row.label == max(labels))
        raise AnnotationError(
            f"{path}, {row.where}: {row.label} stands where the label should and is none, and all "
            f"of the numbers before could be labels; wanted path, frames, label"
        )
    names = {row.path for row in rows}
    loose = next((row for row in rows if not row.exact), None)
    if loose and len(names) < len(rows) == len({(row.path, row.numbers) for row in rows}):
        raise AnnotationError(
            f"{path}, {loose.where}: {loose.numbers[-1]} is the number of frames or the end of the "
            f'name? Put the names into quotes, as in "{loose.full}" {loose.label}'
        )


def _refuse_several_labels(path: Path, rows: Sequence[_Row], classes: int) -> None:
    """Numbers before the labels that may all be labels, too."""
    if max((row.numbers[0] for row in rows), default=classes) >= classes:
        return
    if row := next((row for row in rows if isinstance(row.label, int)), None):
        raise _two_readings(path, row)


def _refuse_several_separators(path: Path, rows: Sequence[_Row]) -> None:
    """Names without suffix that all end in a space and a number, as `a 1,2`.

    The number is part of the name if without it different lines would have the same one.
    """
    loose = [row.full for row in rows if not row.exact and isinstance(row.label, int)]
    stems = {match[1] for name in loose if (match := re.fullmatch(r"(.+?)\s+\d+", name))}
    if rows and len(stems) == len(rows):
        raise _two_readings(path, rows[0])


def _two_readings(path: Path, row: _Row) -> AnnotationError:
    quotes = "" if row.exact else "; if they end the name, put that into quotes"
    return AnnotationError(
        f"{path}, {row.where}: the numbers in {row.line!r} may be several labels of one video, or "
        "frames and a label. Leave one label; if they are frames and a label, write the line "
        f"`path frames label` above the list{quotes}"
    )
