"""What can be told of a packet from its first bytes, and how these are read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Look(NamedTuple):
    """What can be told of a packet; the defaults are for codecs that are not known here."""

    shown: bool = True
    """Whether its picture is one of the video's frames, not only there to be referred to."""
    disposable: bool = False
    """Whether no other picture needs it, so that the decoder may pass it over."""
    b: bool | None = None
    """Whether it is a B-picture; None if that cannot be told."""
    entry: bool = True
    """Whether decoding can start here, if the container calls it a key frame."""
    numbered: bool = False
    """Whether a missing picture that others need would be noticed here, as a doubt."""
    doubt: str = ""
    """Why the decoder may give no picture for it, or for another one near it."""
    rank: tuple[int, int] | None = None
    """The order in which pictures are shown: number of the sequence and number in it. None if that
    cannot be told."""


class Bits:
    """Numbers out of some bits, one after the other; 0 where there are no more."""

    def __init__(self, value: int, left: int) -> None:
        self.value, self.left = value, left

    def take(self, count: int) -> int:
        """A number of so many bits."""
        self.left -= count
        return self.value >> self.left & (1 << count) - 1 if self.left >= 0 else 0

    def golomb(self) -> int:
        """A number in Exp-Golomb code."""
        rest = self.value & (1 << max(self.left, 0)) - 1
        self.left -= 2 * (self.left - rest.bit_length()) + 1
        return (rest >> self.left) - 1 if self.left >= 0 else 0


def units(view: memoryview, prefix: int) -> Iterator[int]:
    """Where the units of a packet of H.264 or H.265 start.

    Args:
        view: the packet.
        prefix: bytes of the length in front of each; 0 if a start code is there.
    """
    if prefix:
        at = prefix
        while at < len(view):
            yield at
            at += int.from_bytes(view[at - prefix : at], "big") + prefix
        return
    data = bytes(view)
    at = data.find(b"\0\0\1") + 3
    while 2 < at < len(data):
        yield at
        at = data.find(b"\0\0\1", at) + 3
