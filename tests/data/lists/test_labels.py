"""Labels in lists: what they must agree with, and videos that have two."""

import pytest

from tests.lists import error, ids, labels, read, touch, unknown, write
from vswin.data.annotations import read_annotations, require_clean
from vswin.data.datasets import class_key, class_names

K400 = class_names("kinetics400")


def test_labels_that_count_from_1_are_refused(tmp_path):
    text = "".join(f"{k}.mp4 {k}\n" for k in range(1, 401))
    message = error("kinetics400", write(tmp_path / "list", text))
    assert "its labels go up to 400 and none is 0, as if they counted from 1" in message


def test_labels_that_count_from_1_are_seen_by_the_folders(tmp_path):
    """As in UCF101's lists."""
    text = "".join(f"{K400[k].replace(' ', '_')}/{k}.avi {k + 1}\n" for k in range(0, 50, 7))
    wanted = [(f"{K400[k].replace(' ', '_')}/{k}", k) for k in range(0, 50, 7)]
    assert read(write(tmp_path / "trainlist01.txt", text)) == wanted
    right = "".join(f"{K400[k].replace(' ', '_')}/{k}.avi {k}\n" for k in range(0, 50, 7))
    assert read(write(tmp_path / "trainlist01.txt", right)) == wanted


def test_folders_say_the_classes_of_paths_without_labels(tmp_path):
    """As in UCF101's lists for testing."""
    text = "clean_and_jerk/a b.avi\nx/yoga/c.avi\n/y/zumba/d.avi\n"
    wanted = [class_key(name) for name in ("clean and jerk", "yoga", "zumba")]
    videos = require_clean(read_annotations("kinetics400", write(tmp_path / "list", text)))
    assert [class_key(K400[label]) for label in labels(videos)] == wanted
    other = read_annotations("kinetics400", write(tmp_path / "list", text + "misc/e.avi\n"))
    assert labels(other) == [-1] * 4


def test_a_label_that_its_folder_contradicts_is_named(tmp_path):
    text = "yoga/a.mp4 399\nzumba/b.mp4 399\nzumba/c.mp4,yoga\nmisc/d.mp4 5\n"
    source = write(tmp_path / "list", text)
    assert ids(read_annotations("kinetics400", source)) == ["zumba/b", "misc/d"]
    yoga = K400.index("yoga")
    assert unknown(source) == (
        f"line 1: the label says 'zumba' (399), the folder 'yoga' ({yoga})",
        f"line 3: the label says 'yoga' ({yoga}), the folder 'zumba' (399)",
    )


def test_two_labels_for_one_video_are_named(tmp_path):
    source = write(tmp_path / "list", "a.mp4 3\nb.mp4 4\na.avi 5\n")
    videos = read_annotations("kinetics400", source)
    assert videos.duplicates == ("line 3: a is in line 1, too, there with label 3, here with 5",)


@pytest.mark.parametrize("rows", ["a.avi 3\na.mp4 3\n", "a.avi 3\na.mp4 5\n", "a 3\na.avi 3\n"])
def test_two_files_of_one_name_never_hide_each_other(tmp_path, rows):
    source = write(tmp_path / "list", f"b.mp4 1\n{rows}")
    touch(tmp_path, "a.avi", "b.mp4", "b.avi")
    assert len(read_annotations("kinetics400", source).duplicates) == 1  # one file, named twice
    touch(tmp_path, "a.mp4")
    message = error("kinetics400", source)
    assert "line 2 and line 3 have the same name, but are two files" in message
    assert str(tmp_path / "a.avi") in message
    assert str(tmp_path / "a.mp4") in message


def test_files_of_one_name_in_folders_of_classes_never_hide_each_other(tmp_path):
    source = write(tmp_path / "list", "a.mp4,yoga\na.mp4,zumba\n")
    touch(tmp_path, "yoga/a.mp4", "zumba/a.mp4")
    assert "line 1 and line 2 have the same name" in error("kinetics400", source)


def test_classes_of_another_dataset_are_recognised(tmp_path):
    new = [name for name in class_names("kinetics600") if name not in K400][:2]
    source = write(tmp_path / "list", "".join(f"{name}.mp4,{name}\n" for name in new))
    assert error("kinetics400", source).endswith("; kinetics600 has classes of these names")
