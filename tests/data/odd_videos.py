"""Videos as they are found: odd containers, odd times, cut, joined, with parts missing or damaged.

How many frames each has was compared with OpenCV 5 and decord 0.6. OpenCV agrees wherever it does
not give up at the first packet that it cannot decode; decord counts packets, and where there are
more of them than frames, some of its frames are repeated or wrong.
"""

import dataclasses
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.bitstream import BitStreamFilterContext

from tests.videos import cut_short, moving, packets_of, remuxed, with_data, write_video

Make = Callable[[Path], Path]

X264 = {"bframes": 3, "options": {"x264-params": "b-adapt=0"}}
LONG = X264 | {"gop": 40}
OPEN = {"bframes": 3, "gop": 20, "options": {"x264-params": "b-adapt=0:open-gop=1"}}
X265 = "log-level=none:bframes=3:b-adapt=0:keyint=20:min-keyint=20:open-gop="
HEVC = {"codec": "libx265", "gop": 20, "options": {"x265-params": X265 + "0"}}
HEVC_OPEN = {"codec": "libx265", "gop": 20, "options": {"x265-params": X265 + "1"}}
ASP = {"codec": "mpeg4", "bframes": 2}
SIMPLE = {"codec": "mpeg4", "bframes": 0}
MPEG2 = {"codec": "mpeg2video", "bframes": 2}
VP9 = {"codec": "libvpx-vp9"}
LATE = np.cumsum(np.random.default_rng(3).integers(10, 90, 80)) + 700


@dataclasses.dataclass(frozen=True)
class Odd:
    """A video, how it is made, and what is right about it."""

    name: str
    make: Make
    """Writes it into a folder."""
    frames: int | None = 80
    """None: that depends on what exactly is hit."""
    b: bool = True
    """Whether it holds B-frames."""
    faults: str = ""
    """A word of what a deep check says of it; empty if nothing is wrong."""
    quick: bool = False
    """Whether it is read without decoding it from the start."""


def plain(name: str, side: int = 64, count: int = 80, **kind: object) -> Make:
    return lambda folder: write_video(folder / name, moving(count, side), **kind)


def every_25th(place, packet):
    """Times that were made up from the order of decoding, as AVI's are."""
    packet.pts = packet.dts = place
    packet.time_base = Fraction(1, 25)


def at_once(place, packet):
    packet.pts = packet.dts = 0


def copied(source: Make, name: str, chosen=None, change=None) -> Make:
    return lambda folder: remuxed(source(folder), folder / name, chosen, change)


def without(source: Make, name: str, *lost: int) -> Make:
    return copied(source, name, [number for number in range(80) if number not in lost])


def second_key_on(source: Make, name: str) -> Make:
    def make(folder: Path) -> Path:
        path = source(folder)
        packets = packets_of(path)
        second = [i for i, packet in enumerate(packets) if packet.is_keyframe][1]
        return remuxed(path, folder / name, range(second, len(packets)))

    return make


def joined(first: range, second: range) -> Make:
    """Two parts of a file, one after the other, with times that go on."""

    def make(folder: Path) -> Path:
        path = plain("a.mp4", **LONG)(folder)
        packets = packets_of(path)
        step = int(Fraction(1, 25) / packets[0].time_base)
        end = max(packets[i].pts for i in first) + step
        shift = end - min(packets[i].pts for i in second)
        before = packets[first[-1]].dts

        def change(place: int, packet) -> None:
            if place >= len(first):
                packet.pts += shift
                packet.dts = before + (place - len(first) + 1) * step

        return remuxed(path, folder / "b.mp4", [*first, *second], change)

    return make


def lost_parts(source: Make, *shares: float) -> Make:
    """Leaves out packets of 188 bytes."""

    def make(folder: Path) -> Path:
        path = source(folder)
        content = path.read_bytes()
        parts = [content[i : i + 188] for i in range(0, len(content), 188)]
        lost = {int(share * len(parts)) for share in shares}
        path.write_bytes(b"".join(part for i, part in enumerate(parts) if i not in lost))
        return path

    return make


