"""The code that jobs run is the code that was submitted: a copy of it beside the jobs.

A job may start days after it was submitted, and start again after each preemption, while the clone
is being edited. So the package, the experiments and the notebooks are copied first, to a folder
that is named after their content; the uncommitted difference is saved with them.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

from vswin.files import TEMPORARY_PREFIX, naming, require_writable, write_json
from vswin.project import project_root
from vswin.runs.provenance import git_state

FOLDERS = ("vswin", "experiments", "notebooks")
RECORD = "snapshot.json"
"""What a snapshot says of itself; `vswin.runs.provenance` reads it in the place of git."""
PATCH = "uncommitted.patch"
Origin = tuple[str | None, bool | None]
"""Commit, and whether the code was edited since; see `vswin.runs.provenance.git_state`."""


def freeze_code(folder: Path) -> Path:
    """Copies the code that is running into a folder of its own, unless it is there already.

    Args:
        folder: where snapshots are kept.

    Returns:
        The snapshot. Put first on PYTHONPATH, with Python started in it, it is what is imported.

    Raises:
        NotWritableError: if `folder` cannot be written, or is full.
    """
    root = project_root()
    files = {name: path.read_bytes() for name, path in _files(root).items()}
    origin = git_state(root)
    target = folder / _digest(files, origin)
    if (target / RECORD).exists():
        return target
    require_writable(folder)
    with naming(target):
        _write(folder, target, files, root, origin)
    return target


def _write(folder: Path, target: Path, files: dict[str, bytes], root: Path, origin: Origin) -> None:
    temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=folder))
    try:
        for name, content in files.items():
            (temporary / name).parent.mkdir(parents=True, exist_ok=True)
            (temporary / name).write_bytes(content)
        _describe(root, temporary, origin)
        temporary.chmod(0o755)  # mkdtemp makes it private
        if target.exists():  # cut off, or damaged by hand: it has no record
            shutil.rmtree(target)
        temporary.rename(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _files(root: Path) -> dict[str, Path]:
    """All that a job may need, by its name in the snapshot."""
    # The package that runs need not be the one in the current clone.
    sources = {name: root / name for name in FOLDERS} | {"vswin": Path(__file__).parents[2]}
    return {
        f"{name}/{path.relative_to(source).as_posix()}": path
        for name, source in sources.items()
        for path in sorted(source.rglob("*"))
        if path.is_file()
        and not any(
            part[0] == "." or part == "__pycache__" for part in path.relative_to(source).parts
        )
    }


def _digest(files: dict[str, bytes], origin: Origin) -> str:
    found = hashlib.sha256(repr(origin).encode())
    for name, content in sorted(files.items()):
        found.update(f"{name}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return found.hexdigest()[:12]


def _describe(root: Path, snapshot: Path, origin: Origin) -> None:
    """Writes where the code came from, and how it differs from its commit."""
    commit, dirty = origin
    patch = b""
    if dirty:
        command = ["git", "diff", "HEAD", "--binary", "--", *FOLDERS]
        patch = subprocess.run(command, cwd=root, capture_output=True, check=False).stdout
        (snapshot / PATCH).write_bytes(patch)
    record = {"commit": commit, "dirty": dirty, "patch": PATCH if patch else None}
    write_json(snapshot / RECORD, record)
