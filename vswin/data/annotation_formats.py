"""The formats in which videos and their classes are listed, each read as far as its content says.

What a class's label is, which videos are listed twice and where the files are is not decided here
but in `vswin.data.annotations`.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from vswin.data.datasets import class_key, class_keys, class_names
from vswin.data.video_files import split_groups, split_names, without_suffix
from vswin.errors import VswinError


class AnnotationError(VswinError):
    """A list of videos or classes cannot be used; the message names file and entry."""


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


def read_listing(path: Path, split: str, dataset: str) -> Listing:
    """Reads a list whose format is recognised by its content.

    Args:
        path: a CSV as DeepMind and CVDF publish it, a JSON file of Something-Something, a text list
            of paths or ids with labels, or a folder of class folders.
        split: rows of other splits are skipped where rows tell theirs.
        dataset: a name of `vswin.data.datasets`.

    Raises:
        AnnotationError: if it cannot be read.
    """
    if path.is_dir():
        return read_class_folders(path, split, dataset)
    text = read_text(path)
    if text.lstrip()[:1] in ("[", "{"):
        return read_ssv2_json(path, text)
    first = text.lstrip().partition("\n")[0]
    if not first:
        raise AnnotationError(f"{path} is empty; wanted a list of videos")
    if "youtube_id" in (name.strip(' "\r').lower() for name in first.split(",")):
        return read_kinetics_csv(path, text, split)
    return read_path_list(text, class_keys(dataset))


def read_text(path: Path) -> str:
    """The text of a list, without byte order mark.

    Raises:
        AnnotationError: if it is not there or no text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise AnnotationError(f"there is no file or folder {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise AnnotationError(f"{path} cannot be read as text ({error})") from error


def read_kinetics_csv(path: Path, text: str, split: str) -> Listing:
    """`label,youtube_id,time_start,time_end,split[,is_cc]`, without label for tests.

    A video's id is its file's name in all public copies: the YouTube id and the seconds at which
    it starts and ends, with six digits.

    Raises:
        AnnotationError: if a column is missing, or all rows are of other splits.
    """
    listing = Listing("Kinetics CSV", scattered=True)
    rows = _rows(path, csv.reader(io.StringIO(text, newline=""), skipinitialspace=True))
    header = [name.strip().lower() for name in next(rows)[1]]
    columns = {name: header.index(name) for name in header}
    for name in ("youtube_id", "time_start", "time_end"):
        if name not in columns:
            raise AnnotationError(f"{path}: the {listing.format} has no column {name}")
    youtube, start, end = (columns[n] for n in ("youtube_id", "time_start", "time_end"))
    label, part = columns.get("label"), columns.get("split")
    table = list(rows)
    there = Counter(
        row[part].strip().lower() for _, row in table if part is not None and len(row) > part
    )
    wanted = next((names for names in split_groups(split) if there.keys() & set(names)), ())
    for where, row in table:
        if len(row) != len(header):
            listing.left_out.append(f"{where}: {len(row)} columns, wanted {len(header)}")
            continue
        if part is not None and row[part].strip().lower() not in wanted:
            continue
        times = _six_digits(row[start]), _six_digits(row[end])
        if None in times:
            listing.left_out.append(f"{where}: {row[start]!r} to {row[end]!r} are no seconds")
            continue
        name = f"{row[youtube].strip()}_{times[0]}_{times[1]}"
        listing.entries.append(
            Entry(where, name, name, ".mp4", None if label is None else row[label])
        )
    if there and not wanted:
        found = ", ".join(f"{count} of {name!r}" for name, count in there.items())
        raise AnnotationError(f"{path} has no row of split {split!r}; it has {found}")
    return listing


@functools.lru_cache(maxsize=4096)
def _six_digits(seconds: str) -> str | None:
    """As files are named after it, "10.0" is 000010; None for what is no time."""
    try:
        value = int(float(seconds))
    except (ValueError, OverflowError):
        return None
    return f"{value:06d}" if value >= 0 else None


def _rows(path: Path, reader: Any) -> Iterator[tuple[str, list[str]]]:
    """The rows of a CSV that are not empty, and where each is."""
    try:
        for row in reader:
            if any(row):
                yield f"line {reader.line_num}", row
    except csv.Error as error:
        raise AnnotationError(f"{path}, line {reader.line_num}: no CSV ({error})") from error


def read_ssv2_json(path: Path, text: str) -> Listing:
    """Something-Something's `[{"id": …, "template": "Holding [something]"}, …]`; tests: only ids.

    Raises:
        AnnotationError: if it is something else.
    """
    listing = Listing("Something-Something JSON")
    items = parse_json(path, text)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise AnnotationError(f"{path} is no {listing.format}: wanted a list of objects with ids")
    for number, item in enumerate(items, 1):
        if "id" not in item:
            listing.left_out.append(f"item {number}: it has no id")
            continue
        name = str(item["id"])
        where = f"item {number} (id {name})"
        listing.entries.append(Entry(where, name, name, ".webm", item.get("template")))
    return listing


def parse_json(path: Path, text: str) -> Any:
    """What a JSON file holds.

    Raises:
        AnnotationError: if it is no JSON.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        raise AnnotationError(f"{path} is no JSON ({error})") from error


def read_class_folders(path: Path, split: str, dataset: str) -> Listing:
    """`<split>/<class>/<video>`, or the folder of a split itself.

    What a folder's class is, its name says; which folders there are decides nothing. Ids are the
    same whether a copy writes `clean and jerk` or `clean_and_jerk`.

    Raises:
        AnnotationError: if no folder is named like a class.
    """
    classes = class_keys(dataset)
    inner = (path / name for name in split_names(split))
    path = next((folder for folder in inner if folder.is_dir()), path)
    listing = Listing("class folders", root=path)
    folders = sorted(
        (each for each in path.iterdir() if not each.name.startswith(".")),
        key=lambda each: (classes.get(class_key(each.name), len(classes)), each.name),
    )
    if not any(class_key(each.name) in classes for each in folders):
        raise AnnotationError(f"no folder in {path} is named like a class of {dataset}")
    for folder in folders:
        label = classes.get(class_key(folder.name))
        if not folder.is_dir():
            listing.left_out.append(f"{folder.name}: a file, wanted folders named like classes")
        elif label is None:
            listing.left_out.append(f"folder {folder.name}: no class of {dataset}")
        else:
            _read_class_folder(folder, label, class_names(dataset)[label], listing)
    return listing


def _read_class_folder(folder: Path, label: int, title: str, listing: Listing) -> None:
    for file in sorted(each.name for each in folder.iterdir()):
        where = f"{folder.name}/{file}"
        if file.startswith("."):
            continue
        stem, suffix = without_suffix(file)
        if not suffix:
            listing.left_out.append(f"{where}: not the name of a video file")
            continue
        path = f"{folder.name}/{stem}"
        listing.entries.append(Entry(where, f"{title}/{stem}", path, suffix, label))


def read_path_list(text: str, classes: Mapping[str, int]) -> Listing:
    """`path label`, `path frames label` or only paths, separated by spaces, tabs or commas.

    A label is a number or, after a tab or comma, the name of a class, and always comes last; paths
    may have spaces. The number of frames is there if it is in all lines, and is not used.

    Args:
        text: the list; empty lines mean nothing.
        classes: label by class key.
    """
    listing = Listing("list of paths and labels")
    lines = [(i, line.strip()) for i, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not any(_has_label(line) for _, line in lines):
        rows: list[tuple[int, str, int | str | None]] = [(i, line, None) for i, line in lines]
    else:
        rows = [(number, *_cut_label(line, classes)) for number, line in lines]
        if all(_ends_in_number(path) for _, path, _ in rows):
            rows = [(number, _cut(path)[0], label) for number, path, label in rows]
    for number, path, label in rows:
        stem, suffix = without_suffix(path.strip("\"'").removeprefix("./"))
        listing.entries.append(Entry(f"line {number}", stem, stem, suffix, label))
    return listing


def _has_label(line: str) -> bool:
    return bool(_cut(line)[0]) and not without_suffix(line.strip("\"'"))[1]


def _ends_in_number(path: str) -> bool:
    rest, last = _cut(path)
    return bool(rest) and last.isdecimal()


def _cut(line: str) -> tuple[str, str]:
    """What is before and after the last separator; nothing before where there is none."""
    at = max(line.rfind(" "), line.rfind("\t"), line.rfind(","))
    return line[: max(at, 0)].rstrip(" \t,"), line[at + 1 :]


def _cut_label(line: str, classes: Mapping[str, int]) -> tuple[str, int | str | None]:
    """The path (with frames, if any) and the label of a line."""
    if not _has_label(line):
        return line, None
    rest, last = _cut(line)
    number = last.strip("\"'")
    if number.removeprefix("-").isdecimal():
        return rest, int(number)
    for separator in "\t,":
        # Names have commas, too: of several, the first is right after which there is a class.
        places = [i for i, character in enumerate(line) if character == separator]
        for at in places:
            if class_key(line[at + 1 :]) in classes:
                return line[:at].rstrip(), line[at + 1 :].strip(" \"'")
        if places:
            return line[: places[0]].rstrip(), line[places[0] + 1 :].strip(" \"'")
    return rest, last
