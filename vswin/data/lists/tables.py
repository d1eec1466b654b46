"""Lists with a header: Kinetics' CSV as published, and tables with columns for file and class."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from vswin.data.datasets import class_key
from vswin.data.lists.listing import (
    AnnotationError,
    Entry,
    Listing,
    entry_of,
    kinetics_name,
    label_of,
    names_of_split,
    refuse_parts,
)
from vswin.data.lists.text import Lines, cells_of
from vswin.data.video_files import names_video, split_names

_DELIMITERS = "\t;,| "
_FILES = re.compile(
    "(video|clip|file|rel|relative|abs|absolute|full)?(path|file|filename|filepath)|videos?|clips?|"
    "(frame|video)?(dir|directory|folder)"
)
_IDS = re.compile("(video|clip|vid)?(name|id)|vid")
_LABELS = re.compile(
    "(class|action|target|video)?(label|class|category|action|activity|target|template|tag)"
    r"(s|id|name|idx|index|num|number|text)?\d*"
)
_SPLITS = re.compile("split|subset|set|partition")
_OTHERS = re.compile(
    "((num|n|total)?frames|framecount|length|duration|fps|width|height|timestart|timeend|iscc|url)?"
)
_YOUTUBE = re.compile("youtubeid")
"""What columns are called, without capitals, spaces and underscores."""
_KNOWN = (_FILES, _IDS, _YOUTUBE, _SPLITS, _OTHERS)
_KINETICS = ("label", "youtube_id", "time_start", "time_end", "split", "is_cc")
_ALL_SPLITS = {name for split in ("train", "val", "test") for name in split_names(split)}


class Header(NamedTuple):
    """The columns of a table."""

    delimiter: str
    names: tuple[str, ...]
    """As written."""

    @property
    def words(self) -> tuple[str, ...]:
        """The names without what spellings differ in."""
        return tuple(map(class_key, self.names))

    @property
    def names_videos(self) -> bool:
        """Whether a column says which video a row is of."""
        return bool(self.only(_FILES, _IDS, _YOUTUBE))

    @property
    def names_files(self) -> bool:
        """Whether a column has paths, and not only ids."""
        return bool(self.only(_FILES))

    @property
    def in_order(self) -> bool:
        """Whether spaces separate the columns, and these are file, class or file, frames, class."""
        ends = self.only(_FILES, _IDS)[:1] + self.only(_LABELS)
        return self.delimiter == " " and len(self.names) < 4 and ends == [0, len(self.names) - 1]

    def only(self, *known: re.Pattern[str]) -> list[int]:
        """The columns that have one of the known names."""
        places = enumerate(self.words)
        return [place for place, word in places if any(k.fullmatch(word) for k in known)]


def header_of(line: str) -> Header | None:
    """The columns that a line names, None if it is no header.

    A header has a word for the file and, unless all else in it is known to be something else, one
    for the class. No list has an entry like that: none of these words is a class.
    """
    for delimiter in _DELIMITERS:
        try:
            names = tuple(cells_of(line, delimiter))
        except csv.Error:
            continue
        header = Header(delimiter, names)
        whole = header.only(_LABELS) or len(header.only(*_KNOWN)) == len(names)
        if header.names_videos and whole:
            return header
    return None


def kinetics_header(line: str) -> Header | None:
    """The header that a line of Kinetics' CSV lacks, None if it is no such line."""
    try:
        cells = cells_of(line, ",")
    except csv.Error:
        return None
    for names in (_KINETICS, _KINETICS[:-1], _KINETICS[1:-1]):
        row = dict(zip(names, cells, strict=False))
        if len(names) != len(cells) or row["split"].lower() not in _ALL_SPLITS:
            continue
        if kinetics_name("-", row["time_start"], row["time_end"]):
            return Header(",", names)
    return None


class Row(NamedTuple):
    """A row of a table."""

    where: str
    """For messages."""
    cells: list[str]
    problem: str = ""
    """Why it does not fit the header."""


