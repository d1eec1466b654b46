"""Whether the runs of a record are those that were registered, and were made after that."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Mapping

from vswin.errors import UsageError
from vswin.experiments.library import Library
from vswin.experiments.planning import first_runs
from vswin.experiments.preregistration import Preregistration, RegisteredRow, RegisteredStudy
from vswin.runs.config import RunConfig
from vswin.runs.record import RunRecord


def runs_of_study(study: RegisteredStudy, library: Library) -> dict[str, str]:
    """The registered runs under a protocol, by id: the rows with their seeds, in words.

    Raises:
        UsageError: if a row would be another run now than the registered one.
    """
    found: dict[str, list[str]] = {}
    protocol = library.protocol(study.protocol)
    for table, rows in study.tables.items():
        firsts = first_runs(library.experiment(table), protocol)
        for row, registered in rows.items():
            for seed, run in runs_of_row(f"{table}.{row}", registered, firsts.get(row)):
                found.setdefault(run.run_id, []).append(f"{table}.{row} seed {seed}")
    return {run_id: ", ".join(names) for run_id, names in found.items()}


def sources_of_study(study: RegisteredStudy, library: Library) -> set[str]:
    """The ids of the runs that those start from."""
    protocol = library.protocol(study.protocol)
    return {
        source.run_id
        for table, rows in study.tables.items()
        for row, first in first_runs(library.experiment(table), protocol).items()
        if row in rows
        for _, run in runs_of_row(f"{table}.{row}", rows[row], first)
        for source in run.ancestors
    }


def runs_of_row(
    name: str, registered: RegisteredRow, first: RunConfig | None
) -> list[tuple[int, RunConfig]]:
    """The registered runs of a row, each with its seed.

    Args:
        name: of the row, for the message.
        registered: what was registered of it.
        first: its run with seed 0 now; None if there is no such row.

    Raises:
        UsageError: if that is another run than the registered one.
    """
    if first is None or first.run_id != registered.first:
        now = "there is no such row" if first is None else f"it is {first.run_id}"
        raise UsageError(f"{name} was registered as {registered.first}; now {now}")
    return [(seed, first.with_seed(seed)) for seed in range(registered.seeds)]


def order_problems(runs: Iterable[RunRecord], digest: str, since: datetime.datetime) -> list[str]:
    """Runs that were not made after the registration, a line for each.

    Args:
        runs: registered ones.
        digest: SHA-256 of the file.
        since: when it was written or committed.
    """
    found = []
    for run in runs:
        origin = run.provenance
        if origin.get("preregistration") != digest:
            noted = origin.get("preregistration") or "none"
            found.append(f"{run.run_id} notes another preregistration: {noted}")
        elif not (started := origin.get("started")):
            found.append(f"{run.run_id} does not say when it started")
        elif datetime.datetime.fromisoformat(started) <= since:
            found.append(f"{run.run_id} started {started}, before the registration ({since})")
    return found


def completeness_problems(
    registered: Mapping[str, str], present: Collection[str], sources: Collection[str] = ()
) -> tuple[list[str], list[str]]:
    """Registered runs that are missing, and runs that are there and are not registered.

    Args:
        registered: from `runs_of_study`.
        present: the ids of the runs that are there.
        sources: ids of runs that others start from; they may be there.
    """
    missing = [name for run_id, name in registered.items() if run_id not in present]
    others = [i for i in present if i not in registered and i not in sources]
    return missing, sorted(others)


def registration_problems(
    registered: Preregistration,
    library: Library,
    records: Mapping[str, Mapping[str, RunRecord]],
    digest: str,
    since: datetime.datetime,
) -> tuple[list[str], list[str]]:
    """What is wrong with a record, and what is missing in it.

    Args:
        registered: what was fixed beforehand.
        library: the experiments and protocols as they are.
        records: the runs by protocol and id.
        digest: SHA-256 of the file.
        since: when it was written or committed.

    Raises:
        UsageError: if a row would be another run now than the registered one.
    """
    wrong: list[str] = []
    lacking: list[str] = []
    for study in registered.studies:
        runs = runs_of_study(study, library)
        sources, present = sources_of_study(study, library), records.get(study.protocol, {})
        known = [run for run_id, run in present.items() if run_id in runs or run_id in sources]
        wrong += order_problems(known, digest, since)
        missing, others = completeness_problems(runs, present, sources)
        wrong += [f"{study.protocol}: {run_id} is not registered" for run_id in others]
        lacking += [f"{study.protocol}: {name}" for name in missing]
    return wrong, lacking
