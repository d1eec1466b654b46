"""Lists with a header, each compared with what csv or pandas reads."""

import csv
import io

import pandas as pd
import pytest

from tests.lists import error, ids, labels, touch, write
from vswin.data.annotations import read_annotations, require_clean
from vswin.data.datasets import class_names

K400 = class_names("kinetics400")
SSV2 = class_names("ssv2")
KINETICS = (
    "label,youtube_id,time_start,time_end,split,is_cc\n"
    "clean and jerk,-abcdefghij,10.0,20.0,train,0\n"
    '"massaging person\'s head",#1234567890,1,11,train,1\n'
    "abseiling,abcdefghijk,100,110,validate,0\n"
    "zumba,zzzzzzzzzzz,0,10,train,0\n"
)


def by_pandas(text, split="train"):
    """(id, class) of each row of a Kinetics CSV of a split."""
    table = pd.read_csv(io.StringIO(text), dtype=str)
    table = table[table.split == split]
    seconds = [table[name].astype(float).astype(int) for name in ("time_start", "time_end")]
    return [
        (f"{youtube}_{start:06d}_{end:06d}", label)
        for youtube, start, end, label in zip(table.youtube_id, *seconds, table.label, strict=True)
    ]


def read(source, dataset="kinetics400", **kwargs):
    """(id, class) of each video of a list without faults."""
    names = class_names(dataset)
    videos = require_clean(read_annotations(dataset, source, **kwargs)).videos
    return [(video.id, names[video.label]) for video in videos]


