"""Which runs of a study failed: they have no number, and a report says so."""

from __future__ import annotations

from collections.abc import Iterator

from vswin.experiments.planning import PresentRuns, Protocol, study_runs
from vswin.experiments.tables import Experiment
from vswin.report.data import FailedRun
from vswin.runs.record import read_records
from vswin.runs.store import Store


def failed_runs(
    experiment: Experiment, protocol: Protocol, seeds: int | None, store: Store
) -> Iterator[FailedRun]:
    """Runs without a result that ended with an error, or start from one that did."""
    wanted = None if seeds is None else range(seeds)
    recorded = read_records(store).runs
    present = PresentRuns(run_id for run_id in store.run_ids() if run_id not in recorded)
    for planned in study_runs(experiment, protocol, wanted, present=present):
        if store.run(planned.config.run_id).result() is not None:
            continue
        for config in (planned.config, *planned.config.ancestors):
            folder = store.run(config.run_id)
            if folder.state() == "failed" and (error := folder.error()):
                of_source = "" if config is planned.config else f"it starts from {config.run_id}: "
                why = f"{of_source}{error.get('type')}: {error.get('message')}"
                yield FailedRun(planned.row.id, planned.seed, why)
                break
