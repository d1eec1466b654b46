"""Finding the files of listed videos without asking the file system about each of them."""

from __future__ import annotations

import os
import re
from pathlib import Path

from vswin.data.published import class_key

SUFFIXES = (
    *(".mp4", ".webm", ".mkv", ".avi"),  # what copies of the datasets are stored as, best first
    *(".mov", ".m4v", ".mpg", ".mpeg", ".ts", ".m2ts", ".mts", ".wmv", ".asf", ".flv", ".f4v"),
    *(".3gp", ".3g2", ".ogv", ".ogg", ".vob", ".m2v", ".mpe", ".mxf", ".divx", ".rm", ".rmvb"),
)
"""How the names of video files end, in lower case."""
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
"""The same of single pictures."""

_NAME_END = re.compile(rf"(?:{'|'.join(map(re.escape, SUFFIXES))})(?=[\s,;|]|$)", re.IGNORECASE)

_TRAIN = ("train", "training")
_VALIDATION = ("val", "validate", "validation", "valid")
_TEST = ("test", "testing")
TEST_ALONE = "test alone"
"""Of a dataset of one's own: what is tested on is no validation split, which is another one."""


def split_groups(split: str) -> tuple[tuple[str, ...], ...]:
    """Names under which lists and folders have a split; of several groups the first that is there.

    "test" is what is tested on. That is the validation split, as in the paper, unless there is
    none: the labels of the test splits were kept back, and published numbers are not theirs.
    """
    if split == TEST_ALONE:
        return (_TEST,)
    if split in _TEST:
        return _VALIDATION, _TEST
    return next(((names,) for names in (_TRAIN, _VALIDATION) if split in names), ((split,),))


def split_names(split: str) -> tuple[str, ...]:
    """All names of `split_groups` in their order."""
    return tuple(name for names in split_groups(split) for name in names)


def without_suffix(name: str) -> tuple[str, str]:
    """A path and the suffix of a video that it ends in, which is empty where it has none."""
    stem, dot, suffix = name.rpartition(".")
    return (stem, dot + suffix) if dot + suffix.lower() in SUFFIXES else (name, "")


def names_video(line: str) -> int:
    """Where the last name of a video file in a line ends; 0 if there is none."""
    return max((match.end() for match in _NAME_END.finditer(line)), default=0)


_CLIP = re.compile(r"(.+)_\d{6}_\d{6}")
"""The name of a clip of Kinetics: the YouTube id, and the seconds at which it starts and ends."""


class VideoFiles:
    """The files below a folder; each folder is listed once, when first asked about."""

    def __init__(self, root: Path, split: str) -> None:
        self.root = root
        self._lists: dict[str, tuple[set[str], dict[str, str]]] = {}
        self._clips: dict[str, dict[str, str]] = {}
        self._class_folders: dict[str, dict[str, str]] = {}
        folders = (str(root / name) for name in split_names(split))
        self._roots = (str(root), *(f for f in folders if Path(f).is_dir()))

    def find(self, path: str, suffix: str, label: str | None = None) -> Path:
        """Where a video is, or should be.

        Args:
            path: relative to the root (or absolute), without suffix.
            suffix: the one that the list says or that is usual; a file with another one is taken
                where there is none with this one, for converted copies keep the names. A YouTube
                id alone is the clip of Kinetics that has it, if there is one.
            label: the name of its class, None if that is not known. A name without folders is
                looked for in those of splits and classes, too.
        """
        folder, slash, stem = path.rpartition("/")
        place = f"{self.root}/{folder}" if folder else str(self.root)
        if slash and path.startswith("/"):
            place = folder or "/"
        found = self._in(place, stem, suffix) or self._clip_of(place, stem)
        if not found and not slash:
            found = self._search(stem, suffix, label)[0]
        return Path(found or f"{place}/{stem}{suffix}")

    def find_scattered(self, stem: str, suffix: str, label: str | None) -> Path:
        """Where a video is, or should be, that may lie in a folder of its split, class or both.

        Args:
            stem: the file's name without suffix.
            suffix: as in `find`.
            label: the name of its class, None if that is not known.
        """
        found, place = self._search(stem, suffix, label)
        return Path(found or f"{place}/{stem}{suffix}")  # the innermost folder that is there

    def whole_video(self, stem: str, suffix: str, label: str | None) -> str | None:
        """A file that is named by a clip's YouTube id alone, where the clip itself is not there.

        Args:
            stem: the name of the clip's file without suffix.
            suffix: as in `find`.
            label: as in `find_scattered`.
        """
        clip = _CLIP.fullmatch(stem)
        if clip is None or self._search(stem, suffix, label)[0]:
            return None
        return self._search(clip[1], suffix, label)[0]

    def _search(self, stem: str, suffix: str, label: str | None) -> tuple[str | None, str]:
        """A file that may lie in a folder of its split, class or both; where it was sought last."""
        place = self._roots[0]
        for root in self._roots:
            folders = [root]
            if label is not None and (name := self._classes(root).get(class_key(label))):
                folders.append(f"{root}/{name}")
            for place in folders:
                if found := self._in(place, stem, suffix):
                    return found, place
        return None, place

    def _clip_of(self, folder: str, youtube_id: str) -> str | None:
        if folder not in self._clips:
            found: dict[str, set[str]] = {}
            for stem in self._list(folder)[1]:
                if clip := _CLIP.fullmatch(stem):
                    found.setdefault(clip[1], set()).add(stem)
            self._clips[folder] = {key: each.pop() for key, each in found.items() if len(each) == 1}
        clip_stem = self._clips[folder].get(youtube_id)
        return self._in(folder, clip_stem, "") if clip_stem else None

    def _in(self, folder: str, stem: str, suffix: str) -> str | None:
        names, by_stem = self._list(folder)
        if suffix and stem + suffix in names:
            return f"{folder}/{stem}{suffix}"
        return f"{folder}/{by_stem[stem]}" if stem in by_stem else None

    def _list(self, folder: str) -> tuple[set[str], dict[str, str]]:
        """The names in a folder, and for each stem that of the video with the best suffix."""
        if folder not in self._lists:
            try:
                names = set(os.listdir(folder))  # noqa: PTH208 (iterdir makes a Path of each)
            except OSError:  # not there: none of its videos is
                names = set()
            by_suffix: dict[str, dict[str, str]] = {suffix: {} for suffix in SUFFIXES}
            for name in names:
                stem, suffix = without_suffix(name)
                if suffix:
                    by_suffix[suffix.lower()][stem] = name
            by_stem: dict[str, str] = {}
            for suffix in reversed(SUFFIXES):
                by_stem |= by_suffix[suffix]
            self._lists[folder] = names, by_stem
        return self._lists[folder]

    def _classes(self, root: str) -> dict[str, str]:
        if root not in self._class_folders:
            names = (name for name in self._list(root)[0] if not without_suffix(name)[1])
            self._class_folders[root] = {class_key(name): name for name in names}
        return self._class_folders[root]
