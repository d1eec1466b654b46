"""Splitting a dataset of one's own: drawn once, and written to a file that it is read from then on.

The rule: groups of clips are gone through in the order of the SHA-256 of seed and group. A group
goes to the test split while every class in it has fewer test clips than are wanted, which are the
share of its clips, rounded, and at least one; then likewise to the validation split; all others are
for training. A clip is a group of its own, unless a pattern says which belong together.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from vswin.data.annotations import Video, VideoList
from vswin.data.data_file import SPLITS, SplitName
from vswin.data.datasets import class_names
from vswin.errors import UsageError
from vswin.files import write_text

RULE = (
    "groups in the order of the SHA-256 of seed and group; each to test, then to validation, while "
    "all of its classes lack clips there, of which their share is wanted, at least one; the others "
    "to train"
)


def split_videos(
    videos: VideoList, test: float, validation: float, seed: int, together: str | None = None
) -> list[SplitName]:
    """The split of each video, by the rule above.

    Args:
        videos: the whole dataset.
        test: share of each class's clips that is tested on.
        validation: likewise; 0 makes no validation split.
        seed: of the order.
        together: a regular expression with one group, found in the ids of the videos: those in
            which it finds the same are never divided.

    Raises:
        UsageError: if a share or the pattern cannot be, or a class has too few clips.
    """
    if not (0 < test < 1 and validation >= 0 and test + validation < 1):
        raise UsageError(
            f"--test {test:g} --validation {validation:g}: wanted shares whose sum is below "
            "1, that of the test above 0"
        )
    groups: dict[str, list[Video]] = {}
    for video in videos.videos:
        groups.setdefault(_group(video.id, together), []).append(video)
    shares: dict[SplitName, float] = {"test": test, "validation": validation}
    counts = Counter(video.label for video in videos.videos)
    lacking = {
        (split, label): max(1, round(share * count)) if share else 0
        for split, share in shares.items()
        for label, count in counts.items()
    }
    found: dict[str, SplitName] = {}
    for group in sorted(groups, key=lambda group: _place(seed, group)):
        labels = Counter(video.label for video in groups[group])
        fitting = (s for s in shares if all(lacking[s, label] > 0 for label in labels))
        split: SplitName = next(fitting, "train")
        for label, count in labels.items():
            if split != "train":
                lacking[split, label] -= count
        found |= {video.id: split for video in groups[group]}
    splits = [found[video.id] for video in videos.videos]
    wanted = [split for split in SPLITS if shares.get(split, 1)]
    _require_every_class(videos, splits, wanted, counts)
    return splits


def write_split(
    path: Path, videos: VideoList, splits: Sequence[SplitName], root: Path, words: str
) -> None:
    """Writes the file that says which video is of which split.

    Args:
        path: the file; it must not be there.
        videos: the whole dataset.
        splits: of each video.
        root: what the paths in the file begin in.
        words: how it was made.

    Raises:
        UsageError: if it is there: what was trained on must not become what is tested on.
    """
    if path.exists():
        raise UsageError(
            f"{path} is there, and a split is drawn once; remove the file to draw another, and "
            "then the results that rest on it"
        )
    names = class_names(videos.dataset)
    as_numbers = any(name.isdecimal() for name in names)  # they would be taken for labels
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["path", "label", "split"])
    for video, split in zip(videos.videos, splits, strict=True):
        inside = video.path.is_relative_to(root)
        place = video.path.relative_to(root) if inside else video.path.absolute()
        rows.writerow([place.as_posix(), video.label if as_numbers else names[video.label], split])
    write_text(path, f"# {words}\n# Rule: {RULE}.\n{text.getvalue()}")


def _group(name: str, together: str | None) -> str:
    """The group that a video is in.

    Raises:
        UsageError: if the pattern is none, or does not find its group in the name.
    """
    if together is None:
        return name
    try:
        found = re.search(together, name)
    except re.error as error:
        raise UsageError(f"--together {together!r} is no regular expression ({error})") from error
    if found is None or found.re.groups != 1 or found[1] is None:
        raise UsageError(
            f"--together {together!r}: wanted one group in parentheses that is found in every id, "
            f"and it is not in {name!r}"
        )
    return found[1]


def _place(seed: int, group: str) -> bytes:
    text = f"{seed}\t{group}".encode(errors="surrogateescape")
    return hashlib.sha256(text).digest()


def _require_every_class(
    videos: VideoList,
    splits: Sequence[SplitName],
    wanted: Sequence[SplitName],
    counts: Counter[int],
) -> None:
    """Refuses a split without clips of some class.

    Raises:
        UsageError: names class and split.
    """
    there = {(split, v.label) for split, v in zip(splits, videos.videos, strict=True)}
    for label, name in enumerate(class_names(videos.dataset)):
        for split in wanted:
            if (split, label) not in there:
                raise UsageError(
                    f"class {name!r} of {videos.dataset} has {counts[label]} clips, and none is "
                    f"left for {split}; wanted one group or more of every class in each split"
                )
