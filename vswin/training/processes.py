"""Several processes for one run on this machine: one for each GPU, or several on the CPU.

Where torchrun, Slurm or another launcher has started the processes already, nothing is left to do.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from vswin.errors import UsageError

WATCH_S = 0.5
GRACE_S = 5.0
"""Time for this process to end by itself after another has."""


@contextlib.contextmanager
def assisted(
    processes: int,
    command: Sequence[str],
    on_death: Callable[[str], None] = lambda why: None,
) -> Iterator[Callable[[], None]]:
    """Makes this process the first of `processes`; starts the others, and ends them with itself.

    If one of the others dies, this process dies, too: it would wait for that one forever. What was
    done up to the last checkpoint is kept, as after any kill.

    Args:
        processes: how many there shall be; 1 starts none.
        command: what the others execute, with their place in the environment.
        on_death: told why before this process dies with another.

    Raises:
        UsageError: if a launcher has started another number of processes.

    Yields:
        What to call when this process gives up: it ends the others before they notice.
    """
    if processes > 1 and os.environ.get("WORLD_SIZE", str(processes)) != str(processes):
        raise UsageError(
            f"--processes {processes}, but the environment says WORLD_SIZE="
            f"{os.environ['WORLD_SIZE']}; under a launcher leave --processes out, else unset that"
        )
    if processes == 1 or "WORLD_SIZE" in os.environ:
        if os.environ.get("VSWIN_ASSISTS") == str(os.getppid()):  # started below, by that one
            threading.Thread(target=_die_with, args=(os.getppid(),), daemon=True).start()
        yield lambda: None
        return
    place = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "WORLD_SIZE": str(processes),
    }
    others = [
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            env=os.environ
            | place
            | {"RANK": str(rank), "LOCAL_RANK": str(rank), "VSWIN_ASSISTS": str(os.getpid())},
        )
        for rank in range(1, processes)
    ]
    stop = threading.Event()
    threading.Thread(target=_watch, args=(others, stop, on_death), daemon=True).start()
    os.environ.update(place, RANK="0", LOCAL_RANK="0")

    def give_up() -> None:
        stop.set()
        for other in others:
            other.kill()

    try:
        yield give_up
    finally:
        stop.set()
        for name in (*place, "RANK", "LOCAL_RANK"):
            os.environ.pop(name, None)
        _end(others)


def _watch(
    others: list[subprocess.Popen[bytes]], stop: threading.Event, on_death: Callable[[str], None]
) -> None:
    while not stop.wait(WATCH_S):
        for rank, other in enumerate(others, start=1):
            if other.poll():
                if stop.wait(GRACE_S):  # an error that all met; this process says what it was
                    return
                why = (
                    f"process {rank} of {len(others) + 1} died with code {other.returncode}; the "
                    "log has its last words"
                )
                print(f"error: {why}", file=sys.stderr, flush=True)
                on_death(why)
                for each in others:
                    each.kill()
                os._exit(1)


def _end(others: list[subprocess.Popen[bytes]]) -> None:
    deadline = time.monotonic() + 10 * WATCH_S
    for other in others:
        with contextlib.suppress(subprocess.TimeoutExpired):
            other.wait(max(0.1, deadline - time.monotonic()))
            continue
        other.kill()
        other.wait()


def _die_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH_S)
    os._exit(1)


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]
