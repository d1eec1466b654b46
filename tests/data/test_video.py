"""Reading frames of real files, compared with decoding them whole."""

import dataclasses
import pickle

import numpy as np
import pytest
import torch
from torch.nn import functional

from tests.videos import (
    audio_only,
    b_frames,
    cut_short,
    decoded,
    moving,
    numbered,
    numbers,
    probe,
    write_video,
)
from vswin.data import packets, video
from vswin.data.video import UnreadableVideoError, open_video, read_frames, scaled_size

B = {"bframes": 3, "options": {"x264-params": "b-adapt=0"}}
KINDS = {
    "plain.mp4": B,
    "one long gop.mp4": B | {"gop": 250},
    "short gops.mp4": B | {"gop": 3},
    "open gops.mp4": {"gop": 10, "bframes": 3, "options": {"x264-params": "b-adapt=0:open-gop=1"}},
    "h264.mkv": {"bframes": 4},
    "stream.ts": B,
    "h264.avi": B,
    "mpeg4.avi": {"codec": "mpeg4", "options": {"bf": "2"}},
    "no time stamps.h264": B,
    "flash.flv": B,
    "key frames only.mp4": {"gop": 1},
    "vp9.webm": {"codec": "libvpx-vp9"},
}
WITHOUT_B = {"key frames only.mp4", "vp9.webm"}


