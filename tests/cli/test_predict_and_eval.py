"""`vswin predict` and `vswin eval`: names of classes, and videos that cannot be read."""

import json

import numpy as np
import pytest

from tests.cli.small import CLIP, saved
from tests.command import vswin


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none.mp4", "none.mp4: there is no such file"),
        (".", ". is a folder; wanted a video file"),
        ("empty.mp4", "empty.mp4 cannot be read as a video: it is empty"),
        ("text.mp4", "text.mp4 cannot be read as a video: "),
        ("junk.mp4", "junk.mp4 cannot be read as a video: "),
        ("list.txt", "list.txt cannot be read as a video: "),
    ],
)
def test_predict_looks_for_the_video_before_anything_else(name, words, videos):
    done = vswin("predict", name, "-w", "none.pth", cwd=videos)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {words}")
    assert len(done.stderr.splitlines()) == 1


def test_predict_works_with_any_number_of_classes(videos, tmp_path):
    weights = saved(tmp_path / "seven.pth", 7)
    words = ("predict", videos / "good.mp4", "-w", weights, *CLIP)
    done = vswin(*words, "--top", 7)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sorted(line.split("%  ")[1] for line in lines[:7]) == [f"class {k}" for k in range(7)]
    assert lines[7:] == ["(numbers from 0: 7 classes are no known dataset's; --classes names them)"]
    (tmp_path / "names.txt").write_text("".join(f"gesture {k}\n" for k in "abcdefg"))
    (tmp_path / "names.json").write_text(json.dumps({f"gesture {k}": n for n, k in
                                                     enumerate("abcdefg")}))  # fmt: skip
    found = [json.loads(vswin(*words, "--json").stdout)]
    for name in ("names.txt", "names.json"):
        found.append(json.loads(vswin(*words, "--json", "--classes", tmp_path / name).stdout))
    assert found[1] == found[2]
    for number, named in zip(*found[:2], strict=True):
        assert number["class"] == f"class {number['label']}"
        assert named["class"] == f"gesture {'abcdefg'[named['label']]}"
        assert number["score"] == named["score"]
    (tmp_path / "few.txt").write_text("a\nb\n")
    done = vswin(*words, "--classes", tmp_path / "few.txt")
    assert done.returncode == 2
    assert "few.txt names 2 classes, and the model has 7" in done.stderr
    done = vswin(*words, "--dataset", "kinetics400")
    assert "the model has 7 classes, and kinetics400 has 400" in done.stderr


def test_predict_takes_no_model_of_ten_classes_for_one_of_digits(videos, tmp_path):
    weights = saved(tmp_path / "ten.pth", 10)
    words = ("predict", videos / "good.mp4", "-w", weights, *CLIP)
    assert "class " in vswin(*words).stdout
    assert "digit " in vswin(*words, "--dataset", "digits_kinetics").stdout


@pytest.mark.parametrize("name", ["good.mp4", "a.mkv", "a.wav"])
def test_predict_wants_a_list_of_classes(name, videos, tmp_path):
    (tmp_path / "a.mkv").write_bytes(b"\x1aE\xdf\xa3\xff")
    (tmp_path / "a.wav").write_bytes(b"RIFF\xff\xff\xff\xffWAVE")
    path = (videos if name == "good.mp4" else tmp_path) / name
    done = vswin("predict", videos / "good.mp4", "-w", "none.pth", "--classes", path)
    assert done.returncode == 2
    assert done.stderr.endswith("; wanted a list of classes\n")


def test_predict_says_where_names_are_assumed(videos, tmp_path):
    words = ("predict", videos / "good.mp4", "-w", saved(tmp_path / "k.pth", 400), *CLIP)
    assumed = "(the 400 classes are assumed to be those of kinetics400; --classes gives others)"
    assert vswin(*words).stdout.splitlines()[-1] == assumed
    assert "assumed" not in vswin(*words, "--dataset", "kinetics400").stdout
    json.loads(vswin(*words, "--json").stdout)
    (tmp_path / "own.txt").write_text("".join(f"act {k}.\n" for k in range(400)))
    assert "assumed" not in vswin(*words, "--classes", tmp_path / "own.txt").stdout


def test_eval_names_what_it_could_not_read(videos, tmp_path):
    weights = saved(tmp_path / "ten.pth", 10)
    words = ("eval", "-w", weights, "-d", "digits_kinetics", *CLIP, "--annotations")
    done = vswin(*words, videos / "list.txt", "-o", tmp_path / "out.npz")
    assert done.returncode == 0, done.stderr  # every listed video counts; nothing failed
    assert "1 of 4 videos read" in done.stdout
    bad = {"empty": "it is empty", "gone": "there is no such file"}
    for name, reason in bad.items():
        assert f"  counted as wrong: {videos / name}.mp4: {reason}\n" in done.stdout
    facts = json.loads(vswin(*words, videos / "list.txt", "--json").stdout)
    assert [each["path"] for each in facts["unreadable"]] == [
        str(videos / f"{name}.mp4") for name in ("empty", "text", "gone")
    ]
    kept = np.load(tmp_path / "out.npz")
    assert [bool(reason) for reason in kept["unreadable"]] == [False, True, True, True]
    assert kept["unreadable"][3] == "there is no such file"


def test_eval_is_short_where_many_are_missing(videos, tmp_path):
    weights = saved(tmp_path / "ten.pth", 10)
    words = ("eval", "-w", weights, "-d", "digits_kinetics", *CLIP, "--annotations")
    done = vswin(*words, videos / "many.txt")
    assert done.stdout.count("counted as wrong: ") == 10
    assert "  … and 15 more; --json has all\n" in done.stdout
    facts = json.loads(vswin(*words, videos / "many.txt", "--json").stdout)
    assert len(facts["unreadable"]) == 25


@pytest.mark.parametrize("weights", ["none.pth", "."])
def test_eval_looks_for_the_weights_before_the_data(weights, videos, monkeypatch):
    monkeypatch.setenv("VSWIN_DATA", str(videos / "none.yaml"))
    done = vswin("eval", "-w", weights, "-d", "kinetics400", cwd=videos)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = [line for line in done.stderr.splitlines() if "error" in line]
    words = "there is no file none.pth" if weights == "none.pth" else ". is a folder, wanted a file"
    assert line == f"error: {words}"
