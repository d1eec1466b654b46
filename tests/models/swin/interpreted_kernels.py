"""The Triton kernels in Triton's interpreter, on the CPU: test_gpu_attention.py runs this file.

Triton decides between its interpreter and a GPU when it is imported. What no program writes is
NaN: that is what torch fills new memory with where results must be the same to the bit. In bf16 the
interpreter is wrong, whatever it is given.
"""

import pytest
import torch

from tests.models.fused import (
    differentiate,
    errors,
    expected,
    expected_norm,
    inputs,
    norm_inputs,
    norm_results,
)
from tests.models.tiny import plain_step, step
from vswin.models import build_model
from vswin.models.swin.gpu import attention as fused
from vswin.models.swin.gpu import norm as fused_norm
from vswin.models.swin.gpu import work as work_of
from vswin.models.swin.variants import Variant, take_

CPU = torch.device("cpu")
TOLERANCE = {torch.float32: 2e-6, torch.float16: 2e-3}
"""Largest relative error, in norm."""
torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
assert torch.ones(1).new_empty(3).isnan().all()
assert torch.empty_like(torch.ones(3)).isnan().all()


@pytest.fixture(autouse=True)
def fresh():
    """What is remembered depends on what some tests set."""
    work_of._remembered.cache_clear()


@pytest.fixture(params=["directly", "as an operator"])
def way(request, monkeypatch):
    """An operator is what a compiled model has."""
    for module in (fused, fused_norm):
        monkeypatch.setattr(module, "runs_directly", lambda _: request.param == "directly")


def check(case, dtype):
    layout, qkv, table, grad = inputs(*case, dtype)
    found = differentiate(fused.attention(qkv, table, layout, case[1]), qkv, table, grad)
    for name, error in errors(found, expected(layout, qkv, table, grad)).items():
        assert error < TOLERANCE[dtype], f"{name}: {error:.2g}"


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_all_eighteen_sizes_of_the_papers_windows(dtype, monkeypatch):
    """Of up to 392 tokens; two windows of a size for some programs, so that sums are of several."""
    monkeypatch.setattr(work_of, "PROGRAMS", 60)
    monkeypatch.setitem(fused.TILES, dtype, 64)  # which takes least time here
    check(((16, 14, 14), (8, 7, 7), (4, 3, 3), 1, 1), dtype)


