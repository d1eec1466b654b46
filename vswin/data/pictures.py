"""What the first bytes of a packet say about the picture in it, without decoding it.

Containers say when a picture is shown. Whether it is shown at all, whether others that it needs
are missing, and whether others need it, only the coded stream says, in a few bits at its start.
Reading those takes a few microseconds.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

from av.packet import Packet
from av.video.stream import VideoStream

from vswin.data.av1 import Av1
from vswin.data.hevc import Hevc
from vswin.data.looks import Bits, Look, units

NOT_CODED_BYTES = 19
"""A packet of MPEG-4 that says "nothing has changed" has at most so many; it gives no frame."""
_PICTURE = b"\0\0\1\xb6"
_PACKED = re.compile(rb"DivX\d+(b|Build)\d+p")
_HIGH_PROFILES = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}
PLAIN, NO_B, HIDDEN, DISPOSABLE = (
    Look(),
    Look(b=False),
    Look(shown=False, b=False),
    Look(disposable=True, b=True),
)
_NOT_FOLLOWED = Look(doubt="decoders of H.266 may give up pictures, and it is not known which")
_ODDLY_PACKED = Look(doubt="pictures are packed together in an unknown way")
Scanner = Callable[[Packet], Look]


def scanner(stream: VideoStream) -> Scanner:
    """What looks at a stream's packets; it wants all of them, in the order of decoding."""
    context = stream.codec_context
    name = context.codec.canonical_name
    if name == "h264":
        return _H264(context.extradata or b"").look
    if name == "mpeg4":
        return _Mpeg4(context.extradata or b"").look
    if name == "hevc":
        return Hevc(context.extradata or b"").look
    if name == "av1":
        return Av1(context.extradata or b"").look
    scanners: dict[str, Scanner] = {
        "mpeg1video": _mpeg12,
        "mpeg2video": _mpeg12,
        "vp8": _vp8,
        "vp9": _vp9,
    }
    return scanners.get(name, lambda packet: _NOT_FOLLOWED if name == "vvc" else PLAIN)


class _H264:
    """Numbers of reference pictures go up by one; a jump is where some are missing."""

    def __init__(self, extradata: bytes) -> None:
        self._prefix = 0
        self._number_bits: int | None = None
        self._expected: int | None = None
        if extradata[:1] == b"\1" and len(extradata) > 8:
            self._prefix = (extradata[4] & 3) + 1
            self._number_bits = _number_bits(extradata[8:])
        else:
            view = memoryview(extradata)
            for at in units(view, 0):
                if view[at] & 31 == 7:
                    self._number_bits = _number_bits(bytes(view[at:]))

    def look(self, packet: Packet) -> Look:
        view = memoryview(packet)
        if 0 < self._prefix < len(view) and view[self._prefix] & 31 == 1:
            return self._slice(view, self._prefix)  # most packets hold this alone
        for at in units(view, self._prefix):
            kind = view[at] & 31
            if kind == 7:  # settings, repeated or new
                self._number_bits = _number_bits(bytes(view[at : at + 64]))
            elif kind in (1, 2, 5):
                return self._slice(view, at)
        return Look(doubt="a packet holds no picture")

    def _slice(self, view: memoryview, at: int) -> Look:
        head = bytes(view[at + 1 : at + 12]).replace(b"\0\0\3", b"\0\0") + bytes(8)
        found = _slice_start(head[0] << 8 | head[1])
        if found is None:
            return Look(doubt="a packet holds no start of a picture")
        slice_type, used = found
        reference = view[at] & 0x60 != 0
        doubt = ""
        if self._number_bits is not None:
            number = int.from_bytes(head[:8], "big") >> 64 - used - self._number_bits
            number &= (1 << self._number_bits) - 1
            if view[at] & 31 == 5:
                self._expected = 0
            if self._expected is not None and number != self._expected:
                doubt = "pictures that others refer to are missing"
            self._expected = (number + reference) & (1 << self._number_bits) - 1
        return _h264_look(reference, slice_type, self._number_bits is not None, doubt)


@functools.lru_cache(maxsize=64)
def _h264_look(reference: bool, slice_type: int, numbered: bool, doubt: str) -> Look:
    return Look(True, not reference, slice_type == 1, slice_type in (2, 4), numbered, doubt)


