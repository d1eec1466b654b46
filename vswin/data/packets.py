"""Which packet of a video file holds which frame, and decoding no more of them than is needed."""

from __future__ import annotations

import bisect
import dataclasses
import heapq
import itertools
import statistics
from collections.abc import Iterator, Sequence

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vswin.data.pictures import scanner

SEEK_SAVES = 8
"""Going on from a later key frame costs about as much as decoding this many frames."""
GAP = 1.5
"""Frames that are further apart in time than so many medians: there may be one missing."""


class UntrustedError(Exception):
    """Time stamps that do not, or may not, say which frames a decoder gives, and in which order.

    The file is then decoded from its start and its frames are counted; no user ever sees this.
    """


@dataclasses.dataclass(frozen=True)
class PacketTable:
    """The packets of one stream, by their time stamps (in the stream's time base)."""

    times: tuple[int, ...]
    """Of the frames that are shown, ascending: frame i is shown at times[i]."""
    position: dict[int, int]
    """Time -> place in the order of decoding, which B-frames make another one."""
    sizes: tuple[int, ...]
    """Bytes, in the order of decoding."""
    key_times: tuple[int, ...]
    """Of the packets that decoding can start at, ascending."""
    key_decoding_times: tuple[int, ...]
    """When each of these is decoded, which is what the index of some containers goes by."""
    disposable: frozenset[int]
    """Times of the pictures that no other needs."""

    def key_before(self, time: int) -> int:
        """The number of the last key frame that is not shown after `time`.

        A frame that is shown before a key frame and stored after it may need the one before that,
        so it is the order of presentation that says where to start. Key frames are what the
        container calls so.
        """
        return bisect.bisect_right(self.key_times, time) - 1

    def key_position(self, number: int) -> int:
        """The place of a key frame in the order of decoding."""
        return self.position[self.key_times[number]]

    def place(self, packet: Packet) -> int | None:
        """Where a packet stands in the order of decoding; None if it is none of these."""
        place = None if packet.pts is None else self.position.get(packet.pts)
        return place if place is not None and self.sizes[place] == packet.size else None

    def before(self, number: int) -> int:
        """The last frame before a key frame; -1 if there is none."""
        return bisect.bisect_left(self.times, self.key_times[number]) - 1

    def index(self, time: int | None) -> int:
        """The number of the frame that is shown at a time.

        Raises:
            UntrustedError: if none is.
        """
        if time is not None:
            index = bisect.bisect_left(self.times, time)
            if index < len(self.times) and self.times[index] == time:
                return index
        raise UntrustedError("a frame comes out at a time that no packet has")


def read_packets(container: InputContainer, stream: VideoStream) -> PacketTable:
    """Reads all packets of a stream and decodes none.

    Packets that an edit list hides, and pictures that are only there to be referred to, are no
    frames.

    Raises:
        av.FFmpegError: if not even one packet can be read.
        UntrustedError: if these packets do not prove which frames a decoder gives.
    """
    times: list[int] = []
    position: dict[int, int] = {}
    sizes: list[int] = []
    keys: list[tuple[int, int]] = []
    disposable: list[int] = []
    look_at = scanner(stream)
    latest, all_known, all_numbered = -(2**63), True, True
    try:
        for packet in all_packets(container, stream):
            look, pts = look_at(packet), packet.pts
            if pts is None or pts in position:
                raise UntrustedError("times of presentation are missing or not unique")
            if packet.is_corrupt or look.doubt:
                raise UntrustedError(look.doubt or "a packet is damaged")
            if packet.dts is not None and pts < packet.dts:
                raise UntrustedError("a frame would be shown before it is decoded")
            if look.b and pts > latest:
                raise UntrustedError("B-pictures have the times of other pictures")
            all_known = all_known and look.b is not None
            all_numbered = all_numbered and look.numbered
            latest = max(latest, pts)
            position[pts] = len(sizes)
            sizes.append(packet.size)
            if packet.is_keyframe and look.entry:
                keys.append((pts, pts if packet.dts is None else packet.dts))
            if look.disposable:
                disposable.append(pts)
            if look.shown and not packet.is_discard:
                times.append(pts)
    except av.FFmpegError as error:
        if not position:
            raise
        raise UntrustedError("the file breaks off") from error
    _require_order(list(position), stream.codec_context.reorder_depth, all_known)
    if stream.codec_context.reorder_depth and not all_numbered:
        _require_evenness(times)
    if position and (not keys or min(position) != keys[0][0] or position[keys[0][0]] != 0):
        raise UntrustedError("there are frames before the first key frame")
    keys.sort()
    return PacketTable(
        tuple(sorted(times)),
        position,
        tuple(sizes),
        tuple(time for time, _ in keys),
        tuple(time for _, time in keys),
        frozenset(disposable),
    )


