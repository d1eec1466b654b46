"""Table 4: the split and factorized designs, against a plain reading of the paper."""

import math

import pytest
import torch
from torch import nn

import vswin
from tests.peers import randomise_
from vswin.models import ModelError
from vswin.models.layers import DropPath
from vswin.models.swin.designs import (
    FactorizedTemporalAttention,
    TemporalTransformerLayer,
    frame_encoding,
)
from vswin.training.recipe import Recipe, build_optimizer

TINY = {"embed_dim": 8, "depths": (2, 2), "num_heads": (1, 2), "num_classes": 5}


def tiny(**overrides):
    torch.manual_seed(0)
    return vswin.build_model("swin_t", **(TINY | overrides)).eval()


@pytest.mark.parametrize(
    ("design", "window", "gflops", "params"),
    [
        ("joint", (8, 7, 7), 87.889, 28_158_070),
        ("split", (1, 7, 7), 83.334, 42_007_306),
        ("factorized", (16, 7, 7), 95.167, 36_488_524),
        # The paper does not say how long the temporal window is; the cells leave these open, too.
        ("factorized", (8, 7, 7), 94.801, 36_486_316),
        ("factorized", (1, 7, 7), 95.167, 36_488_524),
    ],
)
def test_costs_of_table_4(design, window, gflops, params):
    with torch.device("meta"):
        model = vswin.build_model("swin_t", design=design, window_size=window)
    found = vswin.cost(model, (3, 32, 224, 224), rule="paper")
    assert round(found.gflops, 3) == gflops
    assert found.params == params


def test_a_new_factorized_network_equals_the_spatial_one():
    spatial = tiny(window_size=(1, 3, 3))
    model = tiny(design="factorized", window_size=(4, 3, 3))
    shared = {k: v for k, v in model.state_dict().items() if ".temporal." not in k}
    spatial.load_state_dict(shared)
    clip = torch.randn(2, 3, 8, 24, 24)
    torch.testing.assert_close(model(clip), spatial(clip), rtol=0, atol=0)
    # The weight starts at zero and is learnt; the layer behind it follows once it has moved.
    model(clip).sum().backward()
    gates = [m.gate for m in model.modules() if isinstance(m, FactorizedTemporalAttention)]
    assert len(gates) == 4
    assert all(gate.grad.abs() > 0 for gate in gates)
    with torch.no_grad():
        for gate in gates:
            gate.fill_(1)
    assert (model(clip) - spatial(clip)).abs().max() > 1e-4


