"""JSON lists, each compared with what json reads."""

import json

import pandas as pd
import pytest

from tests.lists import error, ids, labels, touch, write
from vswin.data.annotations import read_annotations, require_clean
from vswin.data.datasets import class_names

K400 = class_names("kinetics400")
SSV2 = class_names("ssv2")


def kinetics():
    """As DeepMind publishes it."""
    rows = [
        ("-abcdefghij", "clean and jerk", [10.0, 20.0], "train"),
        ("_1234567890", "massaging person's head", [1, 11], "train"),
        ("abcdefghijk", "abseiling", [100.0, 110.0], "validate"),
        ("zzzzzzzzzzz", "zumba", [0.0, 10.0], "train"),
    ]
    return {
        name: {
            "annotations": {"label": label, "segment": segment},
            "duration": 10.0,
            "subset": subset,
            "url": f"https://www.youtube.com/watch?v={name}",
        }
        for name, label, segment, subset in rows
    }


def by_hand(text, subset):
    return [
        (
            f"{name}_{int(item['annotations']['segment'][0]):06d}"
            f"_{int(item['annotations']['segment'][1]):06d}",
            item["annotations"]["label"],
        )
        for name, item in json.loads(text).items()
        if item["subset"] == subset
    ]


def read(source, dataset="kinetics400", **kwargs):
    names = class_names(dataset)
    videos = require_clean(read_annotations(dataset, source, **kwargs)).videos
    return [(video.id, names[video.label]) for video in videos]


@pytest.mark.parametrize("indent", [None, 4])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_kinetics_json(tmp_path, indent, encoding):
    text = json.dumps(kinetics(), indent=indent)
    source = write(tmp_path / "kinetics_train.json", text, encoding=encoding)
    assert read(source) == by_hand(text, "train")
    assert read(source, split="val") == by_hand(text, "validate")
    assert read(source, split="test") == by_hand(text, "validate")


def test_kinetics_json_and_csv_are_the_same_list(tmp_path):
    rows = ["label,youtube_id,time_start,time_end,split"]
    for name, item in kinetics().items():
        about = item["annotations"]
        start, end = about["segment"]
        rows.append(f'"{about["label"]}",{name},{start},{end},{item["subset"]}')
    csv = write(tmp_path / "all.csv", "\n".join(rows))
    source = write(tmp_path / "all.json", json.dumps(kinetics()))
    touch(tmp_path / "v", "clean_and_jerk/-abcdefghij_000010_000020.mkv")
    for split in ("train", "val"):
        one, other = (
            read_annotations("kinetics400", each, tmp_path / "v", split) for each in (csv, source)
        )
        assert one.videos == other.videos
        assert one.digest == other.digest
    assert read_annotations("kinetics400", source, tmp_path / "v").videos[0].path.is_file()


def test_a_kinetics_json_without_labels_or_splits(tmp_path):
    content = kinetics()
    for item in content.values():
        del item["annotations"]["label"], item["subset"]
    source = write(tmp_path / "test.json", json.dumps(content))
    videos = require_clean(read_annotations("kinetics400", source, split="test"))
    assert (len(ids(videos)), set(labels(videos))) == (4, {-1})


def test_entries_of_a_kinetics_json_that_cannot_be_used_are_named(tmp_path):
    content = kinetics()
    content["-abcdefghij"]["annotations"]["segment"] = [10.0]
    content["_1234567890"]["annotations"]["label"] = "massaging"
    content["x"] = {"subset": "train", "annotations": None}
    content["w"] = {"annotations": {"label": "yoga", "segment": [0, 10]}}
    content["y"] = "gone"
    videos = read_annotations("kinetics400", write(tmp_path / "a.json", json.dumps(content)))
    assert ids(videos) == ["zzzzzzzzzzz_000000_000010"]
    assert [entry.partition(":")[0] for entry in videos.unknown] == [
        "entry 1 (-abcdefghij)",
        "entry 5 (x)",
        "entry 6 (w)",
        "entry 7 (y)",
        "entry 2 (_1234567890)",
    ]
    source = write(tmp_path / "test.json", json.dumps(kinetics()).replace("validate", "holdout"))
    assert "has no row of split 'val'; it has 3 of 'train', 1 of 'holdout'" in error(
        "kinetics400", source, split="val"
    )


def test_an_object_that_names_a_video_twice_is_refused(tmp_path):
    """JSON itself would keep the last one, silently."""
    text = json.dumps(kinetics()).replace("zzzzzzzzzzz", "abcdefghijk", 1)
    assert "the key 'abcdefghijk' stands twice" in error("kinetics400", write(tmp_path / "a", text))


def test_something_something_without_templates(tmp_path):
    """Converted lists have the class itself as the label, or its number."""
    items = [{"id": "7", "label": "Holding something"}, {"id": 8, "label": 3}]
    source = write(tmp_path / "train.json", json.dumps(items))
    assert read(source, "ssv2") == [("7", SSV2[16]), ("8", SSV2[3])]
    source = write(tmp_path / "free.json", '[{"id": "7", "label": "holding a cup"}]')
    assert "'holding a cup' is no class of ssv2" in error("ssv2", source)