def zeroed(source: Make) -> Make:
    def make(folder: Path) -> Path:
        path = source(folder)
        content = bytearray(path.read_bytes())
        start = int(0.5 * len(content))
        content[start : start + 2000] = bytes(2000)
        path.write_bytes(content)
        return path

    return make


def cut(source: Make, share: float = 0.6) -> Make:
    return lambda folder: cut_short(source(folder), share)


def twice(source: Make) -> Make:
    def make(folder: Path) -> Path:
        path = source(folder)
        path.write_bytes(2 * path.read_bytes())
        return path

    return make


NOTHING_CHANGED = bytes.fromhex("000001b6 50 4f")  # a P-picture of MPEG-4 that is not coded


def with_pictures_left_out(folder: Path) -> Path:
    """Encoders of MPEG-4 say of a picture like the last one that it is that; decoders skip it."""
    path = plain("whole.avi", **SIMPLE)(folder)

    def change(place, packet):
        every_25th(place, packet)
        if place % 9 == 5:
            time = place % 25
            data = NOTHING_CHANGED[:4] + bytes([0x50 | time >> 1, time % 2 << 7 | 0x4F])
            return with_data(packet, data)
        return packet

    return remuxed(path, folder / "left out.avi", change=change)


def packed(bframes: int, marked: bool = True, closed: bool = False) -> Make:
    """UCF101's way: the first of some B-pictures lies in the packet of the one shown after them.

    The others are one packet early, and in place of the last is one that says "nothing changed".

    Args:
        bframes: B-pictures in a row.
        marked: whether a word at the start says that pictures are packed.
        closed: whether decoding can start at any key frame, where the word is then, too.
    """

    def make(folder: Path) -> Path:
        options = {"b_strategy": "0"}
        if closed:
            options |= {"flags": "+cgop", "sc_threshold": "1000000000"}
        path = plain("apart.avi", 192, codec="mpeg4", bframes=bframes, options=options)(folder)
        parts = [bytes(packet) for packet in packets_of(path)]
        kinds = [part[part.index(b"\0\0\1\xb6") + 4] >> 6 for part in parts]
        data = parts.copy()
        for i, kind in enumerate(kinds):
            if kind == 2:
                if kinds[i - 1] != 2:
                    data[i - 1] += parts[i]
                last = i + 1 == len(kinds) or kinds[i + 1] != 2
                data[i] = NOTHING_CHANGED if last else parts[i + 1]
        settings = parts[0][: parts[0].index(b"\0\0\1\xb6")] + b"\0\0\1\xb2DivX503b1393p"
        for i, kind in enumerate(kinds):
            if marked and (i == 0 or (closed and kind == 0)):
                data[i] = settings + data[i][data[i].index(b"\0\0\1\xb6") :]

        def change(place, packet):
            every_25th(place, packet)
            return with_data(packet, data[place])

        return remuxed(path, folder / "packed.avi", change=change)

    return make


def hidden_vp8(folder: Path) -> Path:
    """Pictures that are only there to be referred to, in packets of their own."""

    def change(place, packet):
        if place % 9 == 5:
            return with_data(packet, bytes([bytes(packet)[0] & ~0x10]) + bytes(packet)[1:])
        return packet

    return remuxed(plain("a.webm", codec="libvpx")(folder), folder / "b.webm", change=change)


def hidden_av1(folder: Path) -> Path:
    """The same, out of packets in which such pictures and a shown one are together."""
    path = plain("a.mkv", codec="libsvtav1", gop=40, options={"preset": "12"})(folder)
    with av.open(str(path)) as old, av.open(str(folder / "b.mkv"), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0], opaque=True)
        split = BitStreamFilterContext("av1_frame_split", old.streams.video[0])
        for packet in old.demux(video=0):
            time, time_base = packet.pts, packet.time_base
            parts = split.filter(packet) if packet.size else []
            for i, part in enumerate(reversed(parts)):
                part.pts = part.dts = time - 5 * i
                part.time_base, part.stream = time_base, stream
            for part in parts:
                new.mux(part)
    return folder / "b.mkv"


def shown_when_decoded(place, packet):
    packet.pts = packet.dts


