"""Datasets of one's own: what data.yaml says of them, their lists, split and mistakes."""

import json

import pytest

from tests.command import vswin
from tests.lists import labels, touch, write
from tests.own import own_videos
from vswin.data.data_file import VARIABLE, load_sources
from vswin.data.datasets import class_names, dataset
from vswin.data.listed import listed_videos, listed_whole
from vswin.data.lists.listing import AnnotationError
from vswin.data.splitting import split_videos
from vswin.errors import UsageError
from vswin.reading import ExperimentError

FOLDERS = "mine: {classes: from folders, train: clips, validation: clips, test: clips}"


@pytest.fixture
def described(tmp_path, monkeypatch):
    """Writes a data file; relative paths count from tmp_path."""

    def describe(text):
        path = write(tmp_path / "data.yaml", f"datasets:\n  {text}\n")
        monkeypatch.setenv(VARIABLE, str(path))
        return load_sources()

    return describe


def in_folders(tmp_path, **splits):
    for split, names in splits.items():
        for name in names.split():
            touch(
                tmp_path / "clips" / split / name, f"{split}_{name}_1.mp4", f"{split}_{name}_2.mp4"
            )


def ids(sources, split):
    return [video.id for video in listed_videos(sources, "mine", split).videos]


def test_what_it_says_of_itself(tmp_path, described):
    write(tmp_path / "names.txt", "left hand\nright hand\n")
    described("mine: {classes: names.txt, sampling: segments, flip: false, title: Mine, train: a}")
    found = dataset("mine")
    assert (found.title, found.num_classes, found.sampling) == ("Mine", 2, "segments")
    assert (found.flip, found.is_own) == (False, True)
    assert class_names("mine") == ("left hand", "right hand")


def test_what_is_tested_on_is_never_the_validation_split(tmp_path, described):
    """Of a published dataset `val` is what is tested on; here it is another split."""
    in_folders(tmp_path, train="b a", val="a b", test="a b")
    sources = described(FOLDERS)
    assert class_names("mine") == ("a", "b")
    assert ids(sources, "train") == [f"{c}/train_{c}_{n}" for c in "ab" for n in (1, 2)]
    assert ids(sources, "validation") == [f"{c}/val_{c}_{n}" for c in "ab" for n in (1, 2)]
    assert ids(sources, "test") == [f"{c}/test_{c}_{n}" for c in "ab" for n in (1, 2)]


def test_a_table_of_splits(tmp_path, described):
    rows = ["a/1.mp4,a,train", "b/1.mp4,b,train", "a/2.mp4,a,val", "b/2.mp4,b,val"]
    write(tmp_path / "all.csv", "\n".join(["path,label,split", *rows]))
    write(tmp_path / "classes.txt", "a\nb\n")
    sources = described(
        "mine: {classes: classes.txt, train: all.csv, validation: all.csv, test: all.csv}"
    )
    assert ids(sources, "train") == ["a/1", "b/1"]
    assert ids(sources, "validation") == ["a/2", "b/2"]
    with pytest.raises(AnnotationError, match="all.csv has no row of split 'test"):
        listed_videos(sources, "mine", "test")


@pytest.mark.parametrize(
    ("train", "test", "words"),
    [
        (
            "a b",
            "a c",
            "the splits of mine do not share their classes: only train has b; only test",
        ),
        ("a b", "a", "do not share their classes: only train has b; rename or remove"),
        ("a", "a", "clips/train has 1 classes; mine wants two or more"),
        ("a_b ab", "a_b ab", "'a_b' and 'ab' are one class"),
    ],
)
def test_folders_that_do_not_fit(train, test, words, tmp_path, described):
    in_folders(tmp_path, train=train, test=test)
    sources = described("mine: {classes: from folders, train: clips, test: clips}")
    with pytest.raises(AnnotationError, match=words) as error:
        listed_videos(sources, "mine", "test")
    assert "\n" not in str(error.value)


def test_a_class_without_clips_is_named(tmp_path, described):
    in_folders(tmp_path, train="a b")
    (tmp_path / "clips" / "train" / "c").mkdir()
    sources = described("mine: {classes: from folders, train: clips}")
    with pytest.raises(AnnotationError, match="train split of mine has no video of class 'c'"):
        listed_videos(sources, "mine", "train")


