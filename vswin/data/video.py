"""Video files: how many frames they have, and those frames that a clip needs, exactly.

Frame i of a file is the i-th that its decoder delivers when all packets are fed to it, from the
start to the end of the file; a packet that it refuses is passed over. So variable frame rates are
sampled by index, and damaged files have as many frames as can be decoded.

Decoding everything for a few frames would be slow. Where the packets' time stamps, and the first
bits of the pictures in them, prove which packet is which frame (`vswin.data.packets`), only what
comes after the key frame before each group of wanted frames is decoded, and each frame that comes
out is compared with what was promised. Where they do not, or the promise is broken, frames are
counted by decoding the file.

That parts were left out or joined is told by what pictures of H.264 and H.265 refer to, by the
numbers that those of AV1 bear, and in other formats by gaps between their times, where there are
any; decoders of these give the rest all the same. H.266 is always decoded from its start.

What remains: packets that were damaged in such a way that only decoding them shows it, in a part of
a file that nobody asks for. Frames that they do not give are counted, and those after that place
bear higher numbers than they should; they are whole and in order all the same. B-frames that are
neither wanted nor needed are passed over, and so are not looked at, either. `vswin data check
--deep` finds such files. With periodic intra refresh of H.264, where a picture recovers bit by bit,
only the first frame is a key frame; in other formats what a container calls one is taken for one.

Colours: the matrix and range that the file is tagged with, BT.601 and limited range where it is
not, as FFmpeg assumes. Frames of their own size go through FFmpeg's fast conversion (chroma
repeated, about 1 of 255 darker than exact arithmetic), as in the readers that published models were
trained with. A file's display rotation by 90, 180 or 270 degrees is applied; mirroring is not, and
pixels are taken to be square.
"""

from __future__ import annotations

import bisect
import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation, VideoReformatter

from vswin.data.decoding import Account, decode_all
from vswin.data.opening import UnreadableVideoError, best_stream, open_container, unreadable
from vswin.data.packets import PacketTable, UntrustedError, decode_wanted, read_packets

__all__ = [
    "UnreadableVideoError",
    "VideoInfo",
    "VideoReader",
    "open_video",
    "read_frames",
    "scaled_size",
]

KEPT_PIXELS = 2**25
"""Where frames are decoded to count them, they are kept up to so many pixels (of 1.5 bytes, most
often): 12 seconds of 340 x 256, which then need not be decoded twice."""
T = TypeVar("T")

_PLAIN = int(Interpolation.BILINEAR)
_RESIZED = int(Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT)


@dataclasses.dataclass(frozen=True)
class VideoInfo:
    """What a file holds."""

    frames: int
    """How many can be read."""
    width: int
    """In pixels, as displayed: after the rotation."""
    height: int
    """In pixels, as displayed: after the rotation."""
    fps: float
    """Frames per second, on average; 0 where that cannot be told."""
    duration: float
    """Seconds that the frames are shown for."""
    codec: str
    """FFmpeg's name of the format, e.g. h264."""
    rotation: int
    """Degrees counter-clockwise that the stored frames are turned by for display: 0 to 270."""


def read_frames(
    path: str | os.PathLike[str], indices: Sequence[int], short_side: int | None = None
) -> np.ndarray:
    """The frames `indices` of a file: `VideoReader.read`, which see, for one call."""
    with open_video(path) as video:
        return video.read(indices, short_side)


@contextlib.contextmanager
def open_video(path: str | os.PathLike[str]) -> Iterator[VideoReader]:
    """Opens a file and counts its frames; its memory is given back when the block ends.

    Raises:
        UnreadableVideoError: if it is missing, no video, or without frames.
    """
    path = Path(path)
    with unreadable(path):
        container = open_container(path)
    try:
        with unreadable(path):
            video = VideoReader(path, container)
        yield video
    finally:
        container.close()


