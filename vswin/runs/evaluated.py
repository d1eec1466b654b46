"""Tests of checkpoints on disk, for reports: a folder each in `<results>/evaluated/`.

Its name is `<file>-<dataset>-<views>-<hash>`. It is complete exactly when it has a `result.json`,
which is written last; `predictions.npz` is what was kept of each video. The hash is of all that can
change the outcome: the weights, the list, how clips are cut, the views, the precision and the
versions of the code that computes it. What a test that was killed has found is in
`evaluated/unfinished/`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from vswin.data.video_data import VideoData, ViewsTest
from vswin.files import DamagedFileError, atomic_write, naming, read_json, write_json
from vswin.models.registry import family_of
from vswin.runs.config import RunConfig
from vswin.runs.identity import digest
from vswin.runs.result import Count, Share
from vswin.tasks import Task

VERSION = 1
RATES = ("drop_path", "head_dropout")
"""Fields of a model's configuration that belong to its training."""
FOLDER, UNFINISHED, RESULT = "evaluated", "unfinished", "result.json"


@dataclasses.dataclass(frozen=True)
class CheckpointTest:
    """A test of a checkpoint: what is tested, on what, and how."""

    file: str
    """The checkpoint's name, without its folder."""
    digest: str
    """SHA-256 over the weights."""
    model: dict[str, Any]
    """As `model_content` gives it."""
    dataset: str
    split: str
    list_digest: str
    """SHA-256 over the list of videos."""
    clips: dict[str, Any]
    """As `clips_content` gives it."""
    views: str
    """Clips × crops of each video."""
    precision: str
    versions: dict[str, int]
    """Of the components that compute the outcome."""

    @property
    def id(self) -> str:
        """The name of its folder."""
        views = self.views.replace("×", "x")
        return f"{Path(self.file).stem}-{self.dataset}-{views}-{digest(dataclasses.asdict(self))}"


@dataclasses.dataclass(frozen=True)
class Evaluated:
    """A test of a checkpoint, and what came out."""

    tested: CheckpointTest
    layout: str
    """Of the checkpoint."""
    size: str
    """Preset and sizes of its model, in words."""
    metrics: dict[str, Share]
    n: Count
    """Listed videos; every one counts."""
    present: Count
    """Those that could be read."""
    provenance: dict[str, Any]
    """Commit, versions, machine and times."""
    version: int = VERSION

    @property
    def finished(self) -> str:
        """When, in UTC."""
        return str(self.provenance.get("finished", ""))

    def __repr__(self) -> str:
        shares = ", ".join(f"{name} {100 * share:.1f} %" for name, share in self.metrics.items())
        return f"<Evaluated {self.tested.id}: {shares} of {self.n}>"


@dataclasses.dataclass(frozen=True)
class Evaluations:
    """All tests of checkpoints in a results folder."""

    results_dir: Path

    @property
    def folder(self) -> Path:
        """<results>/evaluated."""
        return self.results_dir / FOLDER

    def of(self, evaluated: Evaluated) -> Path:
        """The folder of a test."""
        return self.folder / evaluated.tested.id

    def unfinished(self, **asked: Any) -> Path:
        """Where a test notes what it has done, until it is complete; the same for the same words.

        Args:
            **asked: all that tells the command from others, as JSON can hold it.
        """
        return self.folder / UNFINISHED / digest(asked)

    def forget(self, notes: Path) -> None:
        """Removes the notes of a test that is complete."""
        shutil.rmtree(notes, ignore_errors=True)
        with contextlib.suppress(OSError):  # other tests' notes may be there, or there were none
            notes.parent.rmdir()

    def add(self, evaluated: Evaluated, predictions: Mapping[str, np.ndarray]) -> Path:
        """Writes the outcome of a test, in the place of an older one of the same.

        Raises:
            NotWritableError: if that cannot be done.
        """
        folder = self.of(evaluated)
        with naming(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(folder / "predictions.npz") as file:
            np.savez_compressed(file, **predictions)  # type: ignore[arg-type]  # all are arrays
        write_json(folder / RESULT, dataclasses.asdict(evaluated))
        return folder

    def read(self) -> list[Evaluated]:
        """All complete tests, by id.

        Raises:
            DamagedFileError: if a result.json is not what `add` writes.
        """
        return [_read(path) for path in sorted(self.folder.glob(f"*/{RESULT}"))]


def model_content(config: Any) -> dict[str, Any]:
    """A model as JSON, without the rates of its training and what computes the same."""
    simplest = family_of(config).simplest(config)
    content = {k: v for k, v in dataclasses.asdict(simplest).items() if k not in RATES}
    found: dict[str, Any] = json.loads(json.dumps({"family": family_of(config).name, **content}))
    return found


def clips_content(data: VideoData) -> dict[str, Any]:
    """How test clips are cut; the rest of `VideoData` is about training."""
    names = ("frames", "stride", "sampling", "size", "pixels")
    return {name: getattr(data, name) for name in names}


def versions_of(config: Any, data: VideoData, test: ViewsTest, task: Task) -> dict[str, int]:
    """Of all that computes the outcome of a test."""
    family = family_of(config)
    return {family.name: family.version} | {p.kind: p.VERSION for p in (data, test, task)}


def is_test_of(tested: CheckpointTest, config: RunConfig) -> bool:
    """Whether a checkpoint was tested as the model of a run on videos is, on the test split.

    The list of videos may be another: every copy of a dataset lacks others.
    """
    data, test = config.data, config.test
    if not (isinstance(data, VideoData) and isinstance(test, ViewsTest)):
        return False
    wanted = {
        "model": model_content(config.model),
        "dataset": data.dataset,
        "split": "test",
        "clips": clips_content(data),
        "views": str(test),
        "versions": versions_of(config.model, data, test, config.task),
    }
    return all(getattr(tested, name) == value for name, value in wanted.items())


def tests_of(
    found: Iterable[Evaluated], published: str | None, config: RunConfig
) -> list[Evaluated]:
    """Those of a row's published checkpoint that are as its runs are tested.

    Args:
        found: tests of any checkpoints.
        published: the name of the row's file; None: there is none.
        config: a run of the row.
    """
    return [e for e in found if e.tested.file == published and is_test_of(e.tested, config)]


@functools.cache
def _adapter() -> TypeAdapter[Evaluated]:
    return TypeAdapter(Evaluated)


def _read(path: Path) -> Evaluated:
    try:
        found = _adapter().validate_python(read_json(path))
        if found.version != VERSION:
            raise ValueError(f"version {found.version}, wanted {VERSION}")
        if found.tested.id != path.parent.name:
            raise ValueError(f"it is of {found.tested.id}")
    except ValidationError as error:
        first = error.errors()[0]
        why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    except ValueError as error:
        why = str(error)
    else:
        return found
    raise DamagedFileError(
        f"{path} is not what a test of a checkpoint writes ({why}); remove its folder and test "
        "again"
    )