@functools.lru_cache(maxsize=2**16)
def _slice_start(bits: int) -> tuple[int, int] | None:
    """Type (0 P, 1 B, 2 I …) and how many of 16 bits were read; None if no picture starts here."""
    reader = Bits(bits, 16)
    if reader.golomb() != 0:
        return None
    slice_type = reader.golomb() % 5
    reader.golomb()  # which set of parameters
    return (slice_type, 16 - reader.left) if reader.left >= 0 else None


@functools.lru_cache(maxsize=16)
def _number_bits(settings: bytes) -> int | None:
    """Bits of the number of a reference picture (frame_num), by a sequence parameter set."""
    data = settings[1:64].replace(b"\0\0\3", b"\0\0")
    bits = Bits(int.from_bytes(data, "big"), 8 * len(data))
    profile = bits.take(8)
    bits.take(16)
    bits.golomb()
    if profile in _HIGH_PROFILES:
        if bits.golomb() == 3:
            return None  # planes may be coded one by one
        bits.golomb()
        bits.golomb()
        if bits.take(2) & 1:
            return None  # scaling lists, which are long
    return bits.golomb() + 4


class _Mpeg4:
    """DivX and XviD pack a B-picture into the packet of the one that is shown after it.

    Decoders keep it and give it for the next packet, whose own B-picture is kept in its turn, until
    there is a packet without a picture; so there are as many packets as frames.
    """

    def __init__(self, extradata: bytes) -> None:
        self._may_be_packed = _PACKED.search(extradata) is not None
        self._kept = False

    def look(self, packet: Packet) -> Look:
        data = bytes(packet)
        at = data.find(_PICTURE) + 4
        if not 4 <= at < len(data):
            return Look(doubt="a packet holds no picture")
        if self._kept:
            return self._look_at_next(data, at)
        if len(data) <= NOT_CODED_BYTES:
            return Look(doubt="a packet may say that nothing has changed")
        b, marked = data[at] >> 6 == 2, at > 4 and _PACKED.search(data[:at]) is not None
        self._may_be_packed |= marked
        if not self._may_be_packed:
            return DISPOSABLE if b else NO_B
        second = _next(data, at)
        if second >= 0:
            if b or data[second : second + 1] < b"\x80" or _next(data, second) >= 0:
                return _ODDLY_PACKED
            self._kept = True
        # The decoder has to see the mark, and what is shown before this picture needs another one.
        return Look(disposable=b, b=b, entry=marked and not self._kept)

    def _look_at_next(self, data: bytes, at: int) -> Look:
        """What follows a packet of two pictures: the picture that was kept is given for it."""
        self._kept = len(data) > NOT_CODED_BYTES
        if not self._kept:
            return DISPOSABLE
        # Passing over the picture that is given now would lose the one that is to be kept.
        alone = at == 4 and data[at] >> 6 == 2 and _next(data, at) < 0
        return Look(b=True) if alone else _ODDLY_PACKED


def _next(data: bytes, at: int) -> int:
    """Where the next picture of a packet of MPEG-4 starts; -1 if there is none."""
    found = data.find(_PICTURE, at)
    return found + 4 if found >= 0 else -1


def _mpeg12(packet: Packet) -> Look:
    data = bytes(packet)
    at = data.find(b"\0\0\1\0") + 4
    if not 4 <= at < len(data) - 1:
        return Look(doubt="a packet holds no picture")
    return DISPOSABLE if data[at + 1] >> 3 & 7 == 3 else NO_B


def _vp8(packet: Packet) -> Look:
    return NO_B if memoryview(packet)[0] & 0x10 else HIDDEN


def _vp9(packet: Packet) -> Look:
    """A packet of several pictures, which ends in their index, shows the last of them."""
    view = memoryview(packet)
    if view[0] >> 6 != 2:
        return Look(doubt="a packet holds no picture")
    if view[-1] & 0xE0 == 0xC0:
        return NO_B
    profile = view[0] >> 5 & 1 | view[0] >> 3 & 2
    bits = view[0] << 8 | (view[1] if len(view) > 1 else 0)
    after = 16 - 4 - (profile == 3)  # behind the marker and the profile
    again, _, shown = (bits >> after - 1 & 1, bits >> after - 2 & 1, bits >> after - 3 & 1)
    return NO_B if again or shown else HIDDEN