def speckled(**size):
    """Numbered frames in which no two, and no two decodings, are alike."""
    frames = numbered(**size).astype(int)
    noise = np.random.default_rng(0).integers(-8, 9, frames.shape)
    return np.clip(frames + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("videos")


@pytest.fixture(scope="module")
def plain(folder):
    path = write_video(folder / "plain.mp4", moving(), **B)
    assert b_frames(path)
    return path


@pytest.mark.parametrize("name", KINDS)
def test_frames_are_those_of_decoding_everything(name, tmp_path):
    path = write_video(tmp_path / name, moving(), **KINDS[name])
    assert (b_frames(path) > 0) == (name not in WITHOUT_B)
    whole = decoded(path)
    rng = np.random.default_rng(1)
    with open_video(path) as reader:
        assert reader.frames == len(whole) == 80
        assert np.array_equal(reader.read(range(80)), whole)
        for _ in range(12):
            wanted = rng.integers(80, size=rng.integers(1, 9))  # in no order, with repetitions
            assert np.array_equal(reader.read(wanted), whole[wanted]), wanted
        assert np.array_equal(reader.read([79]), whole[79:])
        assert np.array_equal(reader.read([0]), whole[:1])


def test_frames_show_their_own_numbers(tmp_path):
    path = write_video(tmp_path / "a.mp4", numbered())
    # 16 and brighter: the fast conversion is about one level too dark, a third of a step
    assert numbers(read_frames(path, [3, 40, 7, 79, 7]).astype(float) + 1) == [3, 40, 7, 79, 7]


def test_an_edit_list_hides_frames(tmp_path):
    """A file that was cut without encoding it anew still holds what comes before the cut."""
    path = write_video(tmp_path / "a.mp4", speckled(), gop=40, bframes=0)
    content = path.read_bytes()
    at = content.index(b"elst") + 16  # version and flags, count, duration, then the media time
    start = int.from_bytes(content[at : at + 4], "big") + 10 * 512  # 512 ticks for each frame
    path.write_bytes(content[:at] + start.to_bytes(4, "big") + content[at + 4 :])
    whole = decoded(path)
    with open_video(path) as reader:
        assert reader.frames == len(whole) == 70
        assert np.array_equal(reader.read([0, 5, 69]), whole[[0, 5, 69]])
    assert numbers(whole[:1].astype(float) + 1) == [10]


def test_only_what_is_needed_is_decoded(folder, monkeypatch):
    path = write_video(folder / "long.mp4", speckled(), gop=20, bframes=0)
    with open_video(path) as reader:
        fed = []
        real = packets._packets_from
        monkeypatch.setattr(
            packets, "_packets_from", lambda *args: (fed.append(p) or p for p in real(*args))
        )
        monkeypatch.setattr(reader, "_decode_all", lambda: pytest.fail("decoded the whole file"))
        reader.read([2, 45, 62])
    assert len(fed) <= 3 + 6 + 3 + 3 * 3  # from key frames 0, 40 and 60, and what the decoder holds


def test_a_seek_that_ends_too_late_is_made_good(plain, monkeypatch):
    whole = decoded(plain)
    with open_video(plain) as reader:
        real = reader._container

        class Late:
            """A container whose index is one key frame off, as some are."""

            demux = real.demux

            def seek(self, time, **options):
                later = [key.times[0] for key in reader._table.keys if key.times[0] > time]
                real.seek(later[0] if later else time, **options)

        reader._container = Late()
        monkeypatch.setattr(reader, "_decode_all", lambda: pytest.fail("decoded the whole file"))
        assert np.array_equal(reader.read([30, 50, 70]), whole[[30, 50, 70]])


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_frames_are_turned_for_display(rotation, tmp_path):
    path = write_video(tmp_path / "a.mp4", numbered(4), rotation=rotation)
    frames = read_frames(path, [0, 3])
    shape = (48, 64) if rotation in (0, 180) else (64, 48)
    assert frames.shape == (2, *shape, 3)
    dark = frames[1, ..., 0] < 8  # the corner, at the top left before, goes counter-clockwise
    middle = [axis.mean() / size for axis, size in zip(np.nonzero(dark), shape, strict=True)]
    assert [m > 0.5 for m in middle] == {
        0: [False, False],
        90: [True, False],
        180: [True, True],
        270: [False, True],
    }[rotation]
    info = probe(path)
    assert (info.rotation, info.height, info.width) == (rotation, *shape)
    assert read_frames(path, [0], 24).shape[1:3] == tuple(side // 2 for side in shape)


@pytest.mark.parametrize("codec, suffix", [("libx264", "mp4"), ("libvpx-vp9", "webm")])
def test_odd_sizes(codec, suffix, tmp_path):
    frames = speckled(count=5, height=47, width=61)
    pix_fmt = "yuv444p" if codec == "libx264" else "yuv420p"
    path = write_video(tmp_path / f"a.{suffix}", frames, codec, pix_fmt=pix_fmt)
    read = read_frames(path, range(5))
    assert read.shape == (5, 47, 61, 3)
    assert np.abs(read.astype(int) - frames).mean() < 6  # of ±8 of noise
    assert np.array_equal(read, decoded(path))
    assert read_frames(path, [0], 30).shape == (1, 30, 39, 3)


@pytest.mark.parametrize("fps", [25, 12])
def test_what_a_file_is(fps, tmp_path):
    info = probe(write_video(tmp_path / "a.webm", numbered(20), "libvpx-vp9", fps))
    assert info == video.VideoInfo(20, 64, 48, fps, pytest.approx(20 / fps, abs=0.002), "vp9", 0)


def test_one_frame(tmp_path):
    path = write_video(tmp_path / "a.mp4", numbered(1))
    assert probe(path).frames == 1
    assert read_frames(path, [0, 0, 0]).shape == (3, 48, 64, 3)


def test_a_wrong_suffix_does_not_matter(tmp_path):
    path = write_video(tmp_path / "a.mp4", numbered(20), "libvpx-vp9", container="webm")
    assert probe(path).codec == "vp9"
    assert len(read_frames(path, [0, 19])) == 2


@pytest.mark.parametrize("name", ["tcp:b.mp4", "100%25.mp4", "-", "ü b.mp4"])
def test_odd_names(name, tmp_path, monkeypatch):
    write_video(tmp_path / "a.mp4", numbered(3)).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert probe(name).frames == 3


@pytest.mark.parametrize("tagged", [False, True])
def test_colours(tagged, tmp_path):
    """Through BT.601 where a file says nothing and BT.709 where it does."""
    colours = np.array([[[255, 0, 0]], [[10, 100, 30]]], np.uint8)
    frames = np.broadcast_to(colours[:, None], (2, 48, 64, 3))
    options = {"x264-params": "colormatrix=bt709"} if tagged else {}
    path = write_video(tmp_path / "a.mp4", frames, options=options)
    middle = read_frames(path, [0, 1])[:, 24, 32].astype(int)
    # The encoder's input was made with BT.601 either way; red read as BT.709 has green of -22.
    wanted = [[255, 0, 0], [10, 100, 30]]
    assert (np.abs(middle - wanted).max() <= 5) != tagged


def natural(height=256, width=340):
    """A picture with the spectrum of photographs, uint8 (height, width, 3)."""
    rng = np.random.default_rng(0)
    distance = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width))
    phases = np.exp(2j * np.pi * rng.random((4, height, width)))
    waves = np.fft.ifft2(phases / np.maximum(distance, 0.01) ** 1.2).real
    light, *tint = waves / waves.std(axis=(1, 2), keepdims=True)
    planes = [120 + 45 * light + 10 * colour for colour in tint]
    return np.clip(np.stack(planes, axis=-1), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("short_side", [128, 224, 256, 300])
def test_resizing_while_decoding(short_side, tmp_path):
    path = write_video(tmp_path / "a.mp4", natural()[None])
    plain = read_frames(path, [0])
    resized = read_frames(path, [0], short_side)
    assert resized.shape[1:3] == scaled_size(256, 340, short_side)
    if short_side == 256:
        assert np.array_equal(resized, plain)
    exact = functional.interpolate(
        torch.from_numpy(plain).permute(0, 3, 1, 2).float(),
        resized.shape[1:3],
        mode="bilinear",
        antialias=True,
    )
    difference = resized - exact.permute(0, 2, 3, 1).numpy()
    assert np.abs(difference).mean() < 1.5  # of which 1.1 is the darkness of the fast conversion
    assert difference.std() < 1.5


def test_sizes_are_rounded_half_up():
    assert scaled_size(256, 340, 224) == (224, 298)  # 297.5
    assert scaled_size(340, 256, 224) == (298, 224)
    assert scaled_size(240, 320, 256) == (256, 341)  # 341.3
    assert scaled_size(100, 150, 100) == (100, 150)


def test_a_missing_file(tmp_path):
    with pytest.raises(UnreadableVideoError, match=r"none\.mp4 .*there is no such file"):
        probe(tmp_path / "none.mp4")


def test_files_that_are_no_videos(tmp_path):
    text, empty, binary = tmp_path / "text.mp4", tmp_path / "empty.mp4", tmp_path / "noise.mp4"
    text.write_text("404 not found\n" * 100)
    empty.touch()
    binary.write_bytes(np.random.default_rng(0).bytes(5000))
    sound = audio_only(tmp_path / "sound.mp4")
    album = audio_only(tmp_path / "album.mp4", cover=True)
    reasons = {text: "Invalid data", empty: "empty", binary: "Invalid data"}
    reasons |= {sound: "audio and no moving pictures", album: "audio, video and no moving pictures"}
    for path, reason in (reasons | {tmp_path: "folder"}).items():
        with pytest.raises(UnreadableVideoError) as caught:
            probe(path)
        assert caught.value.path == path
        assert reason in caught.value.reason
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_truncated_file_without_its_index(tmp_path):
    path = cut_short(write_video(tmp_path / "a.mp4", speckled()), 0.6)
    with pytest.raises(UnreadableVideoError, match=r"a\.mp4"):
        probe(path)


@pytest.mark.parametrize("name", ["index first.mp4", "a.webm", "a.mkv"])
def test_a_truncated_file_has_the_frames_that_are_left(name, tmp_path):
    kind = {"codec": "libvpx-vp9"} if name.endswith("webm") else B
    path = write_video(tmp_path / name, moving(), movflags="faststart", **kind)
    assert name.endswith("webm") or b_frames(path)
    whole = decoded(path)
    cut_short(path, 0.6)
    with open_video(path) as reader:
        assert 20 < reader.frames < 70
        last = reader.frames - 1
        wanted = [0, 10, 20]
        assert np.array_equal(reader.read(wanted), whole[wanted])
        assert reader.read([last]).shape == (1, 64, 64, 3)
        with pytest.raises(UnreadableVideoError, match=f"frame {last + 1} is wanted"):
            reader.read([0, last + 1])


def test_a_table_that_decoding_contradicts_is_given_up(tmp_path, monkeypatch):
    """Should packets promise a frame that none of them holds, the true frames are read."""
    path = write_video(tmp_path / "a.mp4", moving(), **B)
    whole = decoded(path)
    real = video.read_packets

    def promising(container, stream):
        table = real(container, stream)
        extra = table.times[40] + 1
        keys = [dataclasses.replace(key, frame=key.frame + (key.frame > 40)) for key in table.keys]
        times = (*table.times[:41], extra, *table.times[41:])
        return dataclasses.replace(table, times=times, keys=tuple(keys))

    monkeypatch.setattr(video, "read_packets", promising)
    asked = []
    with open_video(path) as reader:

        def use(count):
            asked.append(count)
            return reader.read([0, count - 1])

        # Decoding the last frame alone starts behind the place, and tells nothing of it.
        assert np.array_equal(reader.with_true_count(use), whole[[0, 79]])
        assert reader.frames == 81
        found = reader.with_true_count(
            lambda count: (asked.append(count), reader.read([38, 60]))[1]
        )
        assert np.array_equal(found, whole[[38, 60]])
        assert reader.frames == 80
        with pytest.raises(UnreadableVideoError, match="frame 80 is wanted and it has 0 to 79"):
            reader.read([80])
    assert asked == [81, 81, 80]
    assert "81 frames have a time and 80 come out" in "; ".join(reader.faults)


@pytest.mark.parametrize("index", [-1, 80])
def test_a_frame_that_is_not_there(plain, index):
    with pytest.raises(UnreadableVideoError, match=f"frame {index} is wanted and it has 0 to 79"):
        read_frames(plain, [3, index])


def test_the_error_survives_the_way_out_of_a_worker(tmp_path):
    error = pickle.loads(pickle.dumps(UnreadableVideoError(tmp_path / "a.mp4", "it is empty")))
    assert (error.path, error.reason) == (tmp_path / "a.mp4", "it is empty")
    assert "it is empty" in str(error)
