"""Launching many runs on this machine: a bounded pool of processes, one for each run."""

from __future__ import annotations

import dataclasses
import os
import signal
import time
from collections.abc import Callable, Collection, Mapping, Sequence

from vswin.errors import UsageError
from vswin.files import require_writable
from vswin.launch.gpus import Slots, runs_at_a_time, visible_gpus
from vswin.launch.processes import Processes
from vswin.runs.config import RunConfig
from vswin.runs.resources import ExecutionSettings
from vswin.runs.status import RunStatus, read_status
from vswin.runs.store import RunFolder, Store

POLL_S = 0.25


def prepare(configs: Sequence[RunConfig], store: Store) -> list[RunFolder]:
    """Creates the folders of the runs that are asked for; each run once, in the order given.

    The folders that a report will go to are tried as well, before hours of training.

    Raises:
        NotWritableError: if the results folder cannot be written; nothing was started then.
    """
    for folder in (store.runs_dir, store.tables_dir, store.reports_dir):
        require_writable(folder)
    unique = {config.run_id: config for config in configs}
    for run_id, config in unique.items():
        store.run(run_id).create(config)
    return [store.run(run_id) for run_id in unique]


def launch(
    runs: Sequence[RunFolder],
    jobs: int,
    threads: int = 1,
    device: str = "cpu",
    on_poll: Callable[[list[RunStatus]], None] = lambda statuses: None,
    settings: ExecutionSettings | None = None,
    after: Mapping[str, str] | None = None,
) -> list[RunStatus]:
    """Executes the runs that are not done, at most `jobs` at a time, and waits for all.

    Each run is a process of its own, so that a crash takes nothing else with it. On device "cuda"
    it has GPUs of its own, one for each of its processes, and sees no others. A run that another
    process is already executing is watched, and started only if that process gives it up before
    it is done. On Ctrl-C (or any exception in `on_poll`) the processes are asked to stop; every
    run can be resumed by the next call.

    Args:
        runs: folders from `prepare`.
        jobs: how many runs at a time; 0 is as many as there are CPU cores or GPUs for.
        threads: CPU threads of each run. Another number can change the last bits of a result.
        device: a torch device for every run; "cuda:0", say, is shared by all.
        on_poll: called several times a second with where each run stands.
        settings: how each run is executed.
        after: from the id of a run to that of another of `runs`, which must be done before it
            starts; if that ends otherwise, it is not started.

    Returns:
        Where each run stands in the end.

    Raises:
        UsageError: if there are fewer GPUs than that.
        NotWritableError: if a run's log cannot be written.
    """
    settings = settings or ExecutionSettings()
    jobs = pool_size(jobs, device, threads, settings.processes)
    slots = Slots(visible_gpus(), settings.processes) if device == "cuda" else None
    by_id = {run.run_id: run for run in runs}
    states = {run_id: run.state() for run_id, run in by_id.items()}
    waiting = [by_id[i] for i, s in states.items() if s not in ("done", "running")]
    watched = {run_id for run_id, state in states.items() if state == "running"}
    arguments = ("--threads", str(threads), "--device", device, *settings.arguments())
    processes = Processes(threads, device)
    ended: dict[str, int] = {}
    done: dict[str, RunStatus] = {}  # they stay so: nothing of them is read again
    sources = {i: source for i, source in (after or {}).items() if states[source] != "done"}

    def ready() -> RunFolder | None:
        """The first run that waits for no other."""
        able = (r for r in waiting if r.run_id not in sources or sources[r.run_id] in done)
        return next(able, None)

    try:
        while True:
            for run_id, code in processes.ended().items():
                ended[run_id] = code
                if slots is not None:
                    slots.give_back(run_id)
                if by_id[run_id].state() == "running":  # somebody else was quicker to lock it
                    watched.add(run_id)
            while len(processes.alive) < jobs and (run := ready()) is not None:
                waiting.remove(run)
                own = slots.take(run.run_id) if slots is not None else {}
                processes.start(run, arguments, own)
            statuses = [
                done.get(run.run_id) or _with_process(read_status(run), processes.alive, ended)
                for run in runs
            ]
            done |= {status.run.run_id: status for status in statuses if status.state == "done"}
            on_poll(statuses)
            for status in statuses:
                if status.run.run_id in watched and status.state != "running":
                    watched.remove(status.run.run_id)
                    if status.state != "done":
                        waiting.append(status.run)
            if not processes.alive and not watched and ready() is None:
                return statuses
            time.sleep(POLL_S)
    finally:
        processes.stop()


def available_cpus() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def pool_size(jobs: int, device: str, threads: int = 1, processes: int = 1) -> int:
    """How many runs go on at a time.

    Args:
        jobs: what was asked for; 0 is as many as the CPU cores or the GPUs have room for.
        device: cpu, cuda, or one GPU (cuda:N), which runs take turns on unless `jobs` says more.
        threads: CPU threads of each process.
        processes: processes of each run; each takes a GPU of its own on cuda.

    Raises:
        UsageError: if `jobs` is negative, or there are fewer GPUs than that.
    """
    if isinstance(jobs, bool) or not isinstance(jobs, int) or jobs < 0:
        raise UsageError(f"jobs={jobs!r}: wanted an integer >= 0 (0: what there is room for)")
    if device == "cuda":
        return runs_at_a_time(jobs, len(visible_gpus()), processes)
    if device == "cpu":
        return jobs or max(1, available_cpus() // (threads * processes))
    return jobs or 1


def decoders(device: str, processes: int) -> int:
    """Decoding processes for each of `processes`: a GPU must not wait, a CPU takes turns."""
    return 0 if device == "cpu" else max(1, available_cpus() // processes - 1)


def _with_process(status: RunStatus, alive: Collection[str], ended: dict[str, int]) -> RunStatus:
    """What the folder says, and what is known of the run's process beside.

    A run whose process has just started is running, whatever an earlier attempt left behind. One
    whose process is gone and left no error was killed, or there was no room for the error.
    """
    run_id = status.run.run_id
    if status.state in ("done", "running"):
        return status
    if run_id in alive:
        return dataclasses.replace(status, state="running", detail="", activity="starting")
    if status.state == "failed" or run_id not in ended:
        return status
    return dataclasses.replace(status, detail=_last_words(status.run, ended[run_id]))


def _last_words(run: RunFolder, code: int) -> str:
    names = {number.value: number.name for number in signal.Signals}
    how = f"by {names.get(-code, f'signal {-code}')}" if code < 0 else f"with code {code}"
    lines = run.log.read_text(errors="replace").split("\n") if run.log.exists() else []
    last = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
    return f"its process was ended {how}; the last line of its log: {last}"
