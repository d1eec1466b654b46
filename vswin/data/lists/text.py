"""The text of a list, whoever saved it; what is no text is called what it is."""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from vswin.data.lists.listing import AnnotationError
from vswin.data.video_files import names_video

Lines: TypeAlias = Sequence[tuple[int, str]]
"""Number (from 1) and content of each line that says something."""

_UNPACK = "unpack it and give the list that is in it"
_SAVE = "save it as a CSV"
_KINDS = (
    (b"\x1f\x8b", "compressed with gzip", _UNPACK),
    (b"PK\x03\x04", "a zip archive or an Excel workbook", "give the list in it, as text"),
    (b"BZh", "compressed with bzip2", _UNPACK),
    (b"\xfd7zXZ\x00", "compressed with xz", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "compressed with Zstandard", _UNPACK),
    (b"7z\xbc\xaf", "a 7-Zip archive", _UNPACK),
    (b"Rar!", "a RAR archive", _UNPACK),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook", _SAVE),
    (b"PAR1", "a Parquet table", _SAVE),
    (b"\x80", "a pickle, which can run any code when it is read", _SAVE),
    (b"\x1aE\xdf\xa3", "a video", ""),
    (b"RIFF", "a video or a sound", ""),
)
"""How files begin that are no text, what they are, and what to do; empty is to give another."""
_TEXTS = (
    ("version https://git-lfs", "a pointer of Git LFS", "`git lfs pull` fetches the list"),
    ("<!", "a web page", "download the list itself"),
    ("<html", "a web page", "download the list itself"),
    ("<?xml", "XML", "download the list itself"),
)
"""The same of texts that are no lists."""
_SPREADSHEET = re.compile(r'"?sep=."?', re.IGNORECASE)
"""What some spreadsheets write, or want, before a CSV."""


def read_text(path: Path, wanted: str = "a list of videos") -> str:
    """The text of a list: without byte order mark, lines end in a line feed.

    Args:
        path: the file.
        wanted: what it should be, for the words of an error.

    Raises:
        AnnotationError: if it is not there or no text.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise AnnotationError(f"there is no file or folder {path}") from error
    except OSError as error:
        raise AnnotationError(f"{path} cannot be read ({error.strerror})") from error
    text = _decode(path, content, wanted)
    text = text.replace("\ufeff", "")  # within, where files were put together
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decode(path: Path, content: bytes, wanted: str) -> str:
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise AnnotationError(
            _kind(path, content, wanted)
            or f"{path}, line {line}: cannot be read as text ({error.reason}); save it as UTF-8"
        ) from error
    if "\0" in text:
        raise AnnotationError(
            _kind(path, content, wanted)
            or f"{path} is no text, or UTF-16 without its mark; save it as UTF-8"
        )
    for beginning, kind, advice in _TEXTS:
        if text.lstrip()[:40].lower().startswith(beginning):
            raise AnnotationError(f"{path} is {kind}; {advice}")
    return text


def _kind(path: Path, content: bytes, wanted: str) -> str | None:
    """What a file that is no text is and what to do, None if that cannot be told."""
    if content[4:8] == b"ftyp":
        return f"{path} is a video; wanted {wanted}"
    if content[257:262] == b"ustar":
        return f"{path} is a tar archive; {_UNPACK}"
    found = (
        f"{path} is {what}; {advice or f'wanted {wanted}'}"
        for key, what, advice in _KINDS
        if content[:8].startswith(key)
    )
    return next(found, None)


def content_lines(text: str) -> tuple[list[tuple[int, str]], list[str]]:
    """The lines that are neither empty nor comments, and what may be a comment and may be none.

    A comment begins with "# ". File names begin with #, too, as in HMDB51, and rarely with "# ".

    Returns:
        (number from 1, content) of each line; and what is left out, as "line 17: why".
    """
    lines, left_out = [], []
    for number, raw in enumerate(text.split("\n"), 1):
        line = raw.strip()
        if not line or (number == 1 and _SPREADSHEET.fullmatch(line)):
            continue
        if line[0] != "#" or line[1:2] not in ("", " ", "\t", "#"):
            lines.append((number, line))
        elif names_video(line):
            left_out.append(
                f"line {number}: a comment, or a file whose name begins with #? Delete the line or "
                "begin it with ./"
            )
    return lines, left_out


def cells_of(line: str, delimiter: str) -> list[str]:
    """A line's cells, as CSV has them.

    Raises:
        csv.Error: if a quote is not closed, or something stands after it.
    """
    row = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True, strict=True))
    return [cell.strip() for cell in row]


def parse_json(path: Path, text: str) -> Any:
    """What a JSON file holds.

    Raises:
        AnnotationError: if it is no JSON, or an object has a key twice.
    """
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data" and error.lineno > 1:
            raise AnnotationError(
                f"{path} holds several JSON values, as JSON Lines do, from line {error.lineno} on; "
                "put them into one list"
            ) from error
        raise AnnotationError(f"{path} is no JSON ({error})") from error
    except (ValueError, RecursionError) as error:
        raise AnnotationError(f"{path} is no proper JSON ({error})") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; of two equal keys JSON itself would keep the last, silently."""
    found = dict(pairs)
    if len(found) < len(pairs):
        seen = set[str]()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice!r} stands twice in one object")
    return found
