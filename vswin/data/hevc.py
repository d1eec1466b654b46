"""What the packets of an H.265 stream say about their pictures.

The head of each picture lists those that it and later ones refer to. Where one of these has not
come, pictures were left out or put in another order, and a decoder gives up some of those that are
left. It also gives up what belongs to the time before a key frame that begins anew, which is legal:
where two streams were joined, there are pictures which only a decoder can tell the fate of.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

from av.packet import Packet

from vswin.data.looks import Bits, Look, units

_HEAD_BYTES = 64
_RADL, _RASL, _BLA, _IDR, _IRAP = (6, 7), (8, 9), (16, 17, 18), (19, 20), range(16, 24)
_SPS, _PPS, _ENDS = 33, 34, (36, 37)
_MOST_REFERENCES = 16


class _OddError(ValueError):
    """Bits that are no settings or no head of a picture, or of a kind that is not known here."""


class _Sequence(NamedTuple):
    """Of a sequence parameter set."""

    number_bits: int
    planes: bool
    """Whether colours are coded apart."""
    sets: tuple[tuple[int, ...], ...]
    """Distances to the pictures that are referred to: negative ones, from 0 on, and positive."""
    long_term: bool
    long_term_sets: int


class _Settings(NamedTuple):
    """Of a picture parameter set."""

    sequence: int
    output_flag: bool
    extra_bits: int


class Hevc:
    """Follows the numbers of pictures, and which of them the decoder keeps."""

    def __init__(self, extradata: bytes) -> None:
        self._prefix = 0
        self._sequences: dict[int, _Sequence] = {}
        self._settings: dict[int, _Settings] = {}
        self._held: set[int] = set()
        self._number = self._anchor = 0
        self._sequence = 0
        self._ended = True
        self._leading: int | None = None
        if len(extradata) > 22 and extradata[:3] not in (b"\0\0\0", b"\0\0\1"):
            self._prefix = (extradata[21] & 3) + 1
            self._learn_from_container(extradata)
        else:
            view = memoryview(extradata)
            for at in units(view, 0):
                self._learn(view, at)
        self._end = (2).to_bytes(self._prefix, "big") if self._prefix else b"\0\0\1"

    def look(self, packet: Packet) -> Look:
        """What the next packet holds."""
        view = memoryview(packet)
        for at in units(view, self._prefix):
            if at + 2 > len(view) or view[at] & 1 or view[at + 1] & 0xF8:
                continue  # of another layer, e.g. that of the other eye
            kind = view[at] >> 1 & 63
            if kind < 32:
                if at + 2 >= len(view) or not view[at + 2] & 0x80:
                    break
                try:
                    look = self._picture(view, at, kind)
                except _OddError as error:
                    look = Look(doubt=str(error))
                tail = bytes(view[-24:])
                self._ended = any(self._end + bytes([kind << 1, 1]) in tail for kind in _ENDS)
                return look
            self._learn(view, at)
            self._ended |= kind in _ENDS
        return Look(doubt="a packet holds no start of a picture")

    def _learn_from_container(self, extradata: bytes) -> None:
        at = 23
        for _ in range(extradata[22] if len(extradata) > 22 else 0):
            count = int.from_bytes(extradata[at + 1 : at + 3], "big")
            at += 3
            for _ in range(min(count, len(extradata) - at)):
                size = int.from_bytes(extradata[at : at + 2], "big")
                self._learn(memoryview(extradata[at + 2 : at + 2 + size]), 0)
                at += 2 + size

    def _learn(self, view: memoryview, at: int) -> None:
        """Settings, where a unit holds some; what is odd about them matters once they are used."""
        if at >= len(view) or (kind := view[at] >> 1 & 63) not in (_SPS, _PPS):
            return
        data = bytes(view[at + 2 : at + 4096]).partition(b"\0\0\1")[0]
        try:
            if kind == _SPS:
                number, sequence = _sequence(data)
                self._sequences[number] = sequence
            else:
                number, settings = _picture_settings(data)
                self._settings[number] = settings
        except _OddError:
            self._sequences.clear()
            self._settings.clear()

    def _picture(self, view: memoryview, at: int, kind: int) -> Look:
        bits = _bits(bytes(view[at + 2 : at + 2 + _HEAD_BYTES]) + bytes(8))
        bits.take(1)
        drops = kind in _IRAP and bool(bits.take(1))
        settings = self._settings.get(bits.golomb())
        sequence = None if settings is None else self._sequences.get(settings.sequence)
        if settings is None or sequence is None:
            raise _OddError("the settings of a picture are not there or not known")
        bits.take(settings.extra_bits)
        bits.golomb()
        if settings.output_flag and not bits.take(1):
            raise _OddError("a picture is not to be shown")
        bits.take(2 * sequence.planes)
        low, distances = (0, ()) if kind in _IDR else _references(bits, sequence)
        if bits.left < 0:
            raise _OddError("the head of a picture is too long")
        return Look(
            disposable=kind < 16 and kind % 2 == 0,
            numbered=True,
            doubt=self._follow(kind, view[at + 1] & 7, low, distances, sequence, drops),
            rank=(self._sequence, self._number),
        )

    def _follow(
        self,
        kind: int,
        layer: int,
        low: int,
        distances: tuple[int, ...],
        sequence: _Sequence,
        drops: bool,
    ) -> str:
        """Goes on by a picture; why it or others may not come out, or nothing.

        Args:
            kind: of its unit.
            layer: 1 if it belongs to the slowest of several frame rates.
            low: the last bits of its number.
            distances: to the numbers of pictures that it or later ones need.
            sequence: its settings.
            drops: whether a decoder is told to give up what it has not given yet.
        """
        doubt, first = "", self._sequence == 0
        if self._ended or kind in _IDR or kind in _BLA:
            if kind not in _IRAP:
                doubt = "a sequence does not start with a key frame"
            elif not first and (drops or kind not in _IDR):
                doubt = "a key frame may discard pictures before and after it"
            if first and kind not in _IDR:
                self._leading = low
            self._sequence += 1
            self._held.clear()
            self._number = self._anchor = low
        else:
            half = 1 << sequence.number_bits - 1
            self._number = self._anchor + (low - self._anchor + half - 1) % (2 * half) - half + 1
            needed = {self._number + distance for distance in distances}
            if not needed <= self._held or self._number in self._held:
                doubt = "pictures that others refer to are missing"
            self._held &= needed
        self._held.add(self._number)
        if kind in _RASL and self._leading is not None:
            if self._number <= self._leading:
                doubt = "pictures need some from before the start"
            elif kind == _RASL[1]:
                self._leading = None
        if layer == 1 and kind not in (*_RADL, *_RASL) and (kind > 14 or kind % 2):
            self._anchor = self._number
        return doubt


def _bits(data: bytes) -> Bits:
    data = data.replace(b"\0\0\3", b"\0\0")
    return Bits(int.from_bytes(data, "big"), 8 * len(data))


def _references(bits: Bits, sequence: _Sequence) -> tuple[int, tuple[int, ...]]:
    """The last bits of a picture's number, and the distances to the pictures that are kept."""
    low, sets = bits.take(sequence.number_bits), sequence.sets
    if bits.take(1):
        number = bits.take((len(sets) - 1).bit_length()) if sets else 0
        if number >= len(sets):
            raise _OddError("a picture refers to others in an unknown way")
        distances = sets[number]
    else:
        distances = _reference_set(bits, sets, in_picture=True)
    if sequence.long_term:
        count = bits.golomb() if sequence.long_term_sets else 0
        if count + bits.golomb():
            raise _OddError("a picture refers to others in a way that is not followed")
    return low, distances


