"""Where this machine keeps videos and published checkpoints: `data.yaml`, never part of a run.

    datasets:
      kinetics400:
        train: {annotations: /data/k400/train.csv, videos: /data/k400/train}
        test: {annotations: /data/k400/val.csv, videos: /data/k400/val}
      my_gestures:
        classes: from folders
        sampling: segments
        flip: false
        train: gestures/train
        test: gestures/test
    weights: [/data/weights]

A dataset that is not published is one's own if it has `classes`. Relative paths count from the
file's own folder. The file lies in the project's root; without a project, in the current folder; or
where the environment variable VSWIN_DATA says.
"""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from vswin.data.own import FROM_FOLDERS, OwnDataset
from vswin.data.published import DATASETS
from vswin.errors import UsageError, VswinError, unknown
from vswin.place import cache_folder
from vswin.project import NoProjectError, project_root
from vswin.reading import Strict, read_strictly

VARIABLE = "VSWIN_DATA"
SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")


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


def _as_split(value: Any) -> Any:
    """A split that is nothing but a list or a folder, as it is written in full."""
    return {"annotations": value} if isinstance(value, str) else value


class Located(Strict):
    """A dataset on this machine; one's own is described, too."""

    all: Annotated[Split | None, BeforeValidator(_as_split)] = None
    """Of one's own, in the place of the splits: the whole, which `vswin data split` divides."""
    train: Annotated[Split | None, BeforeValidator(_as_split)] = None
    validation: Annotated[Split | None, BeforeValidator(_as_split)] = None
    """What early stopping looks at; never trained on, and never reported."""
    test: Annotated[Split | None, BeforeValidator(_as_split)] = None
    classes: Path | None = None
    """Of one's own: a file of the classes, or `from folders`."""
    sampling: Literal["dense", "segments"] | None = None
    """Of one's own, as `vswin.data.published.Dataset.sampling`; dense if left out."""
    flip: bool | None = None
    """Of one's own, as `vswin.data.published.Dataset.flip`; true if left out."""
    title: str | None = None
    """Of one's own: what reports call it."""

    @property
    def splits(self) -> dict[SplitName, Split]:
        """Those that are there, by name."""
        return {n: found for n in SPLITS if (found := getattr(self, n)) is not None}


class Sources(Strict):
    """What this machine has."""

    datasets: dict[str, Located] = Field(default_factory=dict)
    weights: tuple[Path, ...] = ()
    """Folders that are searched for checkpoints by name; downloads go to the first."""
    file: Path = Field(default=Path(), exclude=True)
    """Where this was read; it need not exist."""

    @field_validator("datasets")
    @classmethod
    def _known(cls, value: dict[str, Located]) -> dict[str, Located]:
        for name, found in value.items():
            if name in DATASETS:
                said = (
                    k
                    for k in ("classes", "sampling", "flip", "title", "all")
                    if getattr(found, k) is not None
                )
                if key := next(said, None):
                    raise ValueError(f"{name} is published, and its {key} known; leave {key} out")
            else:
                _require_own(name, found)
        return value

    @functools.cached_property
    def own(self) -> dict[str, OwnDataset]:
        """The datasets of one's own, by name."""
        return {n: self._own(found) for n, found in self.datasets.items() if n not in DATASETS}

    def _own(self, found: Located) -> OwnDataset:
        folders = str(found.classes) == FROM_FOLDERS
        train = found.all or found.train
        videos = train and (train.videos or train.annotations)
        return OwnDataset(
            classes=None if folders or found.classes is None else self._path(found.classes),
            folders=self._path(videos) if folders and videos else None,
            sampling=found.sampling or "dense",
            flip=found.flip is not False,
            title=found.title or "",
        )

    def _path(self, path: Path) -> Path:
        """A path as the file means it."""
        return self.file.parent / path.expanduser()

    def _located(self, split: Split) -> Split:
        """A split whose paths are as the file means them."""
        return Split(**{key: path and self._path(path) for key, path in split})

    def splits(self, dataset: str) -> dict[SplitName, Split]:
        """The splits of a dataset that this machine names; none if it is not there.

        Those of one that is to be divided are in its file, once that has been written.
        """
        found = self.datasets.get(dataset)
        if found is not None and found.all is not None:
            path = self.split_file(dataset)
            names = SPLITS if path.exists() else ()
            return {n: Split(annotations=path, videos=self.root(dataset)) for n in names}
        return {n: self._located(split) for n, split in (found.splits if found else {}).items()}

    def split_file(self, dataset: str) -> Path:
        """Where `vswin data split` writes which video of a dataset is of which split."""
        return self.file.parent / f"{dataset}_split.csv"

    def whole(self, dataset: str) -> Split | None:
        """What of a dataset is to be divided; None if its splits are named."""
        found = self.datasets.get(dataset)
        return self._located(found.all) if found and found.all else None

    def root(self, dataset: str) -> Path:
        """The folder that the videos of a dataset are in which is to be divided."""
        whole = self.whole(dataset)
        assert whole is not None
        folder = whole.videos or whole.annotations
        return folder.parent if folder.is_file() else folder

    def absence(self, dataset: str) -> str:
        """In words, that a split is not there, and what to do."""
        if self.whole(dataset) is not None:
            return f"not drawn yet: `vswin data split {dataset}` does so"
        return f"not in {self.file.name}"

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


def is_there(path: Path) -> bool:
    """Whether a list, or files of the pattern that stands for it, are there."""
    return any(path.parent.glob(path.name)) if "*" in path.name else path.exists()


def sources_file() -> Path:
    """The machine's data file: $VSWIN_DATA, or data.yaml in the project's root.

    Without a project, for which weights and datasets need not wait, it is that of this folder.
    """
    if given := os.environ.get(VARIABLE):
        return Path(given).expanduser().absolute()
    try:
        return project_root() / "data.yaml"
    except NoProjectError:
        return Path.cwd() / "data.yaml"


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
    status = path.stat()
    return _read(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=4)  # names of classes are asked for once for each entry of a list
def _read(path: Path, changed: int, size: int) -> Sources:
    """The data file as it is since `changed`."""
    return read_strictly(path, Sources).model_copy(update={"file": path})


def _require_own(name: str, found: Located) -> None:
    """Refuses what is neither a published dataset nor one of one's own.

    Raises:
        ValueError: says what is missing or wrong.
    """
    if found.classes is None:
        raise ValueError(
            f"{unknown('dataset', name, DATASETS)}; one of your own wants `classes`, a file or "
            f"`{FROM_FOLDERS}`"
        )
    if not re.fullmatch(r"[a-z0-9_]+", name):
        raise ValueError(f"{name}: wanted small letters, digits and _, as it is part of file names")
    if (found.train is None) == (found.all is None) or (found.all and found.splits):
        raise ValueError(
            f"{name}: wanted `train` and `test`, lists or folders of its videos; or `all`, which "
            "`vswin data split` divides"
        )
