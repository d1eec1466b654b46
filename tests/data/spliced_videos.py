"""Videos that were cut or joined, with times that hide it: those of what is left go on evenly."""

import itertools
from collections.abc import Callable
from pathlib import Path

from av.packet import Packet

from tests.data.odd_videos import ODD, OPEN, Make, Odd, plain
from tests.videos import packets_of, remuxed


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


SPLICED = [
    Odd(
        "no reference, times closed up.mkv",
        closed_up(plain("a.mkv", **OPEN), "b.mkv", shown_at(30)),
        79,
        faults="FFmpeg: mmco: unref short failure",
    ),
]
BY_NAME = {odd.name: odd for odd in [*ODD, *SPLICED]}
