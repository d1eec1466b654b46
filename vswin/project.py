"""Where the project's folders are: in a clone, or in a folder that `vswin init` has laid.

Where neither is there, what came with the package can still be read: costs of the papers' tables,
models and published weights want no project.
"""

from __future__ import annotations

from pathlib import Path

from vswin.errors import UsageError

PREREGISTRATION = "preregistration.yaml"
"""In the folder of experiments, and no experiment itself."""
CODE = Path(__file__).parents[1]
"""The clone that this code is in; or where the package is installed, which is no project."""
SHIPPED = Path(__file__).parent / "shipped"
"""In a wheel, what it carries of the clone that it was built from: pyproject.toml says what."""


class NoProjectError(UsageError):
    """There is no project that a command could work in."""


def project_root() -> Path:
    """The project that the current folder is in, or else the clone that this code runs from.

    In another clone, which has code of its own, this code keeps to the clone that it is in.

    Raises:
        NoProjectError: if there is none.
    """
    around, clone = _project_around(), _first_project(CODE)
    found = around if clone is None or (around and not _is_clone(around)) else clone
    if found is None:
        raise NoProjectError(
            "there is no vswin project around this folder: `vswin init FOLDER` lays one; run the "
            "command in it"
        )
    return found


def project_elsewhere() -> Path | None:
    """The project's root where the current folder is not inside it; None also without a project."""
    try:
        root, around = project_root(), _project_around()
    except NoProjectError:
        return None
    return None if around is not None and around.samefile(root) else root


def has_project() -> bool:
    """Whether there is a project to work in."""
    try:
        return project_root().is_dir()
    except NoProjectError:
        return False


def _project_around() -> Path | None:
    """The innermost project that the current folder is in."""
    try:
        here = Path.cwd()
    except FileNotFoundError as error:
        raise UsageError("the current folder does not exist any more; change to another") from error
    return _first_project(here, *here.parents)


def _first_project(*folders: Path) -> Path | None:
    for folder in folders:
        if (folder / "experiments" / "protocols").is_dir():
            return folder
    return None


def _is_clone(project: Path) -> bool:
    return (project / "vswin").is_dir()


def shipped_dir() -> Path:
    """What `vswin init` lays, by its names there: the package's part of it, or the clone itself."""
    return SHIPPED if SHIPPED.is_dir() else SHIPPED.parents[1]


def experiments_dir() -> Path:
    """The folder of experiments and protocols; without a project, that of the package, to read."""
    try:
        return project_root() / "experiments"
    except NoProjectError:
        return shipped_dir() / "experiments"


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
