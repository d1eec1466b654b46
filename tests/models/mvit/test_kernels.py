"""The kernels for the CPU give what the layers give, and leave it to them where they cannot."""

import itertools

import pytest
import torch

import vswin
from tests.peers import randomise_
from vswin.models.cpu import chunked
from vswin.models.mvit.cpu import block, depthwise, products
from vswin.models.mvit.geometry import Pool

SMALL = {
    "depths": (1, 2, 1),
    "embed_dim": 8,
    "num_heads": 2,
    "frames": 6,
    "image_size": 44,
    "num_classes": 5,
    "head_dropout": 0.0,
    "drop_path": 0.0,
}
OPTIONS = {
    "as published": {},
    "last stage pooled": {"kv_pool_last_stage": True},
    "fixed stride": {"kv_stride": (1, 4, 4), "kv_adaptive": False},
    "strides in time": {"kv_stride": (4, 8, 8), "q_stride": (2, 2, 2)},
    "other filters": {"pool_kernel": (1, 5, 3), "kv_stride": (1, 8, 8)},
    "maximum": {"pooling": "max", "positions": "joint"},
    "not pooled": {"kv_stride": (1, 1, 1), "q_pool_blocks": ()},
    "queries of the last block": {"q_pool_blocks": (3,)},
    "another skip": {"skip": "unnormalized"},
    "no skip": {"skip": "none"},
    "images": {
        "frames": 1,
        "patch_kernel": (1, 7, 7),
        "patch_stride": (1, 4, 4),
        "pool_kernel": (1, 3, 3),
    },
}


def build(**options):
    return randomise_(vswin.build_model("mvit_b_16x4", **(SMALL | options)))


def clips(model, batch=3):
    config = model.config
    size = (batch, 3, config.frames, config.image_size, config.image_size)
    return torch.randn(size, generator=torch.Generator().manual_seed(5))


@pytest.fixture
def kernels(monkeypatch):
    """Kernels for however little; some tokens at a time are few, so that there are many parts."""
    monkeypatch.setattr(block, "LARGE_BYTES", -1)
    monkeypatch.setattr(chunked, "CHUNK", 17)
    monkeypatch.setattr("vswin.models.mvit.cpu.mlp.FEW_CHANNELS", 8)


def plainly(monkeypatch, call):
    """What a call gives without kernels."""
    with monkeypatch.context() as patch:
        patch.setattr(chunked, "possible", lambda *_: False)
        return call()


def step(model, clip):
    """Logits and gradients."""
    model.zero_grad()
    logits = model(clip)
    logits.square().sum().backward()
    return [logits.detach(), *(p.grad.clone() for p in model.parameters())]


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_a_training_step_is_that_of_the_layers(options, kernels, monkeypatch):
    model = build(**options).double()
    clip = clips(model).double()
    names = ["logits", *(name for name, _ in model.named_parameters())]
    wanted = plainly(monkeypatch, lambda: step(model, clip))
    for name, mine, theirs in zip(names, step(model, clip), wanted, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-10, msg=name)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("onednn", [True, False])
def test_inference_is_that_of_the_layers(options, onednn, kernels, monkeypatch):
    monkeypatch.setattr(products, "_ONEDNN", onednn and products._ONEDNN)
    model = build(**options)
    clip = clips(model)
    with torch.inference_mode():
        for call in (lambda: model(clip), lambda: model.forward_features(clip)):
            wanted = plainly(monkeypatch, call)
            assert (call() - wanted).abs().max() < 1e-5 * wanted.abs().max()


def test_gradients_of_single_precision_are_close(kernels, monkeypatch):
    model = build()
    clip = clips(model)
    wanted = plainly(monkeypatch, lambda: step(model, clip))
    largest = max(theirs.abs().max() for theirs in wanted)
    for mine, theirs in zip(step(model, clip), wanted, strict=True):
        assert (mine - theirs).abs().max() <= 1e-4 * theirs.abs().max() + 1e-6 * largest


def test_dropped_samples_are_the_same_ones(kernels, monkeypatch):
    model = build(drop_path=0.5).double().train()
    clip = clips(model, batch=4).double()

    def seeded():
        torch.manual_seed(7)
        return step(model, clip)

    for mine, theirs in zip(seeded(), plainly(monkeypatch, seeded), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-10)


def test_recomputed_blocks_have_the_same_gradients(kernels):
    model, again = build().double(), build(activation_checkpointing=True).double()
    clip = clips(model).double()
    for mine, theirs in zip(step(again, clip), step(model, clip), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-12)


