"""What the packets of an AV1 stream say about their pictures.

Pictures that are shown bear numbers that go up by one, and begin anew at key frames. Where they do
not, packets are missing, and a decoder may give up all pictures up to the next key frame.

Two things are not noticed: that a hidden picture is missing which had a packet of its own, though
encoders put those into the packet of one that is shown; and that a part of what begins at one key
frame is followed by the rest of what begins at another, so that numbers go on by chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from av.packet import Packet

from vswin.data.looks import Bits, Look

_SEQUENCE, _HEADS = 1, (3, 6)
_KEY, _SWITCH = 0, 3
_SELECT = 2
"""Each picture says it."""
_HEAD_BYTES = 32


class _Sequence(NamedTuple):
    """Of a sequence header."""

    time_bits: int
    """Of a picture's own time, where each has one."""
    screen_content: int
    """0, 1 or `_SELECT`."""
    integer_motion: int
    """0, 1 or `_SELECT`."""
    id_bits: int
    number_bits: int
    """0 if pictures have no numbers."""


class Av1:
    """Follows the numbers of the pictures that are shown."""

    def __init__(self, extradata: bytes) -> None:
        self._sequence: _Sequence | None = None
        self._expected: int | None = None
        for kind, data in _units(memoryview(extradata)[4:]):
            if kind == _SEQUENCE and data is not None:
                self._sequence = _sequence(bytes(data))

    def look(self, packet: Packet) -> Look:
        """What the next packet holds."""
        look = Look(doubt="a packet holds no picture")
        for kind, data in _units(memoryview(packet)):
            if data is None:
                return Look(doubt="a packet is damaged")
            if kind == _SEQUENCE:
                self._sequence = _sequence(bytes(data))
            elif kind in _HEADS and len(data):
                if data[0] & 0x90:  # this one is shown, or one of before
                    return Look(b=False, doubt=self._follow(bytes(data[:_HEAD_BYTES])))
                look = Look(shown=False, b=False)
        return look

    def _follow(self, head: bytes) -> str:
        """Goes on by a picture that is shown; why it or others may not come out, or nothing."""
        sequence = self._sequence
        if sequence is None or not sequence.number_bits:
            return "pictures have no numbers"
        kind, number = _number(head, sequence)
        expected = number if kind == _KEY else self._expected
        doubt = "" if expected is not None and number in (None, expected) else "packets are missing"
        if number is None:
            number = expected
        self._expected = None if number is None else (number + 1) % (1 << sequence.number_bits)
        return doubt


def _units(view: memoryview) -> Iterator[tuple[int, memoryview | None]]:
    """Kind and content of what a packet holds; no content where it is cut."""
    at = 0
    while at < len(view):
        head = view[at]
        start = at + 1 + (head >> 2 & 1)
        size, shift = (0, 0) if head & 2 else (max(0, len(view) - start), 0)
        while head & 2 and start < len(view):  # the size, seven bits at a time
            size |= (view[start] & 0x7F) << shift
            shift, start = shift + 7, start + 1
            if not view[start - 1] & 0x80:
                break
        whole = start + size <= len(view)
        yield head >> 3 & 15, view[start : start + size] if whole else None
        at = start + size


def _number(head: bytes, sequence: _Sequence) -> tuple[int, int | None]:
    """Kind and number of a picture that is shown; no number if it was decoded before."""
    bits = Bits(int.from_bytes(head, "big"), 8 * len(head))
    if bits.take(1):
        return -1, None
    kind = bits.take(2)
    bits.take(1 + sequence.time_bits)
    if kind not in (_KEY, _SWITCH):
        bits.take(1)
    bits.take(1)
    screen = sequence.screen_content
    if bits.take(1) if screen == _SELECT else screen:
        bits.take(sequence.integer_motion == _SELECT)
    bits.take(sequence.id_bits + (kind != _SWITCH))
    return kind, bits.take(sequence.number_bits)


def _sequence(data: bytes) -> _Sequence | None:
    """What a sequence header says; None if that is odd, e.g. of a still picture."""
    bits = Bits(int.from_bytes(data, "big"), 8 * len(data))
    bits.take(4)
    if bits.take(1):
        return None
    time_bits, model_bits = _timing(bits)
    delays = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if model_bits and bits.take(1):
            bits.take(2 * model_bits + 1)
        if delays and bits.take(1):
            bits.take(4)
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    bits.take(width_bits + height_bits)
    id_bits = bits.take(4) + 2 + bits.take(3) + 1 if bits.take(1) else 0
    bits.take(3 + 4)
    numbered = bits.take(1)
    bits.take(2 * numbered)
    screen_content = _SELECT if bits.take(1) else bits.take(1)
    integer_motion = _SELECT
    if screen_content and not bits.take(1):
        integer_motion = bits.take(1)
    number_bits = bits.take(3) + 1 if numbered else 0
    if bits.left < 0:
        return None
    return _Sequence(time_bits, screen_content, integer_motion, id_bits, number_bits)


def _timing(bits: Bits) -> tuple[int, int]:
    """Bits of a picture's own time, and of what is said of decoders; 0 where there are none."""
    if not bits.take(1):
        return 0, 0
    bits.take(64)
    even = bits.take(1)
    if even:
        bits.golomb()
    if not bits.take(1):
        return 0, 0
    model_bits = bits.take(5) + 1
    bits.take(32 + 5)
    time_bits = bits.take(5) + 1
    return (0 if even else time_bits), model_bits
