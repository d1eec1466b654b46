"""Lists of videos and their labels, from any of the formats in which Kinetics and SSv2 are listed.

Two copies of a dataset have the same videos under the same labels if their digests are equal,
wherever the files lie and whatever they are stored as.
"""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

from vswin.data import datasets
from vswin.data.lists.classes import require_classes
from vswin.data.lists.labels import labels_of, other_dataset
from vswin.data.lists.listing import AnnotationError, Listing
from vswin.data.lists.reading import read_listing
from vswin.data.video_files import TEST_ALONE, VideoFiles, split_names

__all__ = [
    "AnnotationError",
    "Video",
    "VideoList",
    "read_annotations",
    "require_clean",
    "require_labels",
]

SSV2_PREFIX = "something-something-v2-"
"""Begins the names of the files of the first release; later ones go without."""


@dataclasses.dataclass(frozen=True, slots=True)  # there are hundreds of thousands
class Video:
    """A listed video."""

    path: Path
    """Where the file should be; it may not exist."""
    label: int
    """The place of its class in `class_names`; -1 where the list has no labels, as for tests."""
    id: str
    """Unique in the list: YouTube id and seconds, Something-Something's id, or the listed path
    without the suffix."""


@dataclasses.dataclass(frozen=True)
class VideoList:
    """The videos of a split, in the order of the list."""

    dataset: str
    split: str
    source: Path
    videos: tuple[Video, ...]
    duplicates: tuple[str, ...] = ()
    """Entries left out because their id came before, each as "line 17: …"."""
    unknown: tuple[str, ...] = ()
    """Entries left out because they have no class of the dataset, or are no entries at all."""

    def __repr__(self) -> str:
        return f"<VideoList {self.dataset}, {self.split}: {len(self.videos)} videos, {self.source}>"

    @property
    def digest(self) -> str:
        """Hex SHA-256 over the dataset and the ids and labels in their order, without paths."""
        digest = hashlib.sha256(f"{self.dataset}\n".encode())
        for video in self.videos:
            digest.update(f"{video.id}\t{video.label}\n".encode(errors="surrogateescape"))
        return digest.hexdigest()


def read_annotations(
    dataset: str,
    annotations: Path,
    videos: Path | None = None,
    split: str = "train",
    labels: Path | None = None,
) -> VideoList:
    """Reads a list of videos; its format is recognised by its content.

    Known are DeepMind's and CVDF's CSV and JSON, Something-Something's JSON and CSV (or the folder
    that has it), lists of paths or ids with labels, with and without a header, and folders of
    classes.

    Args:
        dataset: see `vswin.data.datasets`; its classes decide the labels.
        annotations: the list.
        videos: the folder of the files; where the list is, if None.
        split: rows and folders of other splits are skipped, where a format has them.
        labels: a file with the classes in the order of the labels, to be compared with ours. One
            that lies beside a Something-Something JSON is found by itself.

    Raises:
        UsageError: if there is no such dataset.
        AnnotationError: if the list cannot be read or no entry of it has a class of the dataset, or
            if `labels` has other classes or another order.
    """
    known = datasets.dataset(dataset)
    source = Path(annotations).expanduser()
    looked_for = TEST_ALONE if known.is_own and split == "test" else split
    if dataset == "ssv2":
        source = _ssv2_file(source, split)
        labels = labels or _ssv2_labels(source)
    listing = read_listing(source, looked_for, dataset)
    if labels is not None:
        require_classes(dataset, datasets.class_names(dataset), Path(labels).expanduser())
    files = VideoFiles(_root(source, listing, videos), looked_for)
    found, duplicates, unknown = _resolve(source, dataset, listing, files)
    unknown = [*listing.left_out, *unknown]
    if not found:
        first = unknown[0] if unknown else "it is empty"
        raise AnnotationError(
            f"{source}, read as {listing.format}, has no video of {dataset}: {first}"
            f"{other_dataset(dataset, listing)}"
        )
    return VideoList(dataset, split, source, tuple(found), tuple(duplicates), tuple(unknown))


