"""Each way of computing a block gives the same logits and gradients as the plain one."""

import pytest
import torch

from tests.peers import import_torchvision, randomise_
from vswin.models import (
    attention,
    attention_cpu,
    build_model,
    inference_cpu,
    layers,
    mlp_cpu,
    pieces,
)
from vswin.models.layouts import LAYOUTS
from vswin.models.windows import half_window, window_layout
from vswin.weights import load_weights, read_checkpoint, to_layout

CPU = torch.device("cpu")
DESIGNS = {
    "joint": {"window_size": (4, 3, 3)},
    "split": {"design": "split", "window_size": (1, 3, 3)},
    "factorized": {"design": "factorized", "window_size": (2, 3, 3)},
}


def tiny(**options):
    torch.manual_seed(0)
    model = build_model(
        "swin_t", embed_dim=8, depths=(2, 2), num_heads=(2, 2), num_classes=5, drop_path=0.0,
        head_dropout=0.0, **options,
    )  # fmt: skip
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "table" in name or name.endswith("bias") or "gate" in name:
                parameter.normal_()
    return model


def step(model, clip):
    """Logits and all gradients of a loss that no symmetry can make zero."""
    model.zero_grad()
    logits = model(clip)
    (logits * torch.linspace(-1, 2, logits.numel()).view_as(logits)).sum().backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
    return logits.detach(), gradients


MASKED = attention.masked_attention


def plain_step(model, clip):
    """The same with masked windows and a plain FFN, whatever way a test is on."""
    with pytest.MonkeyPatch.context() as plain:
        plain.setattr(attention, "SMALL_WINDOW", 10**9)
        plain.setattr(attention, "SMALL_BYTES", 10**12)
        plain.setattr(attention, "masked_attention", MASKED)
        plain.setattr(pieces, "possible", lambda *args: False)
        return step(model, clip)


@pytest.mark.parametrize("options", DESIGNS.values(), ids=DESIGNS.keys())
@pytest.mark.parametrize("size", [(16, 24, 24), (9, 20, 27)])
def test_logits_and_gradients_of_every_design(way, options, size):
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


@pytest.fixture
def taken(monkeypatch):
    """The ways that were taken, by name; clear it between calls."""
    found = []

    def spy(module, name):
        original = getattr(module, name)

        def call(*args):
            found.append(f"{module.__name__.rpartition('.')[2]}.{name}")
            return original(*args)

        monkeypatch.setattr(module, name, call)

    for module in (attention_cpu, attention):
        spy(module, "attention")
    spy(attention, "masked_attention")
    spy(inference_cpu, "attend")
    spy(inference_cpu, "feed_forward")
    spy(mlp_cpu, "feed_forward")
    return found


def test_real_sizes_take_the_way_they_should(taken):
    """Swin-T in pieces, training and inference; Moving Digits all at once."""
    model = build_model("swin_t", depths=(2,), num_heads=(3,), window_size=(8, 7, 7), drop_path=0.0)
    clip = torch.randn(1, 3, 32, 224, 112)
    model(clip)
    assert set(taken) == {"attention_cpu.attention", "mlp_cpu.feed_forward"}
    taken.clear()
    with torch.inference_mode():
        model(clip)
    assert set(taken) == {"inference_cpu.attend", "inference_cpu.feed_forward"}
    taken.clear()
    model(clip[:, :, :8, :56, :56])
    assert set(taken) == {"attention_cpu.attention"}  # a small FFN stays in the cache by itself
    taken.clear()
    with torch.inference_mode():
        model(clip[:, :, :8, :56, :56])
    assert set(taken) == {"attention.attention"}  # and so does a small block
    taken.clear()
    digits = build_model("swin_t", depths=(2,), num_heads=(3,), embed_dim=24, window_size=(4, 3, 3))
    digits(torch.randn(4, 3, 16, 24, 24))
    assert set(taken) == {"attention.masked_attention"}


def test_what_has_no_gradient_is_not_prepared_for_one(taken, monkeypatch):
    """Pieces keep and compute more than torch where a weight is frozen or nothing is learnt."""
    monkeypatch.setattr(attention, "SMALL_BYTES", -1)
    monkeypatch.setattr(pieces, "CACHE_BYTES", -1)
    model, clip = tiny(**DESIGNS["joint"]), torch.randn(1, 3, 16, 24, 24)
    for block in (block for stage in model.layers for block in stage.blocks):
        block.attn.relative_position_bias_table.requires_grad_(False)
        block.norm2.weight.requires_grad_(False)
    model(clip)
    assert set(taken) == {"attention.attention"}
    taken.clear()
    model = tiny(**DESIGNS["joint"])
    for block in (block for stage in model.layers for block in stage.blocks):
        block.drop_path.rate = 0.5  # paths are dropped, so that inference is not in pieces either
    with torch.no_grad():
        model.train()(clip)
    assert set(taken) == {"attention.attention"}


@pytest.mark.parametrize("why", ["autocast", "half precision", "traced", "no processor"])
@pytest.mark.parametrize("grad", [True, False])
def test_no_pieces_where_plain_arithmetic_is_not_what_layers_do(taken, monkeypatch, why, grad):
    monkeypatch.setattr(attention, "SMALL_BYTES", -1)
    monkeypatch.setattr(pieces, "CACHE_BYTES", -1)
    model, clip = tiny(**DESIGNS["joint"]), torch.randn(1, 3, 16, 24, 24)
    calls = {
        # A model's own tokens are in half precision then; a block may be given others.
        "autocast": lambda: model.layers[0].blocks[1](torch.randn(1, 288, 8), (8, 6, 6)),
        "half precision": lambda: model.bfloat16()(clip.bfloat16()),
        "traced": lambda: torch.jit.trace(model, clip, check_trace=False),
        "no processor": lambda: model.to("meta")(clip.to("meta")),
    }
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=why == "autocast")
    with torch.set_grad_enabled(grad), autocast:
        calls[why]()
    assert set(taken) == {"attention.attention"}


