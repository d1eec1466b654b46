"""Which packet of a video file holds which frame, and decoding no more of them than is needed."""

from __future__ import annotations

import bisect
import dataclasses
import heapq
import itertools
import statistics
from collections.abc import Iterator, Sequence
from functools import cached_property

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vswin.data.looks import Look
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
    """The packets of one stream, known by their time stamps (in the stream's time base)."""

    times: tuple[int, ...]
    """Of the frames that are shown, in their order; ascending, but for MPEG-4 in AVI."""
    position: dict[int, int]
    """Time -> place in the order of decoding, which B-frames make another one."""
    sizes: tuple[int, ...]
    """Bytes, in the order of decoding."""
    keys: tuple[KeyFrame, ...]
    """Where decoding can start, in the order in which they are shown."""
    disposable: frozenset[int]
    """Times of the pictures that no other needs."""

    @cached_property
    def number(self) -> dict[int, int]:
        """Time -> number of the frame."""
        return {time: number for number, time in enumerate(self.times)}

    def key_before(self, frame: int) -> int:
        """The last key frame that is not shown after a frame.

        A frame that is shown before a key frame and stored after it may need the one before that,
        so it is the order of presentation that says where to start. Key frames are what the
        container calls so.
        """
        return bisect.bisect_right(self.keys, frame, key=lambda key: key.frame) - 1

    def place(self, packet: Packet) -> int | None:
        """Where a packet stands in the order of decoding; None if it is none of these."""
        place = None if packet.pts is None else self.position.get(packet.pts)
        return place if place is not None and self.sizes[place] == packet.size else None


@dataclasses.dataclass(frozen=True)
class KeyFrame:
    """A packet that decoding can start at."""

    frame: int
    """Its number or, if it is not shown itself, that of the frame after it."""
    position: int
    """In the order of decoding."""
    times: tuple[int, int]
    """When it is shown and when it is decoded: the indices of containers go by one of these."""


def read_packets(container: InputContainer, stream: VideoStream) -> PacketTable:
    """Reads all packets of a stream and decodes none.

    Packets that an edit list hides, and pictures that are only there to be referred to, are no
    frames.

    Raises:
        av.FFmpegError: if not even one packet can be read.
        UntrustedError: if these packets do not prove which frames a decoder gives.
    """
    position: dict[int, int] = {}
    sizes: list[int] = []
    looks: list[Look] = []
    shown: set[int] = set()
    keys: dict[int, tuple[int, int]] = {}
    look_at = scanner(stream)
    try:
        for packet in all_packets(container, stream):
            look, pts, dts = look_at(packet), packet.pts, packet.dts
            if pts is None or pts in position:
                raise UntrustedError("times of presentation are missing or not unique")
            if packet.is_corrupt or look.doubt:
                raise UntrustedError(look.doubt or "a packet is damaged")
            if dts is not None and pts < dts:
                raise UntrustedError("a frame would be shown before it is decoded")
            position[pts] = len(sizes)
            sizes.append(packet.size)
            looks.append(look)
            if packet.is_keyframe and look.entry:
                keys[pts] = (pts, pts if dts is None else dts)
            if look.shown and not packet.is_discard:
                shown.add(pts)
    except av.FFmpegError as error:
        if not position:
            raise
        raise UntrustedError("the file breaks off") from error
    order = _order(list(position), looks, stream.codec_context)
    if order and (order[0] not in keys or position[order[0]] != 0):
        raise UntrustedError("there are frames before the first key frame")
    times: list[int] = []
    entries = []
    for time in order:
        if time in keys:
            entries.append(KeyFrame(len(times), position[time], keys[time]))
        if time in shown:
            times.append(time)
    disposable = frozenset(itertools.compress(position, (look.disposable for look in looks)))
    return PacketTable(tuple(times), position, tuple(sizes), tuple(entries), disposable)


