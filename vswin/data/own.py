"""Datasets of one's own: what a data file says of them, and their classes."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Literal

from vswin.data.lists.classes import read_classes
from vswin.data.lists.listing import AnnotationError
from vswin.data.published import class_key
from vswin.data.video_files import split_names

FROM_FOLDERS = "from folders"
"""In the place of a file of classes: they are called as the folders of the training videos."""


@dataclasses.dataclass(frozen=True)
class OwnDataset:
    """A dataset that nobody but its owner knows."""

    classes: Path | None
    """A file of the classes in order; None: they are the folders in `folders`, by name."""
    folders: Path | None
    """The folder of the training videos, or the folder of class folders that is their list."""
    sampling: Literal["dense", "segments"] = "dense"
    flip: bool = True
    title: str = ""


def own_classes(name: str, own: OwnDataset) -> tuple[str, ...]:
    """The classes of a dataset of one's own, in the order of their labels.

    Raises:
        AnnotationError: if they cannot be read, are fewer than two, or two of them are one.
    """
    folders = own.folders.parent if own.folders and own.folders.is_file() else own.folders
    path = own.classes or (folders and split_folder(folders, "train"))
    assert path is not None  # the data file sees to it
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        what = "a file of classes" if own.classes else "a folder of class folders"
        raise AnnotationError(
            f"the classes of {name} should be in {path}, and there is no such file or folder; "
            f"wanted {what}"
        ) from error
    return _read(name, path, own.classes is None, changed)


@functools.lru_cache(maxsize=16)
def _read(name: str, path: Path, are_folders: bool, changed: int) -> tuple[str, ...]:
    """The classes in `path` as they are since `changed`."""
    names = class_folders(path) if are_folders else tuple(read_classes(path, first=(0, 1)))
    if len(names) < 2:
        raise AnnotationError(f"{path} has {len(names)} classes; {name} wants two or more")
    seen: dict[str, str] = {}
    for each in names:
        if not class_key(each):
            raise AnnotationError(f"{path}: class {each!r} has no letter or digit; rename it")
        if other := seen.get(class_key(each)):
            raise AnnotationError(
                f"{path}: {other!r} and {each!r} are one class, as only letters and digits count; "
                "rename one, or leave it out"
            )
        seen[class_key(each)] = each
    return names


def split_folder(path: Path, split: str) -> Path:
    """The folder of a split in a folder, or that folder itself if it has none."""
    inner = (path / name for name in split_names(split))
    return next((folder for folder in inner if folder.is_dir()), path)


def class_folders(path: Path) -> tuple[str, ...]:
    """The names of the folders in a folder, in order; hidden ones are passed over.

    Raises:
        AnnotationError: if it cannot be read.
    """
    try:
        inside = [each for each in path.iterdir() if not each.name.startswith(".")]
    except OSError as error:
        raise AnnotationError(f"{path} cannot be read ({error.strerror})") from error
    return tuple(sorted(each.name for each in inside if each.is_dir()))
