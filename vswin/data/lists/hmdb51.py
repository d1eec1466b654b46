"""HMDB51's lists: a file for each class, whose 1 and 2 say of which split a video is."""

from __future__ import annotations

from pathlib import Path

from vswin.data.lists.listing import AnnotationError, Listing, entry_of
from vswin.data.lists.text import content_lines, read_text
from vswin.data.video_files import split_names

CODES = {"train": "1", "test": "2"}
"""What stands behind the videos of a split; 0 stands behind those that are of none."""


def read_hmdb51(pattern: Path, split: str) -> Listing:
    """Reads the files of one of the three splits, as `*_test_split1.txt`.

    Args:
        pattern: the files; what its star stands for is the class, and the folder of its videos.
        split: train or test; there are no others.

    Raises:
        AnnotationError: if there are no such files, or one is no list of HMDB51.
    """
    before, _, after = pattern.name.partition("*")
    files = sorted(pattern.parent.glob(pattern.name))
    if not files or "*" in after:
        raise AnnotationError(f"there are no files {pattern}; the star stands for the class")
    code = next((CODES[name] for name in split_names(split) if name in CODES), None)
    if code is None:
        raise AnnotationError(f"{pattern}: HMDB51's lists have no {split} split")
    listing = Listing("HMDB51's lists")
    for file in files:
        name = file.name.removeprefix(before).removesuffix(after)
        for number, line in content_lines(read_text(file))[0]:
            video, _, found = line.rpartition(" ")
            if found not in ("0", *CODES.values()) or not video.strip():
                raise AnnotationError(
                    f"{file}, line {number}: wanted a video and 0, 1 or 2, as HMDB51's lists have"
                )
            if found == code:
                where = f"{file.name}, line {number}"
                listing.entries.append(entry_of(where, f"{name}/{video.strip()}", name))
    return listing
