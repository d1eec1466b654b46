"""On a GPU, where there is one: every kernel variant against the plain one on the CPU."""

import pytest
import torch

from tests.models.tiny import DESIGNS, plain_step, step, tiny

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")


@pytest.mark.parametrize("options", DESIGNS.values(), ids=DESIGNS.keys())
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_logits_and_gradients_are_those_of_the_cpu(options, compiled, dtype):
    """Training and evaluation, gradients of the bias tables included; a batch that is padded."""
    model, clip = tiny(**options), torch.randn(2, 3, 9, 20, 27)
    expected, gradients = plain_step(model, clip)
    model, clip = model.cuda(), clip.cuda()
    torch.compiler.reset()
    run = torch.compile(model, dynamic=False) if compiled else model
    exact = dtype == torch.float32
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if exact else {"rtol": 0.05, "atol": 0.05}
    with torch.autocast("cuda", dtype, enabled=not exact):
        found, others = step(run, clip)
        run.eval()
        with torch.inference_mode():
            evaluated = run(clip)
    torch.testing.assert_close(found.float().cpu(), expected, **tolerance)
    torch.testing.assert_close(evaluated.float().cpu(), expected, **tolerance)
    for name, gradient in gradients.items():
        other = others[name.removeprefix("_orig_mod.")].cpu()
        error = (other - gradient).norm() / gradient.norm()
        assert error < (1e-3 if exact else 0.3), name
