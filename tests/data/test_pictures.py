"""What the first bits of packets say, compared with what decoding them shows."""

from types import SimpleNamespace

import av
import numpy as np
import pytest
from av.video.frame import PictureType

from tests.data.odd_videos import ASP, HEVC, HEVC_OPEN, MPEG2, OPEN, VP9, X264, X265
from tests.videos import frames_of, moving, write_video
from vswin.data.pictures import scanner

KINDS = {
    "h264.mp4": X264,
    "h264.ts": X264,
    "open gops.mkv": OPEN,
    "slices.mp4": X264 | {"options": {"x264-params": "b-adapt=0:slices=4"}},
    "mpeg4.avi": ASP,
    "mpeg2.ts": MPEG2,
    "hevc.mp4": HEVC,
    "hevc.ts": HEVC_OPEN,
    "hevc, lists.mkv": HEVC | {"options": {"x265-params": X265 + "1:scaling-list=default:ref=5"}},
    "vp8.webm": {"codec": "libvpx"},
    "vp9.webm": VP9,
    "av1.mp4": {"codec": "libsvtav1", "options": {"preset": "12"}},
}
TELLS_B = ["h264.mp4", "h264.ts", "open gops.mkv", "slices.mp4", "mpeg4.avi", "mpeg2.ts"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    return lambda name: write_video(folder / name, moving(40, 96), **KINDS[name])


def looks(path):
    """(packet, look) for all packets of a file."""
    with av.open(str(path)) as file:
        look_at = scanner(file.streams.video[0])
        return [(packet, look_at(packet)) for packet in file.demux(video=0) if packet.size]


@pytest.mark.parametrize("name", KINDS)
def test_whole_files_raise_no_doubt(name, made):
    found = [look for _, look in looks(made(name))]
    assert not any(look.doubt for look in found)
    assert sum(look.shown for look in found) == 40
    assert found[0].entry


@pytest.mark.parametrize("name", TELLS_B)
def test_b_pictures_are_told_from_others(name, made):
    path = made(name)
    shown = {frame.pts: frame.pict_type == PictureType.B for frame in frames_of(path)}
    found = {packet.pts: look.b for packet, look in looks(path)}
    assert 10 < sum(shown.values()) < 40
    assert found == shown


@pytest.mark.parametrize("name", KINDS)
def test_what_is_called_disposable_is_needed_by_no_other(name, made):
    """Without those packets, all other frames come out as they did."""
    path = made(name)
    spared = {packet.pts for packet, look in looks(path) if look.disposable}
    whole = {frame.pts: frame.to_ndarray() for frame in frames_of(path)}
    with av.open(str(path)) as file:
        packets = [p for p in file.demux(video=0) if p.size and p.pts not in spared]
        context = file.streams.video[0].codec_context
        rest = [frame for packet in [*packets, None] for frame in context.decode(packet)]
    assert {frame.pts for frame in rest} == set(whole) - spared
    assert all(np.array_equal(frame.to_ndarray(), whole[frame.pts]) for frame in rest)


@pytest.mark.parametrize("name", KINDS)
def test_no_bytes_are_too_odd_to_be_looked_at(name, made):
    rng = np.random.default_rng(0)
    with av.open(str(made(name))) as file:
        look_at = scanner(file.streams.video[0])
        starts = [bytes(packet)[:40] for packet in file.demux(video=0) if packet.size]
        for start in starts:
            for size in (1, 3, 5, 9, 40):
                noise = rng.bytes(size)
                for data in (start[:size], noise, start[:3] + noise, bytes(size)):
                    look_at(av.Packet(data))
            doubt = look_at(av.Packet(bytes(40))).doubt
            assert doubt or name == "vp8.webm"


def test_h266_is_always_decoded_from_its_start():
    """It has H.265's ways of giving pictures up; there is no encoder here to make a file with."""
    codec = SimpleNamespace(canonical_name="vvc")
    stream = SimpleNamespace(codec_context=SimpleNamespace(codec=codec, extradata=None))
    assert scanner(stream)(av.Packet(bytes(40))).doubt
