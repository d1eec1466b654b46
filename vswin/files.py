"""Writing files so that what is on disk is either complete or recognisably not."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from vswin.errors import VswinError

TEMPORARY_PREFIX = ".tmp-"
"""Names that start so were being written when the writer died; nothing reads them."""


class DamagedFileError(VswinError):
    """A file of the store cannot be read."""


class NotWritableError(VswinError):
    """A folder that results should go to cannot be written."""


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Opens a temporary file beside `path` that takes its place when the block ends well.

    Readers see the old content or the new, never a part. If the block raises, `path` is as before.
    """
    handle, name = tempfile.mkstemp(prefix=TEMPORARY_PREFIX + path.name, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)  # mkstemp makes it private
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Replaces `path` by UTF-8 `text`, atomically."""
    with atomic_write(path) as file:
        file.write(text.encode())


def write_json(path: Path, value: Any) -> None:
    """Replaces `path` by indented JSON, atomically; NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The content of a JSON file, or None where there is no such file.

    Raises:
        DamagedFileError: if it is there and no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DamagedFileError(
            f"{path} cannot be read ({error}); remove it and run again"
        ) from error


def require_intact_zip(path: Path) -> None:
    """Looks at the checksums of a zip file, as which torch saves; `torch.load` itself does not.

    Raises:
        ValueError: if a member is damaged.
        zipfile.BadZipFile: if it is no zip file, or a cut one.
    """
    with zipfile.ZipFile(path) as archive:
        if broken := archive.testzip():
            raise ValueError(f"{broken} is damaged")


def require_writable(folder: Path) -> Path:
    """Creates `folder` and proves that files can be written there.

    Raises:
        NotWritableError: if not; the message names the folder and the system's reason.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(prefix=TEMPORARY_PREFIX, dir=folder):
            pass
    except OSError as error:
        raise NotWritableError(
            f"cannot write results to {folder}: {error.strerror or error}; "
            "choose another folder with --results-dir (in a notebook: results_dir)"
        ) from error
    return folder
