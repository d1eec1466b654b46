"""The Triton kernels on a GPU, where there is one: against the plain path in fp64.

What they are asked for by a model, and in Triton's interpreter, tests/models/swin has.
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
from tests.models.test_cuda import CASES, GPU, PADDED, check, gpu_step, swin
from vswin.models.swin.gpu import attention as fused
from vswin.models.swin.gpu import norm as fused_norm
from vswin.models.swin.variants import Variant, take_

pytestmark = pytest.mark.skipif(not GPU, reason="no GPU here")
TRITON = Variant(attention="triton", norm="triton")
TOLERANCE = {torch.float32: 1e-5, torch.float16: 3e-3, torch.bfloat16: 2e-2}
"""Largest relative error, in norm, of what attention gives and of each gradient."""
CALLS = {
    f"stage {stage}, {kind}": ((16, side, side), (8, 7, 7), shift, 2, 3 * 2 ** (stage - 1))
    for stage, side in enumerate((56, 28, 14, 7), start=1)
    for kind, shift in (("regular", (0, 0, 0)), ("shifted", (4, 3, 3) if side > 7 else (4, 0, 0)))
} | {"more windows than a GPU counts in 16 bits": ((16, 56, 56), (8, 1, 1), (0, 0, 0), 11, 3)}
"""Grid, window, shift, clips and heads: Swin-T's, and the factorized design's."""


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_what_comes_out_and_all_gradients(call, dtype):
    """Twice the same to the bit, and nothing is left unwritten: new memory is full of NaN."""
    layout, qkv, table, grad = inputs(*call, dtype, width=32, device="cuda")
    torch.use_deterministic_algorithms(True)
    try:
        first, second = (
            differentiate(fused.attention(qkv, table, layout, call[1]), qkv, table, grad)
            for _ in range(2)
        )
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(torch.equal(first[name], value) for name, value in second.items())
    for name, error in errors(first, expected(layout, qkv, table, grad)).items():
        assert error < TOLERANCE[dtype], f"{name}: {error:.2g}"


@pytest.mark.parametrize("width", [16, 64])
def test_other_heads(width):
    call = ((16, 14, 14), (8, 7, 7), (4, 3, 3), 1, 2)
    layout, qkv, table, grad = inputs(*call, torch.bfloat16, width, "cuda")
    found = differentiate(fused.attention(qkv, table, layout, call[1]), qkv, table, grad)
    worst = errors(found, expected(layout, qkv, table, grad))
    assert max(worst.values()) < TOLERANCE[torch.bfloat16], worst


@pytest.mark.parametrize("channels", [96, 768, 2048])
@pytest.mark.parametrize(
    ("dtype", "given"), [(torch.float32, torch.bfloat16), (torch.bfloat16, torch.float32)], ids=str
)
@pytest.mark.parametrize("indexed", [False, True])
def test_layer_norm(indexed, dtype, given, channels):
    """Twice the same to the bit; gradients of weights are sums over more rows than programs."""
    tokens = 9001
    x, weight, bias = norm_inputs(tokens, channels, dtype, "cuda")
    index = torch.full((tokens + 77,), tokens, dtype=torch.int32, device="cuda")
    index[torch.randperm(tokens + 77, device="cuda")[:tokens]] = torch.randperm(
        tokens, device="cuda", dtype=torch.int32
    )
    index = index if indexed else None
    grad = torch.randn(len(x if index is None else index), channels, device="cuda").to(given)

    def norms(x, weight, bias, index):
        return fused_norm.layer_norm(x, weight, bias, 1e-5, given, index)

    torch.use_deterministic_algorithms(True)
    try:
        first, second = (norm_results(x, weight, bias, index, grad, norms) for _ in range(2))
    finally:
        torch.use_deterministic_algorithms(False)
    assert all(torch.equal(first[name], value) for name, value in second.items())
    wanted = expected_norm(x, weight, bias, index, grad)
    rounded = {"out": given, "x": dtype}
    for name, error in errors(first, wanted).items():
        exact = rounded.get(name, torch.float32) == torch.float32
        assert error < (1e-5 if exact else 4e-3), f"{name}: {error:.2g}"


@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("swin")])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_models(case, dtype):
    """Trained and tested."""
    model = swin().float().cuda()
    take_(model, TRITON)
    check(model, model, case, dtype)


def test_a_compiled_model():
    torch.compiler.reset()
    model = swin().float().cuda()
    take_(model, TRITON)
    check(model, torch.compile(model, dynamic=False), "swin", torch.bfloat16)


@pytest.mark.parametrize("learns", ["tables", "all but tables"])
def test_frozen_models(learns):
    model = swin().float().cuda()
    take_(model, TRITON)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(("table" in name) == (learns == "tables"))
    check(model, model, "swin", torch.bfloat16)


def test_a_step_waits_for_nothing():
    model, clips = swin().float().cuda(), torch.randn(2, 3, *PADDED, device="cuda")
    take_(model, TRITON)
    gpu_step(model, clips, torch.bfloat16)  # tables are copied once, and kernels compiled
    torch.cuda.set_sync_debug_mode("error")
    try:
        gpu_step(model, clips, torch.bfloat16)
    finally:
        torch.cuda.set_sync_debug_mode("default")
