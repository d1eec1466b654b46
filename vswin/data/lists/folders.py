"""Folders of classes, which are a list and its videos in one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from vswin.data.datasets import class_key, class_keys, class_names
from vswin.data.lists.listing import AnnotationError, Entry, Listing
from vswin.data.own import split_folder
from vswin.data.video_files import PICTURES, without_suffix


def read_class_folders(path: Path, split: str, dataset: str) -> Listing:
    """`<split>/<class>/<video>`, or the folder of a split itself; videos may lie deeper.

    What a folder's class is, its name says; which folders there are decides nothing. Ids are the
    same whether a copy writes `clean and jerk` or `clean_and_jerk`.

    Raises:
        AnnotationError: if no folder is named like a class, or there are such folders beside those
            of splits.
    """
    classes = class_keys(dataset)
    root = _of_split(path, split, dataset)
    listing = Listing("class folders", root=root)
    folders = sorted(
        (each for each in _inside(root) if not each.name.startswith(".")),
        key=lambda each: (classes.get(class_key(each.name), len(classes)), each.name),
    )
    if not any(class_key(each.name) in classes for each in folders):
        found = ", ".join(each.name for each in folders[:3]) + (" …" if len(folders) > 3 else "")
        raise AnnotationError(
            f"no folder in {root} is named like a class of {dataset}; it holds {found or 'nothing'}"
        )
    for folder in folders:
        label = classes.get(class_key(folder.name))
        if not folder.is_dir():
            listing.left_out.append(f"{folder.name}: a file, wanted folders named like classes")
        elif label is None:
            listing.left_out.append(f"folder {folder.name}: no class of {dataset}")
        else:
            _read_class_folder(folder, label, dataset, listing)
    return listing


def _inside(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise AnnotationError(f"{folder} cannot be read ({error.strerror})") from error


def _of_split(path: Path, split: str, dataset: str) -> Path:
    found = split_folder(path, split)
    if found != path:
        beside = (each for each in _inside(path) if each.is_dir() and each != found)
        for each in beside:
            if class_key(each.name) in class_keys(dataset):
                raise AnnotationError(
                    f"{path} holds {found.name} and, beside it, {each.name}, which is a class: "
                    f"give {found}, or take {found.name} away"
                )
    return found


def _read_class_folder(folder: Path, label: int, dataset: str, listing: Listing) -> None:
    title, classes = class_names(dataset)[label], class_keys(dataset)
    for inner, files in _walk(folder):
        place = "/".join((folder.name, *inner.parts))
        keys = ((name, class_key(name)) for name in inner.parts)
        other = next((n for n, key in keys if classes.get(key, label) != label), None)
        if other is not None:
            listing.left_out.append(f"folder {place}: the class {other!r} within that of {title!r}")
            continue
        pictures = [file for file in files if file.lower().endswith(PICTURES)]
        if len(pictures) > 1 and len(pictures) == len(files):
            listing.left_out.append(f"folder {place}: pictures; wanted videos, not their frames")
            continue
        for file in files:
            stem, suffix = without_suffix(file)
            if not suffix:
                listing.left_out.append(f"{place}/{file}: not the name of a video file")
                continue
            name = "/".join((*inner.parts, stem))
            path = f"{folder.name}/{name}"
            listing.entries.append(Entry(f"{place}/{file}", f"{title}/{name}", path, suffix, label))


def _walk(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """Every folder in it, relative to it, with the names of its files; hidden ones are passed over.

    Links are followed, each folder is read once.
    """
    seen = set[str]()

    def refuse(error: OSError) -> None:
        raise AnnotationError(f"{error.filename} cannot be read ({error.strerror})") from error

    for place, inner, files in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(place)
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        if real in seen:
            inner.clear()
            continue
        seen.add(real)
        yield (
            Path(place).relative_to(folder),
            sorted(name for name in files if not name.startswith(".")),
        )