def require_clean(videos: VideoList) -> VideoList:
    """The list itself, if nothing had to be left out.

    Raises:
        AnnotationError: if something had to; the message has the first few entries.
    """
    wrong = [*videos.unknown, *videos.duplicates]
    if wrong:
        more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise AnnotationError(
            f"{videos.source} has {len(videos.duplicates)} duplicate and {len(videos.unknown)} "
            f"unknown entries: {'; '.join(wrong[:3])}{more}"
        )
    return videos


def require_labels(videos: VideoList) -> None:
    """Refuses a list that cannot be trained or tested on.

    Raises:
        AnnotationError: if a video has no class; names the first.
    """
    if nameless := [video.id for video in videos.videos if video.label < 0]:
        raise AnnotationError(
            f"{videos.source} gives no class for {len(nameless)} videos, {nameless[0]} for one; "
            "wanted a split with classes"
        )


def _root(source: Path, listing: Listing, videos: Path | None) -> Path:
    """The folder that the listed paths begin in.

    Raises:
        AnnotationError: if the list is one of class folders and `videos` another folder.
    """
    if videos is None:
        return listing.root or source.parent
    videos = Path(videos).expanduser()
    if listing.root and videos.resolve() not in (source.resolve(), listing.root.resolve()):
        raise AnnotationError(
            f"{source} holds class folders, which are the list and the videos in one; "
            f"leave out {videos}, or give that as the list"
        )
    return listing.root or videos


def _resolve(
    source: Path, dataset: str, listing: Listing, files: VideoFiles
) -> tuple[list[Video], list[str], list[str]]:
    """Videos, duplicates and unknown entries.

    Raises:
        AnnotationError: if two entries have one name, but are two files, as a.avi and a.mp4.
    """
    videos, duplicates, unknown = list[Video](), list[str](), list[str]()
    first = dict[str, tuple[str, Video]]()
    root = f"{files.root.absolute()}/"
    labels = labels_of(source, dataset, listing)
    for entry, label in zip(listing.entries, labels, strict=True):
        if isinstance(label, str):
            unknown.append(f"{entry.where}: {label}")
            continue
        name = entry.id.removeprefix(root)
        title = datasets.class_names(dataset)[label] if label >= 0 else None
        if listing.scattered:
            path = files.find_scattered(entry.path, entry.suffix, title)
        else:
            # A list without suffixes is one of Something-Something's ids, or of folders of frames.
            suffix = entry.suffix or (".webm" if dataset == "ssv2" else "")
            path = files.find(entry.path, suffix, title)
        video = Video(path, label, name)
        where, other = first.setdefault(name, (entry.where, video))
        if other is not video:
            if not listing.root:  # in folders of classes both names are said as they are
                _refuse_two_files(source, where, other.path, entry.where, path)
            differs = f", there with label {other.label}, here with {label}"
            differs = "" if other.label == label else differs
            duplicates.append(f"{entry.where}: {name} is in {where}, too{differs}")
        elif listing.scattered and (whole := files.whole_video(entry.path, entry.suffix, title)):
            unknown.append(
                f"{entry.where}: there is no {path.name}, but {whole}: the clip, or the whole "
                "video that it is from? Rename it if it is the clip"
            )
        else:
            videos.append(video)
    return videos, duplicates, unknown


def _refuse_two_files(source: Path, where: str, path: Path, there: str, other: Path) -> None:
    """Refuses two files where one entry would hide the other.

    Raises:
        AnnotationError: if both are there; names both lines.
    """
    if path != other and path.exists() and other.exists():
        raise AnnotationError(
            f"{source}: {where} and {there} have the same name, but are two files, {path} and "
            f"{other}: rename one if they are two videos, delete a line if they are one"
        )


def _ssv2_file(annotations: Path, split: str) -> Path:
    """The file of a split, if `annotations` is the folder that has it.

    The labels of the test split were published later, in a file of their own.
    """
    names = (p + name for p in (SSV2_PREFIX, "") for name in split_names(split))
    files = (annotations / f"{n}{end}" for n in names for end in ("-answers.csv", ".json"))
    return next((file for file in files if file.is_file()), annotations)


def _ssv2_labels(source: Path) -> Path | None:
    if source.suffix not in (".json", ".csv"):
        return None
    files = (source.parent / f"{p}labels.json" for p in (SSV2_PREFIX, ""))
    return next((file for file in files if file.is_file()), None)
