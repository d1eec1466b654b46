"""On a GPU, where there is one: the kernels that real sizes reach, against fp64 on the CPU.

Heads have 32 channels and windows are 8 x 7 x 7, as in the paper, so that torch's fused attention
is what is tested; shifted blocks have windows of all eighteen sizes.
"""

import functools
import os
import re

import pytest
import torch

from tests.models.mvit.test_model import small as small_mvit
from tests.models.operators import Operators
from tests.models.tiny import DESIGNS, plain_step, step, tiny
from tests.peers import randomise_
from vswin.models import build_model
from vswin.models.cpu import chunked
from vswin.models.layers import DropPath
from vswin.models.swin.attention import WindowAttention3D
from vswin.models.swin.variants import Variant, take_

GPU = torch.cuda.is_available()
pytestmark = pytest.mark.skipif(not GPU, reason="no GPU here")
if GPU:  # read once, and wanted where results are to be the same to the bit
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


@pytest.fixture(autouse=True)
def fp32_is_fp32(monkeypatch):
    """As in training, see `vswin.training.distributed.joined`; MViT pools by convolutions."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


EXACT, PADDED = (32, 112, 112), (31, 101, 106)
TOLERANCE = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 5e-2}
"""Largest relative error, in norm, of logits and of each gradient."""


def swin(**options):
    """Two stages of two blocks in fp64, with bias tables of a trained model's magnitude."""
    torch.manual_seed(0)
    model = build_model(
        "swin_t", embed_dim=64, depths=(2, 2), num_heads=(2, 4), num_classes=5,
        window_size=(8, 7, 7), drop_path=0.0, head_dropout=0.0, **options,
    )  # fmt: skip
    for name, parameter in model.named_parameters():
        if "table" in name:
            torch.nn.init.normal_(parameter)
    return model.double()


def mvit():
    return small_mvit(embed_dim=64, num_heads=2, frames=8, image_size=48)


@functools.cache
def reference(family, size):
    """Clips, and logits and gradients of the plain path, in fp64 on the CPU."""
    model = FAMILIES[family]()
    torch.manual_seed(1)
    clips = torch.randn(2, 3, *size, dtype=torch.float64)
    with pytest.MonkeyPatch.context() as plain:
        plain.setattr(chunked, "possible", lambda *args: False)
        return clips, *plain_step(model, clips)


FAMILIES = {"swin": swin, "mvit": mvit}
CASES = {
    "swin": ("swin", EXACT),
    "swin, padded": ("swin", PADDED),
    "mvit": ("mvit", (8, 48, 48)),
}


def error(found, expected, scale=None):
    """In norm, relative to that of what is expected, or to another."""
    difference = (found.double() - expected.cuda()).norm().item()
    return difference / (expected.norm().item() if scale is None else scale)


def scales(family, gradients):
    """By name, the norm that the error of a gradient is set beside: its own.

    Of MViT the largest of its block. There are gradients of zero in it, of which rounding alone
    can be seen: softmax takes no notice of what `norm_k.bias` adds to the products of a query with
    all keys, and the one query that the last block needs is the class token, which is not pooled.
    """
    norms = {name: gradient.norm().item() for name, gradient in gradients.items()}
    if family == "swin":
        return norms
    blocks = {name: re.match(r"blocks\.\d+|", name)[0] for name in norms}
    return {
        name: max(norm for other, norm in norms.items() if blocks[other] == block)
        for name, block in blocks.items()
    }


def gpu_step(model, clips, dtype):
    """Logits and gradients, which half precision would lose if the loss were not scaled."""
    scale = 1024.0 if dtype == torch.float16 else 1.0
    model.zero_grad()
    with torch.autocast("cuda", dtype, enabled=dtype != torch.float32):
        logits = model(clips)
    weights = torch.linspace(-1, 2, logits.numel(), device="cuda").view_as(logits)
    (logits.float() * weights * scale).sum().backward()
    found = {n.removeprefix("_orig_mod."): p.grad for n, p in model.named_parameters()}
    return logits.detach(), {n: g / scale for n, g in found.items() if g is not None}


def check(model, run, case, dtype):
    """Training and evaluation of `run`, which computes `model`, are those of the reference."""
    clips, logits, gradients = reference(*CASES[case])
    clips = clips.float().cuda()
    found, others = gpu_step(run, clips, dtype)
    learns = {name for name, p in model.named_parameters() if p.requires_grad}
    assert others.keys() == learns
    scale = scales(CASES[case][0], gradients)
    worst = {name: error(others[name], gradients[name], scale[name]) for name in learns}
    worst["logits"] = error(found, logits)
    run.eval()
    with (
        torch.inference_mode(),
        torch.autocast("cuda", dtype, enabled=dtype != torch.float32),
    ):
        worst["evaluation"] = error(run(clips), logits)
    assert not {name: e for name, e in worst.items() if not e < TOLERANCE[dtype]}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
def test_eager(case, dtype):
    model = FAMILIES[CASES[case][0]]().float().cuda()
    check(model, model, case, dtype)


