"""Writing files so that what is on disk is either complete or recognisably not."""

from __future__ import annotations

import contextlib
import errno
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


class NotWritableError(VswinError, OSError):
    """A file or folder cannot be written; an OSError, too, for that is what it stands for."""


_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_REFUSALS = _NO_ROOM | {errno.EROFS, errno.EIO, errno.ESTALE}
"""What a system says when it cannot write, and does not say about anything else."""


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Opens a temporary file beside `path` that takes its place when the block ends well.

    Readers see the old content or the new, never a part. If the block raises, `path` is as before.

    Raises:
        NotWritableError: if the file cannot be written, for lack of space, say.
    """
    with naming(path):
        handle, name = tempfile.mkstemp(prefix=TEMPORARY_PREFIX + path.name, dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            with naming(path):
                file.flush()
                os.fsync(file.fileno())
        with naming(path):
            Path(name).chmod(0o644)  # mkstemp makes it private
            Path(name).replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            Path(name).unlink(missing_ok=True)
        refusal = _refusal(error)
        if isinstance(error, NotWritableError) or not isinstance(error, Exception) or not refusal:
            raise
        raise _not_writable(path, refusal) from error


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Names the file where the system refuses to write it.

    Raises:
        NotWritableError: in place of any OSError of the block.
    """
    try:
        yield
    except NotWritableError:
        raise
    except OSError as error:
        raise _not_writable(path, error) from error


def _refusal(error: BaseException | None) -> OSError | None:
    """The system's refusal to write among what led to `error`: torch raises another one over it."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in _REFUSALS:
            return error
        error = error.__cause__ or error.__context__
    return None


def _not_writable(path: Path, reason: OSError) -> NotWritableError:
    what_to_do = (
        "make room there, then repeat the command"
        if reason.errno in _NO_ROOM
        else "make that possible, or choose another folder"
    )
    error = NotWritableError(f"cannot write {path}: {reason.strerror or reason}; {what_to_do}")
    error.strerror = reason.strerror  # for those who say the rest themselves
    return error


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
        forget_unwritten_checksums(archive)
        if broken := archive.testzip():
            raise ValueError(f"{broken} is damaged")


def forget_unwritten_checksums(archive: zipfile.ZipFile) -> None:
    """Lets members of an archive be read that were written without checksums: all are zero.

    `torch.serialization.set_crc32_options(False)` makes torch write so.
    """
    if not any(member.CRC for member in archive.infolist()):
        for member in archive.infolist():
            member.CRC = None  # type: ignore[assignment]


def require_writable(
    folder: Path, option: str = "--results-dir (in a notebook: results_dir)"
) -> Path:
    """Creates `folder` and proves that files can be written there.

    Args:
        folder: the folder; those above it are made, too.
        option: where the user says another one.

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
            f"choose another folder with {option}"
        ) from error
    return folder
