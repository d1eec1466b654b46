"""Where this machine keeps videos and published checkpoints: `data.yaml`, never part of a run.

    datasets:
      kinetics400:
        train: {annotations: /data/k400/train.csv, videos: /data/k400/train}
        test: {annotations: /data/k400/val.csv, videos: /data/k400/val}
      ssv2:
        train: {annotations: ssv2/train.json, videos: ssv2/videos, labels: ssv2/labels.json}
        test: {annotations: ssv2/validation.json, videos: ssv2/videos, labels: ssv2/labels.json}
    weights: [/data/weights]

Relative paths count from the file's own folder. The file lies in the project's root, or where the
environment variable VSWIN_DATA says.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from vswin.data.annotations import VideoList, read_annotations, require_clean
from vswin.data.datasets import dataset as known_dataset
from vswin.errors import UsageError, VswinError
from vswin.place import cache_folder
from vswin.project import project_root
from vswin.reading import Strict, read_strictly

VARIABLE = "VSWIN_DATA"
SplitName = Literal["train", "test"]


class MissingDataError(VswinError):
    """This machine lacks videos or weights that a run needs, or does not say where they are."""


class Split(Strict):
    """One split of a dataset on this machine."""

    annotations: Path
    """A list in any form that `vswin.data.annotations` reads, or a folder of class folders."""
    videos: Path | None = None
    """Folder that the list's files are in; None where the list says it."""
    labels: Path | None = None
    """The dataset's own file of classes, to be compared."""


class Sources(Strict):
    """What this machine has."""

    datasets: dict[str, dict[SplitName, Split]] = Field(default_factory=dict)
    weights: tuple[Path, ...] = ()
    """Folders that are searched for checkpoints by name; downloads go to the first."""
    file: Path = Field(default=Path(), exclude=True)
    """Where this was read; it need not exist."""

    @field_validator("datasets")
    @classmethod
    def _known(cls, value: dict[str, dict[SplitName, Split]]) -> dict[str, dict[SplitName, Split]]:
        for name in value:
            try:
                known_dataset(name)
            except UsageError as error:
                raise ValueError(str(error)) from error
        return value

    def splits(self, dataset: str) -> dict[SplitName, Split]:
        """The splits of a dataset that this machine names; none if it is not there."""
        folder = self.file.parent
        return {
            name: Split(
                annotations=folder / split.annotations.expanduser(),
                videos=folder / split.videos.expanduser() if split.videos else None,
                labels=folder / split.labels.expanduser() if split.labels else None,
            )
            for name, split in self.datasets.get(dataset, {}).items()
        }

    def listed(self, dataset: str, split: SplitName) -> VideoList:
        """The list of a split, with what had to be left out of it.

        Raises:
            UsageError: if there is no such dataset.
            MissingDataError: if this machine does not say where it is, or that is not there.
            AnnotationError: if the list cannot be read.
        """
        known_dataset(dataset)
        found = self.splits(dataset).get(split)
        if found is None:
            raise MissingDataError(
                f"{self.file} does not say where the {split} split of {dataset} is; see "
                "data.example.yaml"
            )
        for what, path in (("list is", found.annotations), ("videos are in", found.videos)):
            if path is not None and not path.exists():
                raise MissingDataError(
                    f"{self.file} says that {dataset}'s {split} {what} {path}, and there is nothing"
                )
        return read_annotations(dataset, found.annotations, found.videos, split, found.labels)

    def videos(self, dataset: str, split: SplitName) -> VideoList:
        """The list of a split, of which nothing had to be left out.

        Raises:
            UsageError: if there is no such dataset.
            MissingDataError: if this machine does not say where it is, or that is not there.
            AnnotationError: if the list cannot be read, or has duplicates or unknown classes.
        """
        return require_clean(self.listed(dataset, split))

    def folders(self) -> tuple[Path, ...]:
        """Where checkpoints are looked for: as the file says, then in the user's cache."""
        named = (self.file.parent / folder.expanduser() for folder in self.weights)
        return (*named, cache_folder() / "weights")

    def checkpoint(self, name: str) -> Path | None:
        """The file of that name in the folders of weights, None if there is none."""
        paths = (folder / name for folder in self.folders())
        return next((path for path in paths if path.is_file()), None)

    def require_checkpoint(self, name: str) -> Path:
        """As `checkpoint`.

        Raises:
            MissingDataError: if there is none.
        """
        path = self.checkpoint(name)
        if path is None:
            where = ", ".join(map(str, self.folders()))
            raise MissingDataError(
                f"there is no {name} in the folders of weights ({where}; {self.file} can name "
                "others); a run starts from the weights of its row, never silently from random ones"
            )
        return path


def sources_file() -> Path:
    """The machine's data file: $VSWIN_DATA, or data.yaml in the project's root."""
    given = os.environ.get(VARIABLE)
    return Path(given).expanduser().absolute() if given else project_root() / "data.yaml"


def load_sources() -> Sources:
    """Reads the machine's data file; without one, the machine has nothing.

    Raises:
        ExperimentError: if the file is not what it should be; names file, line and key.
        UsageError: if $VSWIN_DATA names a file that is not there.
    """
    path = sources_file()
    if not path.is_file():
        if os.environ.get(VARIABLE):
            raise UsageError(f"{VARIABLE} names {path}, and there is no such file")
        return Sources(file=path)
    return read_strictly(path, Sources).model_copy(update={"file": path})