def _require_order(times: Sequence[int], depth: int, all_known: bool) -> None:
    """That a decoder gives frames in the order of their times.

    Args:
        times: in the order of decoding.
        depth: how many frames the decoder holds back to put them in order.
        all_known: whether all B-pictures are known to be among those that are shown earlier.

    Raises:
        UntrustedError: if it cannot be so, or if the times say nothing about the order.
    """
    held: list[int] = []
    last = -(2**63)
    for time in times:
        heapq.heappush(held, time)
        if len(held) > depth:
            first = heapq.heappop(held)
            if first < last:
                raise UntrustedError("frames come out in another order than that of their times")
            last = first
    if depth and not all_known and all(a < b for a, b in itertools.pairwise(times)):
        raise UntrustedError("the decoder reorders frames, and their times do not say how")


def _require_evenness(times: Sequence[int]) -> None:
    """That no frame seems to be missing; others that refer to it may then not come out."""
    steps = [b - a for a, b in itertools.pairwise(sorted(times))]
    if steps and max(steps) > GAP * statistics.median(steps):
        raise UntrustedError("there are gaps between the times of frames")


def decode_wanted(
    container: InputContainer, stream: VideoStream, table: PacketTable, wanted: Sequence[int]
) -> Iterator[VideoFrame]:
    """Decodes some frames, from the key frame before each group of them.

    Args:
        container: the open file.
        stream: its stream.
        table: the stream's packets.
        wanted: numbers of frames, ascending, each once.

    Yields:
        The wanted frames, in their order.

    Raises:
        UntrustedError: once the frames that come out are not those that the table promises, but for
            those that nobody wants or needs: whether these come out is not looked at.
    """
    goals = list(reversed(wanted))
    spared = table.disposable.difference(table.times[index] for index in wanted)
    context = stream.codec_context
    key = table.key_before(table.times[goals[-1]])
    packets, last = _packets_from(container, stream, table, key), table.before(key)
    try:
        while goals:
            packet = next(packets, None)  # None asks the decoder for what it still holds
            # Most B-frames are needed by no other frame: the decoder passes those over.
            spare = packet is not None and packet.pts in spared
            context.skip_frame = "NONREF" if spare else "DEFAULT"
            for frame in context.decode(packet):
                if frame.pts is not None and frame.pts < table.key_times[key]:
                    continue  # it may need what comes before the key frame
                index = table.index(frame.pts)
                if index <= last:
                    raise UntrustedError(
                        "frames come out in another order than that of their times"
                    )
                if index > last + 1 and not spared.issuperset(table.times[last + 1 : index]):
                    raise UntrustedError("packets hold no picture")
                last = index
                if goals and index == goals[-1]:
                    goals.pop()
                    yield frame
            if packet is None:
                break
            if goals:
                following = table.key_before(table.times[goals[-1]])
                saved = table.key_position(following) - table.position[packet.pts or 0]
                # Where a seek ends is the container's choice; each key frame is tried once.
                if following != key and saved > SEEK_SAVES:
                    key = following
                    packets = _packets_from(container, stream, table, key)
                    last = table.before(key)
    except av.FFmpegError as error:
        raise UntrustedError("a packet cannot be read or decoded") from error
    if goals:
        raise UntrustedError("packets hold no picture")


def _packets_from(
    container: InputContainer, stream: VideoStream, table: PacketTable, key: int
) -> Iterator[Packet]:
    """The packets from a key frame on, or from an earlier one.

    Some containers' indices hold the time of decoding and some that of presentation, so a seek may
    end up too late; then the other time is tried, and earlier key frames.

    Raises:
        UntrustedError: if no seek ends in front of the key frame, or if what follows is not what
            the table holds.
    """
    for number in range(key, -1, -1):
        for time in (table.key_times[number], table.key_decoding_times[number]):
            try:
                container.seek(time, stream=stream)  # the decoder forgets, too
                packets = all_packets(container, stream)
                first = next(packets, None)
            except av.FFmpegError:
                continue
            at = None if first is None else table.place(first)
            if first is not None and at is not None and at <= table.key_position(key):
                for place, packet in enumerate(itertools.chain([first], packets), at):
                    if table.place(packet) != place:
                        raise UntrustedError("after a seek there are other packets")
                    yield packet
                return
    raise UntrustedError("no seek ends at a key frame")


def all_packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet]:
    """The packets of a stream from where the file is at, damaged ones, too.

    Raises:
        av.FFmpegError: where the file breaks off.
    """
    for packet in container.demux(stream):
        if packet.size:
            yield packet
        elif packet.pts is None and packet.dts is None:
            return  # PyAV's sign of the end; where streams begin late, it stumbles over them next
        # Others may be empty, too, where a frame was left out.