@functools.lru_cache(maxsize=16)
def _picture_settings(data: bytes) -> tuple[int, _Settings]:
    """Number and content of a picture parameter set."""
    bits = _bits(data)
    number, sequence = bits.golomb(), bits.golomb()
    bits.take(1)
    settings = _Settings(sequence, bool(bits.take(1)), bits.take(3))
    if bits.left < 0:
        raise _OddError("settings of pictures are cut")
    return number, settings


@functools.lru_cache(maxsize=16)
def _sequence(data: bytes) -> tuple[int, _Sequence]:
    """Number and content of a sequence parameter set, up to what is of interest."""
    bits = _bits(data)
    bits.take(4)
    layers = bits.take(3)
    bits.take(1 + 96)  # the profile and the level
    if layers:
        given = [(bits.take(1), bits.take(1)) for _ in range(8)][:layers]
        for profile, level in given:
            bits.take(88 * profile + 8 * level)
    number = bits.golomb()
    planes = bits.golomb() == 3 and bool(bits.take(1))
    _skip(bits, 2)  # width and height
    if bits.take(1):
        _skip(bits, 4)  # what is cut off
    _skip(bits, 2)  # bits of a pixel
    number_bits = bits.golomb() + 4
    _skip(bits, 3 * (layers + 1 if bits.take(1) else 1))
    _skip(bits, 6)  # sizes of blocks
    if bits.take(1) and bits.take(1):
        _skip_scaling_lists(bits)
    bits.take(2)
    if bits.take(1):  # blocks that are not coded
        bits.take(8)
        _skip(bits, 2)
        bits.take(1)
    count = bits.golomb()
    if bits.left < 0 or count > 64 or number_bits > 16:
        raise _OddError("settings are cut")
    sets: tuple[tuple[int, ...], ...] = ()
    for _ in range(count):
        sets += (_reference_set(bits, sets, in_picture=False),)
    long_term = bool(bits.take(1))
    long_term_sets = bits.golomb() if long_term else 0
    if bits.left < 0:
        raise _OddError("settings are cut")
    return number, _Sequence(number_bits, planes, sets, long_term, long_term_sets)


