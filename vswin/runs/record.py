"""The record of a study: its complete runs in three small files, which can be committed.

`runs.jsonl` holds a line for each run: its run.json, result.json and provenance.json. `curves.csv`
holds the lines of their metrics.jsonl, numbers with six digits. `predictions.npz` holds what was
predicted for each clip of a test, side by side, so that runs can be compared in pairs. A report is
made from it as from the folders of the runs. What it lacks are weights: no run starts from it.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import hashlib
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vswin.files import DamagedFileError, atomic_write, require_writable, write_text
from vswin.runs.config import RunConfig
from vswin.runs.result import Result, result_from
from vswin.runs.store import RunFolder, Store, config_in, read_arrays, run_json

RUNS, CURVES, PREDICTIONS = "runs.jsonl", "curves.csv", "predictions.npz"
GIVEN = ("label", "cell")
"""Arrays of a run's predictions that say what was tested; runs with the same test share them."""

REMEDY = "restore the record, from git say, or record the runs again"

Curve = list[dict[str, Any]]
Predictions = dict[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class RunRecord:
    """What a report needs to know of a complete run."""

    run_id: str
    config: RunConfig
    result: Result
    provenance: dict[str, Any]
    """Commit, versions and machine; empty if that is not known."""

    def __repr__(self) -> str:
        return f"<RunRecord {self.run_id}: {self.result.in_words()}>"


def record_of(run: RunFolder) -> RunRecord | None:
    """What is known of a run that has a folder; None if it is not complete.

    Raises:
        StoreError: if its run.json is not what a run of ours writes.
        DamagedFileError: if another of its files is not.
    """
    result = run.result()
    if result is None:
        return None
    return RunRecord(run.run_id, run.config(), result, run.provenance() or {})


@dataclasses.dataclass(frozen=True)
class Recorded:
    """What records hold, each by run id."""

    runs: dict[str, RunRecord] = dataclasses.field(default_factory=dict)
    curves: dict[str, Curve] = dataclasses.field(default_factory=dict)
    predictions: dict[str, Predictions] = dataclasses.field(default_factory=dict)

    def take(self, other: Recorded, ids: Iterable[str]) -> None:
        """Adds runs of another one, in place of those that are here."""
        for run_id in ids:
            self.runs[run_id] = other.runs[run_id]
            self.curves[run_id] = other.curves[run_id]
            self.predictions[run_id] = other.predictions[run_id]


def read_records(store: Store) -> Recorded:
    """All records of a protocol together: a run that tables share stands in the record of one.

    Raises:
        StoreError: if a run is not of this code's versions.
        DamagedFileError: if a file cannot be read, or a record's files do not belong together.
    """
    found = Recorded()
    for folder in store.records():
        stats = [path.stat() for path in sorted(folder.iterdir())]
        one = _read_once(folder, tuple((stat.st_mtime_ns, stat.st_size) for stat in stats))
        found.take(one, one.runs)
    return found


@functools.lru_cache(maxsize=64)
def _read_once(folder: Path, stamps: tuple[tuple[int, int], ...]) -> Recorded:
    """A record whose files are those of the stamps; each page of a report asks for all."""
    return Recorded(read_runs(folder), read_curves(folder), read_predictions(folder))


def write_record(
    folder: Path, runs: Iterable[RunFolder], copied: Recorded | None = None
) -> dict[str, RunRecord]:
    """Adds complete runs to a record, which is made if there is none.

    What was recorded before stays, unless it is of a run that is given. The same runs give the
    same files.

    Args:
        folder: where the record is or will be.
        runs: those that are not complete are left out.
        copied: runs that have no folder any more, from other records.

    Returns:
        All that is now recorded there, by run id.

    Raises:
        NotWritableError: if the folder cannot be written.
        StoreError: if a run.json, or what was recorded of one, is not of this version.
        DamagedFileError: if another file cannot be read, or a result is not what its run predicted.
    """
    found = Recorded(read_runs(folder), read_curves(folder), read_predictions(folder))
    found.take(copied or Recorded(), (copied or Recorded()).runs)
    for run in runs:
        if record := record_of(run):
            predictions = run.predictions()
            if not _predicted(record, predictions):
                raise DamagedFileError(
                    f"{run.path / 'result.json'} says what {PREDICTIONS} beside it does not give; "
                    "remove the folder and run it again"
                )
            one = {run.run_id: record}, {run.run_id: run.metrics()}, {run.run_id: predictions}
            found.take(Recorded(*one), [run.run_id])
    ids = sorted(found.runs)
    require_writable(folder, "--output")
    write_text(folder / CURVES, _curves_as_csv({run_id: found.curves[run_id] for run_id in ids}))
    stacked = _stack({run_id: found.predictions[run_id] for run_id in ids})
    with atomic_write(folder / PREDICTIONS) as file:
        np.savez_compressed(file, **stacked)  # type: ignore[arg-type]  # all are arrays
    # The list of runs last: what it does not name yet is not read.
    write_text(folder / RUNS, "".join(_as_line(found.runs[run_id]) for run_id in ids))
    return {run_id: found.runs[run_id] for run_id in ids}


def read_runs(folder: Path) -> dict[str, RunRecord]:
    """All recorded runs, by id; empty where there is no record.

    Raises:
        StoreError: if a run is not of this code's versions.
        DamagedFileError: if a file cannot be read, or the files do not belong together.
    """
    path = folder / RUNS
    records = {}
    for number, line in enumerate(_lines(path), 1):
        name = f"line {number} of {path}"
        try:
            content = json.loads(line)
            run, result, provenance = (content[k] for k in ("run", "result", "provenance"))
            run_id = run["run_id"]
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedFileError(f"{name} is not a recorded run; {REMEDY}") from error
        if run_id in records:
            raise DamagedFileError(f"{name} is of {run_id}, which is recorded already; {REMEDY}")
        config = config_in(run, run_id, name, REMEDY)
        records[run_id] = RunRecord(run_id, config, result_from(result, name), provenance)
    _require_whole(folder, records)
    return records


def _require_whole(folder: Path, records: Mapping[str, RunRecord]) -> None:
    """Refuses a record whose files do not belong together."""
    curves, predictions = read_curves(folder), read_predictions(folder)
    for run_id, record in records.items():
        for path, found in ((CURVES, curves), (PREDICTIONS, predictions)):
            if run_id not in found:
                raise DamagedFileError(f"{folder / path} has nothing of {run_id}; {REMEDY}")
        if not _predicted(record, predictions[run_id]):
            raise DamagedFileError(
                f"{folder / RUNS} says of {run_id} what its predictions in {PREDICTIONS} do not "
                f"give; {REMEDY}"
            )


def _predicted(record: RunRecord, predictions: Predictions) -> bool:
    """Whether a run's result is what its predictions give."""
    return record.config.task.metrics(predictions) == record.result.metrics


def read_curves(folder: Path) -> dict[str, Curve]:
    """What was logged while each run trained, a line for each epoch, by run id."""
    curves: dict[str, Curve] = {}
    path = folder / CURVES
    try:
        for line in csv.DictReader(_lines(path)):
            run_id = line.pop("run_id")
            entry = {name: json.loads(cell) for name, cell in line.items() if cell}
            curves.setdefault(run_id, []).extend([entry] if entry else [])
    except (KeyError, ValueError, TypeError) as error:
        raise DamagedFileError(f"{path} is not a record's; {REMEDY}") from error
    return curves


def read_predictions(folder: Path) -> dict[str, Predictions]:
    """The arrays of each run's predictions.npz that have one entry for each clip, by run id."""
    path = folder / PREDICTIONS
    if not path.exists():
        return {}
    found = dict[str, Predictions]()
    arrays = read_arrays(path, REMEDY)
    for number in sorted({name.partition("/")[0] for name in arrays}):
        test = {n.partition("/")[2]: a for n, a in arrays.items() if n.startswith(f"{number}/")}
        for place, run_id in enumerate(test.pop("run").tolist()):
            found[run_id] = {n: a if n in GIVEN else a[place] for n, a in test.items()}
    return found


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def _as_line(record: RunRecord) -> str:
    content = {
        "run": run_json(record.config),
        "result": dataclasses.asdict(record.result),
        "provenance": record.provenance,
    }
    return json.dumps(content, separators=(",", ":"), allow_nan=False) + "\n"


def _curves_as_csv(curves: Mapping[str, Curve]) -> str:
    """Curves as CSV; a run that logged nothing has an empty line."""
    lines = [
        {"run_id": run_id, **{name: _six_digits(value) for name, value in entry.items()}}
        for run_id, curve in curves.items()
        for entry in curve or [{}]
    ]
    text = io.StringIO()
    names = list(dict.fromkeys(name for line in lines for name in line))
    writer = csv.DictWriter(text, names or ["run_id"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _six_digits(value: Any) -> str:
    return json.dumps(float(f"{value:.6g}") if isinstance(value, float) else value)


def _stack(predictions: Mapping[str, Predictions]) -> Predictions:
    """Arrays for one file: for each test, `<number>/run`, and the arrays of its runs stacked."""
    tests: dict[str, list[str]] = {}
    for run_id, arrays in predictions.items():
        tests.setdefault(_test_of(arrays), []).append(run_id)
    stacked = {}
    for number, run_ids in enumerate(tests.values()):
        first = predictions[run_ids[0]]
        stacked[f"{number}/run"] = np.array(run_ids)
        for name in _kept(first):
            every = [predictions[run_id][name] for run_id in run_ids]
            stacked[f"{number}/{name}"] = first[name] if name in GIVEN else np.stack(every)
    return stacked


def _test_of(arrays: Predictions) -> str:
    """What runs have in common whose predictions can be stacked."""
    parts = [(name, arrays[name].tobytes() if name in GIVEN else b"") for name in _kept(arrays)]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _kept(arrays: Predictions) -> list[str]:
    """Names of the arrays that have one entry for each clip, and not one for each class."""
    return sorted(name for name, array in arrays.items() if array.ndim == 1)