LAYERS = ("norm1", "attn", "attn.qkv", "attn.proj", "norm2", "mlp", "mlp.fc1", "mlp.fc2")


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("when", ["forward_pre", "forward", "full_backward_pre", "full_backward"])
def test_a_hook_is_called_once_with_all_tokens(monkeypatch, layer, when):
    """In training, and in inference if it is the forward pass that somebody listens to."""
    monkeypatch.setattr(attention, "SMALL_BYTES", -1)
    monkeypatch.setattr(pieces, "CACHE_BYTES", -1)
    monkeypatch.setattr(pieces, "CHUNK", 3)
    monkeypatch.setattr(inference_cpu, "WINDOW_CHUNK", 1)
    model, clip = tiny(**DESIGNS["joint"]), torch.randn(1, 3, 16, 24, 24)
    called = []
    module = model.layers[0].blocks[1].get_submodule(layer)
    getattr(module, f"register_{when}_hook")(lambda *args: called.append(args))
    model(clip).sum().backward()
    assert len(called) == 1
    with torch.no_grad():
        model(clip)
    assert len(called) == (2 if when.startswith("forward") else 1)


def test_layers_without_bias_are_layers(monkeypatch):
    """What pieces do with a bias, they cannot do without one."""
    monkeypatch.setattr(attention, "SMALL_BYTES", -1)
    monkeypatch.setattr(pieces, "CACHE_BYTES", -1)
    model, clip = tiny(**DESIGNS["joint"]).double(), torch.randn(1, 3, 16, 24, 24).double()
    for block in (block for stage in model.layers for block in stage.blocks):
        with torch.no_grad():
            for layer in (block.norm2, block.mlp.fc1, block.mlp.fc2):
                layer.bias.zero_()
    expected, _ = plain_step(model, clip)
    for block in (block for stage in model.layers for block in stage.blocks):
        for layer in (block.norm2, block.mlp.fc1, block.mlp.fc2):
            layer.bias = None
    found, _ = step(model, clip)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    with torch.no_grad():
        torch.testing.assert_close(model(clip), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("shift", [False, True])
def test_gradcheck_of_attention_in_pieces(shift):
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


def test_gradcheck_of_the_ffn_in_pieces(monkeypatch):
    monkeypatch.setattr(pieces, "CHUNK", 3)
    torch.manual_seed(0)
    mlp, norm = layers.MLP(4, 7).double(), torch.nn.LayerNorm(4).double()
    weights = [*norm.parameters(), *mlp.parameters()]
    x = torch.randn(2, 4, 4, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x, *w: mlp_cpu.feed_forward(x, mlp_cpu.Weights(*w), norm.eps), (x, *weights)
    )


def test_more_threads_than_one_give_the_same(monkeypatch):
    """The pieces are as many windows as there are threads."""
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
def test_what_is_frozen_gets_no_gradient_and_the_rest_its_own(way, frozen):
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


def test_evaluation_under_no_grad_with_stochastic_depth_still_drops(way):
    """A model in training mode drops paths whether or not gradients are wanted."""
    torch.manual_seed(0)
    model = build_model("swin_t", embed_dim=8, depths=(2,), num_heads=(2,), window_size=(4, 3, 3),
                        drop_path=0.5, head_dropout=0.0)  # fmt: skip
    clip = torch.randn(1, 3, 16, 24, 24)
    with torch.no_grad():
        assert len({model(clip).sum().item() for _ in range(20)}) > 1
        assert len({model.eval()(clip).sum().item() for _ in range(3)}) == 1


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


@pytest.mark.parametrize("way", ["masked", "fused"], indirect=True)
def test_bfloat16_autocast_is_close(way):
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


def test_layers_that_somebody_listens_to_or_has_replaced_are_called(monkeypatch):
    """Pieces work with the weights; a hook or another kind of layer needs the layer itself."""
    monkeypatch.setattr(attention, "SMALL_BYTES", -1)
    monkeypatch.setattr(pieces, "CACHE_BYTES", -1)
    model, clip = tiny(**DESIGNS["joint"]).eval(), torch.randn(1, 3, 16, 24, 24)
    block = model.layers[0].blocks[0]
    expected = model(clip).detach()
    called = []
    handle = block.mlp.fc1.register_forward_hook(lambda *args: called.append("fc1"))
    model(clip)
    with torch.no_grad():
        model(clip)
    assert called == ["fc1"] * 2
    handle.remove()

    class Doubled(torch.nn.Linear):
        """Another kind of layer, with a weight all the same."""

        def forward(self, x):
            return 2 * super().forward(x)

    block.mlp.fc2.__class__ = Doubled
    with torch.no_grad():
        inferred = model(clip)
    assert (inferred - expected).abs().max() > 1e-4
    torch.testing.assert_close(model(clip).detach(), inferred, rtol=1e-5, atol=1e-6)


def test_ffn_in_pieces_takes_tokens_in_any_memory_order():
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
