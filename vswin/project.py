"""Where the project's folders are."""

from __future__ import annotations

from pathlib import Path

from vswin.errors import UsageError

PREREGISTRATION = "preregistration.yaml"
"""In the folder of experiments, and no experiment itself."""


def project_root() -> Path:
    """The clone that this code runs from; for an installed copy, the one around the current folder.

    Raises:
        UsageError: if there is neither.
    """
    found = _first_project(Path(__file__).parent.parent) or _project_around()
    if found is None:
        raise UsageError(
            "no vswin project here: change to a folder inside a clone of the repository"
        )
    return found


def project_elsewhere() -> Path | None:
    """The project's root where the current folder is not inside it, else None."""
    root, around = project_root(), _project_around()
    return None if around is not None and around.samefile(root) else root


def _project_around() -> Path | None:
    """The innermost project that the current folder is in."""
    try:
        here = Path.cwd()
    except FileNotFoundError as error:
        raise UsageError("the current folder does not exist any more; change to another") from error
    return _first_project(here, *here.parents)


def _first_project(*folders: Path) -> Path | None:
    for folder in folders:
        if (folder / "experiments").is_dir() and (folder / "vswin").is_dir():
            return folder
    return None


def experiments_dir() -> Path:
    """The folder of experiments and protocols."""
    return project_root() / "experiments"


def preregistration_file() -> Path:
    """What was fixed before the runs of the record; it need not be there."""
    return experiments_dir() / PREREGISTRATION


def notebooks_dir() -> Path:
    """The folder of notebooks."""
    return project_root() / "notebooks"


def results_path(results_dir: str | Path) -> Path:
    """An absolute results folder.

    A relative one counts from the project's root, so that the same words mean the same folder from
    wherever a notebook or a program is started. (On the command line, what is typed counts from
    the current folder: `vswin.cli.options`.)

    Raises:
        UsageError: if it is empty, a file, or names the home of an unknown user.
    """
    if not str(results_dir).strip():
        raise UsageError("results_dir is empty; wanted a folder")
    try:
        path = Path(results_dir).expanduser()
    except RuntimeError as error:
        raise UsageError(f"results_dir={str(results_dir)!r}: {error}") from error
    path = without_dots(project_root() / path)
    if path.is_file():
        raise UsageError(f"results_dir {path} is a file; wanted a folder")
    return path


def without_dots(path: Path) -> Path:
    """An absolute path without `..`; symbolic links stay as they were typed.

    Above a link, `..` is the parent of what it leads to, and stays, too.
    """
    found = Path(path.anchor)
    for part in path.parts[1:]:
        is_plain = found.name != ".." and not found.is_symlink()
        found = found.parent if part == ".." and is_plain else found / part
    return found


def in_project(path: Path) -> Path:
    """A path below the project's folder, relative to that; any other as it is."""
    root = project_root()
    return path.relative_to(root) if path.is_relative_to(root) else path
