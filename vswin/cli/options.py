"""Options that several commands share."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from vswin.errors import UsageError, VswinError

TableArgument = Annotated[str, typer.Argument(help="A table, e.g. table5; see `vswin list`.")]
ProtocolOption = Annotated[
    str, typer.Option("--protocol", "-p", help="How rows are trained and tested: see `vswin list`.")
]
RowOption = Annotated[
    list[str] | None, typer.Option("--row", "-r", help="Only this row (repeat for several).")
]
SeedsOption = Annotated[
    int | None,
    typer.Option(
        "--seeds", "-s", help="How many seeds, from 0 on (default: as the protocol says)."
    ),
]
ResultsOption = Annotated[
    str,
    typer.Option(
        "--results-dir", help="Folder of results; a relative one counts from the project's root."
    ),
]
JobsOption = Annotated[
    int,
    typer.Option(
        "--jobs", "-j", min=0, help="Runs at a time (0: as many as there are cores or GPUs for)."
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
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


def confirm(question: str, yes: bool, refusal: str) -> None:
    """Asks on the terminal, unless `--yes` was given.

    Raises:
        UsageError: if there is no terminal to ask on.
        VswinError: the refusal, if the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} There is no terminal to ask on; give --yes")
    if not typer.confirm(question):
        raise VswinError(refusal)


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


def model_options(**words: str | None) -> dict[str, Any]:
    """Overrides of a model's configuration, from the options that were given.

    Raises:
        UsageError: if one is not as it should be.
    """
    from vswin.models.errors import ModelError
    from vswin.models.registry import overrides_of

    found: dict[str, Any] = {}
    for name, text in words.items():
        try:
            found |= overrides_of({name: text} if text is not None else {})
        except ModelError as error:
            raise UsageError(f"--{name} {text}: {error}") from error
    return found
