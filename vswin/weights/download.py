"""Fetching published checkpoints: only what is whole and as published gets a checkpoint's name.

What arrives is called NAME.part. A whole one is compared with its digest, and only then renamed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock

from vswin.errors import UsageError
from vswin.files import naming
from vswin.models.errors import WeightsError
from vswin.weights import local
from vswin.weights.http import DownloadError, Show, fetch, forget
from vswin.weights.published import PublishedFile

MIRROR = "VSWIN_WEIGHTS_MIRROR"
"""The environment variable that names a mirror."""


@dataclasses.dataclass(frozen=True)
class Downloaded:
    """A published file that is on this machine now."""

    path: Path
    digest: str
    was_there: bool


def download(
    found: PublishedFile,
    folder: Path,
    mirror: str | None = None,
    show: Show = lambda done, size: None,
    waiting: Callable[[], None] = lambda: None,
) -> Downloaded:
    """Fetches a published file into a folder, unless it is there.

    Args:
        found: which.
        folder: where to; made if it is not there.
        mirror: where files are in place of their publishers' addresses: the address of a folder, or
            one with {url} or {file} in it; None: as $VSWIN_WEIGHTS_MIRROR says, if at all.
        show: is told of progress.
        waiting: is called once if another process is downloading this file into this folder.

    Raises:
        DownloadError: if it cannot be fetched. What has arrived is kept for the next attempt.
        WeightsError: if what is there, or what was sent, is not what was published, or has changed
            since the first download. What was sent is not kept then.
        NotWritableError: if the folder cannot be written, or is full. What has arrived is kept.
        UsageError: if the mirror is no address.
        MissingExtraError: if the file is on the Hugging Face hub, and its client is not installed.
    """
    target = folder / found.file
    with naming(target):
        folder.mkdir(parents=True, exist_ok=True)
    with _alone(target, waiting):
        if target.exists():
            return Downloaded(target, _keep_digest(target, found), was_there=True)
        part = target.with_name(f"{target.name}.part")
        otherwise = _by_hand(target, found.url)
        mirror = mirror or os.environ.get(MIRROR) or None
        if mirror is None and found.repository is not None:
            from vswin.weights.hub import fetch_from_hub  # brings a client that need not be here

            fetch_from_hub(found, part, otherwise)
        elif mirror is None and found.entry.page is not None:
            what = f"no program can fetch {found.file} where it is published"
            raise DownloadError(f"{what}{otherwise}")
        else:
            url = found.url if mirror is None else mirrored(found, mirror)
            fetch(url, part, otherwise, show)
        return Downloaded(target, _settle(part, target, found), was_there=False)


def mirrored(found: PublishedFile, mirror: str) -> str:
    """Where a mirror has a file.

    Raises:
        UsageError: if the mirror is no http address.
    """
    if not mirror.startswith(("http://", "https://")):
        raise UsageError(
            f"the mirror {mirror!r} is no address; wanted one such as https://host/folder"
        )
    if "{url}" in mirror or "{file}" in mirror:
        return mirror.replace("{url}", found.url).replace("{file}", found.file)
    return f"{mirror.rstrip('/')}/{found.file}"


def _settle(part: Path, target: Path, found: PublishedFile) -> str:
    """Gives a whole file its name, if it is what it should be; returns its digest.

    Raises:
        WeightsError: if it is not; it is removed then.
    """
    from vswin.weights.formats import format_of  # brings torch, which a refusal has no use for

    before = local.recorded(target)
    anyway = f"; to take it all the same, remove {local.record_of(target)}"
    whose = (
        (found.entry.digest, f"{found.publisher.title} published", ""),
        (before, "was first downloaded", anyway),
    )
    try:
        format_of(part)
        digest = local.sha256_of(part)
        for wanted, words, otherwise in whose:
            if local.differs(digest, wanted):
                raise WeightsError(
                    f"what was sent for {found.file} is not what {words}: its SHA-256 begins with "
                    f"{digest[: local.SHOWN]}, wanted {str(wanted)[: local.SHOWN]}; it was not kept"
                    f"{otherwise}"
                )
    except WeightsError:
        forget(part)
        raise
    if before is None:
        local.record(target, digest)
    with naming(target):
        part.replace(target)
        _sync(target.parent)
    forget(part)
    return digest


def _keep_digest(target: Path, found: PublishedFile) -> str:
    """Compares a file that is there already; one that was put there by hand is recorded.

    Raises:
        WeightsError: if it is not what it should be.
    """
    from vswin.weights.formats import format_of

    digest = local.require_intact(target, found)
    try:
        format_of(target)
    except WeightsError as error:
        raise WeightsError(f"{error}; remove that file, then repeat the command") from error
    if local.recorded(target) is None:
        local.record(target, digest)
    return digest


@contextlib.contextmanager
def _alone(target: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """One download at a time of a file into a folder; the others wait for it."""
    lock = filelock.FileLock(target.with_name(f".{target.name}.lock"))
    with naming(target):
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            waiting()
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _sync(folder: Path) -> None:
    """Makes a new name in a folder last."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _by_hand(target: Path, url: str) -> str:
    """The end of an error: what a person can do.

    Args:
        target: what the file is to be called.
        url: where it is.
    """
    return f"; fetch {url} by hand and put it there as {target}, then repeat the command"
