"""Folders of classes as copies of the datasets have them."""

import numpy as np
import pytest

from tests.lists import error, ids, labels, touch, write
from tests.videos import decoded, numbered, write_video
from vswin.data.annotations import read_annotations, require_clean
from vswin.data.datasets import class_names
from vswin.data.video import open_video
from vswin.data.video_files import SUFFIXES

K400 = class_names("kinetics400")
NAMED = ["mov", "m4v", "mpg", "mpeg", "ts", "wmv", "flv", "3gp", "avi", "mkv", "webm", "m2ts"]
NAMED += ["ogv", "mp4", "mts", "asf", "vob", "divx", "f4v", "3g2"]


@pytest.mark.parametrize("suffix", NAMED)
def test_videos_of_every_kind(tmp_path, suffix):
    touch(tmp_path / "train" / "zumba", f"a.{suffix}", f"b.{suffix.upper()}", f"c d.e.{suffix}")
    videos = require_clean(read_annotations("kinetics400", tmp_path))
    assert ids(videos) == ["zumba/a", "zumba/b", "zumba/c d.e"]
    assert all(video.path.is_file() for video in videos.videos)


ENCODED = {
    "webm": {"codec": "libvpx-vp9"},
    "m4v": {"container": "mp4"},
    "mpg": {"codec": "mpeg1video"},
    "mpeg": {"codec": "mpeg1video"},
    "mpe": {"codec": "mpeg1video", "container": "mpeg"},
    "vob": {"codec": "mpeg2video", "container": "vob"},
    "m2v": {"codec": "mpeg2video", "container": "mpeg2video"},
    "mxf": {"codec": "mpeg2video"},
    "m2ts": {"container": "mpegts"},
    "mts": {"container": "mpegts"},
    "wmv": {"codec": "wmv2", "container": "asf"},
    "asf": {"codec": "wmv2"},
    "flv": {"codec": "flv"},
    "3gp": {"codec": "mpeg4"},
    "3g2": {"codec": "mpeg4"},
    "ogv": {"codec": "libvpx"},
    "ogg": {"codec": "libvpx"},
    "divx": {"codec": "mpeg4", "container": "avi"},
    "rm": {"codec": "rv10"},
    "rmvb": {"codec": "rv20", "container": "rm"},
}
"""How files of a suffix are usually stored, where that is not H.264 in the container it names."""


@pytest.mark.parametrize("suffix", sorted({*NAMED, *ENCODED}))
def test_what_lies_in_class_folders_can_be_read(suffix, tmp_path):
    path = tmp_path / "zumba" / f"a.{suffix}"
    path.parent.mkdir()
    write_video(path, numbered(12, 144, 176), **ENCODED.get(suffix, {}))
    listed = require_clean(read_annotations("kinetics400", tmp_path)).videos
    with open_video(listed[0].path) as reader:
        assert np.array_equal(reader.read(range(reader.frames)), decoded(path))


def test_suffixes_are_written_once():
    assert {suffix[1:] for suffix in SUFFIXES} == {*NAMED, *ENCODED}
    assert len(set(SUFFIXES)) == len(SUFFIXES)
    assert all(suffix == suffix.lower() and suffix[0] == "." for suffix in SUFFIXES)


def test_videos_may_lie_deeper(tmp_path):
    touch(tmp_path / "zumba", "x/y/b.mp4", "a.mp4", "x/.hidden/c.mp4", "x/.d.mp4", "zumba/e.mp4")
    videos = require_clean(read_annotations("kinetics400", tmp_path))
    assert ids(videos) == ["zumba/a", "zumba/x/y/b", "zumba/zumba/e"]
    assert all(video.path.is_file() for video in videos.videos)
    assert set(labels(videos)) == {399}


def test_a_class_within_another_is_named(tmp_path):
    touch(tmp_path / "zumba", "yoga/a.mp4", "abseiling/b.mp4", "c.mp4")
    videos = read_annotations("kinetics400", tmp_path)
    assert ids(videos) == ["zumba/c"]
    assert videos.unknown == (
        "folder zumba/abseiling: the class 'abseiling' within that of 'zumba'",
        "folder zumba/yoga: the class 'yoga' within that of 'zumba'",
    )


def test_extracted_frames_are_named_once(tmp_path):
    touch(tmp_path / "zumba" / "clip", *(f"img_{k:05}.jpg" for k in range(9)))
    touch(tmp_path / "zumba", "a.mp4")
    videos = read_annotations("kinetics400", tmp_path)
    assert ids(videos) == ["zumba/a"]
    assert videos.unknown == ("folder zumba/clip: pictures; wanted videos, not their frames",)


def test_links_are_followed_and_never_in_circles(tmp_path):
    touch(tmp_path / "store", "a.mp4", "deep/b.mp4")
    folder = tmp_path / "k400" / "train"
    folder.mkdir(parents=True)
    (folder / "zumba").symlink_to(tmp_path / "store")
    touch(folder / "yoga", "c.mp4")
    (folder / "yoga" / "d.mp4").symlink_to(tmp_path / "store" / "a.mp4")
    (folder / "yoga" / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (folder / "yoga" / "round").symlink_to(folder / "yoga")
    videos = require_clean(read_annotations("kinetics400", tmp_path / "k400"))
    assert ids(videos) == ["yoga/c", "yoga/d", "yoga/gone", "zumba/a", "zumba/deep/b"]
    assert [v.id for v in videos.videos if not v.path.is_file()] == ["yoga/gone"]


def test_a_split_beside_classes_is_not_guessed(tmp_path):
    touch(tmp_path, "train/zumba/a.mp4", "yoga/b.mp4")
    message = error("kinetics400", tmp_path)
    assert "holds train and, beside it, yoga, which is a class: give " in message
    assert ids(read_annotations("kinetics400", tmp_path / "train")) == ["zumba/a"]


@pytest.mark.parametrize("name", ["train.csv", "videos_train/zumba/a.mp4", "v_a_g01_c01.avi"])
def test_a_folder_without_classes_says_what_it_holds(tmp_path, name):
    write(tmp_path / name, "")
    message = error("kinetics400", tmp_path)
    assert f"is named like a class of kinetics400; it holds {name.split('/')[0]}" in message
