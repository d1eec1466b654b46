"""Options that several commands share."""

from __future__ import annotations

import os
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
        from vswin.runs.sources import VARIABLE  # brings torch, which `--help` has no use for

        os.environ[VARIABLE] = str(path.expanduser().absolute())
