"""The datasets of videos and their classes, in the order in which models are trained.

Published ones are known here (`vswin.data.published`); those of one's own are what the machine's
data file says.
"""

from __future__ import annotations

import functools

from vswin.data.data_file import load_sources, sources_file
from vswin.data.own import OwnDataset, own_classes
from vswin.data.published import DATASETS, Dataset, class_key
from vswin.errors import UsageError, unknown

__all__ = ["DATASETS", "Dataset", "class_key", "class_keys", "class_names", "dataset", "own_names"]


def dataset(name: str) -> Dataset:
    """The dataset called `name`.

    Raises:
        UsageError: if there is none; the message says which there are.
        ExperimentError: if the data file is broken.
        AnnotationError: if it is one's own, and its classes cannot be read.
    """
    if name in DATASETS:
        return DATASETS[name]
    own, names = _own(name), class_names(name)
    return Dataset(
        name,
        own.title or name,
        len(names),
        sampling=own.sampling,
        flip=own.flip,
        is_own=True,
    )


def own_names() -> list[str]:
    """The names of the datasets of one's own."""
    return list(load_sources().own)


def class_names(name: str) -> tuple[str, ...]:
    """The classes of a dataset; the place of a class is its label.

    Kinetics' classes are in the order of their names, Something-Something's in the order of the
    labels file that is published with it. Public checkpoints are trained in these orders. Those of
    one's own are in the order of their file, or of the names of their folders.

    Raises:
        UsageError: if there is no such dataset.
        ExperimentError: if the data file is broken.
        AnnotationError: if it is one's own, and its classes cannot be read.
    """
    return _published(name) if name in DATASETS else own_classes(name, _own(name))


def _own(name: str) -> OwnDataset:
    found = load_sources().own
    if name not in found:
        error = unknown("dataset", name, [*DATASETS, *found])
        raise UsageError(f"{error}; {sources_file()} describes no other")
    return found[name]


@functools.lru_cache(maxsize=len(DATASETS))
def _published(name: str) -> tuple[str, ...]:
    file = DATASETS[name].class_file
    if file is None:
        return stand_in_classes(name)
    return tuple(file.read_text(encoding="utf-8").splitlines())


def stand_in_classes(name: str) -> tuple[str, ...]:
    """The classes of a rendered dataset: which digit is seen, or how what is seen moves."""
    if name == "digits_kinetics":
        return tuple(f"digit {digit}" for digit in range(10))
    from vswin.data.moving_digits import TASKS  # brings numpy, which the other lists do not need

    return tuple(
        f"moving {a}" if a == b else f"moving {a} then {b}" for a, b in TASKS["temporal"].phases
    )


def class_keys(name: str) -> dict[str, int]:
    """For each class's key its label."""
    return _keys(class_names(name))


@functools.lru_cache(maxsize=16)
def _keys(names: tuple[str, ...]) -> dict[str, int]:
    return {class_key(each): label for label, each in enumerate(names)}
