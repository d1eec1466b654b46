"""The published video datasets, and what of a class's name counts.

Two more datasets, `digits_kinetics` and `digits_ssv2`, are rendered by this project itself. They
stand in for Kinetics and Something-Something wherever the path from video files to a table is tried
out without them.
"""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Literal


@dataclasses.dataclass(frozen=True)
class Dataset:
    """What is known about a dataset without having its videos."""

    name: str
    """As commands and protocols spell it."""
    title: str
    """As the paper spells it."""
    num_classes: int
    class_file: Path | None = None
    """One class a line; None where this project renders the dataset, or it is one's own."""
    train_videos: int | None = None
    """Videos of the public training list; a copy of one's own usually has fewer."""
    test_videos: int | None = None
    """Videos of the public list that is tested on: the validation split, as in the paper."""
    sampling: Literal["dense", "segments"] = "dense"
    """Whether a clip is a stretch of the video, or has one frame from each of equal segments."""
    flip: bool = True
    """Whether a mirrored clip shows the same class."""
    is_own: bool = False
    """Whether it is one of the user's own, which the data file describes."""


_CLASSES = Path(__file__).parent / "classes"

_DATASETS = (
    # Lists of the CVDF copy. Section 4.1 says how many could still be downloaded.
    Dataset("kinetics400", "Kinetics-400", 400, _CLASSES / "kinetics400.txt", 246_534, 19_906),
    # The counts that section 4.1 rounds; the lists of the CVDF copy have 427,549 and 29,793.
    Dataset("kinetics600", "Kinetics-600", 600, _CLASSES / "kinetics600.txt", 370_582, 28_313),
    # The edition of 2020 (arXiv 2010.10864); the CVDF copy lists 534,073 and 33,914. The edition of
    # 2019 (arXiv 1907.06987) has the same classes and 529,046 and 33,925 videos.
    Dataset("kinetics700", "Kinetics-700", 700, _CLASSES / "kinetics700.txt", 542_352, 34_125),
    # The public lists, whose numbers section 4.1 cuts off.
    Dataset(
        "ssv2",
        "Something-Something v2",
        174,
        _CLASSES / "ssv2.txt",
        168_913,
        24_777,
        sampling="segments",
        flip=False,
    ),
    Dataset("digits_kinetics", "Moving Digits as Kinetics", 10),
    Dataset(
        "digits_ssv2",
        "Moving Digits as Something-Something",
        12,
        sampling="segments",
        flip=False,
    ),
)
DATASETS: dict[str, Dataset] = {dataset.name: dataset for dataset in _DATASETS}


@functools.lru_cache(maxsize=4096)  # lists name the same few classes hundreds of thousands of times
def class_key(name: str) -> str:
    """A class name without what copies of a dataset disagree about; no two classes share one.

    Copies differ in case, in spaces or underscores and in what becomes of apostrophes, brackets
    and parentheses (`massaging_person-s_head`), hence letters and digits are all that counts.
    """
    return "".join(character for character in name.lower() if character.isalnum())
