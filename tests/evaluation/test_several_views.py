"""Several tests in one pass over the videos (Figure A.4): what each says alone, and the work."""

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import vswin
from tests.peers import randomise_
from tests.videos import moving, write_video
from vswin.cli.main import app
from vswin.data import clips
from vswin.data.annotations import Video, VideoList
from vswin.data.clips import VideoData, ViewsTest, read_shared_views, read_views
from vswin.data.sampling import spans_test
from vswin.evaluation import views
from vswin.evaluation.views import evaluate_in_views, evaluate_videos

DATA = {
    "spans": VideoData("digits_kinetics", frames=4, stride=2, size=16, sampling="spans"),
    "dense": VideoData("digits_kinetics", frames=4, stride=2, size=16),
}
ALONE = [ViewsTest(clips, 1) for clips in (1, 3, 5, 7, 10)]
TINY = {"frames": 4, "image_size": 16, "depths": (1, 1), "embed_dim": 8, "num_classes": 10}


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """Five videos, one shorter than a clip and one that is none."""
    folder = tmp_path_factory.mktemp("videos")
    for number, count in enumerate((61, 40, 6, 25)):
        write_video(folder / f"{number}.mp4", moving(count, side=32), fps=30)
    (folder / "4.mp4").write_bytes(b"no video")
    files = tuple(Video(folder / f"{n}.mp4", n, str(n)) for n in range(5))
    return VideoList("digits_kinetics", "test", folder / "list.csv", files)


@pytest.fixture(scope="module")
def model():
    return randomise_(vswin.build_model("mvit_b_16x4", **TINY))


@pytest.mark.parametrize("sampling", DATA)
def test_each_test_says_what_it_says_alone(sampling, listed, model):
    """The same classes in the same order; scores but for how sums are rounded."""
    tests = [*ALONE, ViewsTest(3, 3)]
    together = evaluate_in_views(model, listed, DATA[sampling], tests)
    for test, found in zip(tests, together, strict=True):
        alone = evaluate_videos(model, listed, DATA[sampling], test)
        assert found.predictions.keys() == alone.predictions.keys()
        for name, values in alone.predictions.items():
            if name == "score":
                np.testing.assert_allclose(found.predictions[name], values, rtol=0, atol=1e-6)
            else:
                assert (found.predictions[name] == values).all(), name
        assert found.metrics == alone.metrics
        assert found.unreadable.keys() == alone.unreadable.keys() == {4}


@pytest.mark.parametrize("sampling", DATA)
def test_views_are_the_same_pixels(sampling, listed, monkeypatch):
    monkeypatch.setattr(clips, "BLOCK", 7)  # several blocks
    tests = [*ALONE, ViewsTest(3, 3)]
    for video in listed.videos[:4]:
        shared = read_shared_views(video, DATA[sampling], tests)
        for test, places in zip(tests, shared.places, strict=True):
            wanted = read_views(video, DATA[sampling], test)
            assert torch.equal(shared.views[list(places)], wanted)


def test_a_clip_that_several_tests_have_is_scored_once(listed, model):
    """Of 1 + 3 + 5 + 7 + 10 clips of 61 frames, all that have more than one share the first one."""
    seen = []
    handle = model.patch_embed.register_forward_pre_hook(lambda _, args: seen.append(len(args[0])))
    for place in (0, 2):
        one = VideoList("digits_kinetics", "test", listed.source, listed.videos[place : place + 1])
        evaluate_in_views(model, one, DATA["spans"], ALONE)
        if place == 0:
            starts = {int(c[0]) for t in ALONE for c in spans_test(61, 4, 2, 30.0, t.clips)}
            assert sum(seen) == len(starts) == 19
        else:
            assert sum(seen) == 1  # shorter than a clip
        seen.clear()
    handle.remove()


def test_each_video_is_opened_once(listed, model, monkeypatch):
    opened = []
    real = clips.open_video
    monkeypatch.setattr(clips, "open_video", lambda path: (opened.append(path.name), real(path))[1])
    evaluate_in_views(model, listed, DATA["spans"], ALONE)
    assert opened == [f"{number}.mp4" for number in range(5)]


