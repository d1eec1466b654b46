"""The lists of videos that this machine's data file names."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from vswin.data.annotations import VideoList, read_annotations, require_clean, require_labels
from vswin.data.data_file import MissingDataError, Sources, SplitName, is_there
from vswin.data.datasets import class_names
from vswin.data.datasets import dataset as known_dataset
from vswin.data.lists.listing import AnnotationError
from vswin.data.own import class_folders, split_folder
from vswin.data.video_files import TEST_ALONE
from vswin.errors import UsageError


def listed(sources: Sources, dataset: str, split: SplitName) -> VideoList:
    """The list of a split, with what had to be left out of it.

    Raises:
        UsageError: if there is no such dataset.
        MissingDataError: if this machine does not say where it is, or that is not there.
        AnnotationError: if the list cannot be read.
    """
    is_own = known_dataset(dataset).is_own
    found = sources.splits(dataset).get(split)
    if found is None:
        if sources.whole(dataset) is not None:
            raise MissingDataError(f"the {split} split of {dataset} is {sources.absence(dataset)}")
        raise MissingDataError(
            f"{sources.file} does not say where the {split} split of {dataset} is; see "
            "data.example.yaml"
        )
    for what, path in (("list is", found.annotations), ("videos are in", found.videos)):
        if path is not None and not is_there(path):
            raise MissingDataError(
                f"{sources.file} says that {dataset}'s {split} {what} {path}, and there is nothing"
            )
    if is_own and split != "train":
        _require_shared_folders(sources, dataset, split)
    return read_annotations(dataset, found.annotations, found.videos, split, found.labels)


def listed_videos(sources: Sources, dataset: str, split: SplitName) -> VideoList:
    """The list of a split, of which nothing had to be left out.

    Every split of a dataset of one's own has videos of every class.

    Raises:
        UsageError: if there is no such dataset.
        MissingDataError: if this machine does not say where it is, or that is not there.
        AnnotationError: if the list cannot be read, or has duplicates or unknown classes; if a
            class of a dataset of one's own has no video in it.
    """
    found = require_clean(listed(sources, dataset, split))
    if known_dataset(dataset).is_own:
        _require_every_class(found)
    return found


def listed_whole(sources: Sources, dataset: str) -> VideoList:
    """The whole of a dataset that is to be divided into splits.

    Raises:
        UsageError: if there is no such dataset, or its splits are named.
        MissingDataError: if it is not there.
        AnnotationError: as `listed_videos`.
    """
    known_dataset(dataset)
    found = sources.whole(dataset)
    if found is None:
        raise UsageError(
            f"{sources.file} has no `all` of {dataset}, which could be divided: its splits are "
            "those that it names"
        )
    for path in (found.annotations, found.videos, found.labels):
        if path is not None and not is_there(path):
            raise MissingDataError(
                f"{sources.file}: {dataset} should be in {path}: nothing is there"
            )
    whole = require_clean(
        read_annotations(dataset, found.annotations, found.videos, "all", found.labels)
    )
    require_labels(whole)
    _require_every_class(whole)
    return whole


def require_apart(*lists: VideoList) -> None:
    """Refuses splits that share a file: what is tested on must not have been learnt before.

    Raises:
        AnnotationError: names the file and the splits.
    """
    found: dict[Path, VideoList] = {}
    for videos in lists:
        for video in videos.videos:
            other = found.setdefault(video.path, videos)
            if other is not videos:
                raise AnnotationError(
                    f"{video.path} is in the {other.split} and in the {videos.split} split of "
                    f"{videos.dataset} ({other.source}, {videos.source}): leave it out of one"
                )


def _require_shared_folders(sources: Sources, dataset: str, split: SplitName) -> None:
    """Refuses class folders that are there for one split and not for the other.

    Raises:
        AnnotationError: names the classes.
    """
    own, other = sources.own[dataset], sources.splits(dataset)[split].annotations
    if own.folders is None or not own.folders.is_dir() or not other.is_dir():
        return
    inner = TEST_ALONE if split == "test" else split
    train = set(class_folders(split_folder(own.folders, "train")))
    there = set(class_folders(split_folder(other, inner)))
    if train & there and train != there:
        only = [
            f"only {name} has {', '.join(sorted(more)[:3])}{' …' if len(more) > 3 else ''}"
            for name, more in (("train", train - there), (split, there - train))
            if more
        ]
        raise AnnotationError(
            f"the splits of {dataset} do not share their classes: {'; '.join(only)}; rename or "
            f"remove folders in {own.folders} or {other}"
        )


def _require_every_class(videos: VideoList) -> None:
    """Refuses a list without videos of some class.

    Raises:
        AnnotationError: names the class.
    """
    names = class_names(videos.dataset)
    counts = Counter(video.label for video in videos.videos)
    if videos.videos and counts.keys() <= {-1}:
        return  # a list without labels, which is refused where labels are wanted
    without = [name for label, name in enumerate(names) if not counts[label]]
    if without:
        more = f" and {len(without) - 1} more" if len(without) > 1 else ""
        raise AnnotationError(
            f"the {videos.split} split of {videos.dataset} has no video of class {without[0]!r}"
            f"{more} ({videos.source}): list some, or take the class out of its classes"
        )