def test_splits_that_share_a_file_are_refused(tmp_path, described):
    for name in "ab":
        touch(tmp_path / "clips" / name, "1.mp4")
    described("mine: {classes: from folders, train: clips, test: clips}")
    done = vswin("data", "check", "mine", "--json")
    assert done.returncode == 2
    said = "clips/a/1.mp4 is in the train and in the test split of mine"
    assert said in done.stderr
    found = json.loads(done.stdout)
    assert not found["ok"]
    assert said in found["shared"]


def test_a_check_ends_with_what_runs_make_of_bad_files(tmp_path, described):
    described("mine: {classes: from folders, train: train, test: test}")
    for split in ("train", "test"):
        own_videos(tmp_path / split, each=2)
    check = ("data", "check", "mine", "--jobs", 1, "--state", tmp_path / "state")
    (tmp_path / "test" / "red" / "red_0.mp4").write_bytes(b"no video")
    done = vswin(*check)
    assert (done.returncode, "in the public list" in done.stdout) == (1, False)
    last = done.stdout.splitlines()[-1]
    assert last.startswith("next: ")
    assert last.endswith("a test video that cannot be read counts as wrong")
    (tmp_path / "train" / "red" / "red_1.mp4").write_bytes(b"no video")
    last = vswin(*check).stdout.splitlines()[-1]
    assert "1 of 6 training videos cannot be read, and training stops where more than 1 %" in last


def test_labels_of_the_whole_are_compared(tmp_path, described):
    write(tmp_path / "classes.txt", "a\nb\n")
    write(tmp_path / "all.csv", "path,label\n1.mp4,0\n2.mp4,1\n")
    write(tmp_path / "labels.txt", "b\na\n")
    sources = described(
        "mine: {classes: classes.txt, all: {annotations: all.csv, labels: labels.txt}}"
    )
    with pytest.raises(AnnotationError, match="labels.txt: class 0 is 'b', here it is 'a'"):
        listed_whole(sources, "mine")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kinetics40: {train: a}", "unknown dataset 'kinetics40'.*one of your own wants `classes`"),
        ("kinetics400: {classes: a, train: a}", "kinetics400 is published, and its classes known"),
        ("mine: {classes: a}", "mine: wanted `train` and `test`.* or `all`"),
        ("mine: {classes: a, train: a, all: a}", "mine: wanted `train` and `test`"),
        ("My Own: {classes: a, all: a}", "My Own: wanted small letters, digits and _"),
        ("mine: {classes: a, all: a, sampling: spans}", "sampling: .*'dense' or 'segments'"),
        ("mine: {classes: a, all: a, tests: a}", "mine.tests: unknown key"),
    ],
)
def test_a_description_that_cannot_be(text, words, described):
    with pytest.raises(ExperimentError, match=words) as error:
        described(text)
    assert "\n" not in str(error.value)


def test_classes_that_are_not_there(described):
    described("mine: {classes: none.txt, all: a}")
    with pytest.raises(AnnotationError, match="classes of mine should be in .*none.txt, and there"):
        class_names("mine")


UCF = ["ApplyEyeMakeup", "BabyCrawling", "YoYo"]
HMDB = "April_09_brush_hair_u_nm_np1_ba_goo_0.avi 1 \n#20_x_brush_hair_u_nm_np1_fr_goo_1.avi 2 \n"


def test_the_official_split_files_of_ucf101(tmp_path, described):
    write(tmp_path / "classInd.txt", "".join(f"{n} {c}\r\n" for n, c in enumerate(UCF, 1)))
    for split, group in (("train", 8), ("test", 1)):
        numbers = [f" {n}" if split == "train" else "" for n in (1, 2, 3)]
        lines = [f"{c}/v_{c}_g0{group}_c01.avi{n}\r\n" for c, n in zip(UCF, numbers, strict=True)]
        write(tmp_path / f"{split}list01.txt", "".join(lines))
    where = ", ".join(
        f"{split}: {{annotations: {split}list01.txt, videos: UCF-101}}"
        for split in ("train", "test")
    )
    (tmp_path / "UCF-101").mkdir()
    sources = described(f"mine: {{classes: classInd.txt, {where}}}")
    assert class_names("mine") == tuple(UCF)
    for split in ("train", "test"):
        assert labels(listed_videos(sources, "mine", split)) == [0, 1, 2]
    first = listed_videos(sources, "mine", "test").videos[0].path
    assert first == tmp_path / "UCF-101/ApplyEyeMakeup/v_ApplyEyeMakeup_g01_c01.avi"


