"""Lists of other datasets and files that are no lists are called what they are."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import tarfile
import zipfile

import pytest

from tests.lists import error, ids, labels, write
from tests.videos import numbered, write_video
from vswin.data.annotations import read_annotations, require_clean
from vswin.data.datasets import class_names

K400 = class_names("kinetics400")
LIST = b"a.mp4 3\nb.mp4 4\n"

UCF101 = """ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1
ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c02.avi 1
Archery/v_Archery_g08_c01.avi 3
"""
HMDB51 = """April_09_brush_hair_u_nm_np1_ba_goo_0.avi 1
#20_Rhythm_clap_u_nm_np1_fr_goo_0.avi 0
Blonde_being_brushed_brush_hair_f_nm_np2_ri_med_0.avi 2
"""
AVA = (
    "-5KQ66BBWC4,0902,0.077,0.151,0.283,0.811,80,1\n-5KQ66BBWC4,0902,0.226,0.032,0.366,0.497,9,0\n"
)
FRAMES = """original_vido_id video_id frame_id path labels
-5KQ66BBWC4 0 0 -5KQ66BBWC4/-5KQ66BBWC4_000001.jpg ""
-5KQ66BBWC4 0 1 -5KQ66BBWC4/-5KQ66BBWC4_000002.jpg ""
"""
CHARADES = """id,subject,scene,quality,relevance,verified,script,objects,descriptions,actions,length
46GP8,HR43,Kitchen,6,7,Yes,A person cooking.,food,x,c092 11.90 21.20;c147 0.00 12.60,24.83
"""


def zipped(content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("train.csv", content)
    return file.getvalue()


def in_a_tar(content):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        about = tarfile.TarInfo("train.csv")
        about.size = len(content)
        archive.addfile(about, io.BytesIO(content))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(gzip.compress(LIST, mtime=0), "is compressed with gzip; unpack it", id="gzip"),
        pytest.param(bz2.compress(LIST), "is compressed with bzip2; unpack it", id="bzip2"),
        pytest.param(lzma.compress(LIST), "is compressed with xz; unpack it", id="xz"),
        pytest.param(zipped(LIST), "is a zip archive or an Excel workbook", id="zip"),
        pytest.param(in_a_tar(LIST), "is a tar archive; unpack it", id="tar"),
        pytest.param(
            pickle.dumps([("a.mp4", 3)]), "is a pickle, which can run any code", id="pickle"
        ),
        pytest.param(b"PAR1" + bytes(20), "is a Parquet table; save it as a CSV", id="Parquet"),
        pytest.param(
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "a pointer of Git LFS",
            id="Git LFS",
        ),
        pytest.param(b"\n<!DOCTYPE html>\n<html></html>", "is a web page", id="web page"),
        pytest.param(b'<?xml version="1.0"?>\n<list/>', "is XML", id="XML"),
        pytest.param(LIST.decode().encode("utf-16-le"), "UTF-16 without its mark", id="UTF-16"),
        pytest.param(
            b"a.mp4 3\nb.mp4 4\n\xe9.mp4 5\n", "line 3: cannot be read as text", id="Latin-1"
        ),
    ],
)
def test_what_is_no_text(tmp_path, content, words):
    source = tmp_path / "train.csv"
    source.write_bytes(content)
    message = error("kinetics400", source)
    assert words in message
    assert str(source) in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "name", ["BZh9", "PAR1", "RIFF", "Rar!", "7z", "PK", "<3 u", "[HD] x", "{a} b"]
)
def test_names_that_begin_like_something_else(tmp_path, name):
    """YouTube ids and titles may."""
    source = write(tmp_path / "list", f"{name}.mp4 3\nb.mp4 4\n")
    videos = require_clean(read_annotations("kinetics400", source))
    assert (ids(videos), labels(videos)) == ([name, "b"], [3, 4])


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_a_video_given_for_a_list(tmp_path, suffix):
    path = write_video(tmp_path / f"a.{suffix}", numbered(3))
    assert f"{path} is a video" in error("kinetics400", path)


@pytest.mark.parametrize("dataset", ["kinetics400", "ssv2"])
@pytest.mark.parametrize(
    ("text", "words"),
    [
        (UCF101, "is a list of UCF101, which has other classes"),
        (UCF101.replace(" 1", "").replace(" 3", ""), "is a list of UCF101"),
        (HMDB51, "is a list of HMDB51, whose 0, 1 and 2 are no classes"),
        (AVA, "is a list of AVA: boxes in frames"),
        (CHARADES, "is Charades' list: several actions in one video"),
        (FRAMES, "lists pictures, as of extracted frames; wanted videos"),
        ("a/img_00001.jpg 3\nb/img_00001.JPG 4\n", "lists pictures"),
        ("https://s3.amazonaws.com/kinetics/400/train/part_0.tar.gz\n", "line 1: an address"),
    ],
)
def test_lists_of_other_datasets(tmp_path, dataset, text, words):
    for content in (text, text.replace("\n", "\r\n")):
        source = write(tmp_path / "list.txt", content)
        message = error(dataset, source)
        assert words in message
        assert str(source) in message


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(K400),
        "\n".join(name.replace(" ", "_") for name in K400),
        "\n".join(f"{label} {name}" for label, name in enumerate(K400)),
        "\n".join(f"{label} {name}" for label, name in enumerate(K400, 1)),
        "\n".join(f"{label},{name}" for label, name in enumerate(K400)),
        "id,name\n" + "\n".join(f"{label},{name}" for label, name in enumerate(K400)),
        "\n".join(f"{name}\t{label}" for label, name in enumerate(K400)),
        json.dumps({name: label for label, name in enumerate(K400)}),
        json.dumps({f'"{name}"': str(label) for label, name in enumerate(K400)}),
        json.dumps(dict(enumerate(K400))),
        json.dumps(K400),
    ],
)
def test_a_file_of_classes_is_no_list_and_can_be_compared(tmp_path, text):
    source = write(tmp_path / "labels", text)
    assert "is a file of classes" in error("kinetics400", source)
    listed = write(tmp_path / "list", "a.mp4 3\n")
    if not text.startswith("1 "):
        assert require_clean(read_annotations("kinetics400", listed, labels=source))
    else:
        message = error("kinetics400", listed, labels=source)
        assert "the label of 'abseiling' is 1, wanted 0" in message


CLASSES = ["ApplyEyeMakeup", "ApplyLipstick", "Archery", "BabyCrawling"]


@pytest.mark.parametrize("dataset", ["kinetics400", "ssv2"])
@pytest.mark.parametrize(
    "row", ["{k} {name}", "{k}\t{name}", "{k},{name}", "{name} {k}", "{name},{k}", "{name}"]
)
@pytest.mark.parametrize("start", [0, 1])
def test_ucf101s_own_file_of_classes(tmp_path, dataset, row, start):
    lines = (row.format(k=k, name=name) for k, name in enumerate(CLASSES, start))
    source = write(tmp_path / "classInd.txt", "\n".join(lines))
    assert "is UCF101's file of classes, no list of videos" in error(dataset, source)


@pytest.mark.parametrize("row", ["{k} {name}", "{k},{name}", "{k}\t{name}"])
@pytest.mark.parametrize("start", [0, 1])
def test_other_classes_with_numbers(tmp_path, row, start):
    names = ["Archery", "Basket Dunk", "Zumba"]
    lines = (row.format(k=k, name=name) for k, name in enumerate(names, start))
    message = error("kinetics400", write(tmp_path / "labels.txt", "\n".join(lines)))
    assert "is a file of classes, no list of videos" in message
    assert "other classes than the dataset, as 'Basket Dunk'" in message


def test_something_somethings_own_file_of_classes_must_count_from_0(tmp_path):
    listed = write(tmp_path / "list", "7 3\n")
    names = class_names("ssv2")
    right = write(tmp_path / "a.json", json.dumps({n: str(k) for k, n in enumerate(names)}))
    assert read_annotations("ssv2", listed, labels=right)
    wrong = write(tmp_path / "b.json", json.dumps({n: str(k) for k, n in enumerate(names, 1)}))
    assert f"the label of {names[0]!r} is 1, wanted 0" in error("ssv2", listed, labels=wrong)
    twice = write(tmp_path / "c.json", json.dumps(dict.fromkeys(names, 0)))
    assert "is 0, wanted 1" in error("ssv2", listed, labels=twice)
