"""torch.export and ONNX, against the model itself."""

import pytest
import torch

import vswin
from tests.models.swin.test_export import assert_close, onnx_answers
from tests.peers import randomise_
from vswin.models.mvit.cpu import block

SMALL = {"depths": (1, 2), "embed_dim": 8, "num_heads": 2, "num_classes": 5, "image_size": 40}
CASES = {
    "paper": {"frames": 6},
    "max": {"frames": 4, "pooling": "max", "kv_stride": (2, 4, 4), "positions": "joint"},
    "image": {
        "frames": 1,
        "patch_kernel": (1, 7, 7),
        "patch_stride": (1, 4, 4),
        "positions": "none",
    },
}


def model_and_clips(case, batch):
    model = randomise_(vswin.build_model("mvit_b_16x4", **SMALL, **CASES[case]))
    return model, torch.randn(batch, 3, model.config.frames, 40, 40)


@pytest.mark.parametrize("case", CASES)
def test_an_exported_program_is_the_model_for_any_batch(case):
    model, clips = model_and_clips(case, 5)
    shapes = {"clip": {0: torch.export.Dim("batch")}}
    program = torch.export.export(model, (clips[:2],), dynamic_shapes=shapes).module()
    expected = model(clips).detach().numpy()
    for batch in (1, 2, 5):
        assert_close(program(clips[:batch]).detach().numpy(), expected[:batch])
    assert_close(model(clips).detach().numpy(), expected)  # nothing of the export is left in it


@pytest.mark.parametrize("case", CASES)
def test_onnx(case, tmp_path):
    """One of them with any batch."""
    dynamic = case == "paper"
    model, clip = model_and_clips(case, 2)
    clips = [clip, clip[:1], torch.cat((clip, clip[:1]))] if dynamic else [clip]
    for each, found in zip(clips, onnx_answers(model, clips, dynamic, tmp_path), strict=True):
        assert_close(found, model(each).detach().numpy())


@pytest.mark.parametrize("strict", [True, False])
def test_kernels_of_our_own_give_way(monkeypatch, strict):
    """Where they would serve inference."""
    monkeypatch.setattr(block, "LARGE_BYTES", -1)
    model, clip = model_and_clips("paper", 2)
    with torch.no_grad():
        expected = model(clip).numpy()
        exported = torch.export.export(model, (clip,), strict=strict)
        for program in (exported.module(), exported.run_decompositions().module()):
            assert_close(program(clip).numpy(), expected)


def test_an_exported_program_can_be_trained():
    """In training mode, without what draws random numbers."""
    model, clip = model_and_clips("paper", 2)
    model = model.double()
    clip = clip.double()
    program = torch.export.export(model, (clip,)).module()
    model(clip).square().sum().backward()
    program(clip).square().sum().backward()
    found = dict(program.named_parameters())
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(found[name].grad, parameter.grad, rtol=1e-6, atol=1e-8)


@pytest.mark.heavy
def test_a_compiled_model_is_the_model(monkeypatch):
    """Forward and gradients, in one graph, and kernels give way."""
    monkeypatch.setattr(block, "LARGE_BYTES", -1)
    model, clip = model_and_clips("paper", 2)
    expected = model(clip)
    expected.square().sum().backward()
    gradients = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    found = torch.compile(model, backend="aot_eager", fullgraph=True)(clip)
    assert_close(found.detach().numpy(), expected.detach().numpy())
    found.square().sum().backward()
    largest = max(g.abs().max() for g in gradients)
    for mine, theirs in zip((p.grad for p in model.parameters()), gradients, strict=True):
        assert (mine - theirs).abs().max() <= 1e-4 * theirs.abs().max() + 1e-6 * largest
