"""Running a study here: what is missing of a table's runs, in a bounded pool."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from vswin.errors import UsageError, VswinError
from vswin.experiments.planning import StudyPlan
from vswin.launch.pool import launch, pool_size, prepare
from vswin.runs.config import RunConfig
from vswin.runs.requirements import require_inputs
from vswin.runs.resources import ExecutionSettings
from vswin.runs.status import RunStatus
from vswin.runs.store import Store


class RunsFailedError(VswinError):
    """Some runs of a study failed; the others are complete."""


def run_study(
    plan: StudyPlan,
    jobs: int = 0,
    device: str = "cpu",
    on_poll: Callable[[list[RunStatus]], None] = lambda statuses: None,
    settings: ExecutionSettings | None = None,
) -> list[RunStatus]:
    """Executes the runs of a plan that are not complete, and waits for them.

    Args:
        plan: from `plan_study`.
        jobs: runs at a time; 0 is as many as the CPU cores or the GPUs have room for.
        device: a torch device.
        on_poll: called several times a second with where each run stands.
        settings: how each run is executed.

    Raises:
        UsageError: if `jobs` is negative, or more than there are GPUs for.
        NotWritableError: if the results folder cannot be written.
        RunsFailedError: if a run failed, with its last words and where its log is.
    """
    threads = plan.protocol.threads
    configs = [planned.config for planned in plan.runs]
    return run_configs(configs, plan.store, jobs, threads, device, on_poll, settings)


def run_configs(
    configs: Sequence[RunConfig],
    store: Store,
    jobs: int = 0,
    threads: int = 1,
    device: str = "cpu",
    on_poll: Callable[[list[RunStatus]], None] = lambda statuses: None,
    settings: ExecutionSettings | None = None,
) -> list[RunStatus]:
    """Executes runs that are not complete, and before each the run that it starts from.

    Args:
        configs: what to run; the same one twice is run once.
        store: where the runs are or will be.
        jobs: runs at a time; 0 is as many as the CPU cores or the GPUs have room for.
        threads: CPU threads of each run.
        device: a torch device.
        on_poll: called several times a second with where each run stands.
        settings: how each run is executed.

    Returns:
        Where each of `configs` stands in the end, which is done.

    Raises:
        UsageError: if `jobs` is negative, or more than there are GPUs for.
        MissingDataError: if this machine lacks videos or weights that a run needs.
        NotWritableError: if the results folder cannot be written.
        RunsFailedError: if a run failed, with its last words and where its log is.
    """
    jobs = pool_size(jobs, device, threads, settings.processes if settings else 1)
    if settings and settings.processes > 1 and any(c.data.kind != "videos" for c in configs):
        raise UsageError(
            f"--processes {settings.processes}: a run of the embedded benchmark takes one; "
            "--jobs runs several at a time"
        )
    require_inputs(configs, store)
    ordered = with_sources(configs, store)
    ids = {config.run_id for config in ordered}
    after = {
        config.run_id: config.source.run_id
        for config in ordered
        if config.source is not None and config.source.run_id in ids
    }
    runs = prepare(ordered, store)
    found = launch(runs, jobs, threads, device, on_poll, settings, after)
    statuses = {status.run.run_id: status for status in found}
    bad = {run_id: s for run_id, s in statuses.items() if s.state != "done"}
    if bad:
        lines = [
            f"{i}: not started, for it starts from one of those"
            if after.get(i) in bad
            else f"{i}: {s.state} ({s.detail}); log: {s.run.log}"
            for i, s in sorted(bad.items(), key=lambda item: after.get(item[0]) in bad)
        ]
        raise RunsFailedError(
            f"{len(lines)} of {len(statuses)} runs did not complete:\n  " + "\n  ".join(lines)
        )
    return [statuses[run_id] for run_id in dict.fromkeys(config.run_id for config in configs)]


def with_sources(configs: Sequence[RunConfig], store: Store) -> list[RunConfig]:
    """Runs and, where they are not complete, those that they start from, in the order to execute.

    Each is there once. First come those that start from no other run; of these, and of the rest,
    the longest, so that no core is left with a long one at the end.
    """
    found = {c.run_id: c for config in configs for c in _lineage(config, store)}
    return sorted(found.values(), key=lambda c: (len(c.ancestors), -c.work))


def _lineage(config: RunConfig, store: Store) -> Iterator[RunConfig]:
    yield config
    if config.source is not None and store.run(config.run_id).state() != "done":
        yield from _lineage(config.source, store)
