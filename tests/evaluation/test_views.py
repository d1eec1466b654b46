"""Testing on videos: views, missing videos, several processes, going on after a kill."""

import copy
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import vswin
from tests.videos import write_video
from vswin.data.annotations import AnnotationError, Video, VideoList
from vswin.data.clips import VideoData, ViewsTest, read_views
from vswin.data.video import read_frames
from vswin.evaluation import views
from vswin.evaluation.views import UntestableError, evaluate_videos
from vswin.training.distributed import World

DATA = VideoData("digits_kinetics", frames=4, stride=2, size=16)
SMALL = {
    "embed_dim": 8,
    "depths": (2,),
    "num_heads": (2,),
    "window_size": (2, 2, 2),
    "num_classes": 10,
}
MEAN, STD = np.array([123.675, 116.28, 103.53]), np.array([58.395, 57.12, 57.375])


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Seven videos of noise, two of them unreadable."""
    folder, rng = tmp_path_factory.mktemp("videos"), np.random.default_rng(0)
    listed = []
    for number in range(7):
        path = folder / f"{number}.mp4"
        if number == 2:
            path.write_bytes(b"")
        elif number != 5:
            write_video(path, rng.integers(0, 256, size=(20, 16, 32, 3), dtype=np.uint8))
        listed.append(Video(path, number, str(number)))
    return VideoList("digits_kinetics", "test", folder / "list.csv", tuple(listed))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return vswin.build_model("swin_t", **SMALL).eval()


def test_scores_are_the_mean_over_views_of_softmax(videos, model):
    """Against section 4.1's words: 4 clips, 3 crops, each through the model by itself."""
    video = videos.videos[0]
    found = evaluate_videos(model, videos, DATA, ViewsTest(4, 3)).predictions
    frames = read_frames(video.path, range(20)).astype(np.float64)  # 16 high: resized to itself
    a = (20 - 4 * 2 + 1) / 4
    scores = []
    for k in range(4):
        start = int(k * a + a / 2)
        clip = frames[[start + 2 * i for i in range(4)]]
        for left in (0, 16, 8):
            crop = (clip[:, :, left : left + 16] - MEAN) / STD
            with torch.no_grad():
                logits = model(torch.from_numpy(crop).float().permute(3, 0, 1, 2)[None])[0]
            scores.append(torch.softmax(logits.double(), 0).numpy())
    mean = np.mean(scores, axis=0)
    order = np.argsort(-mean)
    assert found["top5"][0].tolist() == order[:5].tolist()
    assert found["score"][0] == pytest.approx(mean[order[:5]], abs=1e-6)
    assert found["rank"][0] == (mean > mean[video.label]).sum()
    assert found["top1"][0] == order[0]


@pytest.mark.parametrize(("clips", "crops"), [(4, 3), (10, 5), (1, 3), (1, 1)])
def test_views_are_decoded_once_and_in_order(videos, clips, crops):
    found = read_views(videos.videos[0], DATA, ViewsTest(clips, crops))
    assert found.shape == (clips * crops, 3, 4, 16, 16)
    assert found.dtype == torch.uint8
    frames = read_frames(videos.videos[0].path, range(20))
    middle = {1: 0, 3: 2, 5: 2}[crops]  # the crop in the middle is the first, third or third
    a = (20 - 8 + 1) / clips
    for k in range(clips):
        start = int(k * a + a / 2)
        wanted = frames[start : start + 8 : 2, :, 8:24]
        assert (found[k * crops + middle].permute(1, 2, 3, 0).numpy() == wanted).all()


def test_segments_are_sampled_from_their_middles(videos):
    data = dataclasses.replace(DATA, sampling="segments")
    found = read_views(videos.videos[0], data, ViewsTest(1, 1))[0]
    size = 19 / 4
    middles = [int((round(i * size) + round((i + 1) * size)) / 2) for i in range(4)]
    frames = read_frames(videos.videos[0].path, middles)[:, :, 8:24]
    assert (found.permute(1, 2, 3, 0).numpy() == frames).all()


def test_a_video_that_cannot_be_read_is_wrong_and_never_replaced(videos, model):
    evaluation = evaluate_videos(model, videos, DATA, ViewsTest(1, 1))
    found = evaluation.predictions
    assert (evaluation.listed, evaluation.present) == (7, 5)
    assert found["label"].tolist() == list(range(7))
    for gone in (2, 5):
        assert found["top1"][gone] == -1
        assert found["rank"][gone] == 10
    assert (found["top1"][[0, 1, 3, 4, 6]] >= 0).all()
    hits = int((found["top1"] == found["label"]).sum())
    assert evaluation.metrics["top1"] == pytest.approx(hits / 7)  # of all that are listed


def test_a_model_that_always_answers_the_same_gets_nothing_for_free(videos):
    class Constant(nn.Module):
        def forward(self, clips):
            return torch.zeros(len(clips), 10)

    found = evaluate_videos(Constant(), videos, DATA, ViewsTest(1, 1))
    assert (found.metrics["top1"], found.metrics["top5"]) == (0, 0)


