"""Where the project's folders are."""

from __future__ import annotations

from pathlib import Path

from vswin.errors import UsageError


def project_root() -> Path:
    """The clone that this code runs from; for an installed copy, the one around the current folder.

    Raises:
        UsageError: if there is neither.
    """
    here = Path.cwd()
    for folder in (Path(__file__).parent.parent, here, *here.parents):
        if (folder / "experiments").is_dir() and (folder / "vswin").is_dir():
            return folder
    raise UsageError("no vswin project here: change to a folder inside a clone of the repository")


def experiments_dir() -> Path:
    """The folder of experiments and protocols."""
    return project_root() / "experiments"


def notebooks_dir() -> Path:
    """The folder of notebooks."""
    return project_root() / "notebooks"


def results_path(results_dir: str | Path) -> Path:
    """An absolute results folder.

    A relative one counts from the project's root, so that the same words mean the same folder from
    wherever a notebook or command is started.

    Raises:
        UsageError: if it is empty or names the home of an unknown user.
    """
    if not str(results_dir).strip():
        raise UsageError("results_dir is empty; wanted a folder")
    try:
        path = Path(results_dir).expanduser()
    except RuntimeError as error:
        raise UsageError(f"results_dir={str(results_dir)!r}: {error}") from error
    return path if path.is_absolute() else project_root() / path
