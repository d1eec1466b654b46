"""Published checkpoints on this machine: where they are, and that they are what was published.

A digest that nobody has published is written beside a file when it is first downloaded, as
`sha256sum` would, and the file is compared with it from then on.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from vswin.data.data_file import VARIABLE, MissingDataError, Sources, load_sources
from vswin.errors import UsageError
from vswin.files import write_text
from vswin.models.errors import WeightsError
from vswin.weights.published import PublishedFile, find

CHUNK = 1 << 20
SHOWN = 16
"""Digits of a digest that messages have."""


def machine() -> Sources:
    """What this machine says of itself; nothing, where there is no project to say it in.

    Raises:
        ExperimentError: if its data file is not what it should be.
        UsageError: if $VSWIN_DATA names a file that is not there.
    """
    try:
        return load_sources()
    except UsageError:
        if os.environ.get(VARIABLE):
            raise
        return Sources()


def require_here(found: PublishedFile) -> Path:
    """A published file on this machine, intact.

    Raises:
        MissingDataError: if it is not there; says which command fetches it.
        WeightsError: if it is not what was published, or has changed.
    """
    sources = machine()
    path = sources.checkpoint(found.file)
    if path is None:
        where = ", ".join(map(str, sources.folders()))
        raise MissingDataError(
            f"the weights {found.name} are not on this machine: there is no {found.file} in "
            f"{where}; run: vswin weights download {found.name}"
        )
    require_intact(path, found)
    return path


def require_intact(path: Path, found: PublishedFile | None = None) -> str:
    """Compares a file with its published digest, and with the one of its first download.

    Args:
        path: of the file.
        found: what it should be; None: what the file's name says, if it is a known one.

    Returns:
        Its SHA-256, 64 hexadecimal digits.

    Raises:
        WeightsError: if one of them differs; says what to do.
    """
    found = found or find(path.name)
    digest, again = sha256_of(path), "remove it"
    if found is not None:
        again += f", then run: vswin weights download {found.name}"
        if differs(digest, found.entry.digest):
            raise WeightsError(
                f"{path} is not the file that {found.publisher.title} published: its SHA-256 "
                f"begins with {digest[:SHOWN]}, wanted {found.entry.digest}; {again}"
            )
    if differs(digest, recorded(path)):
        raise WeightsError(
            f"{path} has changed since it was downloaded: its SHA-256 begins with "
            f"{digest[:SHOWN]}, and {record_of(path).name} says {str(recorded(path))[:SHOWN]}; "
            f"{again}"
        )
    return digest


def differs(digest: str, wanted: str | None) -> bool:
    """Whether a digest does not begin as wanted."""
    return wanted is not None and not digest.startswith(wanted)


def sha256_of(path: Path) -> str:
    """A file's SHA-256, 64 hexadecimal digits."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            total.update(chunk)
    return total.hexdigest()


def record_of(path: Path) -> Path:
    """Where the digest of a file's first download is kept."""
    return path.with_name(f"{path.name}.sha256")


def recorded(path: Path) -> str | None:
    """The digest of a file's first download; None if there is none.

    Raises:
        WeightsError: if what is there is no digest.
    """
    try:
        words = record_of(path).read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise WeightsError(f"{record_of(path)} cannot be read: {error}") from error
    if not words or len(words[0]) != 64 or set(words[0]) - set("0123456789abcdef"):
        raise WeightsError(f"{record_of(path)} holds no SHA-256; remove it if you trust {path}")
    return words[0]


def record(path: Path, digest: str) -> None:
    """Keeps the digest of a file beside it."""
    write_text(record_of(path), f"{digest}  {path.name}\n")