@pytest.mark.parametrize(
    ("case", "dtype"),
    [("swin", torch.bfloat16), ("swin, padded", torch.float32), ("mvit", torch.bfloat16)],
    ids=str,
)
def test_compiled(case, dtype):
    torch.compiler.reset()
    model = FAMILIES[CASES[case][0]]().float().cuda()
    check(model, torch.compile(model, dynamic=False), case, dtype)


@pytest.mark.parametrize("case", ["swin", "swin, padded"])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("variant", [{}, {"attention": "by_mask"}, {"norm": "half"}], ids=str)
def test_variants(variant, dtype, case):
    model = swin().float().cuda()
    take_(model, Variant(**variant))
    check(model, model, case, dtype)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("variant", [None, Variant()], ids=["default", "plain"])
@pytest.mark.parametrize("learns", ["tables", "all but tables", "head"])
def test_frozen(learns, variant, dtype):
    model = swin().float().cuda()
    take_(model, variant)
    for name, parameter in model.named_parameters():
        table = "table" in name
        wanted = {"tables": table, "all but tables": not table, "head": "head" in name}
        parameter.requires_grad_(wanted[learns])
    check(model, model, "swin", dtype)


@pytest.mark.parametrize("options", DESIGNS.values(), ids=DESIGNS.keys())
def test_every_design(options):
    """Small heads and windows, and a size that is padded everywhere.

    Weights are of a size that makes attention matter: from those of a new model the bias tables get
    gradients of a millionth of the others', of which fp32 loses three digits on a CPU, too.
    """
    model, clips = randomise_(tiny(**options)).double(), torch.randn(2, 3, 9, 20, 27).double()
    expected, gradients = plain_step(model, clips)
    found, others = step(model.float().cuda(), clips.float().cuda())
    assert error(found, expected) < 1e-4
    assert all(error(others[name], gradient) < 1e-3 for name, gradient in gradients.items())


@pytest.mark.parametrize("grad", [True, False])
def test_attention_is_the_memory_efficient_one(grad):
    """One call for each size, trained or not; cuDNN would plan for each."""
    model, clips = swin().float().cuda(), torch.randn(1, 3, *EXACT, device="cuda")
    take_(model, Variant())
    with torch.set_grad_enabled(grad), torch.autocast("cuda", torch.bfloat16), Operators() as found:
        model(clips)
    assert found.count("_scaled_dot_product_efficient_attention") == 2 * (1 + 18)
    assert not [name for name, _ in found.names if "cudnn" in name]


def test_more_windows_than_a_gpu_counts():
    """Eleven clips at once are each by itself, to the gradient of the bias table."""
    layer = WindowAttention3D(96, (8, 1, 1), 3).cuda()
    take_(layer, Variant())
    torch.nn.init.normal_(layer.relative_position_bias_table)
    x = torch.randn(11, 16 * 56 * 56, 96, device="cuda")

    def run(x):
        layer.zero_grad()
        with torch.autocast("cuda", torch.bfloat16):
            out = layer(x.flatten(0, 1), layer.layout(x, (16, 56, 56), (0, 0, 0)))
        out.float().square().sum().backward()
        return out.float(), layer.relative_position_bias_table.grad.clone()

    together, apart = run(x), [run(clip) for clip in x.split(4)]
    # The order of tokens is by clip, since windows have one size.
    assert error(together[0], torch.cat([out for out, _ in apart]).double()) < 1e-2
    assert error(together[1], sum(gradient for _, gradient in apart).double()) < 1e-2


@pytest.mark.parametrize("variant", [None, Variant()], ids=["default", "plain"])
def test_twice_the_same(variant):
    """To the bit, where torch is told to."""
    model, clips = swin().float().cuda(), torch.randn(2, 3, *PADDED, device="cuda")
    take_(model, variant)
    torch.use_deterministic_algorithms(True)
    try:
        first, second = (gpu_step(model, clips, torch.bfloat16) for _ in range(2))
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.equal(first[0], second[0])
    assert all(torch.equal(first[1][name], second[1][name]) for name in first[1])


@pytest.mark.parametrize("options", DESIGNS.values(), ids=DESIGNS.keys())
def test_a_step_waits_for_nothing(options):
    """Heads of four channels: attention is torch's, LN a kernel of our own."""
    model, clips = tiny(**options).cuda(), torch.randn(2, 3, 16, 24, 24, device="cuda")
    gpu_step(model, clips, torch.bfloat16)  # layouts are copied once
    torch.cuda.set_sync_debug_mode("error")
    try:
        gpu_step(model, clips, torch.bfloat16)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_compiled_stochastic_depth():
    out = torch.compile(DropPath(0.3))(torch.ones(4000, 3, device="cuda"))
    assert torch.equal(out[:, 0], out[:, 2])
    assert out.unique().tolist() == pytest.approx([0, 1 / 0.7])
    assert (out[:, 0] == 0).double().mean().item() == pytest.approx(0.3, abs=0.03)
