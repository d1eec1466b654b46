"""Lists of videos: every format gives the same videos and labels, and mistakes are named."""

from pathlib import Path

import pytest

from tests.lists import error, ids, labels, touch, write
from vswin.data.annotations import AnnotationError, VideoList, read_annotations, require_clean
from vswin.data.datasets import class_names
from vswin.errors import UsageError

K400 = class_names("kinetics400")


# Kinetics CSV.

CSV = (
    "label,youtube_id,time_start,time_end,split,is_cc\r\n"
    "clean and jerk,-abcdefghij,10.0,20.0,train,0\r\n"
    '"massaging person\'s head","_1234567890",1,11,train,1\r\n'
    "abseiling,abcdefghijk,100,110,val,0\r\n"
    "zumba,zzzzzzzzzzz,0,10,train,0\r\n"
)


def test_kinetics_csv(tmp_path):
    source = write(tmp_path / "train.csv", CSV, encoding="utf-8-sig")
    videos = read_annotations("kinetics400", source, tmp_path / "videos")
    assert ids(videos) == [
        "-abcdefghij_000010_000020",
        "_1234567890_000001_000011",
        "zzzzzzzzzzz_000000_000010",
    ]
    names = ["clean and jerk", "massaging person's head", "zumba"]
    assert labels(videos) == [K400.index(name) for name in names]
    assert videos.videos[0].path == tmp_path / "videos" / "-abcdefghij_000010_000020.mp4"
    assert require_clean(videos) is videos
    assert ids(read_annotations("kinetics400", source, split="validate")) == [
        "abcdefghijk_000100_000110"
    ]


@pytest.mark.parametrize(
    "place",
    [
        "{}.mp4",
        "{}.mkv",
        "train/{}.mp4",
        "clean and jerk/{}.webm",
        "clean_and_jerk/{}.mp4",
        "train/clean_and_jerk/{}.MP4",
    ],
)
def test_kinetics_files_are_found_where_copies_have_them(tmp_path, place):
    source = write(tmp_path / "train.csv", CSV)
    file = place.format("-abcdefghij_000010_000020")
    touch(tmp_path / "videos", file, "other.txt", "-abcdefghij_000010_000020.json")
    videos = read_annotations("kinetics400", source, tmp_path / "videos")
    assert videos.videos[0].path == tmp_path / "videos" / file


def test_of_several_files_the_listed_suffix_is_taken(tmp_path):
    source = write(tmp_path / "list.txt", "a.webm 0\nb.webm 1\nc 2\n")
    touch(tmp_path, "a.mp4", "a.webm", "b.avi", "b.mp4", "c.mkv")
    found = read_annotations("kinetics400", source)
    assert [video.path.name for video in found.videos] == ["a.webm", "b.mp4", "c.mkv"]


def test_a_missing_file_should_be_where_the_others_are(tmp_path):
    source = write(tmp_path / "train.csv", CSV)
    touch(tmp_path / "videos", "train/clean_and_jerk/other.mp4")
    first = read_annotations("kinetics400", source, tmp_path / "videos").videos[0]
    folder = tmp_path / "videos" / "train" / "clean_and_jerk"
    assert first.path == folder / "-abcdefghij_000010_000020.mp4"


def test_a_test_csv_has_no_labels(tmp_path):
    text = "youtube_id,time_start,time_end,split\n-abcdefghij,10,20,test\n"
    videos = read_annotations("kinetics400", write(tmp_path / "x.csv", text), split="test")
    assert labels(videos) == [-1]
    assert not videos.unknown


def test_what_is_tested_on_is_the_validation_split_where_there_is_one(tmp_path):
    head = "label,youtube_id,time_start,time_end,split\n"
    rows = ["zumba,a,0,10,train\n", "zumba,b,0,10,validate\n", "zumba,c,0,10,test\n"]
    both = write(tmp_path / "all.csv", head + "".join(rows))
    only = write(tmp_path / "test.csv", head + rows[2])
    assert ids(read_annotations("kinetics400", both, split="test")) == ["b_000000_000010"]
    assert ids(read_annotations("kinetics400", only, split="test")) == ["c_000000_000010"]
    assert "no row of split 'val'; it has 1 of 'test'" in error("kinetics400", only, split="val")


