"""Worker processes for work that may kill them: decoders crash on some damaged files."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

AHEAD = 4
"""Tasks that are handed out at a time, for each worker."""


def run_each(
    function: Callable[[T], R], tasks: Iterable[T], workers: int
) -> Iterator[tuple[T, R | None]]:
    """Calls `function` on every task in `workers` processes; yields in the order of completion.

    A process that dies takes the others with it, so the tasks that were in progress are then tried
    one at a time: each gets its result, but the one that kills its process, which gets None.

    Args:
        function: importable by name, for the processes start afresh.
        tasks: what to call it on.
        workers: at least 1.

    Raises:
        BrokenProcessPool: if processes cannot be started at all.
    """
    waiting, suspects = deque(tasks), deque[T]()
    while waiting or suspects:
        alone = bool(suspects)
        queue = suspects if alone else waiting
        running: dict[Future[R], T] = {}
        pool = _start(1 if alone else min(workers, len(queue)))
        try:
            while queue or running:
                while queue and len(running) < (1 if alone else AHEAD * workers):
                    future = pool.submit(function, queue[0])
                    running[future] = queue.popleft()
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    yield running.pop(future), result
        except BrokenProcessPool:
            if alone:
                yield from ((task, None) for task in running.values())
            else:
                suspects.extend(running.values())
        finally:  # also when interrupted: what is in progress ends, nothing more begins
            pool.shutdown(wait=False, cancel_futures=True)


def _start(workers: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")  # forking copies the locks of torch's threads
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin)
    pool.submit(os.getpid).result()  # so that what breaks later is a task's doing
    return pool


def _begin() -> None:
    """Ctrl-C is the parent's business; a parent that was killed takes its workers with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)
