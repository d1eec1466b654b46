"""The video datasets of section 4 and their classes, in the order in which models are trained.

Two more datasets, `digits_kinetics` and `digits_ssv2`, are rendered by this project itself. They
stand in for Kinetics and Something-Something wherever the path from video files to a table is tried
out without them.
"""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

from vswin.errors import unknown


@dataclasses.dataclass(frozen=True)
class Dataset:
    """What is known about a dataset without having it."""

    name: str
    """As commands and protocols spell it."""
    title: str
    """As the paper spells it."""
    num_classes: int
    class_file: Path | None
    """One class a line; None where this project renders the dataset and names its classes."""
    train_videos: int | None
    """Videos of the public training list; a copy of one's own usually has fewer."""
    test_videos: int | None
    """Videos of the public list that is tested on: the validation split, as in the paper."""


_CLASSES = Path(__file__).parent / "classes"

_DATASETS = (
    # Lists of the CVDF copy. Section 4.1 says ~240k and 20k, what could still be downloaded.
    Dataset("kinetics400", "Kinetics-400", 400, _CLASSES / "kinetics400.txt", 246_534, 19_906),
    # The counts behind section 4.1's ~370k and 28.3k; the lists of the CVDF copy have 427,549 and
    # 29,793.
    Dataset("kinetics600", "Kinetics-600", 600, _CLASSES / "kinetics600.txt", 370_582, 28_313),
    # The edition of 2020 (arXiv 2010.10864); the CVDF copy lists 534,073 and 33,914. The edition of
    # 2019 (arXiv 1907.06987) has the same classes and 529,046 and 33,925 videos.
    Dataset("kinetics700", "Kinetics-700", 700, _CLASSES / "kinetics700.txt", 542_352, 34_125),
    # Section 4.1 says 168.9K and 24.7K; the public lists have 168,913 and 24,777.
    Dataset("ssv2", "Something-Something v2", 174, _CLASSES / "ssv2.txt", 168_913, 24_777),
    Dataset("digits_kinetics", "Moving Digits as Kinetics", 10, None, None, None),
    Dataset("digits_ssv2", "Moving Digits as Something-Something", 12, None, None, None),
)
DATASETS: dict[str, Dataset] = {dataset.name: dataset for dataset in _DATASETS}


def dataset(name: str) -> Dataset:
    """The dataset called `name`.

    Raises:
        UsageError: if there is none; the message says which there are.
    """
    if name not in DATASETS:
        raise unknown("dataset", name, DATASETS)
    return DATASETS[name]


@functools.lru_cache(maxsize=len(DATASETS))
def class_names(name: str) -> tuple[str, ...]:
    """The classes of a dataset; the place of a class is its label.

    Kinetics' classes are in the order of their names, Something-Something's in the order of the
    labels file that is published with it. Public checkpoints are trained in these orders.

    Raises:
        UsageError: if there is no such dataset.
    """
    found = dataset(name)
    if found.class_file is None:
        return stand_in_classes(name)
    return tuple(found.class_file.read_text(encoding="utf-8").splitlines())


def stand_in_classes(name: str) -> tuple[str, ...]:
    """The classes of a rendered dataset: which digit is seen, or how what is seen moves."""
    if name == "digits_kinetics":
        return tuple(f"digit {digit}" for digit in range(10))
    from vswin.data.moving_digits import TASKS  # brings numpy, which the other lists do not need

    return tuple(
        f"moving {a}" if a == b else f"moving {a} then {b}" for a, b in TASKS["temporal"].phases
    )


@functools.lru_cache(maxsize=4096)  # lists name the same few classes hundreds of thousands of times
def class_key(name: str) -> str:
    """A class name without what copies of a dataset disagree about; no two classes share one.

    Copies differ in case, in spaces or underscores and in what becomes of apostrophes, brackets
    and parentheses (`massaging_person-s_head`), hence letters and digits are all that counts.
    """
    return "".join(character for character in name.lower() if character.isalnum())


@functools.lru_cache(maxsize=len(DATASETS))
def class_keys(name: str) -> dict[str, int]:
    """For each class's key its label."""
    return {class_key(each): label for label, each in enumerate(class_names(name))}
