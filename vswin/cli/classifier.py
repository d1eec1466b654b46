"""What commands that say what a video shows have in common: the model, and what its classes are."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vswin.cli.options import model_options
from vswin.errors import UsageError

if TYPE_CHECKING:  # `vswin --help` has no use for torch
    from vswin.data.video_data import VideoData, ViewsTest
    from vswin.evaluation.public import ClipsAsked
    from vswin.runs.trained import Trained

DatasetOption = Annotated[
    str | None,
    typer.Option(help="What the model was trained on (default: by its number of classes)."),
]
ClassesOption = Annotated[
    Path | None,
    typer.Option(help="Names of the model's classes: one a line, or JSON. Without, numbers."),
]


@dataclasses.dataclass(frozen=True)
class Classes:
    """What a model's classes are called, as far as that is known."""

    names: Sequence[str]
    note: str
    """What was assumed; empty if nothing was."""


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A checkpoint's model, what its answers mean, and how videos are cut for it."""

    model: Any
    """On the CPU, in evaluation mode."""
    classes: Classes
    cut: VideoData
    test: ViewsTest


def classifier_of(
    weights: Path,
    asked: ClipsAsked,
    window: str | None,
    dataset: str | None,
    classes: Path | None,
) -> Classifier:
    """The model of a checkpoint.

    Args:
        weights: `--weights`.
        asked: what the options say of clips.
        window: `--window`.
        dataset: `--dataset`.
        classes: `--classes`.

    Raises:
        UsageError, MissingDataError, WeightsError: if the weights are not there, are no video
            model's, or do not go with the options.
        AnnotationError: if `--classes` has no names.
    """
    from vswin.runs.trained import open_weights

    given = _given_classes(dataset, classes)
    opened = open_weights(weights, asked, **model_options(window=window))
    count = opened.model.config.num_classes
    known = _classes_of(count, dataset, classes, given, opened.trained)
    clips = opened.clips(dataset)
    return Classifier(opened.model, known, clips.data, clips.test)


def _given_classes(dataset: str | None, classes: Path | None) -> tuple[str, ...] | None:
    """The names in `--classes`.

    Raises:
        UsageError: if `--dataset` is no dataset.
        AnnotationError: if the file has no names.
    """
    from vswin.data.datasets import dataset as known_dataset
    from vswin.data.lists.classes import read_classes

    if dataset is not None:
        known_dataset(dataset)
    return tuple(read_classes(classes.expanduser())) if classes is not None else None


def _classes_of(
    count: int,
    dataset: str | None,
    classes: Path | None,
    given: tuple[str, ...] | None,
    trained: Trained | None,
) -> Classes:
    """The classes of a model that has `count` of them.

    Args:
        count: the model's.
        dataset: `--dataset`.
        classes: `--classes`.
        given: the names in it.
        trained: what is known of the run that the weights are of.

    Raises:
        UsageError: if the names, or the dataset's classes, are of another number.
    """
    from vswin.evaluation.public import dataset_with, require_classes_of

    if given is not None and len(given) != count:
        raise UsageError(f"{classes} names {len(given)} classes, and the model has {count}")
    if given is not None:
        return Classes(given, "")
    trained_on = dataset or (trained.data.dataset if trained else None)
    if trained_on is not None:
        return Classes(require_classes_of(trained_on, count), "")
    if (assumed := dataset_with(count)) is not None:
        note = f"(the {count} classes are assumed to be those of {assumed}; --classes gives others)"
        return Classes(require_classes_of(assumed, count), note)
    note = f"(numbers from 0: {count} classes are no known dataset's; --classes names them)"
    return Classes([f"class {label}" for label in range(count)], note)


def require_video(path: Path) -> Path:
    """A file of moving pictures.

    Raises:
        UsageError: if it is none; says what it is.
    """
    from vswin.data.video import open_video

    path = path.expanduser()
    if not path.exists():
        raise UsageError(f"{path}: there is no such file")
    if path.is_dir():
        raise UsageError(f"{path} is a folder; wanted a video file")
    with named_by_hand(), open_video(path):
        return path


@contextlib.contextmanager
def named_by_hand() -> Iterator[None]:
    """Says of a video in the command line, which is on no list, that it cannot be read.

    Raises:
        UsageError: if it cannot.
    """
    from vswin.data.opening import UnreadableVideoError

    try:
        yield
    except UnreadableVideoError as error:
        raise UsageError(f"{error.path} cannot be read as a video: {error.reason}") from error
