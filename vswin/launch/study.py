"""Running a study here: what is missing of a table's runs, in a bounded pool."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
    """Executes runs that are not complete; first those whose weights others start from.

    Args:
        configs: what to run; the same one twice is run once.
        store: where the runs are or will be.
        jobs: runs at a time; 0 is as many as the CPU cores or the GPUs have room for.
        threads: CPU threads of each run.
        device: a torch device.
        on_poll: called several times a second with where each run stands.
        settings: how each run is executed.

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
    # The longest first, so that no core is left with a long one at the end.
    configs = sorted(configs, key=lambda c: -c.work)
    stages = [*_pretrainings(configs, store), configs]
    bad: dict[str, RunStatus] = {}
    statuses: list[RunStatus] = []
    for stage in stages:
        able = [config for config in stage if not _lineage(config) & bad.keys()]
        statuses = launch(prepare(able, store), jobs, threads, device, on_poll, settings)
        bad |= {s.run.run_id: s for s in statuses if s.state != "done"}
    if bad:
        runs = {config.run_id: config for stage in stages for config in stage}
        lines = [f"{i}: {s.state} ({s.detail}); log: {s.run.log}" for i, s in bad.items()]
        lines += [
            f"{run_id}: not started, for it starts from one of those"
            for run_id, config in runs.items()
            if run_id not in bad and _lineage(config) & bad.keys()
        ]
        raise RunsFailedError(
            f"{len(lines)} of {len(runs)} runs did not complete:\n  " + "\n  ".join(lines)
        )
    return statuses


def _lineage(config: RunConfig) -> set[str]:
    """A run and the runs that it starts from, by id."""
    return {each.run_id for each in (config, *config.ancestors)}


def _pretrainings(configs: Sequence[RunConfig], store: Store) -> list[list[RunConfig]]:
    """What runs that are not complete start from, in stages: first what the others start from."""
    before = [
        source
        for config in configs
        for source in config.ancestors[:1]
        if store.run(config.run_id).state() != "done"
    ]
    return [*_pretrainings(before, store), before] if before else []
