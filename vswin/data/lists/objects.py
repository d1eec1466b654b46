"""JSON lists: those of Something-Something, Kinetics and mmaction2."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vswin.data.lists.listing import (
    AnnotationError,
    Entry,
    Listing,
    entry_of,
    kinetics_name,
    label_of,
    names_of_split,
)
from vswin.data.lists.tables import Header, Row, read_table
from vswin.data.lists.text import parse_json
from vswin.data.video_files import without_suffix

_WANTED = (
    "wanted Something-Something's [{id, template}], Kinetics' {id: {annotations: {label, segment}, "
    "subset}}, [{path, label}] or {path: label}"
)


def read_json(path: Path, text: str, split: str, classes: Mapping[str, int]) -> Listing:
    """Reads a JSON list; what it is, its keys say.

    Args:
        path: the list, for messages.
        text: its content.
        split: entries of other splits are skipped where entries tell theirs.
        classes: label by class key.

    Raises:
        AnnotationError: if it is none of these, or all entries are of other splits.
    """
    content = parse_json(path, text)
    if isinstance(content, dict):
        return _read_object(path, content, split)
    if content and isinstance(content, list) and all(isinstance(item, str) for item in content):
        raise AnnotationError(
            f"{path} is a file of classes or of other words, no list of videos; `labels` takes "
            "classes"
        )
    if not isinstance(content, list) or not all(isinstance(item, dict) for item in content):
        raise AnnotationError(f"{path} is a JSON list, but not of objects; {_WANTED}")
    keys = tuple(dict.fromkeys(key for item in content for key in item))
    header = Header("", keys)
    if not content or ("id" in keys and not header.names_files):
        return _read_ssv2(content)
    if "vid_name" in keys:
        raise AnnotationError(
            f"{path} is Diving48's JSON (vid_name, label, start_frame, end_frame), which has other "
            "classes; no dataset here has them (docs/own_dataset.md says how to describe one)"
        )
    if not header.names_videos:
        raise AnnotationError(f"{path} is a JSON list of objects with {', '.join(keys)}; {_WANTED}")
    rows = [
        Row(f"item {number}", [_text(item.get(key)) for key in keys])
        for number, item in enumerate(content, 1)
    ]
    return read_table(path, rows, header, split, classes)


def _read_object(path: Path, content: dict[str, Any], split: str) -> Listing:
    values = list(content.values())
    if "database" in content or any(
        isinstance(value, dict) and isinstance(value.get("annotations"), list) for value in values
    ):
        raise AnnotationError(
            f"{path} is ActivityNet's JSON: parts of long videos, each with its class. Cut the "
            "videos into these parts and list them with their labels: `path label`"
        )
    kinds = int | float | str | (list if any(without_suffix(key)[1] for key in content) else str)
    if values and all(isinstance(value, kinds) for value in values):
        return _read_pairs(path, content)
    if not any(
        isinstance(value, dict) and value.keys() & {"annotations", "subset"} for value in values
    ):
        keys = ", ".join(list(content)[:3]) or "nothing"
        raise AnnotationError(f"{path} is a JSON object of {keys} …; {_WANTED}")
    return _read_kinetics(path, content, split)


def _read_pairs(path: Path, content: Mapping[str, Any]) -> Listing:
    """`{path: label}`, unless each label from 0 or 1 on is there once, as in a file of classes."""
    files = any(without_suffix(name)[1] for name in content)
    for numbers in (map(_label, content.values()), map(label_of, content)):
        if not files and {*numbers} in ({*range(len(content))}, {*range(1, len(content) + 1)}):
            raise AnnotationError(
                f"{path} is a file of classes, no list of videos; `labels` takes it"
            )
    listing = Listing("JSON object of labels by path")
    for name, label in content.items():
        listing.entries.append(entry_of(f"entry {name!r}", name, _label(label)))
    return listing


def _read_kinetics(path: Path, content: Mapping[str, Any], split: str) -> Listing:
    """`{YouTube id: {annotations: {label, segment: [start, end]}, subset, duration, url}}`."""
    listing = Listing("Kinetics JSON", scattered=True)
    items = {name: item for name, item in content.items() if isinstance(item, dict)}
    parts = {
        name: str(item["subset"]).lower() for name, item in items.items() if item.get("subset")
    }
    wanted = names_of_split(path, parts.values(), split)
    for number, (youtube, item) in enumerate(content.items(), 1):
        where = f"entry {number} ({youtube})"
        if parts and youtube in items and parts.get(youtube) not in wanted:
            if youtube not in parts:
                listing.left_out.append(f"{where}: it says no subset")
            continue
        about = item.get("annotations") if youtube in items else None
        segment = about.get("segment") if isinstance(about, dict) else None
        times = segment if isinstance(segment, list) and len(segment) == 2 else ("", "")
        name = kinetics_name(youtube, *times)
        if name is None:
            listing.left_out.append(f"{where}: it has no segment of two times in seconds")
            continue
        label = about.get("label") if isinstance(about, dict) else None
        listing.entries.append(Entry(where, name, name, ".mp4", _label(label)))
    return listing


def _read_ssv2(items: list[dict[str, Any]]) -> Listing:
    """`[{id, template: "Holding [something]", label: "holding a cup"}]`; tests: only ids."""
    listing = Listing("Something-Something JSON")
    for number, item in enumerate(items, 1):
        if "id" not in item:
            listing.left_out.append(f"item {number}: it has no id")
            continue
        name, suffix = without_suffix(str(item["id"]))
        where = f"item {number} (id {name})"
        label = _label(item.get("template", item.get("label")))
        listing.entries.append(Entry(where, name, name, suffix or ".webm", label))
    return listing


def _label(value: Any) -> int | str | None:
    return label_of(_text(value))


def _text(value: Any) -> str:
    """As a table has it; a list of one label is that label, and of several no class."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return "" if value is None else str(value)
