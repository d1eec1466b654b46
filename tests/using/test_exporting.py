"""What other programs get, run as they would run it, against the model itself."""

import json
import re
import sys

import numpy as np
import onnxruntime
import pytest
import torch

import vswin
from tests.command import vswin as command
from tests.peers import randomise_
from tests.videos import moving, write_video
from vswin.data.data_file import VARIABLE
from vswin.data.transforms import normalise
from vswin.extras import MissingExtraError
from vswin.project import project_root
from vswin.using.exporting import ExportError, export_model

SWIN = {"embed_dim": 16, "depths": (1, 1), "num_heads": (2, 2), "window_size": (2, 3, 3)}
MVIT = {"depths": (1, 1), "embed_dim": 8, "num_heads": 2, "frames": 4, "image_size": 40}


def saved(path, preset, **options):
    model = randomise_(vswin.build_model(preset, num_classes=5, **options)).eval()
    vswin.save_weights(model, path)
    return model


def assert_close(found, expected, tolerance=1e-4):
    """Relative to the largest logit."""
    expected = expected.detach().numpy()
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


TEXT = (project_root() / "docs" / "export.md").read_text()
COMMANDS = re.findall(r"^vswin (.*)", TEXT, re.M)
ONNX, PT2 = re.findall(r"```python\n(.*?)```", TEXT, re.S)
PUBLISHED = "swin_tiny_patch244_window877_kinetics400_1k.pth"
"""What the documents call swin_t:kinetics400."""


@pytest.fixture
def documented(tmp_path, monkeypatch):
    """A folder in which the documents' commands find weights, of a tiny model, and videos."""
    small = SWIN | {"depths": (1,), "num_heads": (2,)}  # exporting takes a second for each block
    model = randomise_(vswin.build_model("swin_t", num_classes=5, **small)).eval()
    vswin.save_weights(model, tmp_path / PUBLISHED, "official_video")
    (tmp_path / "data.yaml").write_text(f"weights: [{tmp_path}]")
    for name in "ab":
        write_video(tmp_path / f"{name}.mp4", moving(20))
    monkeypatch.setenv(VARIABLE, str(tmp_path / "data.yaml"))
    monkeypatch.chdir(tmp_path)
    return model


def in_small(words):
    """A command of the document, for clips of 4 frames of 32 x 32 pixels."""
    words = words.replace(" --frames 32 --size 224", "")
    return (*words.split(), "--frames", 4, "--size", 32)


@pytest.mark.heavy
def test_the_document_all_of_it(documented, tmp_path):
    """Its files run without this package, and the loss of int8 is measured."""
    done = [command(*in_small(words)) for words in COMMANDS]
    assert [each.returncode for each in done] == [0] * 3, [each.stderr for each in done]
    steps = [len(each.stderr.splitlines()) for each in done]  # what is said meanwhile
    assert steps == [2, 2, 3]
    written = ["model.onnx", "model.pt2", "small.onnx"]
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix in (".onnx", ".pt2")) == written
    small = ONNX.replace("model.onnx", "small.onnx")
    for code, tolerance in ((ONNX, 1e-4), (small, 0.2), (PT2, 1e-4)):
        found = {}
        exec(code.replace(".zeros(", ".ones("), found)  # of zeros, more would be right
        assert found["about"]["sampling"] == "dense"
        clips = normalise(torch.ones(1, 3, 4, 32, 32, dtype=torch.uint8))
        assert_close(np.asarray(found["logits"]), documented(clips), tolerance)
    parity = re.search(r"on 4 random clips: .* by at most (\S+) of the largest", done[0].stdout)
    loss = re.search(r"int8, on 24 views of 2 videos.* by at most (\S+) of", done[2].stdout)
    assert float(parity[1]) <= 1e-4 < float(loss[1]) < 0.2
    sizes = re.search(r"size: (\S+) bytes before, (\S+) in int8", done[2].stdout).groups()
    before, after = (int(size.replace(",", "")) for size in sizes)
    assert (tmp_path / "small.onnx").stat().st_size == after < before
    session = onnxruntime.InferenceSession("small.onnx")  # for any batch
    clips = torch.randn(5, 3, 4, 32, 32)
    assert_close(session.run(["logits"], {"clip": clips.numpy()})[0], documented(clips), 0.2)


def test_pt2_of_mvit_says_how_its_clips_are_normalised(tmp_path):
    model = saved(tmp_path / "mvit.pth", "mvit_b_16x4", **MVIT)
    done = command(
        *("export", "-w", tmp_path / "mvit.pth", "--to", "pt2", "--out", tmp_path / "mvit.pt2")
    )
    assert done.returncode == 0, done.stderr
    about = {"vswin": ""}
    program = torch.export.load(tmp_path / "mvit.pt2", extra_files=about).module()
    clips = torch.randn(5, 3, 4, 40, 40)
    assert_close(program(clips).detach().numpy(), model(clips))
    said = json.loads(about["vswin"])
    assert said["mean"] == pytest.approx([0.45 * 255] * 3)
    assert said["std"] == pytest.approx([0.225 * 255] * 3)
    assert said["sampling"] == "spans"


class Unlike(torch.nn.Module):
    """Another function where it is exported, unless the factor is 1."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = factor

    def forward(self, clip):
        return clip.mean(dim=(2, 3, 4)) * (self.factor if torch.compiler.is_exporting() else 1.0)


@pytest.mark.parametrize(("factor", "said"), [(1.001, r"1\.0e-03"), (float("nan"), "nan")])
def test_what_is_not_the_model_is_not_kept(factor, said, tmp_path):
    (tmp_path / "model.pt2").write_text("what was there")
    with pytest.raises(ExportError, match=f"not the model: its logits differ by {said}"):
        export_model(Unlike(factor), (3, 2, 4, 4), "pt2", tmp_path / "model.pt2", {})
    assert [path.read_text() for path in tmp_path.iterdir()] == ["what was there"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--to", "tflite", "--out", "a.onnx"], "--to tflite: wanted onnx or pt2"),
        (["--to", "onnx", "--out", "a.pt2"], "ends in .onnx"),
        (["--to", "pt2", "--out", "a.pt2", "--int8"], "--int8 goes with --to onnx"),
    ],
)
def test_what_cannot_be_asked_for(words, said):
    done = command("export", "-w", "weights.pth", *words)
    assert done.returncode == 2
    assert said in done.stderr


def test_without_onnx_it_says_what_installs_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingExtraError, match="needs onnxscript.*pip install 'onnx>=.*pt2 needs"):
        export_model(Unlike(), (3, 2, 4, 4), "onnx", tmp_path / "model.onnx", {})
