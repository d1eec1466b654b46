"""Which packet of a video file holds which frame, and decoding no more of them than is needed."""

from __future__ import annotations

import bisect
import contextlib
import dataclasses
import itertools
from collections.abc import Iterator

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

SEEK_SAVES = 8
"""Going on from a later key frame costs about as much as decoding this many frames."""


@dataclasses.dataclass(frozen=True)
class PacketTable:
    """The packets of one stream, by their time stamps (in the stream's time base)."""

    times: tuple[int, ...]
    """Of the frames that are shown, ascending: frame i is shown at times[i]."""
    position: dict[int, int]
    """Time -> place in the order of decoding, which B-frames make another one."""
    key_times: tuple[int, ...]
    """Of the packets that decoding can start at, ascending."""

    def key_before(self, time: int) -> int:
        """The number of the last key frame that is not shown after `time`; -1 if there is none.

        A frame that is shown before a key frame and stored after it may need the one before that,
        so it is the order of presentation that says where to start. Key frames are what the
        container calls so: with periodic intra refresh, where pictures recover bit by bit, frames
        just after a seek can differ from those of an uninterrupted decoding.
        """
        return bisect.bisect_right(self.key_times, time) - 1

    def key_position(self, number: int) -> int:
        """The place of a key frame in the order of decoding; before all others for number -1."""
        return self.position[self.key_times[number]] if number >= 0 else -1


def read_packets(container: InputContainer, stream: VideoStream) -> PacketTable | None:
    """Reads all packets of a stream and decodes none.

    Packets that an edit list hides are no frames. A file that was cut short ends before the first
    packet that is not whole.

    Returns:
        None if time stamps are missing or not unique, so that frames can only be counted.

    Raises:
        av.FFmpegError: if not even one packet can be read.
    """
    times: list[int] = []
    position: dict[int, int] = {}
    key_times: list[int] = []
    for packet in whole_packets(container, stream):
        if packet.pts is None or packet.pts in position:
            return None
        position[packet.pts] = len(position)
        if packet.is_keyframe:
            key_times.append(packet.pts)
        if not packet.is_discard:
            times.append(packet.pts)
    return PacketTable(tuple(sorted(times)), position, tuple(sorted(key_times)))


def decode_wanted(
    container: InputContainer, stream: VideoStream, table: PacketTable, wanted: dict[int, int]
) -> Iterator[tuple[int, VideoFrame]]:
    """Decodes some frames, from the key frame before each group of them.

    Args:
        container: the open file.
        stream: its stream.
        table: the stream's packets.
        wanted: time -> anything, e.g. the frame's index; not empty. Emptied one by one; what is
            left at the end could not be reached like this.

    Yields:
        The value and the frame, ascending in time unless the file is damaged.
    """
    goals = sorted(wanted, reverse=True)
    started_at = table.key_before(goals[-1])
    packets = _packets_from(container, stream, table, started_at)
    context = stream.codec_context
    while goals:
        packet = next(packets, None)  # None asks the decoder for what it still holds
        # Most B-frames are needed by no other frame: the decoder passes those over.
        needed = packet is None or packet.pts in wanted
        context.skip_frame = "DEFAULT" if needed else "NONREF"
        for frame in context.decode(packet):
            if frame.pts in wanted:
                yield wanted.pop(frame.pts), frame
        if packet is None:
            return
        while goals and goals[-1] not in wanted:
            goals.pop()
        if not goals:
            return  # done, and there is no later key frame to go to
        key = table.key_before(goals[-1])
        end = len(table.position)
        here = end if packet.pts is None else table.position.get(packet.pts, end)
        # Where a seek ends is the container's choice; each key frame is tried once.
        if key != started_at and table.key_position(key) - here > SEEK_SAVES:
            started_at = key
            packets = _packets_from(container, stream, table, key)


def _packets_from(
    container: InputContainer, stream: VideoStream, table: PacketTable, key: int
) -> Iterator[Packet]:
    """The packets from a key frame on, or from an earlier one; none if both are in vain.

    Some containers' indices hold the time of decoding and some that of presentation, so a seek may
    end up too late; then earlier key frames are tried.
    """
    for number in range(key, -1, -1):
        with contextlib.suppress(av.FFmpegError):
            container.seek(table.key_times[number], stream=stream)  # the decoder forgets, too
            packets = whole_packets(container, stream)
            first = next(packets, None)
            if first is None or first.pts not in table.position:
                continue
            if table.position[first.pts] <= table.key_position(key):
                return itertools.chain([first], packets)
    return iter(())


def whole_packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet]:
    """The packets of a stream from where the file is at, up to the end or where it was cut short.

    Raises:
        av.FFmpegError: if not even one packet can be read.
    """
    packets = container.demux(stream)
    any_yet = False
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            if not any_yet:
                raise
            return
        if packet is None or packet.is_corrupt:
            return
        any_yet = True
        if packet.size:  # the last one is empty
            yield packet
