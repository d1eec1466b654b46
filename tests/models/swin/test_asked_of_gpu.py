"""What a GPU is asked for, counted without one: how many kernels, and for which it is waited."""

from collections import Counter

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional

from tests.models.operators import Operators
from tests.models.tiny import DESIGNS, plain_step, step, tiny
from vswin.data.transforms import normalise
from vswin.models.layers import DropPath
from vswin.models.swin import attention
from vswin.models.swin.attention import WindowAttention3D, dot_product
from vswin.models.swin.windows import bias_of, biases_of, window_layout

META, CPU = torch.device("meta"), torch.device("cpu")


@pytest.fixture
def calls(monkeypatch):
    """Queries, and bias, of each call of torch's fused attention."""
    found, fused = [], functional.scaled_dot_product_attention

    def spy(q, k, v, attn_mask=None):
        found.append((q, attn_mask))
        return fused(q, k, v, attn_mask=attn_mask)

    monkeypatch.setattr(functional, "scaled_dot_product_attention", spy)
    return found


@pytest.mark.parametrize("options", DESIGNS.values(), ids=DESIGNS.keys())
def test_a_step_waits_for_nothing(options, monkeypatch):
    model = tiny(**options).to(META)
    pixels = torch.zeros(2, 3, 16, 24, 24, dtype=torch.uint8, device=META)
    model(pixels.float())  # layouts are copied to a device once
    monkeypatch.setattr(torch, "tensor", None)  # copies, and no operator says so
    with Operators() as found:
        model(normalise(pixels)).sum().backward()
    assert len(found.names) > 100
    assert not found.waits


def test_the_biases_of_all_sizes_are_one_gather():
    """A shifted block of Swin-T's third stage, forwards and backwards: 18 calls of attention."""
    layer = WindowAttention3D(384, (8, 7, 7), 12).to(META)
    x = torch.empty(16 * 14 * 14, 384, device=META, requires_grad=True)
    layout = layer.layout(x[None], (16, 14, 14), (4, 3, 3))
    sizes = len(layout.groups)
    assert sizes == 18
    with Operators() as found:
        layer(x, layout).sum().backward()
    q, k, v = torch.empty(3, 1, 12, 8, 32, device=META, requires_grad=True)
    bias = torch.empty(1, 12, 8, 8, device=META, requires_grad=True)
    with Operators() as of_one:
        dot_product(q, k, v, bias).sum().backward()
    of_attention = {*of_one.kernels, "clone"}  # which follows heads that are not contiguous
    others = Counter(name for name in found.kernels if name not in of_attention)
    linear = {"addmm": 2, "mm": 4}
    put_together = {"cat": 3}  # results; gradients of tokens and of biases
    assert others == linear | put_together | {"gather": 1, "scatter_add": 1, "new_zeros": 1}
    assert found.count("add") == sizes


@pytest.mark.parametrize("window", [(4, 3, 3), (3, 3, 5), (8, 7, 7)])
def test_the_bias_of_each_size_lies_as_a_gpu_wants_it(window):
    grid = tuple(2 * n for n in window)
    layout = window_layout(grid, window, tuple(n // 2 for n in window), CPU)
    layer = WindowAttention3D(4, window, 2)
    torch.nn.init.normal_(layer.relative_position_bias_table)
    whole = layer.bias(layout)
    found = biases_of(layer._rows(layout.bias_rows), layout)
    for group, bias in zip(layout.groups, found, strict=True):
        assert torch.equal(bias, bias_of(whole, group.size))
        assert bias.storage_offset() % 8 == bias.stride(0) % 8 == 0


def test_more_windows_than_a_gpu_counts_are_several_calls(calls, monkeypatch):
    layer = WindowAttention3D(96, (8, 1, 1), 3).to(META)
    x = torch.empty(11, 16 * 56 * 56, 96, device=META)
    layer(x.flatten(0, 1), layer.layout(x, (16, 56, 56), (0, 0, 0)))
    assert [len(q) for q, _ in calls] == [65_535, 11 * 2 * 56 * 56 - 65_535]
    model = tiny(**DESIGNS["factorized"]).double()
    clip = torch.randn(2, 3, 16, 24, 24, dtype=torch.double)
    expected, gradients = plain_step(model, clip)
    monkeypatch.setattr(attention, "MOST_WINDOWS", 7)
    monkeypatch.setattr(attention, "SMALL_BYTES", -1)
    monkeypatch.setattr(attention.attention_cpu, "serves", lambda *args: False)
    calls.clear()
    found, others = step(model, clip)
    assert max(len(q) for q, _ in calls) == 7
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    for name, gradient in gradients.items():
        torch.testing.assert_close(others[name], gradient, rtol=1e-8, atol=1e-10, msg=name)


def test_a_bias_never_learns_alone_in_fused_attention(calls):
    """Of all weights the bias tables alone: queries of the first block need no gradient."""
    model = tiny(**DESIGNS["joint"]).to(META)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("table" in name)
    model(torch.empty(1, 3, 16, 24, 24, device=META)).sum().backward()
    assert calls
    assert all(q.requires_grad for q, bias in calls if bias.requires_grad)


def test_cudnn_is_not_taken_and_what_was_set_comes_back(monkeypatch):
    """On a GPU that is none; what attends on it is not here."""
    allowed = []

    def spy(windows, bias):
        flags = torch.backends.cuda
        allowed.append((flags.cudnn_sdp_enabled(), flags.mem_efficient_sdp_enabled()))
        return torch.empty(*windows.shape[:2], 64, device="cuda")

    monkeypatch.setattr(attention, "fused", spy)
    layout = window_layout((8, 6, 6), (4, 3, 3), (0, 0, 0), CPU)
    with FakeTensorMode():
        qkv, bias = (
            torch.empty(n, device="cuda") for n in ((288, 192), (2, len(layout.bias_rows)))
        )
        assert attention.attention(qkv, bias, layout).is_cuda
    assert set(allowed) == {(False, True)}
    assert torch.backends.cuda.cudnn_sdp_enabled()


def test_layouts_of_sixteen_numbers_of_clips_are_remembered():
    """A model has eight kinds of blocks: four grids, shifted and not."""
    grids = [(2, n, n) for n in (2, 4, 6, 8)]
    kinds = [(grid, (2, 2, 2), shift, CPU) for grid in grids for shift in ((0, 0, 0), (0, 1, 1))]
    met = [(kind, batch) for batch in range(1, 17) for kind in kinds]
    first = [window_layout(*kind, batch=batch) for kind, batch in met]
    assert all(
        window_layout(*kind, batch=batch) is found
        for (kind, batch), found in zip(met, first, strict=True)
    )


def test_rates_of_stochastic_depth_are_not_compiled_in():
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    torch.compiler.reset()
    torch.manual_seed(0)
    x = torch.ones(4000, 3, dtype=torch.bfloat16)
    for rate in (0.1, 0.2, 0.3, 0.4):
        out = torch.compile(DropPath(rate), backend=backend, fullgraph=True)(x)
        assert out.dtype == x.dtype
        assert torch.equal(out[:, 0], out[:, 2])
        assert out.unique().tolist() == pytest.approx([0, 1 / (1 - rate)], rel=0.01)
        assert (out[:, 0] == 0).double().mean().item() == pytest.approx(rate, abs=0.03)
    assert len(graphs) == 1
