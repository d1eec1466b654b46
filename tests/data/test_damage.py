"""Checking damaged videos: what is wrong with each is said of it, and of no other."""

import av.logging
import pytest

from tests.data.spliced_videos import BY_NAME
from tests.videos import moving, numbered, write_video
from vswin.data.annotations import Video, read_annotations
from vswin.data.check import check_videos
from vswin.data.check_files import Stat, examine


def listed(folder):
    return read_annotations("digits_kinetics", folder / "list")


@pytest.fixture
def damage(tmp_path):
    """Writes a.mp4 with zeros in place of a part of its pictures; its index stays whole."""

    def write(start, end):
        frames = numbered(90, 96, 128)
        frames[:, ::2, ::2] += (37 * frames[:, ::2, ::2]) % 97
        file = write_video(tmp_path / "a.mp4", frames, gop=10, bframes=0)
        content = bytearray(file.read_bytes())
        first, last = content.index(b"mdat") + 4, content.index(b"moov") - 4
        part = slice(*(first + int(share * (last - first)) for share in (start, end)))
        content[part] = bytes(part.stop - part.start)
        file.write_bytes(content)
        (tmp_path / "list").write_text("a 0\n")
        return Video(file, 0, "a"), Stat(len(content), 0)

    return write


def test_damage_in_the_middle_is_found(tmp_path, damage):
    task = damage(0.35, 0.5)
    quick, deep = (examine((*task, deep)) for deep in (False, True))
    assert quick.error is deep.error is None
    assert quick.frames == deep.frames < 90
    assert "packets cannot be decoded" in "; ".join(deep.faults)
    reports = [
        check_videos(listed(tmp_path), tmp_path / "state", deep=deep)
        for deep in (False, True, False)
    ]
    assert not any(report.ok for report in reports)  # and a quick one takes nothing back
    assert [report.fresh for report in reports] == [1, 1, 0]
    (problem,) = reports[2].problems
    assert problem.kind == "damaged"
    assert f"90 packets give {deep.frames} frames" in problem.reason


@pytest.mark.parametrize("part", [(0.0, 0.2), (0.8, 1.0)])
def test_damage_at_either_end_is_found_by_any_check(damage, part):
    assert examine((*damage(*part), False)).faults


def test_what_a_decoder_fills_in_is_found_by_a_deep_check(tmp_path):
    """A packet of a transport stream is lost: all frames come out, one of them with a hole."""
    options = {"x264-params": "b-adapt=0"}
    path = write_video(tmp_path / "a.ts", moving(), bframes=3, options=options)
    content = path.read_bytes()
    lost = len(content) // 188 // 5 * 188
    path.write_bytes(content[:lost] + content[lost + 188 :])
    (tmp_path / "list").write_text("a.ts 0\n")
    report = check_videos(listed(tmp_path), tmp_path / "state", deep=True)
    assert report.frames.low == 80
    (problem,) = report.problems
    assert problem.kind == "damaged"
    assert "1 of 80 packets are damaged" in problem.reason
    assert "1 of 80 frames are damaged" in problem.reason
    assert "FFmpeg: " in problem.reason


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_a_fault_is_said_of_each_file_that_has_it_and_of_no_other(tmp_path, workers):
    """All that is noticed is what FFmpeg says, and it says the same of three files in a row."""
    damaged = BY_NAME["no reference, times closed up.mkv"].make(tmp_path)
    good = write_video(tmp_path / "good.mp4", numbered(30))
    for name in ("a", "b", "d", "f"):
        (tmp_path / f"{name}.mkv").write_bytes(damaged.read_bytes())
    for name in ("c", "e", "g"):
        (tmp_path / f"{name}.mkv").write_bytes(good.read_bytes())
    (tmp_path / "list").write_text("".join(f"{name}.mkv 0\n" for name in "abcdefg"))
    report = check_videos(listed(tmp_path), tmp_path / "state", workers, deep=True)
    assert {p.id for p in report.problems} == {"a", "b", "d", "f"}
    assert {(p.kind, p.reason) for p in report.problems} == {
        ("damaged", "FFmpeg: mmco: unref short failure")
    }


def test_what_ffmpeg_said_before_is_said_of_no_file(tmp_path):
    """Nor does a check change what the process gets to see of FFmpeg's messages."""
    before = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(True)
    try:
        with av.logging.Capture():
            for _ in range(3):
                av.logging.log(av.logging.ERROR, "h264", "of another file")
        damaged = BY_NAME["no reference, times closed up.mkv"].make(tmp_path)
        found = examine((Video(damaged, 0, "a"), Stat(0, 0), True))
        assert av.logging.get_level() == av.logging.ERROR
        assert av.logging.get_skip_repeated()
    finally:
        av.logging.set_level(before[0])
        av.logging.set_skip_repeated(before[1])
    assert found.faults == ("FFmpeg: mmco: unref short failure",)