def test_frozen_weights_get_no_gradient_and_the_others_theirs(kernels, monkeypatch):
    model = build().double()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("norm" not in name and "pool_k" not in name)
    clip = clips(model).double()

    def gradients():
        model.zero_grad()
        model(clip).square().sum().backward()
        return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}

    wanted, found = plainly(monkeypatch, gradients), gradients()
    assert (
        found.keys() == wanted.keys() == {n for n, p in model.named_parameters() if p.requires_grad}
    )
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize(
    "part", ["attn", "attn.pool_k", "attn.proj", "norm1", "norm2", "mlp", "mlp.fc1"]
)
def test_who_listens_to_a_layer_hears_it(part, kernels):
    model = build()
    heard = []
    for each in model.blocks[:1]:
        each.get_submodule(part).register_forward_hook(lambda *_: heard.append(part))
    clip = clips(model)
    model(clip)
    with torch.inference_mode():
        model(clip)
    assert heard == [part, part]


def test_torch_func_and_autocast_see_layers(kernels, monkeypatch):
    model = build().double()
    clip = clips(model).double()
    parameters = dict(model.named_parameters())

    def loss(values):
        return torch.func.functional_call(model, values, (clip,)).square().sum()

    wanted = dict(zip(parameters, plainly(monkeypatch, lambda: step(model, clip))[1:], strict=True))
    for name, value in torch.func.grad(loss)(parameters).items():
        torch.testing.assert_close(value, wanted[name], rtol=1e-9, atol=1e-10)
    with torch.autocast("cpu", torch.bfloat16):
        assert build()(clip.float()).dtype == torch.bfloat16


@pytest.mark.parametrize("kernel", [(3, 3, 3), (1, 3, 3), (3, 5, 3), (2, 3, 4)], ids=str)
@pytest.mark.parametrize("stride", [(1, 1, 1), (1, 2, 2), (2, 4, 8)], ids=str)
def test_a_pool_reads_what_it_says(kernel, stride):
    """A grid without the rest gives the same."""
    pool = Pool(kernel, stride)
    filters = torch.randn(2, 1, *kernel, dtype=torch.float64)
    for grid in ((8, 14, 9), (3, 7, 8), (1, 2, 3), (5, 17, 4)):
        if min(pool.out(grid)) < 1:
            continue
        volume = torch.zeros(1, 2, *grid, dtype=torch.float64)
        axes = pool.read(grid)
        read = volume[:, :, axes[0]][:, :, :, axes[1]][..., axes[2]]
        assert pool.dense.out(read.shape[2:]) == pool.out(grid)
        volume = torch.full_like(volume, float("nan"))  # what is not read must not matter
        for place in itertools.product(*axes):
            volume[(slice(None), slice(None), *place)] = sum(place) + 1.0
        read = volume[:, :, axes[0]][:, :, :, axes[1]][..., axes[2]]
        whole = torch.nn.functional.conv3d(
            volume, filters, None, pool.stride, pool.padding, groups=2
        )
        dense = pool.dense
        found = torch.nn.functional.conv3d(
            read, filters, None, dense.stride, dense.padding, groups=2
        )
        assert torch.equal(found, whole)


@pytest.mark.parametrize("kernel", [(3, 3, 3), (1, 3, 3), (5, 3, 3), (2, 3, 3)], ids=str)
@pytest.mark.parametrize("stride", [(1, 1, 1), (2, 2, 2), (3, 1, 4)], ids=str)
def test_the_backward_pass_of_a_depthwise_convolution(kernel, stride):
    pool = Pool(kernel, stride)
    x = torch.randn(2, 7, 6, 5, 3, dtype=torch.float64).permute(0, 4, 1, 2, 3).requires_grad_()
    filters = torch.randn(3, 1, *kernel, dtype=torch.float64, requires_grad=True)
    assert depthwise.serves(x, filters)
    found = depthwise.convolve(x, filters, pool)
    wanted = torch.nn.functional.conv3d(x, filters, None, pool.stride, pool.padding, groups=3)
    torch.testing.assert_close(found, wanted)
    weight = torch.randn(wanted.shape, dtype=torch.float64)
    mine = torch.autograd.grad((found * weight).sum(), (x, filters))
    theirs = torch.autograd.grad((wanted * weight).sum(), (x, filters))
    torch.testing.assert_close(mine, theirs, rtol=1e-9, atol=1e-10)
