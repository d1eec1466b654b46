"""Each kernel variant of a block gives the same logits and gradients as the plain one."""

import pytest
import torch

from tests.models.tiny import DESIGNS, plain_step, step, tiny
from tests.peers import import_torchvision, randomise_
from vswin.models import build_model, layers
from vswin.models.cpu import chunked
from vswin.models.cpu import mlp as mlp_cpu
from vswin.models.swin import attention
from vswin.models.swin.cpu import attention as attention_cpu
from vswin.models.swin.cpu import inference as inference_cpu
from vswin.models.swin.layouts import LAYOUTS
from vswin.models.swin.partition import half_window
from vswin.models.swin.windows import window_layout
from vswin.weights.files import load_weights, read_checkpoint, to_layout

CPU = torch.device("cpu")


@pytest.mark.parametrize("options", DESIGNS.values(), ids=DESIGNS.keys())
@pytest.mark.parametrize("size", [(16, 24, 24), (9, 20, 27)])
def test_logits_and_gradients_of_every_design(variant, options, size):
    """In double precision, a batch of two; the second size needs padding everywhere."""
    model = tiny(**options).double()
    clip = torch.randn(2, 3, *size, dtype=torch.double)
    expected, gradients = plain_step(model, clip)
    found, others = step(model, clip)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    for name, gradient in gradients.items():
        torch.testing.assert_close(others[name], gradient, rtol=1e-8, atol=1e-10, msg=name)
    with torch.inference_mode():
        torch.testing.assert_close(model.eval()(clip), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("shift", [False, True])
def test_gradcheck_of_chunked_attention(shift):
    """Against finite differences: queries, keys, values and bias, with windows of many sizes."""
    window = (2, 3, 2)
    layout = window_layout(
        (3, 4, 4), window, half_window(window, "3d") if shift else (0, 0, 0), CPU
    )
    torch.manual_seed(0)
    qkv = torch.randn(len(layout.index), 12, dtype=torch.double, requires_grad=True)
    bias = torch.randn(2, *window, *window, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda q, b: attention_cpu.attention(q, b, layout), (qkv, bias), fast_mode=True
    )


def test_gradcheck_of_the_chunked_ffn(monkeypatch):
    monkeypatch.setattr(chunked, "CHUNK", 3)
    torch.manual_seed(0)
    mlp, norm = layers.MLP(4, 7).double(), torch.nn.LayerNorm(4).double()
    weights = [*norm.parameters(), *mlp.parameters()]
    x = torch.randn(2, 4, 4, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x, *w: mlp_cpu.feed_forward(x, mlp_cpu.Weights(*w), norm.eps), (x, *weights)
    )


def test_more_threads_than_one_give_the_same(monkeypatch):
    """The chunks are as many windows as there are threads."""
    monkeypatch.setattr(attention, "SMALL_BYTES", -1)
    monkeypatch.setattr(attention_cpu, "CACHE_BYTES", 1)
    model, clip = tiny(**DESIGNS["joint"]).double(), torch.randn(1, 3, 16, 24, 24).double()
    expected, gradients = step(model, clip)
    torch.set_num_threads(3)
    found, others = step(model, clip)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)
    for name, gradient in gradients.items():
        torch.testing.assert_close(others[name], gradient, rtol=1e-9, atol=1e-12, msg=name)


@pytest.mark.parametrize("frozen", ["table", "weights"])
def test_what_is_frozen_gets_no_gradient_and_the_rest_its_own(variant, frozen):
    model = tiny(**DESIGNS["joint"]).double()
    clip = torch.randn(1, 3, 16, 24, 24, dtype=torch.double)
    _, gradients = step(model, clip)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(("table" in name) == (frozen == "weights"))
    model.zero_grad()
    logits = model(clip)
    (logits * torch.linspace(-1, 2, logits.numel()).view_as(logits)).sum().backward()
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(parameter.grad, gradients[name], rtol=1e-9, atol=1e-12)
        else:
            assert parameter.grad is None


