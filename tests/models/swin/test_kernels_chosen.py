"""Which kernel variant computes a block, and that no listener is passed over by it."""

import pytest
import torch

from tests.models.tiny import DESIGNS, plain_step, step, tiny
from vswin.models import build_model
from vswin.models.cpu import chunked
from vswin.models.cpu import mlp as mlp_cpu
from vswin.models.layers import DropPath
from vswin.models.swin import attention
from vswin.models.swin.cpu import attention as attention_cpu
from vswin.models.swin.cpu import inference as inference_cpu


@pytest.fixture
def taken(monkeypatch):
    """The variants that were used, by name; clear it between calls."""
    found = []

    def spy(module, name, label):
        original = getattr(module, name)

        def call(*args):
            found.append(f"{label}.{name}")
            return original(*args)

        monkeypatch.setattr(module, name, call)

    spy(attention_cpu, "attention", "attention_cpu")
    spy(attention, "attention", "attention")
    spy(attention, "masked_attention", "attention")
    spy(inference_cpu, "attend", "inference_cpu")
    spy(inference_cpu, "feed_forward", "inference_cpu")
    spy(mlp_cpu, "feed_forward", "mlp_cpu")
    return found


def test_real_sizes_take_the_way_they_should(taken):
    """Swin-T in chunks, training and inference; Moving Digits all at once."""
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
    """Where a weight is frozen or nothing is learnt, chunked kernels would do more than torch."""
    monkeypatch.setattr(attention, "SMALL_BYTES", -1)
    monkeypatch.setattr(chunked, "CACHE_BYTES", -1)
    model, clip = tiny(**DESIGNS["joint"]), torch.randn(1, 3, 16, 24, 24)
    for block in (block for stage in model.layers for block in stage.blocks):
        block.attn.relative_position_bias_table.requires_grad_(False)
        block.norm2.weight.requires_grad_(False)
    model(clip)
    assert set(taken) == {"attention.attention"}
    taken.clear()
    model = tiny(**DESIGNS["joint"])
    for block in (block for stage in model.layers for block in stage.blocks):
        block.drop_path = DropPath(0.5)  # so that inference is not chunked either
    with torch.no_grad():
        model.train()(clip)
    assert set(taken) == {"attention.attention"}


@pytest.mark.parametrize("why", ["autocast", "half precision", "traced", "no processor"])
@pytest.mark.parametrize("grad", [True, False])
def test_no_chunks_where_plain_arithmetic_is_not_what_layers_do(taken, monkeypatch, why, grad):
    monkeypatch.setattr(attention, "SMALL_BYTES", -1)
    monkeypatch.setattr(chunked, "CACHE_BYTES", -1)
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
    monkeypatch.setattr(chunked, "CACHE_BYTES", -1)
    monkeypatch.setattr(chunked, "CHUNK", 3)
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
    """What chunked kernels do with a bias, they cannot do without one."""
    monkeypatch.setattr(attention, "SMALL_BYTES", -1)
    monkeypatch.setattr(chunked, "CACHE_BYTES", -1)
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


def test_layers_that_somebody_listens_to_or_has_replaced_are_called(monkeypatch):
    """Chunked kernels read the weights; a hook or another kind of layer needs the layer itself."""
    monkeypatch.setattr(attention, "SMALL_BYTES", -1)
    monkeypatch.setattr(chunked, "CACHE_BYTES", -1)
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


def test_a_large_ffn_goes_with_masked_windows(taken, monkeypatch):
    """Small attention and a large FFN: only one of the two halves is chunked."""
    monkeypatch.setattr(chunked, "CACHE_BYTES", -1)
    model, clip = tiny(**DESIGNS["joint"]).double(), torch.randn(1, 3, 16, 24, 24).double()
    expected, _ = plain_step(model, clip)
    taken.clear()
    with torch.no_grad():
        found = model(clip)
    assert set(taken) == {"attention.masked_attention", "inference_cpu.feed_forward"}
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)


def test_only_a_processor_is_given_masked_windows():
    layer = tiny(**DESIGNS["joint"]).layers[0].blocks[1].attn
    tokens = torch.randn(1, 288, 8)
    assert layer.layout(tokens, (8, 6, 6), (2, 1, 1)).masked
    assert not layer.layout(tokens.to("meta"), (8, 6, 6), (2, 1, 1)).masked
