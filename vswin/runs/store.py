"""The store: a folder of runs. What is there and complete is done; nothing else is."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from vswin.errors import VswinError
from vswin.files import DamagedFileError, atomic_write, naming, read_json, write_json
from vswin.runs.config import RunConfig, read_config
from vswin.runs.lock import is_locked
from vswin.runs.result import Result, read_result

State = Literal[
    "done",
    "running",
    "queued",
    "failed",
    "blocked",
    "cancelled",
    "interrupted",
    "missing",
    "unknown",
]
"""Where a run stands. `blocked`: it starts from a run that failed. `interrupted`: it stopped, and
goes on when it is run or submitted again. `missing`: nothing has been done for it. What Slurm alone
can tell (queued, blocked, cancelled, unknown) is found by `vswin.launch.status`."""


class StoreError(VswinError):
    """A run's folder holds something that no run of ours writes."""


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """One run on disk; see the design of the store in the README."""

    path: Path

    @property
    def run_id(self) -> str:
        """The folder's name is the run's id."""
        return self.path.name

    @property
    def checkpoints(self) -> Path:
        """Where a killed run goes on from; emptied when the run is done."""
        return self.path / "checkpoints"

    @property
    def weights(self) -> Path:
        """The weights of a run that others start from, in our layout; written before its result."""
        return self.path / "weights.safetensors"

    @property
    def last_weights(self) -> Path:
        """The weights after the last step, where validation chose those of an earlier one."""
        return self.path / "last.safetensors"

    @property
    def has_weights(self) -> bool:
        """Whether the run is complete and its weights are there, so that others can use them."""
        return self.weights.exists() and (self.path / "result.json").exists()

    @property
    def log(self) -> Path:
        """Everything the run's process printed."""
        return self.path / "log.txt"

    def create(self, config: RunConfig) -> None:
        """Makes the folder and writes its run.json, unless it is there."""
        with naming(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        if not (self.path / "run.json").exists():
            write_json(self.path / "run.json", run_json(config))

    def config(self) -> RunConfig:
        """What run.json says.

        Raises:
            StoreError: if it is missing, damaged, or not the run that the folder is named after.
        """
        path = self.path / "run.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StoreError(f"{path} cannot be read ({error}); remove the folder") from error
        return config_in(content, self.run_id, str(path))

    def result(self) -> Result | None:
        """result.json of a complete run, else None.

        Raises:
            DamagedFileError: if it is there and not what a run of ours writes.
        """
        return read_result(self.path / "result.json")

    def status(self) -> dict[str, Any]:
        """The last status.json, empty before the first; a damaged one says nothing."""
        with contextlib.suppress(DamagedFileError):
            return read_json(self.path / "status.json") or {}
        return {}

    def error(self) -> dict[str, Any] | None:
        """error.json of the last attempt, if that failed."""
        return read_json(self.path / "error.json")

    def provenance(self) -> dict[str, Any] | None:
        """provenance.json of the attempt that completed the run."""
        return read_json(self.path / "provenance.json")

    def state(self) -> State:
        """Read off the folder itself: a complete result wins, then a living writer."""
        if (self.path / "result.json").exists() and (
            self.weights.exists() or not _is_pretraining(self.path / "run.json")
        ):
            return "done"
        if is_locked(self.path):
            return "running"
        if (self.path / "error.json").exists():
            return "failed"
        return "interrupted" if self.status() else "missing"

    def write_status(self, **fields: Any) -> None:
        """Replaces status.json."""
        write_json(self.path / "status.json", fields)

    def append_metrics(self, line: dict[str, Any]) -> None:
        """Adds one line to metrics.jsonl, on a line of its own even after a cut one.

        Raises:
            NotWritableError: if that cannot be done; a run must not go on without its metrics.
        """
        path = self.path / "metrics.jsonl"
        with naming(path), path.open("ab+") as file:
            file.seek(max(0, file.tell() - 1))
            cut = file.read(1) not in (b"", b"\n")
            file.write(b"\n" * cut + json.dumps(line).encode() + b"\n")

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl, one per epoch; of a repeated epoch the last counts."""
        path = self.path / "metrics.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        by_epoch = {}
        for line in lines:
            with contextlib.suppress(ValueError):  # a line of a killed writer may be cut
                entry = json.loads(line)
                by_epoch[entry["epoch"]] = entry
        return [by_epoch[epoch] for epoch in sorted(by_epoch)]

    def write_predictions(self, **arrays: np.ndarray) -> None:
        """Replaces predictions.npz."""
        with atomic_write(self.path / "predictions.npz") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # all are arrays

    def predictions(self) -> dict[str, np.ndarray]:
        """The arrays of predictions.npz.

        Raises:
            DamagedFileError: if it cannot be read.
        """
        return read_arrays(self.path / "predictions.npz", "remove the folder of the run")


def read_arrays(path: Path, remedy: str) -> dict[str, np.ndarray]:
    """The arrays of an .npz file.

    Args:
        path: of the file.
        remedy: what to do if it is damaged, for the message.

    Raises:
        DamagedFileError: if it cannot be read.
    """
    try:
        with np.load(path) as file:
            return dict(file)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DamagedFileError(f"{path} cannot be read ({error}); {remedy}") from error


def run_json(config: RunConfig) -> dict[str, Any]:
    """What run.json says of a run."""
    return {"run_id": config.run_id, "versions": config.versions, **config.as_dict()}


def config_in(content: Any, run_id: str, name: str, remedy: str = "remove the folder") -> RunConfig:
    """The configuration in what `run_json` gave.

    Args:
        content: parsed JSON.
        run_id: the run that it must be of.
        name: where it is from, for the error.
        remedy: what to do about it, for the error.

    Raises:
        StoreError: if it is none, of another run, or of other versions of the code.
    """
    try:
        content = dict(content)
        before = dict(content.pop("versions"))
        content.pop("run_id")
        config = read_config(content)
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"{name} cannot be read ({error}); {remedy}") from error
    if changed := [f"{k} {v}" for k, v in config.versions.items() if before.get(k) != v]:
        raise StoreError(
            f"{name} is not of this code's versions ({', '.join(changed)}), which give other "
            f"results: {remedy}, or use the code that made it"
        )
    if config.run_id != run_id:
        raise StoreError(
            f"{name} describes {config.run_id}, which is not what it is named after; {remedy}"
        )
    return config


@functools.lru_cache(maxsize=4096)
def _is_pretraining(run_json: Path) -> bool:
    """What run.json says of it; read once, for run.json never changes."""
    content = read_json(run_json)
    return isinstance(content, dict) and content.get("is_pretraining") is True


@dataclasses.dataclass(frozen=True)
class Store:
    """All runs of one protocol below a results folder."""

    results_dir: Path
    protocol: str

    @property
    def runs_dir(self) -> Path:
        """<results>/<protocol>/runs."""
        return self.results_dir / self.protocol / "runs"

    @property
    def tables_dir(self) -> Path:
        """<results>/<protocol>/tables."""
        return self.results_dir / self.protocol / "tables"

    def record(self, table: str) -> Path:
        """<results>/<protocol>/record/<table>, see `vswin.runs.record`."""
        return self.results_dir / self.protocol / "record" / table

    def records(self) -> list[Path]:
        """The folders of all records that exist, in order."""
        lists = (self.results_dir / self.protocol).glob("record/*/runs.jsonl")
        return sorted(path.parent for path in lists)

    @property
    def reports_dir(self) -> Path:
        """<results>/reports."""
        return self.results_dir / "reports"

    def run(self, run_id: str) -> RunFolder:
        """The folder of a run, whether it exists or not."""
        return RunFolder(self.runs_dir / run_id)

    def run_ids(self) -> list[str]:
        """The ids of all runs that exist, in order."""
        folders = self.runs_dir.iterdir() if self.runs_dir.is_dir() else ()
        return sorted(path.name for path in folders if (path / "run.json").exists())

    def __iter__(self) -> Iterator[RunFolder]:
        """All runs that exist, by id."""
        return map(self.run, self.run_ids())