def test_evaluation_under_no_grad_with_stochastic_depth_still_drops(variant):
    """A model in training mode drops paths whether or not gradients are wanted."""
    torch.manual_seed(0)
    model = build_model("swin_t", embed_dim=8, depths=(2,), num_heads=(2,), window_size=(4, 3, 3),
                        drop_path=0.5, head_dropout=0.0)  # fmt: skip
    clip = torch.randn(1, 3, 16, 24, 24)
    with torch.no_grad():
        assert len({model(clip).sum().item() for _ in range(20)}) > 1
        assert len({model.eval()(clip).sum().item() for _ in range(3)}) == 1


@pytest.mark.heavy
def test_torch_compile_sees_one_graph(monkeypatch):
    """No graph breaks, and the same numbers; "aot_eager" needs no compiler."""
    model, clip = tiny(**DESIGNS["joint"]), torch.randn(2, 3, 16, 24, 24)
    expected, gradients = step(model, clip)
    for small in (True, False):
        monkeypatch.setattr(attention, "SMALL_BYTES", 2**25 if small else -1)
        torch.compiler.reset()
        compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
        found = compiled(clip)
        assert compiled(clip[:1]).shape == (1, 5)  # another batch is compiled anew
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
        model.zero_grad()
        (found * torch.linspace(-1, 2, found.numel()).view_as(found)).sum().backward()
        for name, parameter in model.named_parameters():
            scale = gradients[name].abs().max()
            torch.testing.assert_close(
                parameter.grad / scale, gradients[name] / scale, rtol=1e-3, atol=1e-4, msg=name
            )


@pytest.mark.parametrize("variant", ["masked", "fused"], indirect=True)
def test_bfloat16_autocast_is_close(variant):
    model, clip = tiny(**DESIGNS["joint"]), torch.randn(2, 3, 16, 24, 24)
    expected, gradients = plain_step(model, clip)
    with torch.autocast("cpu", torch.bfloat16):
        found, others = step(model, clip)
        with torch.no_grad():
            evaluated = model(clip)
    assert 0 < (found - expected).abs().max() < 0.05 * expected.abs().max()
    assert (evaluated - expected).abs().max() < 0.05 * expected.abs().max()
    for name in gradients:
        if name.startswith("layers.0") and ("table" in name or "qkv.weight" in name):
            cosine = torch.cosine_similarity(others[name].flatten(), gradients[name].flatten(), 0)
            assert cosine > 0.97, name


def test_gradients_of_torchvision_swin3d_t():
    """All of them, the bias tables' included, from a clip through the whole model."""
    torch.set_num_threads(2)
    models = import_torchvision().models.video
    theirs = randomise_(models.swin3d_t(weights=None)).eval()  # no stochastic depth
    ours = build_model("swin_t").eval()
    load_weights(ours, theirs.state_dict())
    clip = torch.randn(1, 3, 16, 224, 224)
    for model in (ours, theirs):
        torch.nn.functional.cross_entropy(model(clip), torch.tensor([3])).backward()
    gradients = {name: p.grad for name, p in ours.named_parameters()}
    found = to_layout(read_checkpoint(gradients), LAYOUTS["torchvision"])
    for name, parameter in theirs.named_parameters():
        error = (found[name] - parameter.grad).abs().max() / parameter.grad.abs().max()
        assert error < 2e-4, name


def test_chunked_ffn_takes_tokens_in_any_memory_order():
    block = tiny(**DESIGNS["joint"]).layers[0].blocks[0]
    x = torch.randn(2, 8, 50).transpose(1, 2)
    with torch.no_grad():
        found = inference_cpu.feed_forward(x, block.norm2, block.mlp)
        torch.testing.assert_close(found, x + block.mlp(block.norm2(x)))


def test_a_traced_model_is_the_model():
    model, clip = tiny(**DESIGNS["joint"]).eval(), torch.randn(2, 3, 16, 24, 24)
    with torch.no_grad():
        traced = torch.jit.trace(model, clip, check_trace=False)
        torch.testing.assert_close(traced(clip), model(clip))
