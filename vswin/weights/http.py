"""One file by HTTP, which goes on where an earlier attempt stopped.

What has arrived is kept in NAME.part; NAME.part.json says what it is the beginning of. The next
attempt asks for the rest, on the condition that the server's file is still the same (If-Range).
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import requests

from vswin.errors import VswinError
from vswin.files import DamagedFileError, naming, read_json, write_json
from vswin.version import VERSION

CHUNK = 1 << 16
"""Bytes that are asked for at a time: what is lost of a connection that is cut."""
CONNECT_S, SILENCE_S = 15.0, 60.0
"""How long a server may take to answer, and to send the next bytes."""
ATTEMPTS = 4
"""That bring nothing new, before a download fails."""
WAIT_S = 1.0
"""Before the second attempt; twice as long before each further one that brings nothing."""
MAY_PASS = (408, 425, 429, 500, 502, 503, 504)
"""Statuses after which another attempt may succeed."""
Show = Callable[[int, int | None], None]
"""Is told how many bytes are there, of how many; None is unknown."""


class DownloadError(VswinError):
    """A file could not be fetched; the message says how to do it by hand."""


class _InterruptedError(requests.RequestException):
    """An answer that is not the file, or not all of it."""


@dataclasses.dataclass(frozen=True)
class _Beginning:
    """What the bytes in NAME.part are the beginning of."""

    url: str
    validator: str
    """Strong ETag or date by which the server knows its file again; empty if it gives none."""
    size: int | None


def fetch(url: str, part: Path, otherwise: str, show: Show = lambda done, size: None) -> None:
    """Brings the file at `url` into `part`, from where an earlier attempt stopped.

    Args:
        url: of the file.
        part: where to; beside it is a note of what it is the beginning of.
        otherwise: the end of an error: what a person can do.
        show: as in `download`.

    Raises:
        DownloadError: if several attempts in a row bring nothing new, or the server refuses.
        NotWritableError: if `part` cannot be written.
    """
    failures, most = 0, _size(part)
    with requests.Session() as session:
        session.headers.update({"User-Agent": f"vswin/{VERSION}", "Accept-Encoding": "identity"})
        while True:
            try:
                _attempt(session, url, part, show)
                return
            except requests.RequestException as error:
                failures = 0 if _size(part) > most else failures + 1
                most = max(most, _size(part))
                if failures >= ATTEMPTS or not _may_pass(error):
                    kept = _size(part) if _beginning(part, url) else 0
                    words = f"; the same command goes on after the {kept:,} bytes that are kept"
                    raise DownloadError(
                        f"{part.stem} could not be fetched from {url}: {_reason(error)}"
                        f"{words if kept else ''}{otherwise}"
                    ) from error
            time.sleep(WAIT_S * 2 ** max(failures - 1, 0))


def _attempt(session: requests.Session, url: str, part: Path, show: Show) -> None:
    """One request; returns if `part` is whole then.

    Raises:
        RequestException: if it is not; more may be there than before.
    """
    before = _beginning(part, url)
    done = _size(part) if before else 0
    if before and done == before.size:
        return
    wanted = {"Range": f"bytes={done}-", "If-Range": before.validator} if before and done else {}
    limits = (CONNECT_S, SILENCE_S)
    with session.get(url, headers=wanted, stream=True, timeout=limits) as answer:
        if answer.status_code == 416:  # nothing begins there: it is no longer the same file
            forget(part)
            raise _InterruptedError("the server has another file now")
        answer.raise_for_status()
        if answer.headers.get("Content-Type", "").startswith("text/html"):  # of a gate, say
            raise _InterruptedError("a web page came in place of the file")
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise _InterruptedError("the server sent it packed, which was not asked for")
        goes_on = answer.status_code == 206
        start, size = _range(answer) if goes_on else (0, _length(answer))
        if goes_on and not _is_the_rest(before, answer, start == done, size):
            forget(part)
            raise _InterruptedError("the server sent a part of another file, or another part")
        with _opened(part, "ab" if goes_on else "wb") as write:
            if not goes_on:
                done = 0
                begun = _Beginning(url, _validator(answer), size)
                write_json(_note(part), dataclasses.asdict(begun))
            for chunk in answer.iter_content(CHUNK):
                write(chunk)
                done += len(chunk)
                show(done, size)
    if size is not None and done != size:
        raise _InterruptedError(f"{done:,} bytes came, and {size:,} were announced")


@contextlib.contextmanager
def _opened(part: Path, mode: str) -> Iterator[Callable[[bytes], None]]:
    """Yields what writes bytes; they are on the disk when the block ends, however it does.

    Raises:
        NotWritableError: if they cannot be written.
    """
    with naming(part):
        file = part.open(mode, buffering=0)

    def write(chunk: bytes) -> None:
        with naming(part):
            rest = memoryview(chunk)
            while rest:
                rest = rest[file.write(rest) :]

    try:
        yield write
    finally:
        with naming(part):
            os.fsync(file.fileno())
            file.close()


def _beginning(part: Path, url: str) -> _Beginning | None:
    """What is known of the bytes in `part`; None where they cannot be gone on from."""
    try:
        noted = read_json(_note(part))
        found = _Beginning(**noted) if noted and part.exists() else None
    except (DamagedFileError, TypeError):
        return None
    return found if found and found.url == url and found.validator else None


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def forget(part: Path) -> None:
    """Removes what has arrived, and the note beside it."""
    for path in (part, _note(part)):
        with naming(path):
            path.unlink(missing_ok=True)


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _validator(answer: requests.Response) -> str:
    """By what the server knows its file again; a weak ETag may stand for two of them."""
    tag = answer.headers.get("ETag", "")
    return answer.headers.get("Last-Modified", "") if tag.startswith("W/") or not tag else tag


def _length(answer: requests.Response) -> int | None:
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _range(answer: requests.Response) -> tuple[int, int | None]:
    """Where an answer begins in the file, and the file's size, from `bytes 5-9/10`."""
    unit, _, words = answer.headers.get("Content-Range", "").partition(" ")
    span, _, size = words.partition("/")
    start = span.partition("-")[0]
    if unit != "bytes" or not start.isdecimal():
        raise _InterruptedError("the server does not say which part of the file it sent")
    return int(start), int(size) if size.isdecimal() else None


def _is_the_rest(
    before: _Beginning | None, answer: requests.Response, is_next: bool, size: int | None
) -> bool:
    """Whether a partial answer goes on with what is there, also from a server without If-Range."""
    if before is None or not is_next:
        return False
    same_file = _validator(answer) in ("", before.validator)
    return same_file and (size is None or before.size in (None, size))


def _may_pass(error: requests.RequestException) -> bool:
    """Whether another attempt may end better."""
    if isinstance(error, requests.HTTPError):
        return error.response is not None and error.response.status_code in MAY_PASS
    passing = (
        requests.ConnectionError,
        requests.Timeout,
        requests.exceptions.ChunkedEncodingError,
        _InterruptedError,
    )
    return isinstance(error, passing) and not isinstance(error, requests.exceptions.SSLError)


def _reason(error: requests.RequestException) -> str:
    """What went wrong, in a line: what lies deepest says it shortest."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"the server answered {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.Timeout):
        return "the server did not answer in time"
    deepest: BaseException = error
    while (further := deepest.__cause__ or deepest.__context__) is not None:
        deepest = further
    return " ".join(str(deepest).split()) or type(deepest).__name__
