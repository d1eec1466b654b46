"""What can be told about a video file, and the file that remembers it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import av
import av.logging

from vswin.data.annotations import Video
from vswin.data.check_pool import run_each
from vswin.data.video import UnreadableVideoError, open_video
from vswin.errors import VswinError

_SHORT_SIDE = 16
"""Pixels that decoded frames are reduced to; only whether they decode is of interest."""
METHOD = 3
"""Raised when the same file may be found to be another thing than before; it is examined again."""
_STAT_THREADS = 16
"""On network file systems a file's size takes a while, during which others can be asked for."""


class CheckError(VswinError):
    """Results of a check cannot be kept, or no processes be started."""


@dataclasses.dataclass(frozen=True)
class Examined:
    """What is known about a file: one line of the state."""

    id: str
    size: int
    """Bytes."""
    mtime_ns: int
    deep: bool
    """Whether every frame was decoded, or the first and the last."""
    error: str | None = None
    """Why it cannot be read; then nothing of what follows is known."""
    frames: int = 0
    width: int = 0
    height: int = 0
    fps: float = 0.0
    seconds: float = 0.0
    codec: str = ""
    faults: tuple[str, ...] = ()
    """What is wrong with it, though it can be read."""
    method: int = 1
    """The `METHOD` that examined it; states of before there were several do not say."""


@dataclasses.dataclass(frozen=True)
class Stat:
    """Size in bytes and time of change of a file that is there."""

    size: int
    mtime_ns: int


Task = tuple[Video, Stat, bool]
"""A video, its file's size and time of change, and whether to decode all frames."""


def read_state(path: Path) -> dict[str, Examined]:
    """What was examined before, by id; of several lines about a video the last counts.

    Raises:
        CheckError: if it is there and something else.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    except OSError as error:
        raise CheckError(f"{path} cannot be read ({error.strerror})") from error
    if text.strip() and not text.startswith('{"id": '):
        raise CheckError(f"{path} is no state of a check; give another file with --state")
    found = {}
    for line in text.split("\n"):
        try:
            entry = json.loads(line)
            result = Examined(**entry | {"faults": tuple(entry.get("faults", ()))})
        except (ValueError, TypeError, AttributeError):  # a line of a killed check may be cut
            continue
        found[result.id] = result
    return found


@contextlib.contextmanager
def appending(path: Path) -> Iterator[Callable[[Examined], None]]:
    """Yields what adds a line to a state; it is in the file when the call returns.

    Raises:
        CheckError: if the file cannot be written; the call does, too.
    """
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("ab+", buffering=0)

    def append(result: Examined) -> None:
        with _writing(path):
            file.write(json.dumps(dataclasses.asdict(result)).encode() + b"\n")

    with file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
        if file.read(1) not in (b"", b"\n"):  # after the cut line of a killed check
            file.write(b"\n")
        yield append


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CheckError(
            f"{path} cannot be written ({error.strerror}); give another file with --state"
        ) from error


def stat_files(videos: Sequence[Video]) -> list[Stat | str | None]:
    """For each file size and time of change, None where there is none, or why it cannot be told."""
    with ThreadPoolExecutor(_STAT_THREADS) as threads:
        return list(threads.map(_stat_file, videos))


def _stat_file(video: Video) -> Stat | str | None:
    try:
        found = video.path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return error.strerror or str(error)
    if stat.S_ISDIR(found.st_mode):
        return "a folder, wanted a video file; frames that were extracted to images are not read"
    return Stat(found.st_size, found.st_mtime_ns)


def task_for(video: Video, now: Stat, known: Examined | None, deep: bool) -> Task | None:
    """What is to be done about a file; None if what is known about it is good and still holds.

    What could not be read is tried again, as deeply as then: the reason may have been the network's
    or the decoder's.
    """
    if known is None or (known.size, known.mtime_ns) != (now.size, now.mtime_ns):
        return video, now, deep
    if known.error is not None or known.method != METHOD:
        return video, now, deep or known.deep
    return (video, now, True) if deep and not known.deep else None


def examine_all(tasks: Sequence[Task], workers: int) -> Iterator[Examined]:
    """Calls `examine` on all tasks, in `workers` processes or, for 0, in this one.

    Yields in the order of completion. A file that crashes its decoder is unreadable, too.

    Raises:
        CheckError: if processes cannot be started.
    """
    if workers < 1:
        yield from map(examine, tasks)
        return
    try:
        for (video, at, deep), result in run_each(examine, tasks, workers):
            yield result or Examined(
                video.id, at.size, at.mtime_ns, deep, "the decoder crashed on it", method=METHOD
            )
    except BrokenProcessPool as error:
        raise CheckError(f"worker processes cannot be started ({error})") from error


def examine(task: Task) -> Examined:
    """Opens a file and decodes its first and last frame, or all of them.

    All of them: what is listed, what is stored and what comes out are compared, and FFmpeg's own
    complaints kept.

    Args:
        task: the video, its file's size and time of change, and whether to decode all frames.
    """
    video, at, deep = task
    result = Examined(video.id, at.size, at.mtime_ns, deep, method=METHOD)
    try:
        with open_video(video.path) as reader:
            complaints: list[str] = []
            if deep:
                with _complaints() as complaints:
                    reader.decode_everything()
            else:
                reader.with_true_count(lambda count: reader.read([0, count - 1], _SHORT_SIDE))
            info, faults = reader.info, (*reader.faults, *complaints)
    except UnreadableVideoError as error:
        return dataclasses.replace(result, error=error.reason)
    except Exception as error:  # one odd file must not end the check of all others
        return dataclasses.replace(result, error=f"{type(error).__name__}: {error}")
    return dataclasses.replace(
        result,
        frames=info.frames,
        width=info.width,
        height=info.height,
        fps=info.fps,
        seconds=info.duration,
        codec=info.codec,
        faults=faults,
    )


@contextlib.contextmanager
def _complaints() -> Iterator[list[str]]:
    """What FFmpeg logs as errors meanwhile, which includes damage that it makes good: one line.

    PyAV keeps a message back that is the same as the last one, be that of another file.
    """
    found: list[str] = []
    before = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)
    try:
        with av.logging.Capture():  # takes what PyAV may still hold of messages of before
            av.logging.log(av.logging.ERROR, "vswin", "a file is examined")
        with av.logging.Capture() as messages:
            yield found
        if messages:
            more = f" and {len(messages) - 1} more" if len(messages) > 1 else ""
            found.append(f"FFmpeg: {' '.join(messages[0][2].split())}{more}")
    finally:
        av.logging.set_level(before[0])
        av.logging.set_skip_repeated(before[1])