@pytest.mark.parametrize("key", ["filename", "frame_dir", "path", "video_id"])
def test_json_of_files_and_labels(tmp_path, key):
    items = [
        {key: "a/b.mp4", "label": 3, "total_frames": 90},
        {key: "c d.avi", "label": [399]},
        {key: "e.mp4", "label": "yoga"},
        {key: "f.mp4", "label": [3, 4]},
        {"label": 3},
    ]
    videos = read_annotations("kinetics400", write(tmp_path / "a.json", json.dumps(items)))
    assert [(v.id, K400[v.label]) for v in videos.videos] == [
        ("a/b", K400[3]),
        ("c d", K400[399]),
        ("e", "yoga"),
    ]
    assert [entry.partition(":")[0] for entry in videos.unknown] == ["item 5", "item 4"]


def test_what_pandas_writes(tmp_path):
    columns = ["youtube_id", "time_start", "time_end", "label", "split"]
    rows = [
        [name, *item["annotations"]["segment"], item["annotations"]["label"], item["subset"]]
        for name, item in kinetics().items()
    ]
    text = pd.DataFrame(rows, columns=columns).to_json(orient="records")
    source = write(tmp_path / "train.json", text)
    assert read(source) == by_hand(json.dumps(kinetics()), "train")
    assert read(source, split="val") == by_hand(json.dumps(kinetics()), "validate")


def test_a_path_says_more_than_an_id(tmp_path):
    source = write(tmp_path / "a.json", '[{"id": 0, "path": "v/a.mp4", "label": 3}]')
    assert read(source) == [("v/a", K400[3])]


def test_json_of_labels_by_id(tmp_path):
    source = write(tmp_path / "a.json", '{"12": "Holding something", "16": "Holding something"}')
    assert read(source, "ssv2") == [("12", "Holding something"), ("16", "Holding something")]


def test_json_of_labels_by_file(tmp_path):
    source = write(tmp_path / "b.json", '{"a.mp4": 0, "b.mp4": 1}')
    assert read(source) == [("a", K400[0]), ("b", K400[1])]
    source = write(tmp_path / "a.json", '{"a b.mp4": 3, "c.mov": "yoga"}')
    assert read(source) == [("a b", K400[3]), ("c", "yoga")]


def test_json_of_lists_of_labels_by_file(tmp_path):
    source = write(tmp_path / "a.json", '{"a.mp4": [3], "b.mp4": [4, 5], "c.mp4": ["yoga"]}')
    videos = read_annotations("kinetics400", source)
    assert [(v.id, K400[v.label]) for v in videos.videos] == [("a", K400[3]), ("c", "yoga")]
    assert videos.unknown == (
        "entry 'b.mp4': '[4, 5]' are several labels; wanted one class for each video",
    )


@pytest.mark.parametrize(
    "label", [[1, 2], ["yoga", "zumba"], "1,2", ["massaging person's head", 3]]
)
def test_several_labels_in_json_are_called_so(tmp_path, label):
    about = {"annotations": {"label": label, "segment": [0, 10]}, "subset": "train"}
    for content in ([{"path": "a.mp4", "label": label}], {"a.mp4": label}, {"abc": about}):
        source = write(tmp_path / "a.json", json.dumps(content))
        assert "are several labels; wanted one class for each video" in error("kinetics400", source)


def test_what_json_is_wanted_is_said_in_full(tmp_path):
    message = error("kinetics400", write(tmp_path / "a.json", '{"a": [3], "b": {}}'))
    assert "[{path, label}] or {path: label}" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '{"version": "1.3", "database": {"v1": {"annotations": [{"label": "Surfing"}]}}}',
            "is ActivityNet's JSON: parts of long videos",
        ),
        ('{"v1": {"duration_second": 2, "annotations": [{"label": "yoga"}]}}', "ActivityNet's"),
        (
            '[{"vid_name": "8mSuRSXlRxE_00113", "label": 0, "start_frame": 0, "end_frame": 1}]',
            "is Diving48's JSON",
        ),
        (
            '[{"filename": "a.mp4", "label": 0, "start_frame": 3}]',
            "lists parts of videos (start_fr",
        ),
        ('{"train": ["a"], "val": ["b"]}', "is a JSON object of train, val"),
        ('[{"a": 1, "b": 2}]', "is a JSON list of objects with a, b"),
        ('{"id": "1"}\n{"id": "2"}\n', "several JSON values, as JSON Lines do, from line 2 on"),
        ('[{"id": "1"},\n{"id": "2",}]', "is no JSON"),
        ("{}", "is a JSON object of nothing"),
        ('{"swim": 0, "run": 1}', "is a file of classes, no list of videos"),
        ('{"1": "run", "2": "swim"}', "is a file of classes, no list of videos"),
        ("[" * 100_000, "is no proper JSON"),
    ],
)
def test_other_json_is_called_what_it_is(tmp_path, text, words):
    source = write(tmp_path / "list.json", text)
    for dataset in ("kinetics400", "ssv2"):
        message = error(dataset, source)
        assert words in message
        assert str(source) in message
        assert "\n" not in message
