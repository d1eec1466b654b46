"""A project folder of one's own: experiments, notebooks, docs, results, without a clone."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from vswin.errors import UsageError
from vswin.files import TEMPORARY_PREFIX, naming
from vswin.project import shipped_dir

LAID = (
    "docs",
    "notebooks",
    "results/reference/peers.csv",
    "slurm/README.md",
    "slurm/cluster.example.toml",
    "data.example.yaml",
    "experiments",
)
"""Files and folders of a project; the last makes it one (`vswin.project`)."""


def lay_project(folder: Path) -> Path:
    """Copies what commands that train and report work with into a new or empty folder.

    It is a project when all of it is there: until then, no command takes it for one.

    Args:
        folder: where to; made if it is not there.

    Returns:
        Its absolute path.

    Raises:
        UsageError: if it is a file, or not empty; names something that is there.
        NotWritableError: if it cannot be written; it is empty then.
    """
    folder = folder.expanduser().absolute()
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; wanted a folder that is new or empty")
    if found := sorted(path.name for path in folder.glob("*")):
        raise UsageError(
            f"{folder} is not empty: {found[0]} is there; name a folder that is new or empty"
        )
    with naming(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX, dir=folder) as temporary:
            for name in LAID:
                _copy(shipped_dir() / name, Path(temporary, name))
            for name in dict.fromkeys(name.split("/")[0] for name in LAID):
                Path(temporary, name).rename(folder / name)
    return folder


def _copy(source: Path, target: Path) -> None:
    """A file, or those of a folder that are not hidden."""
    for path in sorted(source.rglob("*")) if source.is_dir() else [source]:
        part = path.relative_to(source)
        if path.is_file() and not any(name.startswith(".") for name in part.parts):
            (target / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / part)
