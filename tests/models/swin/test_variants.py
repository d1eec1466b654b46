"""What a GPU may take in place of the plain kernels gives the same, here on the CPU."""

import dataclasses
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

import vswin
from tests.models.operators import Operators
from tests.models.tiny import DESIGNS, plain_step, step, tiny
from vswin.models.attention_distance import attention_distance
from vswin.models.errors import ModelError
from vswin.models.swin import norms, variants
from vswin.models.swin.attention import WindowAttention3D
from vswin.models.swin.norms import layer_norm, norm_kernel
from vswin.models.swin.variants import DEFAULTS, Default, Variant, chosen, take_
from vswin.models.swin.windows import window_layout

ROOT = Path(__file__).parents[3]
CPU, META, GPU = map(torch.device, ("cpu", "meta", "cuda"))
BY_MASK, HALF = Variant(attention="by_mask"), Variant(norm="half")


@pytest.mark.parametrize("options", DESIGNS.values(), ids=DESIGNS.keys())
@pytest.mark.parametrize("kernel", ["by_size", "by_mask"])
def test_logits_and_gradients_are_those_of_the_plain_path(options, kernel):
    """In double precision, two clips that are padded everywhere; trained and tested."""
    model, clips = tiny(**options).double(), torch.randn(2, 3, 9, 20, 27, dtype=torch.double)
    expected, gradients = plain_step(model, clips)
    take_(model, Variant(attention=kernel))
    found, others = step(model, clips)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    for name, gradient in gradients.items():
        torch.testing.assert_close(others[name], gradient, rtol=1e-8, atol=1e-10, msg=name)
    with torch.inference_mode():
        torch.testing.assert_close(model.eval()(clips), expected, rtol=1e-10, atol=1e-10)


def test_windows_of_a_group_share_their_mask():
    """Swin-T's first stage at 32 x 224 x 224: eight masks, against those window by window."""
    where = (16, 56, 56), (8, 7, 7), (4, 3, 3), CPU, True
    each, found = window_layout(*where), window_layout(*where, by_mask=True)
    assert [group.count for group in found.groups] == [49, 7, 7, 1, 49, 7, 7, 1]
    assert sorted(found.index.tolist()) == sorted(each.index.tolist())
    masks = {
        tuple(tokens.tolist()): mask
        for tokens, mask in zip(each.index.view(-1, 392), each.allowed, strict=True)
    }
    starts = found.index.view(-1, 392).split([group.count for group in found.groups])
    for mask, windows in zip(found.allowed, starts, strict=True):
        assert all(torch.equal(mask, masks[tuple(tokens.tolist())]) for tokens in windows)


def test_eight_masks_are_eight_calls():
    """A shifted block of Swin-T's third stage, forwards and backwards."""
    layer = WindowAttention3D(384, (8, 7, 7), 12).to(META)
    take_(layer, BY_MASK)
    x = torch.empty(16 * 14 * 14, 384, device=META, requires_grad=True)
    with Operators() as found:
        layer(x, layer.layout(x[None], (16, 14, 14), (4, 3, 3))).sum().backward()
    kernels = Counter(found.kernels)
    names = {"gather": 1, "scatter_add": 1, "bitwise_not": 1, "masked_fill": 2, "cat": 2}
    assert {name: kernels[name] for name in names} == names
    assert kernels["bmm"] <= 8 * 6  # of a call that is not fused, as on this device
    assert kernels.total() <= 8 * 22 + 30


@pytest.mark.parametrize(
    ("dtype", "kernels"),
    [
        (torch.bfloat16, ["_to_copy", "_to_copy", "native_layer_norm"]),  # weights alone are copied
        (torch.float32, ["native_layer_norm", "_to_copy"]),
    ],
    ids=str,
)
def test_half_precision_leaves_out_copies_in_fp32(dtype, kernels):
    tokens, norm = torch.zeros(1000, 8, dtype=dtype), torch.nn.LayerNorm(8)
    with torch.autocast("cpu", torch.bfloat16), Operators() as found:
        assert layer_norm(tokens, norm, kernel="half").dtype == torch.bfloat16
    assert found.kernels == kernels
    assert sum(found.cast) == (16 if dtype == torch.bfloat16 else 8000)


def test_every_layer_norm_of_the_stages_is_asked_for_half_precision(monkeypatch):
    """Autocast would have them in fp32: it is off in all but the first and the last."""
    under_autocast, whole = [], F.layer_norm

    def spy(*args):
        under_autocast.append(torch.is_autocast_enabled("cpu"))
        return whole(*args)

    monkeypatch.setattr(F, "layer_norm", spy)
    model = tiny(**DESIGNS["factorized"])
    take_(model, HALF)
    with torch.autocast("cpu", torch.bfloat16):
        model(torch.zeros(1, 3, 4, 24, 24))
    stages = sum(isinstance(m, torch.nn.LayerNorm) for m in model.layers.modules())
    assert under_autocast == [True, *[False] * stages, True]


class Other(torch.nn.LayerNorm):
    """One that does more."""

    def forward(self, x):
        return 2 * super().forward(x)


def patched(x):
    return 2 * x


@pytest.mark.parametrize("kernel", ["half", "triton"])
@pytest.mark.parametrize("kind", ["subclass", "patched", "no bias", "identity", "other width"])
def test_what_is_not_torchs_own_layer_norm_is_called_itself(kind, kernel):
    norm = {"subclass": Other(8), "identity": torch.nn.Identity()}.get(kind, torch.nn.LayerNorm(8))
    if kind == "patched":
        norm.forward = patched
    if kind == "no bias":
        norm = torch.nn.LayerNorm(8, bias=False)
    tokens = torch.randn(2, 8, 16 if kind == "other width" else 8)
    with torch.autocast("cpu", torch.bfloat16):
        if kind == "other width":
            with pytest.raises(RuntimeError, match="normalized_shape"):
                layer_norm(tokens, norm, kernel)
        else:
            assert torch.equal(layer_norm(tokens, norm, kernel), norm(tokens))


