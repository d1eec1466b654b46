"""A process that has imported what runs need, and starts each of them as a copy of itself.

Importing torch takes longer than a short run. `python -m vswin.launch.warm` reads orders from its
stdin and writes to its stdout how their processes ended, one line of JSON each. When its stdin is
closed it ends; runs that are still going notice that their parent is gone, and stop.
"""

from __future__ import annotations

import dataclasses
import gc
import importlib
import json
import os
import select
import sys
from typing import Literal

How = Literal["fork", "spawn"]
POLL_S = 0.05
PRELOADED = ("vswin.runs.execute", "torch._dynamo")
"""What runs import anyway, some of it late. Nothing of it may use several threads."""
_APPENDING = os.O_WRONLY | os.O_APPEND | os.O_CREAT


@dataclasses.dataclass(frozen=True)
class Order:
    """What the process shall do."""

    name: str
    """Of the run."""
    arguments: tuple[str, ...] = ()
    """To start it: what `vswin.runs.execute` is called with."""
    environment: dict[str, str] = dataclasses.field(default_factory=dict)
    log: str = ""
    """File that its stdout and stderr are added to."""
    signal: int | None = None
    """Signal for its process, which was started before; nothing is started then."""


def serve(how: How) -> Order | None:
    """Carries out orders until there will be no more.

    Args:
        how: fork makes a run's process of this one; spawn starts a new Python for it, for systems
            where a process that has imported much must not be forked.

    Returns:
        In the process of a run: what that shall do. In the serving one: None, at the end.
    """
    names: dict[int, str] = {}
    received = b""
    while True:
        while names and (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
            pid, status = ended
            answer = {"name": names.pop(pid), "code": os.waitstatus_to_exitcode(status)}
            os.write(1, json.dumps(answer).encode() + b"\n")
        if not select.select([0], [], [], POLL_S)[0]:
            continue
        part = os.read(0, 1 << 16)
        if not part:
            return None
        *lines, received = (received + part).split(b"\n")
        for line in lines:
            order = Order(**json.loads(line))
            if order.signal is not None:
                for pid in [pid for pid, name in names.items() if name == order.name]:
                    os.kill(pid, order.signal)  # not waited for yet, so the number is still its own
            elif how == "spawn":
                names[_spawn(order)] = order.name
            elif pid := os.fork():
                names[pid] = order.name
            else:
                return order


def _spawn(order: Order) -> int:
    words = [sys.executable, "-m", "vswin.runs.execute", *order.arguments]
    files = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, order.log, _APPENDING, 0o666),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    return os.posix_spawn(words[0], words, order.environment, file_actions=files, setsid=True)


def _become(order: Order) -> None:
    """Gives a forked process what one that was started anew would have."""
    os.setsid()  # Ctrl-C in the terminal does not reach it
    null, log = os.open(os.devnull, os.O_RDONLY), os.open(order.log, _APPENDING, 0o666)
    for target, source in ((0, null), (1, log), (2, log)):
        os.dup2(source, target)
    os.close(null)
    os.close(log)
    os.environ.clear()
    os.environ.update(order.environment)


def main(how: How) -> int:
    """Entry point of the serving process, and of those that are forked from it."""
    if how == "fork":
        for name in PRELOADED:
            importlib.import_module(name)
        gc.freeze()  # or each run's first collection would copy the memory that they share
    order = serve(how)
    if order is None:
        return 0
    _become(order)
    from vswin.runs.execute import main as execute  # it was imported before

    return execute(list(order.arguments))


if __name__ == "__main__":
    sys.exit(main("spawn" if "spawn" in sys.argv else "fork"))