CASES = {
    "two clips, two heads, shifted and padded": ((3, 3, 5), (2, 2, 3), (1, 1, 1), 2, 2),
    "windows smaller than their table": ((2, 3, 3), (4, 3, 3), (0, 0, 0), 2, 1),
    "tiles of thirty-two": ((3, 3, 4), (3, 3, 2), (0, 0, 1), 1, 1),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_small_windows(case, way, monkeypatch):
    """Sums of three windows at most, and of what is left over."""
    monkeypatch.setattr(work_of, "PROGRAMS", 10)
    check(case, torch.float32)


def test_the_order_of_programs_changes_no_bit(monkeypatch):
    """So that none adds to what another one writes."""
    case = ((2, 3, 4), (2, 2, 3), (1, 1, 1), 1, 1)
    launch = fused._launch

    def backwards(name, programs, *others):
        launch(name, programs, *(x.flip(0) if x is programs else x for x in others))

    def results():
        layout, qkv, table, grad = inputs(*case, torch.float32)
        out = fused.attention(qkv, table, layout, case[1])
        return differentiate(out, qkv, table, grad)

    first = results()
    monkeypatch.setattr(fused, "_launch", backwards)
    found = results()
    assert all(torch.equal(found[name], value) for name, value in first.items())


def test_a_table_that_is_frozen_costs_nothing(way, monkeypatch):
    layout, qkv, table, grad = inputs((2, 3, 4), (2, 2, 3), (1, 1, 1), 1, 1, torch.float32)
    launched, launch = [], fused._launch
    monkeypatch.setattr(
        fused, "_launch", lambda name, *args: launched.append(name) or launch(name, *args)
    )
    wanted = differentiate(fused.attention(qkv, table, layout, (2, 2, 3)), qkv, table, grad)
    assert "score_gradients" in launched
    launched.clear()
    with torch.no_grad():  # what serves gradients alone is not made
        untrained = fused.attention(qkv, table, layout, (2, 2, 3))
    assert torch.equal(untrained, wanted["out"])
    launched.clear()
    out = fused.attention(qkv, table.detach(), layout, (2, 2, 3))
    found = torch.autograd.grad(out, qkv, grad)[0]
    assert torch.equal(found, torch.cat([wanted[name] for name in "qkv"], dim=1))
    assert launched == ["forward", "query_gradients", "key_gradients"]


def test_torch_knows_the_operator():
    """Shapes and memory of fake tensors, what is changed, and what has a gradient."""
    case = ((2, 3, 2), (2, 2, 2), (0, 1, 0), 1, 1)
    layout, qkv, table, _ = inputs(*case, torch.float32)
    sizes = tuple((group.size, group.count) for group in layout.groups)
    todo = work_of.work(sizes, case[1], 1, 1, 64, CPU)
    work = (todo.matrices, todo.transposed, todo.tiles, todo.pairs, todo.starts, todo.positions)
    torch.library.opcheck(
        torch.ops.vswin.window_attention.default,
        (qkv, table, *work, todo.block),
        test_utils=("test_schema", "test_autograd_registration", "test_faketensor"),
    )


def norms(x, weight, bias, index):
    return fused_norm.layer_norm(x, weight, bias, 1e-5, x.dtype, index)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("indexed", [False, True])
def test_layer_norm(indexed, dtype, way, monkeypatch):
    """Channels that are no power of two, rows that no program's share divides, and zeros."""
    monkeypatch.setattr(fused_norm, "ELEMENTS", 256)
    monkeypatch.setattr(fused_norm, "PROGRAMS", 3)
    x, weight, bias = norm_inputs(29, 48, dtype)
    index = torch.cat((torch.randperm(29), torch.full((6,), 29)))[torch.randperm(35)].int()
    index = index if indexed else None
    grad = torch.randn(len(x if index is None else index), 48).to(dtype)
    found = norm_results(x, weight, bias, index, grad, norms)
    again = norm_results(x, weight, bias, index, grad, norms)
    assert all(torch.equal(again[name], value) for name, value in found.items())
    wanted = expected_norm(x, weight, bias, index, grad)
    for name, error in errors(found, wanted).items():
        assert error < TOLERANCE[dtype], f"{name}: {error:.2g}"


def test_torch_knows_layer_norm():
    x, weight, bias = norm_inputs(5, 16, torch.float32)
    torch.library.opcheck(
        torch.ops.vswin.layer_norm.default,
        (x, weight, bias, torch.randperm(5).int(), 1e-5, torch.float16),
        test_utils=("test_schema", "test_autograd_registration", "test_faketensor"),
    )


def test_a_model(monkeypatch):
    """Logits and all gradients, in training and evaluation, with windows that reach outside."""
    torch.manual_seed(0)
    model = build_model(
        "swin_t", embed_dim=16, depths=(2,), num_heads=(1,), num_classes=3, window_size=(2, 3, 3),
        drop_path=0.0, head_dropout=0.0,
    )  # fmt: skip
    torch.nn.init.normal_(model.layers[0].blocks[1].attn.relative_position_bias_table)
    clip = torch.randn(1, 3, 6, 16, 16)
    logits, gradients = plain_step(model, clip)
    calls, attention = [], fused.attention
    monkeypatch.setattr(fused, "attention", lambda *args: calls.append(1) or attention(*args))
    take_(model, Variant(attention="triton", norm="triton"))
    found, others = step(model, clip)
    torch.testing.assert_close(found, logits, rtol=1e-4, atol=1e-5)
    for name, gradient in gradients.items():
        torch.testing.assert_close(others[name], gradient, rtol=1e-3, atol=1e-5, msg=name)
    with torch.inference_mode():
        torch.testing.assert_close(model.eval()(clip), logits, rtol=1e-4, atol=1e-5)
    assert len(calls) == 4
