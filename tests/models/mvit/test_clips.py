"""A published model is tested on the clips that it was trained for, without being told."""

import json

import pytest
import torch

import vswin
from tests.command import vswin as command
from tests.peers import randomise_
from tests.videos import moving, write_video
from vswin.data.video_data import ViewsTest
from vswin.errors import UsageError
from vswin.evaluation.public import ClipsAsked, clips_for, model_of, predict_video
from vswin.models.errors import ModelError
from vswin.models.registry import presets, resolve_config
from vswin.weights.files import read_checkpoint

SMALL = {"depths": (1, 1), "embed_dim": 8, "frames": 16, "image_size": 32, "num_classes": 3}


@pytest.fixture
def weights(tmp_path):
    """A small model in SlowFast's layout."""
    model = randomise_(vswin.build_model("mvit_b_16x4", **SMALL))
    vswin.save_weights(model, tmp_path / "weights.pth", "slowfast")
    return tmp_path / "weights.pth"


def test_the_clips_are_the_models(weights, tmp_path, _one_thread):
    write_video(tmp_path / "video.mp4", moving(80))
    model, _ = model_of(weights)
    seen = []
    model.patch_embed.register_forward_pre_hook(lambda _, args: seen.append(args[0].clone()))
    data, test = clips_for("", model, ClipsAsked())
    assert (data.frames, data.stride, data.size, test) == (16, 4, 32, ViewsTest(5, 1))
    assert data.sampling == "spans"
    answers = predict_video(
        tmp_path / "video.mp4", model, ["a", "b", "c"], data, test, torch.device("cpu")
    )
    assert sum(answer.score for answer in answers) == pytest.approx(1, abs=1e-5)
    clips = torch.cat(seen)
    assert clips.shape == (5, 3, 16, 32, 32)
    pixels = (clips * 0.225 + 0.45) * 255
    assert (pixels - pixels.round()).abs().max() < 1e-3
    assert pixels.min() > -1e-3
    assert pixels.max() < 255 + 1e-3


def test_every_layout_gives_the_same_answers(weights, tmp_path, _one_thread):
    write_video(tmp_path / "video.mp4", moving(80))
    answers = {}
    for layout in ("slowfast", "pytorchvideo", "torchvision", "vswin"):
        vswin.save_weights(read_checkpoint(weights), tmp_path / f"{layout}.pth", layout)
        model, checkpoint = model_of(tmp_path / f"{layout}.pth")
        assert checkpoint.layout == layout
        data, test = clips_for("", model, ClipsAsked())
        assert (data.frames, data.stride, data.pixels, test) == (16, 4, "half", ViewsTest(5, 1))
        video, names = tmp_path / "video.mp4", ["a", "b", "c"]
        answers[layout] = predict_video(video, model, names, data, test, torch.device("cpu"))
    assert all(answer == answers["vswin"] for answer in answers.values())


def test_what_is_asked_for_counts(weights):
    model, _ = model_of(weights)
    asked = ClipsAsked(frames=8, stride=1, size=16, views=ViewsTest(1, 3))
    data, test = clips_for("", model, asked)
    assert (data.frames, data.stride, data.size, test) == (8, 1, 16, ViewsTest(1, 3))
    in_segments, test = clips_for("ssv2", model, ClipsAsked())
    assert (in_segments.sampling, test) == ("segments", ViewsTest(1, 3))
    with pytest.raises(UsageError, match="there is only one"):
        clips_for("ssv2", model, ClipsAsked(views=ViewsTest(5, 1)))


def test_clips_of_another_size_take_position_tables_that_are_resized_when_asked(
    weights, tmp_path, _one_thread
):
    video = tmp_path / "video.mp4"
    write_video(video, moving(80))
    words = ("predict", video, "-w", weights, "--size", "48", "--frames", "8", "--json")
    refused = command(*words)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.count("\n") == 1
    for said in ("16 frames of 32×32", "not for 8 of 48×48", "--resize-positions"):
        assert said in refused.stderr
    done = command(*words, "--resize-positions")
    assert done.returncode == 0, done.stderr

    model = vswin.build_model("mvit_b_16x4", **(SMALL | {"frames": 8, "image_size": 48})).eval()
    vswin.load_weights(model, weights, positions="resize")
    resized = ClipsAsked(resize_positions=True)
    data, test = clips_for("", model, resized, read_checkpoint(weights))
    # The stride is that of 16 x 4, with which the weights were trained, and not that of 8 x 8.
    assert (data.frames, data.stride, data.size) == (8, 4, 48)
    wanted = predict_video(video, model, ["a", "b", "c"], data, test, torch.device("cpu"))
    found = {answer["label"]: answer["score"] for answer in json.loads(done.stdout)}
    assert found == pytest.approx({each.label: each.score for each in wanted}, abs=2e-6)


def test_a_family_without_position_tables_has_none_to_resize(tmp_path):
    model = vswin.build_model("swin_t", embed_dim=4, depths=(1,), num_heads=(1,), num_classes=3)
    vswin.save_weights(model, tmp_path / "swin.pth")
    asked = ClipsAsked(size=64, resize_positions=True)
    with pytest.raises(UsageError, match="family swin, which takes clips of any size"):
        model_of(tmp_path / "swin.pth", asked)
    assert model_of(tmp_path / "swin.pth", ClipsAsked(size=64))


def test_each_preset_says_what_clips_it_is_meant_for():
    found = {
        name: (clips.frames, clips.stride, clips.size, clips.pixels, clips.views, clips.placing)
        for name, family in presets().items()
        for clips in [family.natural_clips(resolve_config(name))]
    }
    assert found["mvit_b_16x4"] == (16, 4, 224, "half", "5x1", "spans")
    assert found["mvit_b_32x3"] == found["mvit_b_24_32x3"] == (32, 3, 224, "half", "5x1", "spans")
    assert found["mvit_b_64x3"] == (64, 3, 224, "half", "5x1", "spans")
    assert found["vit_b_8x8"] == (8, 8, 224, "half", "5x1", "spans")
    assert found["mvit_b_16_imagenet"] == (1, 1, 224, "imagenet", "1x1", "spans")
    assert found["slowfast_r50_8x8"] == (32, 2, 256, "half", "10x3", "spans")
    longer = resolve_config("mvit_b_16x4", frames=32, patch_stride=(4, 4, 4))  # Table A.4
    assert presets()["mvit_b_16x4"].natural_clips(longer).stride == 2
    assert found["swin_t"] == (32, 2, 224, "imagenet", None, "dense")


def test_a_checkpoint_of_images_is_no_video_model(tmp_path):
    model = vswin.build_model("mvit_b_16_imagenet", **(SMALL | {"frames": 1}))
    vswin.save_weights(model, tmp_path / "images.pth", "slowfast_2d")
    with pytest.raises(UsageError, match=r"2D \(image\) checkpoint"):
        model_of(tmp_path / "images.pth")
    with pytest.raises(ModelError, match="wanted \\(B, 3, 1, 32, 32\\)"):
        model(torch.zeros(1, 3, 16, 32, 32))
