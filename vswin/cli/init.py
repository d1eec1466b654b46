"""`vswin init`: a folder to train and report in, where the package came without a clone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def init(
    folder: Annotated[Path, typer.Argument(help="A folder that is new or empty.")],
) -> None:
    """Lay a project folder: experiments, notebooks, results. Commands in it, or below it, use it.

    Whoever works in a clone has one already.
    """
    from vswin.experiments.laying import lay_project

    print(f"{lay_project(folder)}\nnext: cd {folder}, then vswin list")
