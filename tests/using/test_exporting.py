"""What other programs get, run as they would run it, against the model itself."""

import json
import re

import numpy as np
import onnxruntime
import pytest
import torch

import vswin
from tests.command import vswin as command
from tests.peers import randomise_
from tests.videos import moving, write_video
from vswin.using.exporting import ExportError, export_model

SWIN = {"embed_dim": 16, "depths": (1, 1), "num_heads": (2, 2), "window_size": (2, 3, 3)}
MVIT = {"depths": (1, 1), "embed_dim": 8, "num_heads": 2, "frames": 4, "image_size": 40}


def saved(path, preset, **options):
    model = randomise_(vswin.build_model(preset, num_classes=5, **options)).eval()
    vswin.save_weights(model, path)
    return model


def assert_close(found, expected):
    """To 1e-4 of the largest logit."""
    expected = expected.detach().numpy()
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


def test_onnx_runs_without_this_package_and_the_loss_of_int8_is_measured(tmp_path):
    small = SWIN | {"depths": (1,), "num_heads": (2,)}  # exporting takes a second for each block
    model = saved(tmp_path / "swin.pth", "swin_t", **small)
    video = write_video(tmp_path / "video.mp4", moving(20))
    done = command(
        *("export", "-w", tmp_path / "swin.pth", "--to", "onnx", "--frames", 4, "--size", 32),
        *("--out", tmp_path / "int8.onnx", "--int8", "--video", video),
    )
    assert done.returncode == 0, done.stderr
    parity = re.search(r"on 4 random clips and 12 .* by at most (\S+) of the largest", done.stdout)
    loss = re.search(r"int8, on 12 views of 1 videos.* by at most (\S+) of", done.stdout)
    assert float(parity[1]) <= 1e-4 < float(loss[1]) < 0.2
    sizes = re.search(r"size: (\S+) bytes before, (\S+) in int8", done.stdout).groups()
    before, after = (int(size.replace(",", "")) for size in sizes)
    assert (tmp_path / "int8.onnx").stat().st_size == after < before
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".mp4", ".onnx", ".pth"]
    session = onnxruntime.InferenceSession(tmp_path / "int8.onnx")
    clips = torch.randn(5, 3, 4, 32, 32)
    (found,) = session.run(["logits"], {"clip": clips.numpy()})
    expected = model(clips).detach().numpy()
    assert np.abs(found - expected).max() < 0.2 * np.abs(expected).max()
    about = json.loads(session.get_modelmeta().custom_metadata_map["vswin"])
    assert (about["frames"], about["size"], about["num_classes"]) == (4, 32, 5)


def test_pt2_runs_without_this_package(tmp_path):
    model = saved(tmp_path / "mvit.pth", "mvit_b_16x4", **MVIT)
    done = command(
        *("export", "-w", tmp_path / "mvit.pth", "--to", "pt2", "--out", tmp_path / "mvit.pt2")
    )
    assert done.returncode == 0, done.stderr
    about = {"vswin": ""}
    program = torch.export.load(tmp_path / "mvit.pt2", extra_files=about).module()
    clips = torch.randn(5, 3, 4, 40, 40)
    assert_close(program(clips).detach().numpy(), model(clips))
    assert json.loads(about["vswin"])["mean"] == pytest.approx([0.45 * 255] * 3)


class Unlike(torch.nn.Module):
    """Another function where it is exported."""

    def forward(self, clip):
        return clip.mean(dim=(2, 3, 4)) * (1.001 if torch.compiler.is_exporting() else 1.0)


def test_what_is_not_the_model_is_not_kept(tmp_path):
    (tmp_path / "model.pt2").write_text("what was there")
    with pytest.raises(ExportError, match=r"not the model: its logits differ by 1\.0e-03"):
        export_model(Unlike(), (3, 2, 4, 4), "pt2", tmp_path / "model.pt2", {})
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
