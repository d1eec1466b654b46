"""The model as a whole: shapes, names, presets, errors."""

import pytest
import torch

import vswin
from vswin.models import ModelError
from vswin.models.swin.config import PRESETS
from vswin.models.swin.initialisation import initialise_

TINY = {
    "embed_dim": 8,
    "depths": (2, 2),
    "num_heads": (1, 2),
    "window_size": (2, 3, 3),
    "num_classes": 5,
}


def tiny(**overrides):
    torch.manual_seed(0)
    return vswin.build_model("swin_t", **(TINY | overrides))


def autocast(model, clip):
    with torch.autocast("cpu", torch.bfloat16):
        return model(clip)


@pytest.mark.parametrize(
    ("preset", "params"),
    [
        ("swin_t", 28_158_070),
        ("swin_s", 49_816_678),
        ("swin_b", 88_048_984),
        ("swin_l", 196_953_916),
    ],
)
def test_presets_of_section_3_3(preset, params):
    with torch.device("meta"):
        model = vswin.build_model(preset)
    assert sum(p.numel() for p in model.parameters()) == params
    config = PRESETS[preset]
    # "The query dimension of each head is d = 32".
    assert all(config.embed_dim * 2**i == 32 * heads for i, heads in enumerate(config.num_heads))


def test_contract_shapes():
    model = tiny().eval()
    clip = torch.randn(2, 3, 4, 24, 24)
    assert model(clip).shape == (2, 5)
    # T' = 4/2, H' = W' = 24/4 halved once, channels doubled once.
    assert model.forward_features(clip).shape == (2, 2, 3, 3, 16)