def read_table(
    path: Path, rows: Sequence[Row], header: Header, split: str, classes: Mapping[str, int]
) -> Listing:
    """The videos of a table.

    Args:
        path: the list, for messages.
        rows: what stands below the header.
        header: its columns; those that are not needed mean nothing.
        split: rows of other splits are skipped if a column says which split each is of.
        classes: label by class key.

    Raises:
        AnnotationError: if a column is missing, several could be meant, or all rows are of other
            splits.
    """
    files = header.only(_FILES) or ([] if "youtubeid" in header.words else header.only(_IDS))
    if len(files) > 1:
        raise _several(path, header, files, "the file")
    if not header.only(_YOUTUBE):
        refuse_parts(path, header.names)
    times = [] if files else _kinetics_columns(path, header)
    kind = "table with a header" if files else "Kinetics CSV"
    listing = Listing(kind, scattered=not files)
    table = [row.cells for row in rows if not row.problem]
    label = _label_column(path, header, table, classes)
    part = header.only(_SPLITS)[:1]
    parts = [cells[place].lower() for cells in table for place in part]
    wanted = names_of_split(path, filter(None, parts), split)
    for where, cells, problem in rows:
        if not problem and any(parts) and cells[part[0]].lower() not in wanted:
            if not cells[part[0]]:
                listing.left_out.append(f"{where}: it says no split")
            continue
        found = problem or _entry(where, cells, files, times, label)
        if isinstance(found, Entry):
            listing.entries.append(found)
        else:
            listing.left_out.append(f"{where}: {found}")
    return listing


def _entry(
    where: str, cells: list[str], files: list[int], times: list[int], label: int | None
) -> Entry | str:
    """What a row lists, or why it lists nothing.

    Args:
        where: for messages.
        cells: of the row.
        files: the column of the files' names; empty in Kinetics' CSV.
        times: the columns of YouTube id, start and end, where there is none.
        label: the column of the classes, None if there is none.
    """
    about = None if label is None else label_of(cells[label])
    if files:
        name = cells[files[0]]
        if not name:
            return "it names no file"
        if 0 < names_video(name) < len(name):
            return f"{name!r} goes on after the name of a video's file"
        return entry_of(where, name, about)
    youtube, start, end = (cells[place] for place in times)
    if clip := kinetics_name(youtube, start, end):
        return Entry(where, clip, clip, ".mp4", about)
    return f"{start!r} to {end!r} are no seconds" if youtube else "it has no YouTube id"


def _kinetics_columns(path: Path, header: Header) -> list[int]:
    """Of YouTube id, start and end."""
    names = ("youtube_id", "time_start", "time_end")
    missing = [name for name in names if class_key(name) not in header.words]
    if missing:
        raise AnnotationError(
            f"{path}: the Kinetics CSV has no column {missing[0]}; it has {', '.join(header.names)}"
        )
    return [header.words.index(class_key(name)) for name in names]


def rows_of(lines: Lines, header: Header) -> list[Row]:
    """The rows that lines hold."""
    return [_row(f"line {number}", line, header) for number, line in lines]


def _row(where: str, line: str, header: Header) -> Row:
    try:
        cells = cells_of(line, header.delimiter)
    except csv.Error as error:
        return Row(where, [], f"no CSV ({error})")
    problem = ""
    if len(cells) != len(header.names):
        plural = "" if len(cells) == 1 else "s"
        problem = f"{len(cells)} column{plural}, wanted {len(header.names)}"
    if len(cells) > len(header.names):
        problem += "; what has the separator in it needs quotes"
    return Row(where, cells, problem)


def _label_column(
    path: Path, header: Header, rows: list[list[str]], classes: Mapping[str, int]
) -> int | None:
    """Of several columns that could say the class, the one whose words are classes."""
    columns = header.only(_LABELS)
    if len(columns) < 2:
        return columns[0] if columns else None
    named = {place: sum(class_key(row[place]) in classes for row in rows) for place in columns}
    best = max(columns, key=lambda place: named[place])
    if not named[best] or sum(count == named[best] for count in named.values()) > 1:
        raise _several(path, header, columns, "the class")
    return best


def _several(path: Path, header: Header, places: list[int], what: str) -> AnnotationError:
    names = " and ".join(repr(header.names[place]) for place in places)
    return AnnotationError(f"{path}: the columns {names} could both say {what}; keep one of them")