def test_every_video_is_counted_once_whatever_the_processes(videos, model, monkeypatch):
    expected = evaluate_videos(model, videos, DATA, ViewsTest(2, 1)).predictions
    parts = []

    def keep(self, value):
        parts.append(value)
        return [value]

    monkeypatch.setattr(World, "gather", keep)
    for rank in range(3):
        with pytest.raises(KeyError):  # the others' videos are not there
            evaluate_videos(model, videos, DATA, ViewsTest(2, 1), World(rank, 3))
    assert sorted(place for part in parts for place in part) == list(range(7))
    monkeypatch.setattr(World, "gather", lambda self, value: parts)
    found = evaluate_videos(model, videos, DATA, ViewsTest(2, 1), World(0, 3)).predictions
    assert found.keys() == expected.keys()
    assert all((found[name] == expected[name]).all() for name in expected)


def test_a_test_that_was_killed_goes_on(videos, model, monkeypatch, tmp_path):
    expected = evaluate_videos(model, videos, DATA, ViewsTest(1, 1)).predictions
    monkeypatch.setattr(views, "SAVE_S", 0.0)
    seen = []

    def stop(done, count):
        seen.append((done, count))
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate_videos(model, videos, DATA, ViewsTest(1, 1), notes=tmp_path, on_video=stop)
    (note,) = tmp_path.glob("tested-*.json")
    assert sorted(map(int, json.loads(note.read_text()))) == [0, 1, 3]
    seen.clear()
    read = []
    monkeypatch.setattr(
        views, "read_views", lambda video, *a: (read.append(video.id), read_views(video, *a))[1]
    )
    found = evaluate_videos(
        model, videos, DATA, ViewsTest(1, 1), notes=tmp_path, on_video=lambda *a: seen.append(a)
    ).predictions
    assert read == ["2", "4", "5", "6"]  # what could not be read is tried again
    assert seen == [(4, 7), (5, 7), (6, 7), (7, 7)]
    assert found.keys() == expected.keys()
    assert all((found[name] == expected[name]).all() for name in expected)


def test_notes_of_another_test_are_not_taken_for_this_ones(videos, model, tmp_path):
    torch.manual_seed(5)
    other = vswin.build_model("swin_t", **SMALL).eval()
    expected = evaluate_videos(other, videos, DATA, ViewsTest(1, 1)).predictions
    evaluate_videos(model, videos, DATA, ViewsTest(1, 1), notes=tmp_path)
    evaluate_videos(other, videos, DATA, ViewsTest(1, 3), notes=tmp_path)
    found = evaluate_videos(other, videos, DATA, ViewsTest(1, 1), notes=tmp_path).predictions
    assert (found["score"] == expected["score"]).all()


def test_a_video_that_could_not_be_read_is_tried_again(videos, model, tmp_path):
    folder = tmp_path / "copies"
    folder.mkdir()
    moved = [dataclasses.replace(v, path=folder / v.path.name) for v in videos.videos]
    away = dataclasses.replace(videos, videos=tuple(moved))
    with pytest.raises(UntestableError):
        evaluate_videos(model, away, DATA, ViewsTest(1, 1), notes=tmp_path)
    for video in videos.videos:
        if video.path.exists():
            (folder / video.path.name).write_bytes(video.path.read_bytes())
    assert evaluate_videos(model, away, DATA, ViewsTest(1, 1), notes=tmp_path).present == 5


def test_scores_that_are_no_numbers_are_an_error(videos):
    torch.manual_seed(0)
    broken = vswin.build_model("swin_t", **SMALL).eval()
    with torch.no_grad():
        broken.head.bias[0] = float("nan")
    with pytest.raises(UntestableError, match="scores are not numbers"):
        evaluate_videos(broken, videos, DATA, ViewsTest(1, 1))


def test_what_cannot_be_tested_is_refused(videos, model):
    gone = tuple(dataclasses.replace(v, path=Path("nowhere.mp4")) for v in videos.videos)
    with pytest.raises(UntestableError, match=r"none of the 7 videos.*nowhere.mp4"):
        evaluate_videos(model, dataclasses.replace(videos, videos=gone), DATA, ViewsTest(1, 1))
    nameless = tuple(dataclasses.replace(v, label=-1) for v in videos.videos)
    with pytest.raises(AnnotationError, match="gives no class for 7 videos"):
        evaluate_videos(model, dataclasses.replace(videos, videos=nameless), DATA, ViewsTest())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_finds_the_same(videos, model):
    world = World(device=torch.device("cuda"))
    expected, found = (
        evaluate_videos(m, videos, DATA, ViewsTest(4, 3), on)
        for m, on in ((model, None), (copy.deepcopy(model).cuda(), world))
    )
    assert found.unreadable == expected.unreadable
    assert found.predictions["top5"].tolist() == expected.predictions["top5"].tolist()
    assert found.predictions["score"] == pytest.approx(expected.predictions["score"], abs=1e-5)
