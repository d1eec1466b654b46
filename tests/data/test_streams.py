"""Which of several streams of a file is read: the one that FFmpeg calls best, and no still."""

import av
import numpy as np
import pytest
from av.stream import Disposition

from tests.videos import numbered, numbers, probe, write_video
from vswin.data.video import UnreadableVideoError, open_video

COVER = Disposition.attached_pic
DEFAULT = Disposition.default
NONE = Disposition(0)
LARGE = ("libx264", 96, 40, None)
SMALL = ("libx264", 48, 40, None)
THUMBNAIL = ("mjpeg", 48, 1, None)


def write_streams(path, *streams, sound=False):
    """Writes a file of several streams of numbered frames, sound first if wanted.

    Args:
        path: its suffix says the container.
        streams: of each (codec, height, frames, disposition); the width is 4/3 of the height.
        sound: whether there is sound, too.
    """
    with av.open(str(path), "w") as file:
        if sound:
            voice = file.add_stream("aac", rate=8000, layout="mono")
        made = []
        for codec, height, count, disposition in streams:
            stream = file.add_stream(codec, rate=25)
            stream.height, stream.width = height, height * 4 // 3
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            if disposition is not None:
                stream.disposition = disposition
            made.append((stream, numbered(count, height, height * 4 // 3)))
        if sound:
            silence = np.zeros((1, 1024), np.float32)
            frame = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 8000, 0
            file.mux([*voice.encode(frame), *voice.encode()])
        for number in range(max(len(frames) for _, frames in made)):
            for stream, frames in made:
                if number < len(frames):
                    picture = av.VideoFrame.from_ndarray(frames[number], format="rgb24")
                    file.mux(stream.encode(picture))
        for stream, _ in made:
            file.mux(stream.encode())
    return path


def best_height(path):
    """What FFmpeg calls best, decoded from the start by PyAV alone."""
    with av.open(str(path)) as file:
        stream = file.streams.best("video")
        return stream.height, sum(1 for _ in file.decode(stream))


@pytest.mark.parametrize("suffix", ["mkv", "ts", "avi", "mp4", "mov"])
def test_a_thumbnail_in_front_is_passed_over(suffix, tmp_path):
    path = write_streams(tmp_path / f"a.{suffix}", THUMBNAIL, LARGE)
    with open_video(path) as reader:
        assert (reader.height, reader.width, reader.frames) == (96, 128, 40)
        assert numbers(reader.read([0, 7, 39])) == [0, 7, 39]
    if suffix not in ("mp4", "mov"):  # there the still is marked as default, which FFmpeg follows
        assert best_height(path) == (96, 40)


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "mov"])
@pytest.mark.parametrize("other", [SMALL, LARGE])
def test_of_two_sizes_the_one_that_is_called_best(suffix, other, tmp_path):
    """Marked as default: neither the first nor the larger one."""
    chosen = ("libx264", 72, 40, DEFAULT)
    path = write_streams(tmp_path / f"a.{suffix}", (*other[:3], NONE), chosen)
    assert best_height(path) == (72, 40)
    assert (probe(path).height, probe(path).frames) == (72, 40)


@pytest.mark.parametrize("streams", [(SMALL, LARGE), (LARGE, SMALL), (LARGE, THUMBNAIL)])
@pytest.mark.parametrize("suffix", ["mkv", "mp4", "ts", "avi"])
def test_with_sound_in_front(suffix, streams, tmp_path):
    path = write_streams(tmp_path / f"a.{suffix}", *streams, sound=suffix != "avi")
    assert (probe(path).height, probe(path).frames) == best_height(path)


def test_a_cover_is_no_video_wherever_it_stands(tmp_path):
    cover = ("mjpeg", 240, 1, COVER)
    for number, streams in enumerate([(cover, LARGE), (LARGE, cover)]):
        path = write_streams(tmp_path / f"{number}.mp4", *streams)
        assert (probe(path).height, probe(path).frames) == (96, 40)


@pytest.mark.parametrize("mark", [DEFAULT, Disposition.still_image])
def test_a_larger_still_is_passed_over(mark, tmp_path):
    still = ("libx264", 240, 1, mark)
    path = write_streams(tmp_path / "a.mp4", still, (*SMALL[:3], NONE))
    assert (probe(path).height, probe(path).frames) == (48, 40)


def test_a_file_of_one_picture_is_still_read(tmp_path):
    assert probe(write_streams(tmp_path / "a.mp4", THUMBNAIL)).frames == 1


def test_pictures_that_nothing_decodes_are_said_to_be_so(tmp_path):
    path = write_video(tmp_path / "a.mp4", numbered(8))
    content = path.read_bytes()
    at = content.rfind(b"avc1")  # the name of the format, in the description of the track
    path.write_bytes(content[:at] + b"zzzz" + content[at + 4 :])
    with pytest.raises(UnreadableVideoError, match="FFmpeg has no decoder for its pictures"):
        probe(path)