def test_rows_that_cannot_be_used_are_named_and_left_out(tmp_path):
    text = (
        CSV + "zumbba,a,0,10,train,0\nzumba,b,soon,10,train,0\nzumba,c,0\nzumba,d,nan,inf,train,0\n"
    )
    text += "zumba,zzzzzzzzzzz,0.0,10,train,0\nyoga,-abcdefghij,10,20,train,0\n"
    videos = read_annotations("kinetics400", write(tmp_path / "train.csv", text))
    assert len(videos.videos) == 3
    assert videos.unknown == (
        "line 7: 'soon' to '10' are no seconds",
        "line 8: 3 columns, wanted 6",
        "line 9: 'nan' to 'inf' are no seconds",
        "line 6: 'zumbba' is no class of kinetics400 (did you mean 'zumba'?)",
    )
    jerk, yoga = K400.index("clean and jerk"), K400.index("yoga")
    assert videos.duplicates == (
        "line 10: zzzzzzzzzzz_000000_000010 is in line 5, too",
        "line 11: -abcdefghij_000010_000020 is in line 2, too, there with label "
        f"{jerk}, here with {yoga}",
    )
    with pytest.raises(
        AnnotationError, match=r"2 duplicate and 4 unknown entries: line 7.*3 more"
    ) as caught:
        require_clean(videos)
    assert "\n" not in str(caught.value)


# Lists of paths and labels.


@pytest.mark.parametrize(
    ("text", "paths", "wanted"),
    [
        ("a/b.mp4 3\nc.mp4 0\n", ["a/b.mp4", "c.mp4"], [3, 0]),
        ("a/b.mp4,3\r\n\r\nc.mp4,0\r\n", ["a/b.mp4", "c.mp4"], [3, 0]),
        ("a/b.mp4\t3\nc.mp4\t0", ["a/b.mp4", "c.mp4"], [3, 0]),
        ("my dir/b, c 7.mp4 3\n", ["my dir/b, c 7.mp4"], [3]),
        ("my dir 7 3\nx 4\n", ["my dir 7", "x"], [3, 4]),
        ("my dir 300 3\nx 420 4\n", ["my dir", "x"], [3, 4]),
        ("b.mp4,300,3\nc.mp4,420,4\n", ["b.mp4", "c.mp4"], [3, 4]),
        ('"b, c.mp4","3"\n', ["b, c.mp4"], [3]),
        ("b.mp4\tclean_and_jerk\n", ["b.mp4"], [K400.index("clean and jerk")]),
        ("x,y.mp4, Clean and Jerk\n", ["x,y.mp4"], [K400.index("clean and jerk")]),
        ("b.mp4,300,yoga\nc.mp4,4,zumba\n", ["b.mp4", "c.mp4"], [K400.index("yoga"), 399]),
        ("b.mp4,massaging_person-s_head", ["b.mp4"], [K400.index("massaging person's head")]),
        ("a b.mp4\nc.mp4\n", ["a b.mp4", "c.mp4"], [-1, -1]),
        ("b.mp4 -1\nc.mp4 -1\n", ["b.mp4", "c.mp4"], [-1, -1]),
        ("./b.mp4 1\n", ["b.mp4"], [1]),
    ],
)
def test_path_lists(tmp_path, text, paths, wanted):
    videos = read_annotations("kinetics400", write(tmp_path / "list", text), tmp_path / "v")
    assert require_clean(videos)
    assert labels(videos) == wanted
    assert [video.path.relative_to(tmp_path / "v") for video in videos.videos] == [
        *map(Path, paths)
    ]


def test_absolute_paths(tmp_path):
    source = write(tmp_path / "list", f"{tmp_path}/v/a b/c.mp4 1\n/elsewhere/d.mp4 2\n")
    videos = read_annotations("kinetics400", source, tmp_path / "v")
    assert [v.path for v in videos.videos] == [
        tmp_path / "v" / "a b" / "c.mp4",
        Path("/elsewhere/d.mp4"),
    ]
    assert ids(videos) == ["a b/c", "/elsewhere/d"]


def test_labels_out_of_range_and_without_label(tmp_path):
    text = "a.mp4 399\nb.mp4 400\nc.mp4\nd.mp4 -1\ne.mp4 wrong\n"
    videos = read_annotations("kinetics400", write(tmp_path / "list", text))
    assert labels(videos) == [399]
    assert [entry.split(": ")[0] for entry in videos.unknown] == [f"line {i}" for i in (2, 3, 4, 5)]
    assert "label 400 is none of kinetics400's 0 to 399" in videos.unknown[0]
    assert "c has no label" in videos.unknown[1]


