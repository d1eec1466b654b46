"""A loop of one's own gets the tensors that the commands feed, and so their answers."""

import dataclasses
import json

import numpy as np
import pytest
import torch

import vswin
from tests.command import vswin as command
from tests.feeding import fed_to
from tests.videos import moving, write_video
from vswin.data.video import read_frames
from vswin.data.video_data import VideoData, ViewsTest
from vswin.errors import UsageError
from vswin.evaluation.public import ClipsAsked
from vswin.evaluation.reading import ClipTransforms
from vswin.models.errors import ModelError
from vswin.runs.trained import Opened, Trained, as_trained

SWIN = {"embed_dim": 8, "depths": (1,), "num_heads": (2,), "window_size": (2, 4, 4)}
MVIT = {"embed_dim": 8, "depths": (1, 1), "frames": 16, "image_size": 32}
CASES = {
    "swin, some views": ("swin_t", SWIN, {"frames": 4, "stride": 3, "size": 32, "views": "2x3"}),
    "swin, segments": ("swin_t", SWIN, {"dataset": "ssv2", "frames": 4, "size": 32}),
    "swin, segments by the number of classes": ("swin_t", SWIN, {"frames": 4, "size": 32}),
    "mvit, its own": ("mvit_b_16x4", MVIT, {}),
}


@pytest.mark.parametrize("case", CASES)
def test_the_clips_and_the_scores_are_those_of_predict(case, tmp_path):
    preset, small, options = CASES[case]
    torch.manual_seed(0)
    classes = 174 if "segments" in case else 7
    model = vswin.build_model(preset, **small, num_classes=classes).eval()
    vswin.save_weights(model, tmp_path / "weights.safetensors")
    video = write_video(tmp_path / "video.mp4", moving(80))
    names = [f"name of {label}" for label in range(classes)]  # they say nothing of the clips
    (tmp_path / "names.txt").write_text("\n".join(names))
    words = [word for key, value in options.items() for word in (f"--{key}", value)]
    words += ["--classes", tmp_path / "names.txt"]
    weights = ("--weights", tmp_path / "weights.safetensors", "--top", 3)
    with fed_to(type(model)) as fed:
        done = command("predict", video, *weights, *words, "--json")
    assert done.returncode == 0, done.stderr
    clips = vswin.read_clips(video, model, **options)
    assert torch.equal(clips, torch.cat(fed))
    with torch.no_grad():
        scores = model(clips).softmax(dim=-1).mean(dim=0)
    best = scores.topk(3)
    answers = json.loads(done.stdout)
    assert [answer["label"] for answer in answers] == best.indices.tolist()
    assert [answer["class"] for answer in answers] == [names[n] for n in best.indices]
    assert [a["score"] for a in answers] == pytest.approx(best.values.tolist(), abs=1e-5)
    # The same step by step, by whatever decodes the video.
    transforms = vswin.transforms_for(model, **options)
    decoded = read_frames(video, range(80))
    parts = [transforms.crop(decoded[wanted]) for wanted in transforms.frames(80, fps=25.0)]
    assert torch.equal(transforms.normalise(torch.cat(parts)), clips)


def test_a_run_says_of_its_clips_what_nobody_else_does():
    model = vswin.build_model("swin_t", **SWIN, num_classes=7)
    data = VideoData("", frames=4, stride=3, size=32, sampling="segments")
    trained = Trained(data, ViewsTest(1, 3))
    asked = {ClipsAsked(): data, ClipsAsked(stride=2): dataclasses.replace(data, stride=2)}
    for said, expected in asked.items():
        opened = Opened(model, None, trained, as_trained(said, trained))
        assert opened.clips() == ClipTransforms(expected, trained.test)


def test_what_cannot_be_cut_is_refused():
    model = vswin.build_model("swin_t", **SWIN, num_classes=7)
    transforms = vswin.transforms_for(model, size=32)
    with pytest.raises(UsageError, match="float64 .4, 32, 32, 3.; wanted uint8"):
        transforms.crop(np.zeros((4, 32, 32, 3)))
    with pytest.raises(UsageError, match="views 4x2: wanted clips x crops"):
        vswin.transforms_for(model, views="4x2")
    for name in ("frames", "stride", "size"):
        with pytest.raises(UsageError, match=f"{name}=0: wanted an integer of at least 1"):
            vswin.transforms_for(model, **{name: 0})
    with pytest.raises(UsageError, match="unknown dataset 'sssv2'"):
        vswin.transforms_for(model, dataset="sssv2")
    with pytest.raises(ModelError, match="no model"):
        vswin.transforms_for(torch.nn.Linear(2, 2))