def _skip(bits: Bits, count: int) -> None:
    """Passes over so many numbers in Exp-Golomb code."""
    for _ in range(count):
        bits.golomb()


def _skip_scaling_lists(bits: Bits) -> None:
    for size in range(4):
        for _ in range(2 if size == 3 else 6):
            if bits.take(1):
                _skip(bits, min(64, 16 << 2 * size) + (size > 1))
            else:
                _skip(bits, 1)


def _reference_set(
    bits: Bits, sets: tuple[tuple[int, ...], ...], in_picture: bool
) -> tuple[int, ...]:
    """Distances to the pictures that are kept: before, from the nearest on, and then after.

    Args:
        bits: read from.
        sets: those of the settings so far, from which a set may be derived.
        in_picture: whether it stands in the head of a picture, and not in the settings.
    """
    if sets and bits.take(1):
        back = bits.golomb() + 1 if in_picture else 1
        negative = bits.take(1)
        shift = (bits.golomb() + 1) * (-1 if negative else 1)
        if back > len(sets):
            raise _OddError("settings refer to others that are not there")
        # One bit says that the picture needs it, or a second one whether later ones do.
        near = [base + shift for base in (*sets[-back], 0) if bits.take(1) or bits.take(1)]
    else:
        counts = bits.golomb(), bits.golomb()
        if max(counts) > _MOST_REFERENCES:
            raise _OddError("a picture refers to too many others")
        near = []
        for count, sign in zip(counts, (-1, 1), strict=True):
            distance = 0
            for _ in range(count):
                distance += sign * (bits.golomb() + 1)
                bits.take(1)
                near.append(distance)
    before = sorted((distance for distance in near if distance < 0), reverse=True)
    return (*before, *sorted(distance for distance in near if distance > 0))
