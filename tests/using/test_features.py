"""Features in the order of the list, against the model itself; going on where it stopped."""

import dataclasses
import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import vswin
from tests.command import vswin as command
from tests.own import COLOURS, own_videos
from tests.peers import randomise_
from tests.using.test_exporting import MVIT, PUBLISHED, SWIN, saved
from tests.videos import write_video
from vswin.data.annotations import Video
from vswin.data.clips import read_views
from vswin.data.data_file import VARIABLE
from vswin.data.transforms import normalise
from vswin.data.video_data import VideoData, ViewsTest
from vswin.project import project_root
from vswin.using.features import Extraction, extract_features, features_of

CUT = VideoData("", frames=4, stride=2, size=32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three videos of noise, and a file that is none."""
    path, rng = tmp_path_factory.mktemp("features"), np.random.default_rng(0)
    for name in ("b", "a", "c"):
        write_video(path / f"{name}.mp4", rng.integers(0, 256, (12, 32, 48, 3), dtype=np.uint8))
    (path / "damaged.mp4").write_bytes(b"no video")
    return path


def clips_of(path, views):
    return normalise(read_views(Video(path, -1, ""), CUT, views))


def test_a_list_becomes_vectors_in_its_order(folder, tmp_path):
    model = saved(tmp_path / "swin.pth", "swin_t", **SWIN)
    (folder / "list.txt").write_text("b.mp4\ndamaged.mp4\n\nc.mp4\na.mp4\n")
    args = ("features", folder / "list.txt", "-w", tmp_path / "swin.pth", "--batch", 2)
    args += ("--frames", 4, "--size", 32, "--views", "2x3", "--out", tmp_path / "f.npz")
    done = command(*args)
    assert done.returncode == 1
    assert "1 of 4 videos cannot be read" in done.stderr
    assert not (tmp_path / "f.npz").exists()
    done = command(*args, "--skip-unreadable")
    assert done.returncode == 0, done.stderr
    found = np.load(tmp_path / "f.npz")
    assert [name.rpartition("/")[2] for name in found["videos"]] == ["b.mp4", "c.mp4", "a.mp4"]
    for name, vector in zip("bca", found["features"], strict=True):
        clips = clips_of(folder / f"{name}.mp4", ViewsTest(2, 3))
        expected = model.forward_features(clips).mean(dim=(0, 1, 2, 3)).detach().numpy()
        np.testing.assert_allclose(vector, expected, rtol=1e-4, atol=1e-5)
    assert not (tmp_path / "f.npz.parts").exists()


def test_tokens_and_going_on_where_it_stopped(folder, tmp_path):
    torch.manual_seed(0)
    model = randomise_(vswin.build_model("swin_t", **SWIN)).eval()
    what = Extraction(CUT, ViewsTest(1, 1), True, "", "weights")
    paths, out = [folder / f"{name}.mp4" for name in "abc"], tmp_path / "f.npz"
    videos = [Video(path, -1, path.stem) for path in paths]

    def stop(done, count):
        if done == 2:
            raise KeyboardInterrupt

    def begun(what):
        """How many are there already."""
        seen = []

        def look(done, count):
            seen.append(done)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            extract_features(model, videos, what, out, torch.device("cpu"), 1, on_video=look)
        return seen[0]

    with pytest.raises(KeyboardInterrupt):
        extract_features(model, videos, what, out, torch.device("cpu"), 1, on_video=stop)
    assert begun(what) == 2
    assert begun(dataclasses.replace(what, weights="others")) == 0
    assert begun(dataclasses.replace(what, data=dataclasses.replace(CUT, stride=3))) == 0
    before = paths[0].stat().st_mtime_ns
    os.utime(paths[0], ns=(before, before + 10**9))  # another video by the same name
    assert begun(what) == 1
    os.utime(paths[0], ns=(before, before))
    seen = []
    extract_features(
        *(model, videos, what, out, torch.device("cpu"), 1),
        on_video=lambda *of: seen.append(of),
    )
    assert seen == [(2, 3), (3, 3)]
    found = np.load(out)["features"]
    clips = torch.cat([clips_of(path, ViewsTest(1, 1)) for path in paths])
    expected = model.forward_features(clips).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_of_mvit_a_vector_is_what_the_classifier_reads():
    model = randomise_(vswin.build_model("mvit_b_16x4", num_classes=5, **MVIT)).eval()
    clips = torch.randn(2, 3, 4, 40, 40)
    torch.testing.assert_close(model.head(features_of(model, clips)), model(clips))


def test_the_document_all_of_it(tmp_path, monkeypatch):
    """With a tiny model in the place of the one that it names, and small clips."""
    text = (project_root() / "docs" / "features.md").read_text()
    model = saved(tmp_path / "swin.pth", "swin_t", **SWIN)
    vswin.save_weights(model, tmp_path / PUBLISHED, "official_video")
    own_videos(tmp_path / "clips" / "train", each=2)
    shutil.copytree(tmp_path / "clips" / "train", tmp_path / "clips" / "test")
    video = tmp_path / "clips" / "train" / "red" / "red_1.mp4"
    shutil.copy(video, tmp_path / "video.mp4")
    (tmp_path / "list.txt").write_text("video.mp4\n")
    (tmp_path / "data.yaml").write_text(
        "datasets: {my_gestures: {classes: from folders, train: clips/train, test: clips/test}}\n"
        "weights: [.]"
    )
    monkeypatch.setenv(VARIABLE, str(tmp_path / "data.yaml"))
    monkeypatch.chdir(tmp_path)
    commands = [words.split() for words in re.findall(r"^vswin (.*)", text, re.M)]
    assert [words[0] for words in commands] == [*["features"] * 3, "explain", "demo"]
    for words in commands[:-1]:  # the last serves a page: tests/using/test_demo.py
        done = command(*words, "--frames", 4, "--size", 32)
        assert done.returncode == 0, done.stderr
    (code,) = re.findall(r"```python\n(.*?)```", text, re.S)
    exec(code)
    assert (tmp_path / "looks.png").exists()
    assert (tmp_path / "looks.gif").exists()
    train, one = np.load("train.npz"), np.load("features.npz")
    names = [Path(path).stem for path in train["videos"]]
    assert names == [f"{name}_{n}" for name in COLOURS for n in range(2)]
    assert train["labels"].tolist() == [0, 0, 1, 1, 2, 2]
    assert "labels" not in one
    place = names.index("red_1")
    np.testing.assert_allclose(one["features"][0], train["features"][place], rtol=1e-4, atol=1e-5)


def test_what_is_left_out_is_said_to_programs(folder, tmp_path):
    saved(tmp_path / "swin.pth", "swin_t", **SWIN)
    args = ("-w", tmp_path / "swin.pth", "--frames", 4, "--size", 32, "--views", "1x1")
    (folder / "two.txt").write_text("a.mp4\ndamaged.mp4\n")
    args = (*args, "--out", tmp_path / "f.npz", "--skip-unreadable", "--json")
    done = command("features", folder / "two.txt", *args)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert [*said["left_out"]] == [str(folder / "damaged.mp4")]
    assert (said["videos"], said["views"], said["frames"]) == (1, "1×1", 4)
    done = command("features", folder / "two.txt", "--data", "kinetics400", *args)
    assert (done.returncode, done.stderr) == (
        *(2, "error: wanted videos, a list of them, or --data DATASET, and one of these alone\n"),
    )
