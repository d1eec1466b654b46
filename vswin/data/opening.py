"""Opening a video file: the stream of moving pictures in it, or why there is none."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from vswin.data.decoding import reason_of
from vswin.errors import VswinError

_COVER = Disposition.attached_pic | Disposition.timed_thumbnails
_DEFAULT = Disposition.default


class UnreadableVideoError(VswinError):
    """A file that is no video, is damaged, or lacks the frames that were wanted."""

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(
            f"{path} cannot be read as a video: {reason}; fetch it again or take it off the list"
        )
        self.path = Path(path)
        self.reason = reason

    def __reduce__(self) -> tuple[type, tuple[Path, str]]:
        """Worker processes send their errors pickled."""
        return type(self), (self.path, self.reason)


def open_container(path: Path) -> InputContainer:
    """Opens a file; no name is taken for an address."""
    return av.open(f"file:{path}")


def best_stream(path: Path, container: InputContainer) -> VideoStream:
    """The stream that FFmpeg calls best, but no still picture where there are moving ones.

    A file may hold a thumbnail, a cover or the same video in another size, in any order.
    """
    pictures = [stream for stream in container.streams.video if not stream.disposition & _COVER]
    if not pictures:
        kinds = ", ".join(sorted({stream.type for stream in container.streams})) or "nothing"
        raise UnreadableVideoError(path, f"it holds {kinds} and no moving pictures")
    known = [stream for stream in pictures if stream.codec_context is not None]
    if not known:
        raise UnreadableVideoError(path, "FFmpeg has no decoder for its pictures")
    moving = [stream for stream in known if not _is_still(stream)] or known
    best = container.streams.best("video")
    if best not in moving:
        best = max(moving, key=lambda s: (bool(s.disposition & _DEFAULT), s.bit_rate or 0))
    best.codec_context.thread_count = 1  # clips are read in parallel, not frames
    best.codec_context.thread_type = "NONE"
    return best


def _is_still(stream: VideoStream) -> bool:
    """Where the container does not say how many frames there are, it says 0."""
    return stream.frames == 1 or bool(stream.disposition & Disposition.still_image)


@contextlib.contextmanager
def unreadable(path: Path) -> Iterator[None]:
    """Makes UnreadableVideoError out of what FFmpeg and the system raise."""
    try:
        yield
    except (av.FFmpegError, OSError, ValueError, RuntimeError) as error:
        if not path.exists():
            reason = "there is no such file"
        elif path.is_dir():
            reason = "it is a folder"
        elif path.stat().st_size == 0:
            reason = "it is empty"
        else:
            reason = reason_of(error)
        raise UnreadableVideoError(path, reason) from error