# Kinetics CSV.


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text,
        lambda text: text.replace("\n", "\r\n") + "\r\n\r\n",
        lambda text: text.replace("\n", "\r"),  # old Macs, and some exports of spreadsheets
        lambda text: text.replace(",", ";"),  # spreadsheets where the comma is in numbers
        lambda text: text.replace(",", "\t"),
        lambda text: text.replace(",", ", "),
        lambda text: text.replace("label,youtube_id", "Label,YouTube ID").replace("split", "Split"),
        lambda text: text.partition("\n")[2],  # no header
        lambda text: "sep=;\n" + text.replace(",", ";"),
        lambda text: "# CVDF copy, 240k rows\n\n" + text,
        lambda text: text.replace(",train", ",TRAIN"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_kinetics_csv_however_it_was_saved(tmp_path, change, encoding):
    source = write(tmp_path / "train.csv", change(KINETICS), encoding=encoding)
    assert read(source) == by_pandas(KINETICS)
    assert read(source, split="val") == by_pandas(KINETICS, "validate")


@pytest.mark.parametrize(
    ("columns", "header"),
    [
        (["label", "youtube_id", "time_start", "time_end", "split"], True),
        (["label", "youtube_id", "time_start", "time_end", "split"], False),
        (["youtube_id", "time_start", "time_end", "split", "label"], True),
        (["label", "youtube_id", "time_start", "time_end"], True),
    ],
)
def test_kinetics_csv_with_other_columns(tmp_path, columns, header):
    table = pd.read_csv(io.StringIO(KINETICS), dtype=str)
    wanted = by_pandas(KINETICS)
    if "split" not in columns:
        table = table[table.split == "train"]
    text = table[columns].to_csv(index=False, header=header)
    assert read(write(tmp_path / "list", text)) == wanted


@pytest.mark.parametrize("label", ["", ",youtube_id,time_start,time_end,split\n"])
def test_a_kinetics_test_csv_without_labels(tmp_path, label):
    """With an empty column of labels, or without any."""
    if label:
        text = "label" + label + ",-abcdefghij,10,20,test\n,abcdefghijk,0,10,test\n"
    else:
        text = "-abcdefghij,10,20,test\nabcdefghijk,0,10,test\n"
    videos = require_clean(
        read_annotations("kinetics400", write(tmp_path / "x", text), split="test")
    )
    assert ids(videos) == ["-abcdefghij_000010_000020", "abcdefghijk_000000_000010"]
    assert labels(videos) == [-1, -1]


def test_kinetics_csv_of_numbers(tmp_path):
    text = KINETICS
    for name in ("clean and jerk", "abseiling", "zumba"):
        text = text.replace(f"{name},", f"{K400.index(name)},")
    text = text.replace('"massaging person\'s head"', str(K400.index("massaging person's head")))
    assert read(write(tmp_path / "train.csv", text)) == by_pandas(KINETICS)


def test_a_quote_that_is_not_closed_swallows_no_further_rows(tmp_path):
    text = KINETICS.replace("clean and jerk,", '"clean and jerk,')
    videos = read_annotations("kinetics400", write(tmp_path / "train.csv", text))
    assert ids(videos) == [name for name, _ in by_pandas(KINETICS)[1:]]
    assert [entry.split(" (")[0] for entry in videos.unknown] == ["line 2: no CSV"]


def test_a_copy_named_by_youtube_ids_alone_is_not_guessed(tmp_path):
    """They may be the clips, or the videos of many minutes that these are from."""
    touch(tmp_path / "v", "-abcdefghij.mp4", "zzzzzzzzzzz_000000_000010.mp4", "zzzzzzzzzzz.mp4")
    source = write(tmp_path / "train.csv", KINETICS)
    videos = read_annotations("kinetics400", source, tmp_path / "v")
    assert ids(videos) == ["#1234567890_000001_000011", "zzzzzzzzzzz_000000_000010"]
    assert len(videos.unknown) == 1
    assert videos.unknown[0].startswith("line 2: there is no -abcdefghij_000010_000020.mp4, but ")
    assert "-abcdefghij.mp4: the clip, or the whole video" in videos.unknown[0]


def test_kinetics_columns_that_are_missing_are_named(tmp_path):
    text = "classname,youtube_id,subset,start,end,label\nzumba,a,train,0,2,1\n"  # HACS
    message = error("kinetics400", write(tmp_path / "HACS_clips.csv", text))
    assert "no column time_start; it has classname, youtube_id, subset, start, end" in message


# Other tables.


@pytest.mark.parametrize("separator", [" ", ",", ", ", ";", "\t", "|"])
@pytest.mark.parametrize(
    "header",
    [
        ["path", "label"],
        ["Video Path", "Class_ID"],
        ["video", "num_frames", "label"],
        ["frame_dir", "total_frames", "class_label"],
        ["file", "target"],
        ["video_name", "tag"],
    ],
)
def test_a_header_before_paths_and_labels(tmp_path, separator, header):
    if separator == " ":
        header = [name.replace(" ", "_") for name in header]
    rows = [["a/b.mp4", "3"], ["c.mov", "0"]]
    if len(header) == 3:
        rows = [[name, "300", label] for name, label in rows]
    text = "".join(separator.join(row) + "\n" for row in [header, *rows])
    source = write(tmp_path / "list", text)
    assert read(source) == [("a/b", K400[3]), ("c", K400[0])]
    assert read_annotations("kinetics400", source).videos[1].path == tmp_path / "c.mov"


def test_what_pandas_writes(tmp_path):
    """With its index; labels are floats if some were missing once; quotes where there is need."""
    names = ['x, "y".mp4', "a b.mp4", "#c.mp4"]
    table = pd.DataFrame({"path": names, "label": [3.0, 0.0, 399.0]})
    for index in (True, False):
        source = write(tmp_path / "list.csv", table.to_csv(index=index))
        again = pd.read_csv(source)
        wanted = [
            (name.removesuffix(".mp4"), K400[int(label)])
            for name, label in zip(again.path, again.label, strict=True)
        ]
        assert read(source) == wanted


def test_columns_in_any_order_and_rows_of_splits(tmp_path):
    text = "label,split,path\nzumba,train,a.mp4\nyoga,val,b.mp4\n3,train,c d.mp4\n"
    source = write(tmp_path / "list.csv", text)
    rows = [row for row in csv.DictReader(io.StringIO(text)) if row["split"] == "train"]
    assert ids(read_annotations("kinetics400", source)) == [row["path"][:-4] for row in rows]
    assert read(source) == [("a", "zumba"), ("c d", K400[3])]
    assert read(source, split="test") == [("b", "yoga")]
    assert "has no row of split 'val'" in error(
        "kinetics400", write(tmp_path / "t", text.replace("val", "fold 2")), split="val"
    )


def test_columns_padded_with_spaces(tmp_path):
    text = 'label  split  path\n3      train  a.mp4\nyoga   train  "b c.mp4"\n'
    assert read(write(tmp_path / "list", text)) == [("a", K400[3]), ("b c", "yoga")]


def test_rows_that_say_no_split_are_named(tmp_path):
    text = "path,label,split\na.mp4,3,train\nb.mp4,4,\nc.mp4,5,val\n"
    videos = read_annotations("kinetics400", write(tmp_path / "list.csv", text))
    assert ids(videos) == ["a"]
    assert videos.unknown == ("line 3: it says no split",)
    none = text.replace("train", "").replace("val", "")
    assert len(read(write(tmp_path / "list.csv", none))) == 3


@pytest.mark.parametrize("header", ["path label", "file frames class"])
def test_spaces_in_names_below_a_header_of_words(tmp_path, header):
    middle = "300 " if "frames" in header else ""
    text = f"{header}\nmy dir/a b.mp4 {middle}3\nc.mp4 {middle}yoga\n"
    assert read(write(tmp_path / "list", text)) == [("my dir/a b", K400[3]), ("c", "yoga")]


def test_of_two_columns_of_classes_the_names_decide(tmp_path):
    """A number may follow an order of one's own, a name can not."""
    text = "path,label,class_name\na.mp4,0,zumba\nb.mp4,1,yoga\n"
    assert read(write(tmp_path / "list.csv", text)) == [("a", "zumba"), ("b", "yoga")]
    text = "video_id,label,template\n7,holding a cup,Holding [something]\n"
    found = read(write(tmp_path / "ssv2.csv", text), "ssv2")
    assert found == [("7", "Holding something")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("path,label,class_id\na.mp4,3,4\n", "'label' and 'class_id' could both say the class"),
        ("path,label1,label2\na.mp4,3,4\n", "'label1' and 'label2' could both say the class"),
        ("path label label_2\na.mp4 3 4\n", "'label' and 'label_2' could both say the class"),
        ("path,video,label\na.mp4,b.mp4,4\n", "'path' and 'video' could both say the file"),
        ("path,start_frame,end_frame,label\na.mp4,1,20,3\n", "parts of videos (start_frame, end_f"),
        ("video\tlabel\tstart\tend\na.mp4\t3\t0\t2\n", "lists parts of videos (start, end)"),
        ("path,label\n,3\n", "line 2: it names no file"),
        ("youtube_id,time_start,time_end\n,1,11\n", "line 2: it has no YouTube id"),
        ("path,label\n", "it is empty"),
        ("path,label\na.mp4 1,3\n", "line 2: 'a.mp4 1' goes on after the name of a video's file"),
        ("path,label\na.mp4,3,x\n", "line 2: 3 columns, wanted 2; what has the separator"),
        ("path,label\na.mp4\n", "line 2: 1 column, wanted 2"),
        ("path,label\na.mp4,zumbba\n", "line 2: 'zumbba' is no class of kinetics400 (did you mean"),
    ],
)
def test_tables_that_cannot_be_read_are_named(tmp_path, text, words):
    source = write(tmp_path / "list.csv", text)
    message = error("kinetics400", source)
    assert words in message
    assert str(source) in message
    assert "\n" not in message


def test_a_header_above_paths_alone(tmp_path):
    videos = read_annotations("ssv2", write(tmp_path / "test.csv", "id\n12\n13\n"), split="test")
    assert (ids(videos), labels(videos)) == (["12", "13"], [-1, -1])