@pytest.mark.parametrize(("frames", "window", "shift"), [(6, 6, 0), (8, 4, 0), (8, 4, 2)])
def test_factorized_attention_is_attention_along_time_at_each_position(frames, window, shift):
    torch.manual_seed(0)
    layer = FactorizedTemporalAttention(8, (window, 1, 1), 2, (shift, 0, 0)).double()
    for parameter in layer.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(2, frames, 3, 2, 8, dtype=torch.float64)
    out = layer(x.view(2, -1, 8), (frames, 3, 2)).view(x.shape)
    table = layer.attn.relative_position_bias_table
    # Shifted windows are cut at frames shift, shift + window, ...; what lies before is one more.
    group = [(t - shift) // window for t in range(frames)]
    for b, h, w in ((0, 0, 0), (1, 2, 1)):
        normed = layer.norm(x[b, :, h, w])
        q, k, v = layer.attn.qkv(normed).view(frames, 3, 2, 4).unbind(1)
        rows = []
        for i in range(frames):
            heads = []
            for head in range(2):
                keys = [j for j in range(frames) if group[j] == group[i]]
                logits = torch.stack(
                    [
                        q[i, head] @ k[j, head] / math.sqrt(4) + table[i - j + window - 1, head]
                        for j in keys
                    ]
                )
                heads.append(logits.softmax(0) @ v[keys, head])
            rows.append(torch.cat(heads))
        expected = layer.gate * layer.attn.proj(torch.stack(rows))
        torch.testing.assert_close(out[b, :, h, w], expected)


def test_split_layer_is_a_standard_pre_norm_transformer_layer_over_time():
    """Against torch.nn's, which has the position encoding added to its attention's input by us."""
    torch.manual_seed(0)
    ours = TemporalTransformerLayer(8, 2, mlp_ratio=4.0, drop_path=0.0).double().eval()
    for parameter in ours.parameters():
        nn.init.normal_(parameter, std=0.5)
    theirs = nn.MultiheadAttention(8, 2, batch_first=True, dtype=torch.float64).eval()
    theirs.load_state_dict(
        {
            "in_proj_weight": ours.attn.qkv.weight,
            "in_proj_bias": ours.attn.qkv.bias,
            "out_proj.weight": ours.attn.proj.weight,
            "out_proj.bias": ours.attn.proj.bias,
        }
    )
    x = torch.randn(2, 5, 3, 2, 8, dtype=torch.float64)
    sequences = x.permute(0, 2, 3, 1, 4).flatten(0, 2)  # (B * H' * W', T', C)
    attended = ours.norm1(sequences) + frame_encoding(5, 8).double()
    y = sequences + theirs(attended, attended, attended, need_weights=False)[0]
    y = y + ours.mlp.fc2(nn.functional.gelu(ours.mlp.fc1(ours.norm2(y))))
    expected = y.view(2, 3, 2, 5, 8).permute(0, 3, 1, 2, 4)
    torch.testing.assert_close(ours(x), expected)


def test_frame_encoding_is_that_of_the_original_transformer():
    found = frame_encoding(7, 6)
    for t in range(7):
        for i in range(3):
            assert found[t, 2 * i] == pytest.approx(math.sin(t / 10_000 ** (2 * i / 6)), abs=1e-6)
            assert found[t, 2 * i + 1] == pytest.approx(math.cos(t / 10_000 ** (2 * i / 6)))
    assert frame_encoding(3, 5).shape == (3, 5)


@pytest.mark.parametrize(
    "overrides",
    [
        {"design": "split", "window_size": (1, 3, 3)},
        {"design": "factorized", "window_size": (4, 3, 3)},
    ],
)
def test_designs_see_the_order_of_frames(overrides):
    model = randomise_(tiny(patch_size=(1, 4, 4), **overrides))
    clip = torch.randn(1, 3, 8, 24, 24)
    spatial = randomise_(tiny(patch_size=(1, 4, 4), window_size=(1, 3, 3)))
    assert torch.allclose(spatial(clip), spatial(clip.flip(2)), atol=1e-5)
    assert (model(clip) - model(clip.flip(2))).abs().max() > 1e-2


def test_factorized_windows_are_shifted_as_table_6_says():
    for shift, wanted in (("3d", (2, 0, 0)), ("spatial", (0, 0, 0)), ("none", (0, 0, 0))):
        model = tiny(design="factorized", window_size=(4, 3, 3), shift=shift)
        first, second = model.layers[0].blocks
        assert first.temporal.shift_size == first.shift_size == (0, 0, 0)
        assert second.temporal.shift_size == wanted
        assert second.shift_size == ((0, 0, 0) if shift == "none" else (0, 1, 1))


def test_split_refuses_a_3d_window_in_one_line():
    with pytest.raises(ModelError) as caught:
        vswin.build_model("swin_t", design="split", window_size=(8, 7, 7))
    text = str(caught.value)
    assert "(8, 7, 7)" in text
    assert "(1, 7, 7)" in text
    assert "\n" not in text


def test_split_takes_a_spatial_window_where_none_is_given():
    with torch.device("meta"):
        assert vswin.build_model("swin_t", design="split").config.window_size == (1, 7, 7)


def test_gates_take_no_weight_decay():
    model = tiny(design="factorized", window_size=(4, 3, 3))
    optimizer = build_optimizer(model, Recipe(steps_per_epoch=1))
    exempt = {id(p) for g in optimizer.param_groups if not g["weight_decay"] for p in g["params"]}
    assert all(id(p) in exempt for n, p in model.named_parameters() if n.endswith("gate"))
    assert sum(len(g["params"]) for g in optimizer.param_groups) == len(list(model.parameters()))


def test_temporal_layers_take_part_in_stochastic_depth():
    """The rate rises to that of the last block, and they come after it."""
    model = tiny(design="split", window_size=(1, 3, 3), drop_path=0.3)
    rates = [module.rate for module in model.modules() if isinstance(module, DropPath)]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.3, 0.3, 0.3])
