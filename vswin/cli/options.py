"""Options that several commands share."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

DataFileOption = Annotated[
    Path | None,
    typer.Option(
        "--data-file", help="This machine's data file (default: $VSWIN_DATA or data.yaml)."
    ),
]


def use_data_file(path: Path | None) -> None:
    """Makes `--data-file` count for this command and the processes that it starts."""
    if path is not None:
        from vswin.data.data_file import VARIABLE  # brings torch, which `--help` has no use for

        os.environ[VARIABLE] = str(path.expanduser().absolute())


@contextlib.contextmanager
def resumable() -> Iterator[None]:
    """Says on Ctrl-C that nothing is lost; a closed terminal and SIGTERM end the same way."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = {s: signal.signal(s, stop) for s in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where it stopped", file=sys.stderr)
        raise typer.Exit(130) from None
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
