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
    refuse_parts,
)
from vswin.data.lists.text import parse_json
from vswin.data.video_files import without_suffix

_WANTED = (
    "wanted Something-Something's [{id, template}], Kinetics' {id: {annotations: {label, segment}, "
    "subset}} or [{filename, label}]"
)
_FILES = ("filename", "frame_dir", "path", "video", "video_path", "file")


def read_json(path: Path, text: str, split: str) -> Listing:
    """Reads a JSON list; what it is, its keys say.

    Args:
        path: the list, for messages.
        text: its content.
        split: entries of other splits are skipped where entries tell theirs.

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
    if any("id" in item for item in content) or not content:
        return _read_ssv2(content)
    if any("vid_name" in item for item in content):
        raise AnnotationError(
            f"{path} is Diving48's JSON (vid_name, label, start_frame, end_frame), which has other "
            "classes; no dataset here has them"
        )
    name = next((name for name in _FILES if any(name in item for item in content)), None)
    if name is None:
        keys = ", ".join(sorted({key for item in content[:100] for key in item}))
        raise AnnotationError(f"{path} is a JSON list of objects with {keys}; {_WANTED}")
    refuse_parts(path, dict.fromkeys(key for item in content for key in item))
    return _read_files(content, name)


def _read_object(path: Path, content: dict[str, Any], split: str) -> Listing:
    values = list(content.values())
    if "database" in content or any(
        isinstance(value, dict) and isinstance(value.get("annotations"), list) for value in values
    ):
        raise AnnotationError(
            f"{path} is ActivityNet's JSON: parts of long videos, each with its class. Cut the "
            "videos into these parts and list them with their labels: `path label`"
        )
    if any(without_suffix(key)[1] for key in content):
        return _read_files(
            [{"path": key, "label": label} for key, label in content.items()], "path"
        )
    if len(values) > 1 and all(isinstance(value, int | str) for value in values):
        raise AnnotationError(f"{path} is a file of classes, no list of videos; `labels` takes it")
    if not any(
        isinstance(value, dict) and value.keys() & {"annotations", "subset"} for value in values
    ):
        keys = ", ".join(list(content)[:3]) or "nothing"
        raise AnnotationError(f"{path} is a JSON object of {keys} …; {_WANTED}")
    return _read_kinetics(path, content, split)


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


def _read_files(items: list[dict[str, Any]], key: str) -> Listing:
    """`[{filename, label}]` or `[{frame_dir, total_frames, label}]`."""
    listing = Listing(f"JSON list of {key} and label")
    for number, item in enumerate(items, 1):
        if not isinstance(item.get(key), str):
            listing.left_out.append(f"item {number}: it has no {key}")
            continue
        where = f"item {number} ({item[key]})"
        listing.entries.append(entry_of(where, item[key], _label(item.get("label"))))
    return listing


def _label(value: Any) -> int | str | None:
    """A list of one label is that label; several are, in words, no class."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return None if value is None else label_of(str(value))
