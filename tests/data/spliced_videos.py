"""Videos that were cut or joined, with times that hide it: those of what is left go on evenly."""

import itertools
from collections.abc import Callable
from pathlib import Path

from av.packet import Packet

from tests.data.odd_videos import HEVC, HEVC_OPEN, ODD, OPEN, Make, Odd, copied, plain
from tests.videos import packets_of, remuxed, with_data


def closed_up(source: Make, name: str, choose: Callable[[list[Packet]], list[int]]) -> Make:
    """Some packets of a file, in any order, as if there had never been others.

    Args:
        source: makes the file.
        name: of the new one.
        choose: gives the places of the packets that are kept, in their new order. Where these go
            back, another run of frames begins, which is shown after the ones before.
    """

    def make(folder: Path) -> Path:
        path = source(folder)
        packets = packets_of(path)
        shown = sorted(packet.pts for packet in packets)
        step = (shown[-1] - shown[0]) // (len(packets) - 1)
        kept = choose(packets)
        starts = [0, *(i for i, at in enumerate(kept) if i and at < kept[i - 1]), len(kept)]
        times = {}
        for start, end in itertools.pairwise(starts):
            run = sorted(kept[start:end], key=lambda at: packets[at].pts)
            times |= {at: shown[0] + step * (start + i) for i, at in enumerate(run)}
        first = min(times[at] - step * place for place, at in enumerate(kept))

        def change(place: int, packet: Packet) -> None:
            packet.pts, packet.dts = times[kept[place]], first + step * place

        return remuxed(path, folder / name, kept, change)

    return make


def shown_at(*numbers: int) -> Callable[[list[Packet]], list[int]]:
    """All packets but those of some frames, which are known by when they are shown."""

    def choose(packets: list[Packet]) -> list[int]:
        order = sorted(range(len(packets)), key=lambda at: packets[at].pts)
        lost = {order[number] for number in numbers}
        return [at for at in range(len(packets)) if at not in lost]

    return choose


def gops(*numbers: int) -> Callable[[list[Packet]], list[int]]:
    """Some groups of pictures, each from one key frame to the next, in the order of decoding."""

    def choose(packets: list[Packet]) -> list[int]:
        keys = [at for at, packet in enumerate(packets) if packet.is_keyframe] + [len(packets)]
        return [at for number in numbers for at in range(keys[number], keys[number + 1])]

    return choose


CRA, BLA = 21, 16
AV1 = {"codec": "libsvtav1", "gop": 20, "options": {"preset": "12"}}
EOS = bytes([0, 0, 0, 2, 36 << 1, 1])


def with_broken_link(suffix: str) -> Make:
    """A key frame that says that what was before it has been replaced, which is legal."""

    def change(place: int, packet: Packet) -> Packet:
        data = bytearray(bytes(packet))
        at = 0
        while place == 37 and at < len(data):
            if data[at + 4] >> 1 & 63 == CRA:
                data[at + 4] = BLA << 1
            at += 4 + int.from_bytes(data[at : at + 4], "big")
        return with_data(packet, bytes(data))

    return in_other_container(copied(plain("a.mkv", **HEVC_OPEN), "b.mkv", change=change), suffix)


def ended(kind: dict[str, object], suffix: str, *places: int) -> Make:
    """Some packets say that the video ends after them, which is legal before a key frame."""

    def change(place: int, packet: Packet) -> Packet:
        return with_data(packet, bytes(packet) + EOS * (place in places))

    return in_other_container(copied(plain("a.mkv", **kind), "b.mkv", change=change), suffix)


def in_other_container(source: Make, suffix: str) -> Make:
    return copied(source, f"c.{suffix}")


SPLICED = [
    Odd(
        "no reference, times closed up.mkv",
        closed_up(plain("a.mkv", **OPEN), "b.mkv", shown_at(30)),
        79,
        faults="FFmpeg: mmco: unref short failure",
    ),
    *(
        Odd(
            f"{name}, {kind}.{suffix}",
            closed_up(plain(f"a.{suffix}", **options), f"b.{suffix}", choose),
            None,
            faults="packets give" if lost else "",
        )
        for kind, options in (("open gops", HEVC_OPEN), ("closed gops", HEVC))
        for suffix in ("mkv", "ts", "mp4")
        for name, choose, lost in (
            ("hevc, no second gop", gops(0, 2, 3), kind == "open gops"),
            ("hevc, gops swapped", gops(0, 2, 1, 3), kind == "open gops"),
            ("hevc, no reference", shown_at(36), True),
        )
    ),
    *(
        odd
        for suffix in ("mkv", "ts", "mp4")
        for odd in (
            Odd(f"hevc, open gops.{suffix}", plain(f"a.{suffix}", **HEVC_OPEN), quick=True),
            Odd(f"hevc, broken link.{suffix}", with_broken_link(suffix), 77, faults="80 packets"),
            Odd(f"hevc, end inside.{suffix}", ended(HEVC_OPEN, suffix, 36), 75, faults="80 packet"),
            Odd(f"hevc, end of gops.{suffix}", ended(HEVC, suffix, 19, 79), quick=True),
        )
    ),
]
for suffix in ("mkv", "mp4"):
    whole = plain(f"a.{suffix}", **AV1)
    SPLICED += [
        Odd(f"av1.{suffix}", whole, b=False, quick=True),
        Odd(
            f"av1, some lost.{suffix}",
            closed_up(whole, f"b.{suffix}", shown_at(9, 21, 35)),
            None,
            b=False,
            faults="77 packets give",
        ),
        Odd(
            f"av1, a run lost.{suffix}",
            closed_up(whole, f"b.{suffix}", shown_at(*range(61, 69))),
            None,
            b=False,
            faults="72 packets give",
        ),
        Odd(
            f"av1, gops swapped.{suffix}",
            closed_up(whole, f"b.{suffix}", gops(0, 2, 1, 3)),
            b=False,
            quick=True,
        ),
    ]
BY_NAME = {odd.name: odd for odd in [*ODD, *SPLICED]}