AVI, PLAIN = plain("a.avi", **X264), plain("a.mp4", **X264)
INTRA_REFRESH = {"bframes": 0, "gop": 20, "options": {"x264-params": "intra-refresh=1"}}
ODD = [
    # Times that do not say in which order frames are shown.
    Odd("h264.avi", AVI),
    Odd("h264.wmv", plain("a.wmv", container="asf", **X264)),
    Odd("h264.mxf", plain("a.mxf", **X264)),
    Odd("avi to mp4", copied(AVI, "b.mp4", change=every_25th)),
    Odd("avi to mov", copied(AVI, "b.mov", change=every_25th)),
    Odd("avi to mkv", copied(AVI, "b.mkv", change=every_25th)),
    Odd("avi to ts", copied(AVI, "b.ts", change=every_25th)),
    Odd("shown when decoded.mp4", copied(PLAIN, "b.mp4", change=shown_when_decoded), 78),
    Odd("shown when decoded.flv", copied(PLAIN, "b.flv", change=shown_when_decoded)),
    Odd("hevc, times made up.mp4", copied(plain("a.mp4", **HEVC), "b.mp4", change=every_25th)),
    Odd("xvid, packed.avi", packed(1), quick=True),
    Odd("xvid, packed as in ucf101.avi", packed(2), quick=True),
    Odd("xvid, packed, closed gops.avi", packed(2, closed=True), quick=True),
    Odd("xvid, packed without a mark.avi", packed(2, marked=False), None, faults="80 packets give"),
    Odd("all at once.mkv", copied(AVI, "b.mkv", change=at_once)),
    # Whole files that were right and have to stay so.
    Odd("h264.mp4", PLAIN, quick=True),
    Odd("h264.mkv", plain("a.mkv", **X264), quick=True),
    Odd("h264.ts", plain("a.ts", **X264), quick=True),
    Odd("h264.flv", plain("a.flv", **X264), quick=True),
    Odd("h264.mov", plain("a.mov", **X264), quick=True),
    Odd("h264, open gops.mp4", plain("a.mp4", **OPEN), quick=True),
    Odd("h264, 4 slices.mp4", plain("a.mp4", bframes=3, options={"slices": "4"}), quick=True),
    Odd("h264, fields.ts", plain("a.ts", bframes=3, options={"x264-params": "tff=1"}), quick=True),
    Odd("h264, fragments.mp4", plain("a.mp4", movflags="frag_keyframe+empty_moov", **X264)),
    Odd("h264, intra refresh.mp4", plain("a.mp4", **INTRA_REFRESH), b=False),
    Odd("h264, intra refresh.ts", plain("a.ts", **INTRA_REFRESH), b=False),
    Odd("h264, 10 bit.mkv", plain("a.mkv", pix_fmt="yuv420p10le", **X264), quick=True),
    Odd("h264, odd times.mp4", plain("a.mp4", times=LATE, **X264), quick=True),
    Odd("hevc.mp4", plain("a.mp4", **HEVC), quick=True),
    Odd("hevc, odd times.mp4", plain("a.mp4", times=LATE, **HEVC), quick=True),
    Odd("xvid.avi", plain("a.avi", 192, **SIMPLE), b=False, quick=True),
    Odd("xvid with b-frames.avi", plain("a.avi", 192, **ASP), quick=True),
    Odd("mpeg4, small.avi", plain("a.avi", **ASP)),
    Odd("mpeg2.ts", plain("a.ts", **MPEG2), quick=True),
    Odd("mpeg2.mpg", plain("a.mpg", **MPEG2)),
    Odd("mpeg1.mpg", plain("a.mpg", codec="mpeg1video", options={"bf": "2"})),
    Odd("wmv2.wmv", plain("a.wmv", codec="wmv2", container="asf"), b=False, quick=True),
    Odd("flv1.flv", plain("a.flv", codec="flv"), b=False, quick=True),
    Odd("vp8.webm", plain("a.webm", codec="libvpx"), b=False, quick=True),
    Odd("vp9.webm", plain("a.webm", **VP9), b=False, quick=True),
    Odd("mjpeg.avi", plain("a.avi", codec="mjpeg", pix_fmt="yuvj420p"), b=False, quick=True),
    Odd("prores.mov", plain("a.mov", codec="prores_ks", pix_fmt="yuv422p10le"), b=False),
    Odd("gif.gif", plain("a.gif", codec="gif", pix_fmt="rgb8", fps=10), b=False),
    Odd("raw.h264", plain("a.h264", **X264)),
    Odd("twice.mpg", twice(plain("a.mpg", **MPEG2)), 160),
    Odd("one frame.avi", plain("a.avi", count=1, **X264), 1, b=False),
    # Packets without a picture of their own.
    Odd(
        "open gop cut.mkv", second_key_on(plain("a.mkv", **OPEN), "b.mkv"), 60, faults="63 packets"
    ),
    Odd("open gop cut.ts", second_key_on(plain("a.ts", **OPEN), "b.ts"), 60, faults="63 packets"),
    Odd("open gop cut.mp4", second_key_on(plain("a.mp4", **OPEN), "b.mp4"), 60, faults="mmco"),
    Odd("mpeg4 cut.avi", second_key_on(plain("a.avi", **ASP), "b.avi"), 68, faults="70 packets"),
    Odd("mpeg2 cut.ts", second_key_on(plain("a.ts", **MPEG2), "b.ts"), 68, faults="70 packets"),
    Odd("hidden, vp8.webm", hidden_vp8, 71, b=False, quick=True),
    Odd("hidden, av1.mkv", hidden_av1, b=False, quick=True),
    Odd("left out.avi", with_pictures_left_out, 71, b=False, faults="80 packets give 71"),
    Odd("gops joined.mp4", joined(range(63), range(21, 80)), 121, faults="122 packets give 121"),
    Odd("to a whole gop.mp4", joined(range(80), range(21, 80)), 122, faults="139 packets give 122"),
    Odd("no start.mp4", without(PLAIN, "b.mp4", 0), 68, faults="79 packets"),
    Odd(
        "no middle.mp4",
        without(plain("a.mp4", **LONG), "b.mp4", 37, 38, 39, 40, 41),
        None,
        faults="75",
    ),
    Odd("no reference.mp4", without(plain("a.mp4", **HEVC), "b.mp4", 1), 61, faults="79 packets"),
    Odd(
        "no keys.mp4",
        without(PLAIN, "b.mp4", 12, 24, 36),
        None,
        faults="77 packets",
    ),
    Odd(
        "no start.webm",
        without(plain("a.webm", **VP9), "b.webm", 0),
        68,
        b=False,
        faults="11 of 79",
    ),
    # Damage.
    Odd("one lost.ts", lost_parts(plain("a.ts", **X264), 0.2), faults="1 of 80 packets"),
    Odd("three lost.ts", lost_parts(plain("a.ts", **X264), 0.3, 0.5, 0.98), faults="of 80 packets"),
    Odd("start lost.ts", lost_parts(plain("a.ts", **X264), 0.012), 68, faults="79 packets give 68"),
    Odd("cut.avi", cut(AVI), None, faults="80 frames are listed and 4"),
    Odd("cut.mp4", cut(plain("a.mp4", movflags="faststart", **X264)), None, faults="are there"),
    Odd("cut.mkv", cut(plain("a.mkv", **X264)), None, faults="should last 3.2 s and ends after "),
    Odd("cut.webm", cut(plain("a.webm", **VP9)), None, b=False, faults="should last 3.2 s"),
    Odd("cut.mpg", cut(plain("a.mpg", **MPEG2)), None, faults="packets are damaged"),
    Odd("zeros.avi", zeroed(AVI), None, faults="FFmpeg: "),
    Odd("zeros.mp4", zeroed(PLAIN), None, faults="packets cannot be decoded"),
    Odd("zeros.mkv", zeroed(plain("a.mkv", **X264)), None, faults="FFmpeg: "),
    Odd("zeros.flv", zeroed(plain("a.flv", **X264)), None, faults="FFmpeg: "),
    Odd("zeros, mpeg4.avi", zeroed(plain("a.avi", **ASP)), None, faults="frames are damaged"),
    Odd(
        "zeros, hevc.mp4", zeroed(plain("a.mp4", **HEVC)), None, faults="packets cannot be decoded"
    ),
]
