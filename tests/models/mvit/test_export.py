"""torch.export and ONNX, against the model itself."""

import pytest
import torch

import vswin
from tests.models.swin.test_export import assert_close, onnx_answers
from tests.peers import randomise_

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


def test_onnx(tmp_path):
    model, clip = model_and_clips("paper", 2)
    (found,) = onnx_answers(model, [clip], False, tmp_path)
    assert_close(found, model(clip).detach().numpy())