def test_what_was_tested_before_is_not_tested_again(listed, model, tmp_path, monkeypatch):
    """Whether alone or among others; what is new is."""
    expected = evaluate_in_views(model, listed, DATA["spans"], ALONE)
    evaluate_videos(model, listed, DATA["spans"], ViewsTest(3, 1), notes=tmp_path)

    def stop(done, _):
        if done == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(views, "SAVE_S", 0.0)
    with pytest.raises(KeyboardInterrupt):
        evaluate_in_views(model, listed, DATA["spans"], ALONE[:2], notes=tmp_path, on_video=stop)
    scored = []
    real = views.score_views
    monkeypatch.setattr(
        views, "score_views", lambda m, v, *rest: (scored.append(len(v)), real(m, v, *rest))[1]
    )
    found = evaluate_in_views(model, listed, DATA["spans"], ALONE[:2], notes=tmp_path)
    assert scored == [1, 1]  # videos 2 and 3, in the one test that they lack
    for one, other in zip(found, expected, strict=False):
        assert one.metrics == other.metrics
        assert (one.predictions["top1"] == other.predictions["top1"]).all()


def run(*words):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_eval_takes_a_list_of_views(listed, model, tmp_path):
    vswin.save_weights(model, tmp_path / "weights.pth")
    lines = [f"{video.path} {video.label}" for video in listed.videos]
    (tmp_path / "list.txt").write_text("\n".join(lines) + "\n")
    words = ("eval", "-w", tmp_path / "weights.pth", "-d", "digits_kinetics")
    words += ("--annotations", tmp_path / "list.txt")
    output = tmp_path / "kept.npz"
    facts = json.loads(run(*words, "--views", "1x1,3x1,5x1", "--json", "-o", output))
    assert [test["views"] for test in facts["tests"]] == ["1×1", "3×1", "5×1"]
    assert (facts["n"], facts["n_present"], len(facts["unreadable"])) == (5, 4, 1)
    kept = np.load(output)
    for test in facts["tests"]:
        alone = json.loads(run(*words, "--views", test["views"].replace("×", "x"), "--json"))
        assert {name: alone[name] for name in test} == test
        hits = kept[f"{test['views'].replace('×', 'x')}_top1"] == kept["3x1_label"]
        assert test["top1"] == pytest.approx(hits.mean())
    text = run(*words, "--views", "1x1,3x1").splitlines()
    assert text[1] == "digits_kinetics, test, 1×1, 3×1 views: 4 of 5 videos read"
    assert [line for line in text if line.endswith(" views")] == ["1×1 views", "3×1 views"]
    assert sum("95 % interval" in line for line in text) == 4


def test_eval_resizes_position_tables_when_asked(listed, model, tmp_path):
    vswin.save_weights(model, tmp_path / "weights.pth")
    (tmp_path / "list.txt").write_text(f"{listed.videos[0].path} 0\n")
    words = ["eval", "-w", tmp_path / "weights.pth", "-d", "digits_kinetics", "--size", "32"]
    words += ["--annotations", tmp_path / "list.txt", "--views", "1x1", "--json"]
    refused = CliRunner().invoke(app, [str(word) for word in words])
    assert "position tables for 4 frames of 16×16 pixels" in str(refused.exception)
    assert json.loads(run(*words, "--resize-positions"))["n_present"] == 1


@pytest.mark.parametrize(
    ("command", "views", "said"),
    [
        ("eval", "1x1,3", "--views 3: wanted clips x crops"),
        ("eval", "", "--views : wanted clips x crops"),
        ("predict", "1x1,3x1", "--views 1x1,3x1: wanted clips x crops"),
    ],
)
def test_views_that_are_none_are_refused(command, views, said, tmp_path):
    words = [command, *(["video.mp4"] if command == "predict" else ["-d", "ssv2"])]
    done = CliRunner().invoke(app, [*words, "-w", str(tmp_path / "no.pth"), "--views", views])
    assert done.exit_code != 0
    assert said in str(done.exception)
