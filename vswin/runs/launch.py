"""Launching many runs on this machine: a bounded pool of processes, one for each run."""

from __future__ import annotations

import collections
import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from vswin.files import require_writable
from vswin.runs.effort import Effort
from vswin.runs.identity import RunConfig
from vswin.runs.store import RunFolder, State, Store

POLL_S = 0.25
GRACE_S = 15.0
"""How long a run may take to stop when asked to, before it is killed (it can still be resumed)."""


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """Where one run stands."""

    run: RunFolder
    state: State
    step: int = 0
    steps: int = 0
    clips_per_second: float | None = None
    eta_s: float | None = None
    """Seconds that what it is doing will still take."""
    detail: str = ""
    """For a failed run, the last line of its error; for a running one, what it is doing."""


def snapshot(run: RunFolder) -> Snapshot:
    """Reads a run's folder."""
    state, status = run.state(), run.status()
    detail = status.get("state", "")
    if state == "failed":
        error = run.error() or {}
        detail = f"{error.get('type')}: {error.get('message')}"
    return Snapshot(
        run,
        state,
        status.get("step", 0),
        status.get("steps", 0),
        status.get("clips_per_second"),
        status.get("eta_s"),
        detail,
    )


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
    on_poll: Callable[[list[Snapshot]], None] = lambda snapshots: None,
    effort: Effort | None = None,
) -> list[Snapshot]:
    """Executes the runs that are not done, at most `jobs` at a time, and waits for all.

    Each run is a process of its own, so that a crash takes nothing else with it. A run that another
    process is already executing is watched, and started only if that process gives it up before
    it is done. On Ctrl-C (or any exception in `on_poll`) the processes are asked to stop; every
    run can be resumed by the next call.

    Args:
        runs: folders from `prepare`.
        jobs: how many runs at a time, at least 1.
        threads: CPU threads of each run. Another number can change the last bits of a result.
        device: a torch device for every run.
        on_poll: called several times a second with where each run stands.
        effort: means that each run is given.

    Returns:
        Where each run stands in the end.
    """
    by_id = {run.run_id: run for run in runs}
    states = {run_id: run.state() for run_id, run in by_id.items()}
    waiting = collections.deque(by_id[i] for i, s in states.items() if s not in ("done", "running"))
    watched = {run_id for run_id, state in states.items() if state == "running"}
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        while True:
            for run_id in [r for r, process in processes.items() if process.poll() is not None]:
                del processes[run_id]
                if by_id[run_id].state() == "running":  # somebody else was quicker to lock it
                    watched.add(run_id)
            while waiting and len(processes) < jobs:
                run = waiting.popleft()
                processes[run.run_id] = _start(run, threads, device, effort or Effort())
            snapshots = [_seen(snapshot(run), processes) for run in runs]
            on_poll(snapshots)
            for seen in snapshots:
                if seen.run.run_id in watched and seen.state != "running":
                    watched.remove(seen.run.run_id)
                    if seen.state != "done":
                        waiting.append(seen.run)
            if not processes and not waiting and not watched:
                return snapshots
            time.sleep(POLL_S)
    finally:
        _stop(processes.values())


def available_cpus() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def decoders(device: str, processes: int) -> int:
    """Decoding processes for each of `processes`: a GPU must not wait, a CPU takes turns."""
    return 0 if device == "cpu" else max(1, available_cpus() // processes - 1)


def _seen(snapshot: Snapshot, processes: dict[str, subprocess.Popen[bytes]]) -> Snapshot:
    """A run whose process has just started is running, whatever an earlier attempt left behind."""
    if snapshot.state in ("done", "running") or snapshot.run.run_id not in processes:
        return snapshot
    return dataclasses.replace(snapshot, state="running", detail="starting")


def _start(run: RunFolder, threads: int, device: str, effort: Effort) -> subprocess.Popen[bytes]:
    command = [
        sys.executable,
        "-m",
        "vswin.runs.execute",
        str(run.path),
        "--threads",
        str(threads),
        "--device",
        device,
        *effort.arguments(),
    ]
    # The variables are read when torch is imported; without them its pools take every core.
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    with run.log.open("ab") as log:
        # A session of its own: Ctrl-C in the terminal reaches us alone, and we stop the runs.
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )


def _stop(processes: collections.abc.Iterable[subprocess.Popen[bytes]]) -> None:
    alive = [process for process in processes if process.poll() is None]
    for process in alive:
        process.terminate()
    deadline = time.monotonic() + GRACE_S
    for process in alive:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