@pytest.mark.parametrize("kernel", ["fp32", "half"])
def test_fp64_stays_fp64_under_autocast(kernel):
    norm, tokens = torch.nn.LayerNorm(8).double(), torch.randn(2, 8, dtype=torch.double)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer_norm(tokens, norm, kernel).dtype == torch.double


def test_where_triton_cannot_half_takes_its_place(monkeypatch):
    """Unless the module was told to; what is exported is none of Triton's either."""
    tokens, told = torch.zeros(1, 5, 8), Variant("triton", "triton")
    monkeypatch.setattr(norms, "chosen", lambda *_: told)
    monkeypatch.setattr(norms, "refusal", lambda _: "no GPU")
    assert norm_kernel(None, tokens) == "half"
    with pytest.raises(ModelError, match="norm 'triton' is not possible: no GPU; 'half' always is"):
        norm_kernel(told, tokens)
    monkeypatch.setattr(norms, "refusal", lambda _: None)
    assert norm_kernel(None, tokens) == "triton"
    assert norm_kernel(None, torch.zeros(1, 5, 8193)) == "half"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_half_precision_rounds_once(dtype):
    norm = torch.nn.LayerNorm(64)
    x = (3 * torch.randn(50, 64) + 1).to(dtype).requires_grad_()
    torch.nn.init.normal_(norm.bias)
    expected = F.layer_norm(x.double(), (64,), norm.weight.double(), norm.bias.double())
    with torch.autocast("cpu", torch.bfloat16):
        found = layer_norm(x, norm, kernel="half")
    assert found.dtype == torch.bfloat16
    if dtype == torch.float32:
        assert layer_norm(x, norm, kernel="half").dtype == dtype  # nothing is asked to be shorter
    torch.testing.assert_close(found.double(), expected, rtol=2**-7, atol=2**-8)
    found.sum().backward()
    assert norm.weight.grad.dtype == torch.float32
    assert x.grad.dtype == dtype


def test_a_hook_of_a_layer_norm_is_called_in_half_precision_too():
    seen, norm = [], torch.nn.LayerNorm(8)
    norm.register_forward_hook(lambda *_: seen.append(1))
    with torch.autocast("cpu", torch.bfloat16):
        layer_norm(torch.zeros(2, 8, dtype=torch.bfloat16), norm, kernel="half")
    assert seen == [1]


def test_half_precision_is_as_near_to_fp64_as_autocast_is():
    """Gradients of a whole model under autocast, at most half as far again."""
    model, clips = tiny(**DESIGNS["joint"]), torch.randn(2, 3, 9, 20, 27)
    expected = torch.cat([g.flatten() for g in plain_step(model, clips)[1].values()])
    errors = []
    for variant in (Variant(), HALF):
        take_(model, variant)
        with torch.autocast("cpu", torch.bfloat16):
            gradients = step(model, clips)[1]
        found = torch.cat([g.flatten() for g in gradients.values()])
        errors.append((found - expected).norm() / expected.norm())
    assert 0 < errors[1] < 1.5 * errors[0] < 0.05


def test_the_table_is_read_by_number_of_clips(monkeypatch):
    table = (Default(4, BY_MASK, "a card"), Default(None, HALF, "a card"))
    monkeypatch.setattr(variants, "DEFAULTS", table)
    assert [chosen(None, GPU, clips) for clips in (1, 4, 5, 500)] == [BY_MASK, BY_MASK, HALF, HALF]
    assert chosen(None, CPU, 1) is None
    assert chosen(Variant(), GPU, 1) == Variant()
    layer = WindowAttention3D(32, (4, 3, 3), 2).to(META)
    x = torch.empty(5, 8 * 6 * 6, 32, device=META)
    layouts = [layer.layout(x[:clips], (8, 6, 6), (2, 1, 1)) for clips in (4, 5)]
    assert [layout.by_mask for layout in layouts] == [True, False]


def test_the_table_has_a_line_for_every_number_and_says_why():
    limits = [line.most_clips for line in DEFAULTS]
    assert limits[-1] is None
    assert sorted(limits[:-1]) == limits[:-1]
    for line in DEFAULTS:
        for field in dataclasses.fields(Variant):
            known = get_args(vars(variants)[f"{field.name.capitalize()}Kernel"])
            assert getattr(line.variant, field.name) in known
        assert (ROOT / line.because.split(", ")[-1]).exists()


def test_who_is_told_takes_it_and_can_be_told_otherwise():
    model = tiny(**DESIGNS["factorized"])
    take_(model, BY_MASK)
    x = torch.empty(1, 8 * 6 * 6, 8)
    attention = model.layers[0].blocks[0].attn
    assert attention.layout(x, (8, 6, 6), (0, 1, 1)).by_mask
    take_(model, None)
    assert not attention.layout(x, (8, 6, 6), (0, 1, 1)).by_mask
    with pytest.raises(ModelError, match="MultiscaleViT has no kernel variants"):
        take_(vswin.build_model("mvit_b_16x4", depths=(1,), embed_dim=8), BY_MASK)


def test_what_attends_to_what_is_seen_by_mask_too():
    model, clip = tiny(**DESIGNS["joint"]).eval(), torch.randn(1, 3, 16, 24, 24)
    expected = attention_distance(model, clip)
    take_(model, BY_MASK)
    torch.testing.assert_close(attention_distance(model, clip), expected)
