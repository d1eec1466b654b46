"""Decoding a whole video, and what is noticed on the way: what is wrong with the file."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

import av
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vswin.data.packets import all_packets
from vswin.data.pictures import scanner

SHORTER = 0.02
"""Share of its time that may be missing at the end of a stream before that is called a fault."""


@dataclasses.dataclass
class Account:
    """What decoding all of a stream came across."""

    packets: int = 0
    damaged_packets: int = 0
    """Of these: marked as such by the container's own means."""
    refused_packets: int = 0
    """Of these: the decoder could not make anything of them."""
    refusal: str = ""
    """What it said of the first one."""
    pictures: int = 0
    """Packets whose picture is to be shown."""
    frames: int = 0
    """Those that came out."""
    damaged_frames: int = 0
    """Of these: those that the decoder had to fill in."""
    end: str = ""
    """Why the file breaks off, if it does."""
    until: int | None = None
    """Where the last packet's time ends, in the stream's time base."""

    def faults(self, stream: VideoStream) -> tuple[str, ...]:
        """What is wrong with the file of that stream, each in a few words."""
        found = {
            self._shortness(stream): True,
            f"it breaks off after {self.packets} packets ({self.end})": self.end,
            f"{self.damaged_packets} of {self.packets} packets are damaged": self.damaged_packets,
            f"{self.refused_packets} of {self.packets} packets cannot be decoded "
            f"({self.refusal})": self.refused_packets,
            f"{self.pictures} packets give {self.frames} frames": self.frames < self.pictures,
            f"{self.damaged_frames} of {self.frames} frames are damaged": self.damaged_frames,
        }
        return tuple(text for text, true in found.items() if text and true)

    def _shortness(self, stream: VideoStream) -> str:
        """What is missing at the end, by what the container says; empty if nothing is.

        That more frames are listed than there are is no fault where an edit list hides some, or
        where a list of even times leaves some out; then what there is lasts as long as it should.
        """
        lasts = _duration(stream)
        if self.until is None or stream.time_base is None:
            return ""
        # The time of a stream counts from its first frame, that of a whole file from 0.
        start = 0 if stream.duration is None else stream.start_time or 0
        there = float((self.until - start) * stream.time_base)
        if there > (1 - SHORTER) * lasts - 0.1:
            return ""
        if stream.frames > self.packets:
            return f"{stream.frames} frames are listed and {self.packets} are there"
        return f"it should last {lasts:.1f} s and ends after {there:.1f} s"


def decode_all(
    container: InputContainer, stream: VideoStream, account: Account
) -> Iterator[VideoFrame]:
    """All frames of a file that was just opened, as the decoder gives them, in its order.

    A packet that it refuses is passed over. Only the end of the file ends a stream, or an error of
    the container.

    Args:
        container: the open file.
        stream: its stream.
        account: added to.

    Raises:
        av.FFmpegError: if not even one packet can be read.
    """
    context = stream.codec_context
    packets = _noted(container, stream, account)
    for packet in itertools.chain(packets, [None]):  # None asks for what the decoder still holds
        try:
            frames = context.decode(packet)
        except av.FFmpegError as error:
            account.refused_packets += 1
            account.refusal = account.refusal or reason_of(error)
            continue
        for frame in frames:
            account.frames += 1
            account.damaged_frames += frame.is_corrupt
            yield frame


def _duration(stream: VideoStream) -> float:
    """Seconds that a stream should last, by the container; 0 if it does not say."""
    container = stream.container
    assert isinstance(container, InputContainer)
    if stream.duration is not None and stream.time_base is not None:
        # AVI: the time follows from an index that may be cut, the number of frames does not.
        ticks = max(stream.duration, stream.frames if container.format.name == "avi" else 0)
        return float(ticks * stream.time_base)
    if container.duration is None or len(container.streams) > 1:  # it may be that of the sound
        return 0.0
    return container.duration / av.time_base


def _noted(container: InputContainer, stream: VideoStream, account: Account) -> Iterator[av.Packet]:
    look_at = scanner(stream)
    try:
        for packet in all_packets(container, stream):
            account.packets += 1
            account.damaged_packets += packet.is_corrupt
            time = packet.pts if packet.pts is not None else packet.dts
            if time is not None:
                account.until = max(account.until or time, time + (packet.duration or 0))
            account.pictures += look_at(packet).shown and not packet.is_discard
            yield packet
    except av.FFmpegError as error:
        if not account.packets:
            raise
        account.end = reason_of(error)


def reason_of(error: Exception) -> str:
    """What FFmpeg or the system say, in one line."""
    return getattr(error, "strerror", None) or str(error)
