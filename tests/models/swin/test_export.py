"""torch.export and ONNX, against the model itself: every preset, design and shift."""

import warnings

import numpy as np
import pytest
import torch

from tests.models.tiny import DESIGNS, tiny
from vswin.models import build_model
from vswin.models.cpu import chunked
from vswin.models.registry import resolve_config
from vswin.models.swin import attention

PRESETS = ("swin_t", "swin_s", "swin_b", "swin_l")
CASES = {
    "joint, odd size": ({"window_size": (4, 3, 3)}, (9, 30, 27)),
    "joint, clipped": ({"window_size": (8, 7, 7)}, (8, 24, 40)),
    "no shift": ({"window_size": (2, 3, 3), "shift": "none"}, (8, 24, 24)),
    "spatial shift": ({"window_size": (2, 3, 3), "shift": "spatial"}, (8, 24, 24)),
    "split": (DESIGNS["split"], (9, 20, 27)),
    "factorized": (DESIGNS["factorized"], (9, 20, 27)),
    "image": ({"window_size": (1, 7, 7), "patch_size": (1, 4, 4)}, (1, 56, 60)),
    "checkpointing": ({"window_size": (2, 3, 3), "activation_checkpointing": True}, (8, 24, 24)),
}


def onnx_answers(model, clips, dynamic, folder):
    """What onnxruntime makes of the exported model, for each of the clips."""
    onnxruntime = pytest.importorskip("onnxruntime")
    shapes = {"clip": {0: torch.export.Dim("batch")}} if dynamic else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about itself
        program = torch.onnx.export(
            model, (clips[0],), dynamo=True, dynamic_shapes=shapes, verbose=False
        )
    program.save(folder / "model.onnx")
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    (name,) = (each.name for each in session.get_inputs())
    return [session.run(None, {name: clip.numpy()})[0] for clip in clips]


def assert_close(found, expected):
    """To 1e-4 of the largest logit."""
    assert np.abs(found - expected).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize(("options", "size"), CASES.values(), ids=CASES.keys())
def test_an_exported_program_is_the_model_for_any_batch(options, size):
    """Also when it is taken apart into torch's core operators, as for ONNX."""
    model, clips = tiny(**options).eval(), torch.randn(5, 3, *size)
    shapes = {"clip": {0: torch.export.Dim("batch")}}
    exported = torch.export.export(model, (clips[:2],), dynamic_shapes=shapes)
    expected = model(clips).detach().numpy()
    for program in (exported.module(), exported.run_decompositions().module()):
        for batch in (1, 2, 5):
            assert_close(program(clips[:batch]).detach().numpy(), expected[:batch])


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("strict", [True, False])
def test_kernels_of_our_own_give_way(monkeypatch, design, strict):
    """Where they would serve inference; strictly, with the batch of the example."""
    monkeypatch.setattr(attention, "SMALL_BYTES", -1)
    monkeypatch.setattr(chunked, "CACHE_BYTES", -1)
    model, clip = tiny(**DESIGNS[design]).eval(), torch.randn(2, 3, 8, 20, 24)
    with torch.no_grad():
        expected = model(clip).numpy()
        exported = torch.export.export(model, (clip,), strict=strict)
        for program in (exported.module(), exported.run_decompositions().module()):
            assert_close(program(clip).numpy(), expected)


def test_an_exported_program_can_be_trained():
    """In training mode, without what draws random numbers."""
    model, clip = tiny(**DESIGNS["joint"]), torch.randn(2, 3, 8, 24, 28)
    program = torch.export.export(model, (clip,)).module()
    model(clip).square().sum().backward()
    program(clip).square().sum().backward()
    found = dict(program.named_parameters())
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(found[name].grad, parameter.grad, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("case", ["joint, odd size", "split", "factorized", "image"])
def test_onnx_of_every_design(case, tmp_path):
    """One of them with any batch."""
    options, size = CASES[case]
    dynamic = case.startswith("joint")
    model, clips = tiny(**options).eval(), [torch.randn(2, 3, *size)]
    clips += [torch.randn(batch, 3, *size) for batch in (1, 3)] if dynamic else []
    for clip, found in zip(clips, onnx_answers(model, clips, dynamic, tmp_path), strict=True):
        assert_close(found, model(clip).detach().numpy())


@pytest.mark.parametrize("preset", PRESETS)
def test_onnx_of_every_preset_in_small(preset, tmp_path):
    """The preset's heads with four channels each, and its first blocks."""
    width = 4 * resolve_config(preset).num_heads[0]
    model = build_model(preset, embed_dim=width, depths=(1, 2, 1, 1), num_classes=5).eval()
    clip = torch.randn(1, 3, 4, 64, 72)
    (found,) = onnx_answers(model, [clip], False, tmp_path)
    assert_close(found, model(clip).detach().numpy())


@pytest.mark.heavy
def test_onnx_at_full_size(tmp_path):
    model, clip = build_model("swin_t").eval(), torch.randn(1, 3, 16, 224, 224)
    (found,) = onnx_answers(model, [clip], False, tmp_path)
    with torch.no_grad():
        assert_close(found, model(clip).numpy())
