"""Lists of Something-Something: JSON with templates, CSV of answers, ids for names."""

import csv
import io
import json

import pytest

from tests.lists import error, ids, labels, read, touch, write
from vswin.data.annotations import read_annotations
from vswin.data.datasets import class_names

K400 = class_names("kinetics400")
SSV2 = class_names("ssv2")


def ssv2_items():
    return [
        {"id": "74225", "label": "spinning a cube", "template": "Spinning [something] so it spins"},
        {
            "id": 116154,
            "label": "showing a monitor to the camera",
            "template": "Showing [something] to the camera",
            "placeholders": ["a monitor"],
        },
        {"id": "2", "template": "Putting [something] similar to other things that are "
         "already on the table"},
    ]  # fmt: skip


@pytest.mark.parametrize("prefix", ["", "something-something-v2-"])
def test_something_something_json(tmp_path, prefix):
    touch(tmp_path / "videos", "2.mp4", "116154.webm")
    official = {name: str(label) for label, name in enumerate(SSV2)}
    write(tmp_path / f"{prefix}labels.json", json.dumps(official))
    write(tmp_path / f"{prefix}train.json", json.dumps(ssv2_items()))
    write(tmp_path / f"{prefix}validation.json", json.dumps(ssv2_items()[1:2]))
    write(tmp_path / f"{prefix}test.json", json.dumps([{"id": "5"}, {"id": "6"}]))
    for source in (tmp_path, tmp_path / f"{prefix}train.json"):
        videos = read_annotations("ssv2", source, tmp_path / "videos")
        assert [video.path.name for video in videos.videos] == ["116154.webm", "2.mp4"]
        assert [SSV2[label] for label in labels(videos)] == [
            "Showing something to the camera",
            "Putting something similar to other things that are already on the table",
        ]
        assert len(videos.unknown) == 1
        assert videos.unknown[0].startswith("item 1 (id 74225): 'Spinning [something] so it spins'")
    for split in ("val", "test"):
        assert ids(read_annotations("ssv2", tmp_path, split=split)) == ["116154"]
    videos = read_annotations("ssv2", tmp_path / f"{prefix}test.json", split="test")
    assert (ids(videos), labels(videos)) == (["5", "6"], [-1, -1])
    assert videos.videos[0].path == tmp_path / "5.webm"


def test_another_order_of_classes_is_refused(tmp_path):
    source = write(tmp_path / "train.json", json.dumps(ssv2_items()))
    wrong = {name: str((label + 1) % 174) for label, name in enumerate(SSV2)}
    # The one that lies beside the list is compared unasked.
    beside = write(tmp_path / "labels.json", json.dumps(wrong))
    text = error("ssv2", source)
    assert str(beside) in text
    assert "class 0 is 'Wiping something off of something', here it is 'Approaching" in text
    good = write(tmp_path / "good.txt", "\n".join(SSV2))
    assert read_annotations("ssv2", source, labels=good)
    short = write(tmp_path / "short.json", json.dumps(SSV2[:-1]))
    assert "has 173 classes, ssv2 has 174" in error("ssv2", source, labels=short)
    odd = write(tmp_path / "odd.json", json.dumps({"Holding something": "first"}))
    assert "labels should be numbers" in error("ssv2", source, labels=odd)
    folders = write(tmp_path / "k400.txt", "\n".join(n.replace(" ", "_") for n in K400))
    listed = write(tmp_path / "k400", "a.mp4 1")
    assert read_annotations("kinetics400", listed, labels=folders)


def test_ids_of_something_something(tmp_path):
    touch(tmp_path / "v", "7.webm", "8.mp4")
    for text in ("7 3\n8 4\n9 5\n", "path frames label\n7 40 3\n8 52 4\n9 61 5\n"):
        videos = read_annotations("ssv2", write(tmp_path / "list", text), tmp_path / "v")
        assert labels(videos) == [3, 4, 5]
        assert [v.path.name for v in videos.videos] == ["7.webm", "8.mp4", "9.webm"]


def test_class_names_with_commas(tmp_path):
    name = SSV2.index("Laying something on the table on its side, not upright")
    text = f"12,{SSV2[name]}\n13,Holding something\n"
    videos = read_annotations("ssv2", write(tmp_path / "list.csv", text))
    assert (ids(videos), labels(videos)) == (["12", "13"], [name, 16])


def test_test_answers_of_something_something(tmp_path):
    names = [SSV2[k] for k in (0, 16, 45, 100, 173)]
    names.append("Laying something on the table on its side, not upright")
    text = "".join(f"{1000 + k};{name}\n" for k, name in enumerate(names))
    source = write(tmp_path / "test-answers.csv", text)
    wanted = [(row[0], SSV2.index(row[1])) for row in csv.reader(io.StringIO(text), delimiter=";")]
    assert read(source, "ssv2") == wanted
    assert read(write(tmp_path / "x", text.replace("\n", "\r\n"), "utf-8-sig"), "ssv2") == wanted
    brackets = text.replace("something", "[something]")
    assert read(write(tmp_path / "x", brackets), "ssv2") == wanted


def test_the_folder_of_something_something_has_answers_for_its_test_split(tmp_path):
    write(tmp_path / "test.json", '[{"id": "5"}]')
    write(tmp_path / "test-answers.csv", "5;Holding something\n")
    assert read(tmp_path, "ssv2", split="test") == [("5", 16)]


def test_another_order_of_classes_beside_the_answers_is_refused(tmp_path):
    write(tmp_path / "labels.json", '{"Holding something": "0"}')
    source = write(tmp_path / "test-answers.csv", "5;Holding something\n")
    assert "labels.json: class 0 is 'Holding something'" in error("ssv2", source)


def test_jester_is_no_something_something(tmp_path):
    source = write(tmp_path / "jester-v1-train.csv", "34870;Drumming Fingers\n56557;Sliding\n")
    message = error("ssv2", source)
    assert "line 1: 'Drumming Fingers' is no class of ssv2" in message
    source = write(tmp_path / "jester-v1-test.csv", "34870\n56557\n")
    videos = read_annotations("ssv2", source, split="test")
    assert (ids(videos), labels(videos)) == (["34870", "56557"], [-1, -1])