# Class folders.


@pytest.mark.parametrize("root", [".", "train"])
def test_class_folders(tmp_path, root):
    touch(tmp_path / "train" / "zumba", "b.mp4", "a.mp4", ".hidden")
    touch(tmp_path / "train" / "clean_and_jerk", "c.webm", "notes.txt")
    touch(tmp_path / "train" / "my folder", "d.mp4")
    touch(tmp_path / "train", "list.csv")
    videos = read_annotations("kinetics400", tmp_path / root)
    assert ids(videos) == ["clean and jerk/c", "zumba/a", "zumba/b"]
    assert labels(videos) == [K400.index("clean and jerk"), 399, 399]
    assert all(video.path.is_file() for video in videos.videos)
    assert videos.unknown == (
        "clean_and_jerk/notes.txt: not the name of a video file",
        "list.csv: a file, wanted folders named like classes",
        "folder my folder: no class of kinetics400",
    )


def test_spaces_or_underscores_are_the_same_list(tmp_path):
    touch(tmp_path / "a" / "clean_and_jerk", "c.webm")
    touch(tmp_path / "b" / "Clean and jerk", "c.mp4")
    touch(tmp_path / "c" / "clean and jerk", "d.mp4")
    a, b, c = (read_annotations("kinetics400", tmp_path / name).digest for name in "abc")
    assert a == b != c


def test_two_folders_of_one_class_cannot_hide_a_duplicate(tmp_path):
    touch(tmp_path / "train", "clean_and_jerk/c.mp4", "clean and jerk/c.mp4")
    videos = read_annotations("kinetics400", tmp_path)
    assert len(videos.videos) == len(videos.duplicates) == 1


def test_other_folders_of_videos_are_refused_for_class_folders(tmp_path):
    touch(tmp_path / "train" / "zumba", "a.mp4")
    touch(tmp_path / "elsewhere")
    assert read_annotations("kinetics400", tmp_path, tmp_path / "train")
    assert read_annotations("kinetics400", tmp_path, tmp_path)
    assert "leave out" in error("kinetics400", tmp_path, tmp_path / "elsewhere")


# What cannot be read at all.


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"\xff\xd8\xff\xe0", "cannot be read as text"),
        (b'{"a": [1]}', "is a JSON object of a"),
        (b"[1]", "is a JSON list, but not of objects"),
        (b"[]", "has no video of kinetics400: it is empty"),
        (b'[{"id": ', "is no JSON"),
        (b"label,youtube_id,time_start\nzumba,a,1\n", "has no column time_end"),
        (b"label,youtube_id,time_start,time_end\n", "has no video"),
        (b"a.mp4 400\n", "read as list of paths and labels, has no video of kinetics400: line 1"),
        (b"<html>\n<body>Not found</body>\n", "is a web page"),
    ],
)
def test_what_is_no_list_is_refused(tmp_path, content, words):
    source = tmp_path / "list"
    source.write_bytes(content)
    text = error("kinetics400", source)
    assert words in text
    assert str(source) in text
    assert "\n" not in text


def test_no_list_at_all(tmp_path):
    assert "there is no file or folder" in error("kinetics400", tmp_path / "none")
    assert "named like a class of kinetics400" in error("kinetics400", tmp_path)
    with pytest.raises(UsageError, match="unknown dataset"):
        read_annotations("kinetics", tmp_path)


# Digests.


def test_the_digest_is_of_ids_and_labels_in_their_order(tmp_path):
    def digest(text, folder="v", name="kinetics400"):
        source = write(tmp_path / folder / "list", text)
        return read_annotations(name, source, tmp_path / folder).digest

    base = digest("a.mp4 1\nb.mp4 2\n")
    assert len(base) == 64
    assert digest("a.mp4,1\n\nb.webm,2\n", "w") == base
    others = {
        digest("b.mp4 2\na.mp4 1\n"),
        digest("a.mp4 1\nb.mp4 3\n"),
        digest("a.mp4 1\nc.mp4 2\n"),
        digest("a.mp4 1\n"),
        digest("a.mp4 1\nb.mp4 2\n", name="kinetics600"),
    }
    assert len(others) == 5
    assert base not in others
    assert VideoList("kinetics400", "train", Path(), ()).digest not in others