@pytest.mark.parametrize("size", [(5, 23, 30), (1, 4, 4), (3, 17, 9), (2, 1, 1)])
def test_sizes_that_do_not_divide_are_padded(size):
    model = tiny().eval()
    clip = torch.randn(1, 3, *size)
    features = model.forward_features(clip)
    t, h, w = (-(-s // p) for s, p in zip(size, (2, 4, 4), strict=True))
    assert features.shape == (1, t, -(-h // 2), -(-w // 2), 16)
    # Padding a clip with zeros by hand up to whole patches changes nothing.
    padded = torch.zeros(1, 3, t * 2, h * 4, w * 4)
    padded[:, :, : size[0], : size[1], : size[2]] = clip
    torch.testing.assert_close(model.forward_features(padded), features)


def test_patch_embedding_is_the_convolution_of_published_weights():
    model = tiny()
    clip = torch.randn(2, 3, 4, 16, 16)
    expected = model.patch_embed.norm(model.patch_embed.proj(clip).permute(0, 2, 3, 4, 1))
    torch.testing.assert_close(model.patch_embed(clip), expected)


def test_state_dict_has_the_released_names():
    names = set(vswin.build_model("swin_t").state_dict())
    assert {
        "patch_embed.proj.weight",
        "patch_embed.norm.bias",
        "layers.2.blocks.5.attn.relative_position_bias_table",
        "layers.0.blocks.1.attn.qkv.weight",
        "layers.0.blocks.0.mlp.fc1.bias",
        "layers.2.downsample.reduction.weight",
        "layers.0.downsample.norm.weight",
        "norm.weight",
        "head.bias",
    } <= names
    assert "layers.3.downsample.norm.weight" not in names
    shapes = {k: tuple(v.shape) for k, v in vswin.build_model("swin_t").state_dict().items()}
    assert shapes["patch_embed.proj.weight"] == (96, 3, 2, 4, 4)
    assert shapes["layers.0.blocks.0.attn.relative_position_bias_table"] == (2535, 3)
    assert shapes["layers.0.downsample.reduction.weight"] == (192, 384)


def test_stochastic_depth_rises_linearly_and_drops_whole_samples():
    model = tiny(drop_path=0.3)
    rates = [block.drop_path.rate for stage in model.layers for block in stage.blocks]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.3])
    drop = model.layers[1].blocks[1].drop_path
    x = torch.ones(4000, 3)
    out = drop.train()(x)
    assert torch.equal(out[:, 0], out[:, 2])
    assert out.unique().tolist() == pytest.approx([0, 1 / 0.7])
    assert (out[:, 0] == 0).double().mean().item() == pytest.approx(0.3, abs=0.03)
    assert torch.equal(drop.eval()(x), x)


def test_activation_checkpointing_changes_nothing_but_memory():
    clip = torch.randn(2, 3, 4, 24, 24)
    gradients = []
    for checkpointing in (False, True):
        model = tiny(activation_checkpointing=checkpointing, drop_path=0.5)
        torch.manual_seed(1)
        model(clip).sum().backward()
        gradients.append([p.grad for p in model.parameters()])
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b)


def test_temporal_shift_connects_windows():
    """Table 6 in one line: only with a temporal shift does the last window see the first frame."""
    clip = torch.randn(1, 3, 8, 24, 24)
    changed = clip.clone()
    changed[:, :, :2] += 1  # the first of four tokens in time, windows hold two
    for shift, reaches in (("3d", True), ("spatial", False), ("none", False)):
        model = tiny(shift=shift).eval()
        difference = (model.forward_features(changed) - model.forward_features(clip))[:, 2:]
        assert bool(difference.abs().max() > 1e-6) == reaches


def test_a_model_can_be_trained_after_it_was_used():
    model = tiny()
    clip = torch.randn(1, 3, 6, 28, 28)  # a size that no other test uses, so that no layout exists
    with torch.inference_mode():
        model(clip)
    model(clip).sum().backward()


def test_initialisation_is_seeded_and_scaled():
    models = [tiny() for _ in range(2)]
    for a, b in zip(*(m.parameters() for m in models), strict=True):
        assert torch.equal(a, b)
    model = vswin.build_model("swin_t", depths=(1, 1), num_heads=(3, 6))
    weight = model.layers[0].blocks[0].mlp.fc1.weight
    assert weight.std().item() == pytest.approx(0.02, rel=0.05)
    initialise_(model, "fan_in")
    assert weight.std().item() == pytest.approx(96**-0.5, rel=0.05)
    assert model.layers[0].blocks[0].attn.qkv.bias.abs().max() == 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: vswin.build_model("swin_x"), ["'swin_x'", "swin_t, swin_s, swin_b, swin_l"]),
        (lambda: tiny(window=(2, 3, 3)), ["'window'", "did you mean 'window_size'"]),
        (lambda: tiny(window_size=(2, 3)), ["window_size", "three integers"]),
        (lambda: tiny(window_size=(2, 0, 3)), ["window_size", "three integers"]),
        (lambda: tiny(num_heads=(3, 3)), ["num_heads", "8 channels of stage 1"]),
        (lambda: tiny(num_heads=(1,)), ["num_heads", "2 stages"]),
        (lambda: tiny(shift="time"), ["shift='time'", "'3d', 'spatial', 'none'"]),
        (lambda: tiny(design="split"), ["design='split'", "(2, 3, 3)", "(1, 3, 3)"]),
        (lambda: tiny(design="joined"), ["design='joined'", "'joint', 'split', 'factorized'"]),
        (lambda: tiny(drop_path=1.0), ["drop_path", "[0, 1)"]),
        (lambda: tiny(num_classes=True), ["num_classes"]),
        (
            lambda: tiny()(torch.zeros(3, 4, 24, 24)),
            ["(3, 4, 24, 24)", "(B, 3, T, H, W)", "clip[None]"],
        ),
        (lambda: tiny()(torch.zeros(1, 4, 24, 24, 3)), ["(B, 3, T, H, W)", "permute"]),
        (lambda: tiny()(torch.zeros(1, 8, 3, 24, 24)), ["(B, 3, T, H, W)", "transpose"]),
        (
            lambda: tiny()(torch.zeros(1, 3, 4, 24, 24, dtype=torch.uint8)),
            ["uint8", "floating point"],
        ),
        (
            lambda: tiny()(torch.zeros(1, 3, 4, 24, 24, dtype=torch.float64)),
            ["clip is torch.float64", "weights are torch.float32", "or torch.autocast"],
        ),
        (
            lambda: autocast(tiny(), torch.zeros(1, 3, 4, 24, 24, dtype=torch.float64)),
            ["clip is torch.float64", "weights are torch.float32", "autocast does not give fp64"],
        ),
        (
            lambda: tiny().double()(torch.zeros(1, 3, 4, 24, 24)),
            ["clip is torch.float32", "weights are torch.float64"],
        ),
        (lambda: tiny()(torch.zeros(1, 3, 0, 24, 24)), ["at least 1"]),
        (lambda: tiny()([[1.0]]), ["clip is a list", "torch.Tensor"]),
    ],
)
def test_errors_say_what_was_wrong_and_wanted(call, words):
    with pytest.raises(ModelError) as error:
        call()
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_autocast_takes_clips_in_half_precision(dtype):
    clip = torch.randn(1, 3, 4, 24, 24).to(dtype)
    model = tiny().eval()
    found, expected = autocast(model, clip), autocast(model, clip.float())
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.02)