def _order(times: list[int], looks: Sequence[Look], context: VideoCodecContext) -> list[int]:
    """The times of packets in the order in which a decoder gives their frames.

    Args:
        times: in the order of decoding.
        looks: what the packets hold.
        context: how many frames the decoder holds back to put them in order.

    Raises:
        UntrustedError: if that order cannot be told for certain.
    """
    if context.reorder_depth and not all(look.numbered for look in looks):
        _require_evenness(times)
    if context.reorder_depth == 1 and context.codec.canonical_name == "mpeg4":
        return _order_by_kinds(times, looks)
    ranks = [look.rank for _, look in sorted(zip(times, looks, strict=True), key=lambda p: p[0])]
    known = [rank for rank in ranks if rank is not None]
    if any(a >= b for a, b in itertools.pairwise(known)):
        raise UntrustedError("the times of frames say another order than their numbers")
    latest = -(2**63)
    for time, look in zip(times, looks, strict=True):
        if look.b and time > latest:
            raise UntrustedError("B-pictures have the times of other pictures")
        latest = max(latest, time)
    told = all(look.b is not None or look.rank for look in looks)
    if context.reorder_depth and not told and all(a < b for a, b in itertools.pairwise(times)):
        raise UntrustedError("the decoder reorders frames, and their times do not say how")
    order: list[int] = []
    held: list[int] = []
    for time in times:
        heapq.heappush(held, time)
        if len(held) > context.reorder_depth:
            order.append(heapq.heappop(held))
    order += sorted(held)
    if any(a > b for a, b in itertools.pairwise(order)):
        raise UntrustedError("frames come out in another order than that of their times")
    return order


def _order_by_kinds(times: Sequence[int], looks: Sequence[Look]) -> list[int]:
    """Decoders of MPEG-4 give a B-picture at once and any other when the next such one comes.

    AVI gives no times, and what FFmpeg makes of the packets is wrong where pictures are packed.
    """
    order: list[int] = []
    held: list[int] = []
    for time, look in zip(times, looks, strict=True):
        if look.b:
            order.append(time)
        else:
            order += held
            held = [time]
    return order + held


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
    spared = table.disposable.difference(table.times[frame] for frame in wanted)
    context = stream.codec_context
    key = table.key_before(goals[-1])
    packets, last = _packets_from(container, stream, table, key), table.keys[key].frame - 1
    first = last + 1
    try:
        while goals:
            packet = next(packets, None)  # None asks the decoder for what it still holds
            # Most B-frames are needed by no other frame: the decoder passes those over.
            spare = packet is not None and packet.pts in spared
            context.skip_frame = "NONREF" if spare else "DEFAULT"
            for frame in context.decode(packet):
                number = table.number.get(frame.pts) if frame.pts is not None else None
                if number is None:
                    raise UntrustedError("a frame comes out at a time that no packet has")
                if number < first:
                    continue  # it may need what comes before the key frame
                if number <= last:
                    raise UntrustedError("frames come out in another order than was promised")
                if not spared.issuperset(table.times[last + 1 : number]):
                    raise UntrustedError("packets hold no picture")
                last = number
                if goals and number == goals[-1]:
                    goals.pop()
                    yield frame
            if packet is None:
                break
            if goals:
                following = table.key_before(goals[-1])
                saved = table.keys[following].position - table.position[packet.pts or 0]
                # Where a seek ends is the container's choice; each key frame is tried once.
                if following != key and saved > SEEK_SAVES:
                    key = following
                    packets = _packets_from(container, stream, table, key)
                    first, last = table.keys[key].frame, table.keys[key].frame - 1
    except av.FFmpegError as error:
        raise UntrustedError("a packet cannot be read or decoded") from error
    if goals:
        raise UntrustedError("packets hold no picture")


def _packets_from(
    container: InputContainer, stream: VideoStream, table: PacketTable, number: int
) -> Iterator[Packet]:
    """The packets from a key frame on, or from an earlier one.

    Some containers' indices hold the time of decoding and some that of presentation, so a seek may
    end up too late; then the other time is tried, and earlier key frames.

    Raises:
        UntrustedError: if no seek ends in front of the key frame, or if what follows is not what
            the table holds.
    """
    for key in reversed(table.keys[: number + 1]):
        for time in key.times:
            try:
                container.seek(time, stream=stream)  # the decoder forgets, too
                packets = all_packets(container, stream)
                first = next(packets, None)
            except av.FFmpegError:
                continue
            at = None if first is None else table.place(first)
            if first is not None and at is not None and at <= table.keys[number].position:
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