def test_the_official_split_files_of_hmdb51(tmp_path, described):
    for name in ("brush_hair", "cartwheel"):
        text = HMDB.replace("brush_hair", name) + f"unused_{name}_f_cm_np1_le_bad_2.avi 0\n"
        write(tmp_path / "splits" / f"{name}_test_split1.txt", text)
        write(tmp_path / "splits" / f"{name}_test_split2.txt", text.replace("1 \n", "0 \n"))
        (tmp_path / "videos" / name).mkdir(parents=True)
    where = "{annotations: splits/*_test_split1.txt, videos: videos}"
    sources = described(f"mine: {{classes: from folders, train: {where}, test: {where}}}")
    assert ids(sources, "train") == [
        f"{name}/April_09_{name}_u_nm_np1_ba_goo_0" for name in ("brush_hair", "cartwheel")
    ]
    (_, second) = listed_videos(sources, "mine", "test").videos
    assert second.path == tmp_path / "videos/cartwheel/#20_x_cartwheel_u_nm_np1_fr_goo_1.avi"
    assert second.label == 1


def whole(tmp_path, described, counts):
    """A dataset to be divided: so many clips of each class, each person in two of them."""
    for name, count in counts.items():
        touch(tmp_path / "clips" / name, *(f"p{n // 2}_{n}.mp4" for n in range(count)))
    sources = described("mine: {classes: from folders, all: clips}")
    return sources, listed_whole(sources, "mine")


def test_a_split_follows_its_rule_and_is_drawn_once(tmp_path, described):
    sources, videos = whole(tmp_path, described, {"7": 20, "10": 6, "c": 3})
    splits = split_videos(videos, 0.2, 0.1, seed=3)
    counts = {
        name: [
            sum(s == split and v.label == label for s, v in zip(splits, videos.videos, strict=True))
            for split in ("train", "validation", "test")
        ]
        for label, name in enumerate(class_names("mine"))
    }
    assert counts == {"7": [14, 2, 4], "10": [4, 1, 1], "c": [1, 1, 1]}
    assert (
        split_videos(videos, 0.2, 0.1, seed=3) == splits != split_videos(videos, 0.2, 0.1, seed=4)
    )
    done = vswin("data", "split", "mine", "--seed", 3)
    assert done.returncode == 0, done.stderr
    for split in (
        "train",
        "validation",
        "test",
    ):  # classes that are numbers are not taken for labels
        read = listed_videos(sources, "mine", split).videos
        assert [*read] == [v for s, v in zip(splits, videos.videos, strict=True) if s == split]
    again = vswin("data", "split", "mine")
    assert again.returncode == 2
    assert "mine_split.csv is there, and a split is drawn once" in again.stderr


def test_clips_that_belong_together_stay_together(tmp_path, described):
    _, videos = whole(tmp_path, described, {"a": 20, "b": 20})
    splits = split_videos(videos, 0.2, 0.1, 0, r"/(p\d+)_")
    of = {}
    for split, video in zip(splits, videos.videos, strict=True):
        of.setdefault(video.id.partition("/")[2].partition("_")[0], set()).add(split)
    assert all(len(found) == 1 for found in of.values())
    assert {*splits} == {"train", "validation", "test"}
    assert splits.count("test") == 8


@pytest.mark.parametrize(
    ("counts", "options", "words"),
    [
        ({"a": 3, "b": 2}, {}, "class 'b' of mine has 2 clips, and none is left for train"),
        ({"a": 9, "b": 9}, {"test": 0.9, "validation": 0.1}, "wanted shares whose sum is below 1"),
        ({"a": 9, "b": 9}, {"together": "(x)"}, r"found in every id, and it is not in 'a/p0_0'"),
        ({"a": 9, "b": 9}, {"together": "("}, "is no regular expression"),
    ],
)
def test_a_split_that_cannot_be_drawn(counts, options, words, tmp_path, described):
    _, videos = whole(tmp_path, described, counts)
    with pytest.raises(UsageError, match=words):
        split_videos(videos, **({"test": 0.2, "validation": 0.1, "seed": 0} | options))


def test_what_is_missing_is_said_with_what_to_do(tmp_path, described):
    whole(tmp_path, described, {"a": 3, "b": 3})
    for command in (["eval", "--weights", __file__, "--data", "mine"], ["data", "check", "mine"]):
        done = vswin(*command)
        assert done.returncode != 0
        assert "`vswin data split mine`" in done.stderr, command