class VideoReader:
    """An open file. `open_video` makes it."""

    def __init__(self, path: Path, container: InputContainer) -> None:
        self.path = path
        self._container = container
        self._stream = best_stream(path, container)
        context = self._stream.codec_context
        self._size = context.height, context.width  # as stored
        if 0 in self._size:
            raise UnreadableVideoError(path, "it does not say how large its frames are")
        self._table: PacketTable | None = None
        self._account: Account | None = None
        self._kept: list[VideoFrame] | None = None
        self._broken_promise = ""
        try:
            self._table = read_packets(container, self._stream)
            self.frames = len(self._table.times)
        except UntrustedError:
            self._count()
        if self.frames == 0:
            raise UnreadableVideoError(path, "it has no frames")

    def __repr__(self) -> str:
        codec = self._stream.codec_context.name
        stored = "×".join(map(str, reversed(self._size)))
        return f"<VideoReader {self.path}: {self.frames} frames of {stored}, {codec}>"

    @property
    def width(self) -> int:
        """Pixels, as displayed."""
        return self._size[0 if self.rotation in (90, 270) else 1]

    @property
    def height(self) -> int:
        """Pixels, as displayed."""
        return self._size[1 if self.rotation in (90, 270) else 0]

    @property
    def fps(self) -> float:
        """Frames per second, on average over the file; 0 where that cannot be told."""
        rate = self._stream.average_rate or self._stream.guessed_rate
        return float(rate) if rate else 0.0

    @cached_property
    def rotation(self) -> int:
        """Degrees counter-clockwise from the stored frames to the displayed ones: 0 to 270."""
        turns = 0
        with unreadable(self.path):
            for _, frame in self._decode([0]):
                turns = _quarter_turns(frame)
        return 90 * turns

    @property
    def faults(self) -> tuple[str, ...]:
        """What was found to be wrong with the file so far, each in a few words."""
        found = self._account.faults(self._stream) if self._account is not None else ()
        return (*found, self._broken_promise) if self._broken_promise else found

    def decode_everything(self) -> None:
        """Decodes all frames; `frames` and `faults` then say all that can be known.

        Raises:
            UnreadableVideoError: if no frame can be decoded.
        """
        with unreadable(self.path):
            self._count()

    def with_true_count(self, use: Callable[[int], T]) -> T:
        """Calls `use` with the number of frames, which reads some of them.

        It is called once more, with the true number, should reading show that there are others than
        the packets of the file promised.
        """
        while True:
            frames = self.frames
            try:
                result = use(frames)
            except UnreadableVideoError:
                if self.frames == frames:
                    raise
            else:
                if self.frames == frames:
                    return result

    @property
    def info(self) -> VideoInfo:
        """All of the above and more."""
        last = 1 / self.fps if self.fps else 0.0
        if self._table is None:
            before = (self.frames - 1) * last
        else:
            assert self._stream.time_base is not None  # or there would be no table
            times = self._table.times
            before = float((max(times) - min(times)) * self._stream.time_base)
        codec = self._stream.codec_context.codec.canonical_name
        return VideoInfo(
            self.frames, self.width, self.height, self.fps, before + last, codec, self.rotation
        )

    def read(self, indices: Sequence[int], short_side: int | None = None) -> np.ndarray:
        """Some frames, in the order of `indices`, which may repeat and go back.

        Args:
            indices: T frame numbers from 0 to `frames` - 1.
            short_side: pixels that the shorter side is resized to, the other by the same factor
                and rounded. It happens in one step with the conversion to RGB and is bilinear;
                where frames shrink, the filter is as wide as that takes (no aliasing), which that
                of OpenCV, and so of the released pipeline, is not: in fine patterns the two differ
                by a few of 255. `vswin.data.transforms.resize_short_side` is as released. None: as
                they are.

        Returns:
            uint8 (T, H, W, 3), RGB.

        Raises:
            UnreadableVideoError: if a frame is not there or cannot be decoded.
            ValueError: if no frames are wanted.
        """
        wanted = sorted({int(index) for index in indices})
        self._require(wanted)
        size = self._size if short_side is None else scaled_size(*self._size, short_side)
        frames = np.empty((0, 0, 0, 3), np.uint8)
        reformatter = VideoReformatter()  # one for all frames: setting it up takes longer than one
        with unreadable(self.path):
            for place, frame in self._decode(wanted):
                image = _rgb(reformatter, frame, size)
                if turns := _quarter_turns(frame):
                    image = np.rot90(image, turns)
                if not len(frames):
                    frames = np.empty((len(wanted), *image.shape), np.uint8)
                frames[place] = image
        order = [bisect.bisect_left(wanted, int(index)) for index in indices]
        return frames if order == list(range(len(frames))) else frames[order]

    def _require(self, wanted: Sequence[int]) -> None:
        """That all of the ascending `wanted` are there."""
        if not wanted:
            raise ValueError("no frames are wanted")
        for index in (wanted[0], wanted[-1]):
            if not 0 <= index < self.frames:
                raise UnreadableVideoError(
                    self.path, f"frame {index} is wanted and it has 0 to {self.frames - 1}"
                )

    def _decode(self, wanted: Sequence[int]) -> Iterator[tuple[int, VideoFrame]]:
        """(place, frame) for all of the ascending `wanted`, from the first to the last.

        Should the table of packets turn out to be wrong, all of them come once more.
        """
        if self._table is not None:
            try:
                yield from enumerate(
                    decode_wanted(self._container, self._stream, self._table, wanted)
                )
                return
            except UntrustedError:
                self._count()
                self._require(wanted)
        place = 0
        frames: Iterable[VideoFrame] = self._kept or self._decode_all(Account())
        for index, frame in enumerate(frames):
            if index == wanted[place]:
                yield place, frame
                place += 1
                if place == len(wanted):
                    return
        raise UnreadableVideoError(self.path, f"frame {wanted[place]} cannot be decoded")

    def _count(self) -> None:
        """Counts frames by decoding them, and keeps them if they are few."""
        table, self._table = self._table, None
        self._account = account = Account()
        self._kept = kept = []
        times, room = [], KEPT_PIXELS
        for frame in self._decode_all(account):
            times.append(frame.pts)
            room -= frame.width * frame.height
            if room >= 0:
                kept.append(frame)
            else:
                kept.clear()
        self.frames = account.frames
        if table is not None and table.times != tuple(times):
            order = "" if len(times) != len(table.times) else ", in another order"
            self._broken_promise = (
                f"{len(table.times)} frames have a time and {len(times)} come out{order}"
            )
        if self.frames == 0:
            why = f" ({account.refusal})" if account.refusal else ""
            raise UnreadableVideoError(self.path, f"it has no frames{why}")

    def _decode_all(self, account: Account) -> Iterator[VideoFrame]:
        """All frames, through an opening of its own: not every format can go back to the start."""
        with open_container(self.path) as container:
            yield from decode_all(container, best_stream(self.path, container), account)


def scaled_size(height: int, width: int, short_side: int) -> tuple[int, int]:
    """(height, width) with the shorter side of that many pixels; halves are rounded up."""
    factor = short_side / min(height, width)
    return int(height * factor + 0.5), int(width * factor + 0.5)


def _rgb(reformatter: VideoReformatter, frame: VideoFrame, size: tuple[int, int]) -> np.ndarray:
    """uint8 (*size, 3), in the memory of FFmpeg's picture: to be copied."""
    height, width = size
    flags = _PLAIN if (frame.height, frame.width) == size else _RESIZED
    rgb = reformatter.reformat(frame, width, height, "rgb24", interpolation=flags, threads=1)
    plane = rgb.planes[0]
    return np.ndarray(
        (height, width, 3), np.uint8, memoryview(plane), strides=(plane.line_size, 3, 1)
    )


def _quarter_turns(frame: VideoFrame) -> int:
    """Counter-clockwise, 0 to 3."""
    return round(frame.rotation / 90) % 4
