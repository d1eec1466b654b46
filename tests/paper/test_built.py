"""What a text says of the model without a number of a preset is read off the model that is built.

The audit calls these settings "as built" by hand. The printed words are evaluated here, so that a
wrong one fails, and so does a model that is built otherwise.
"""

import re

import pytest
import torch
from torch import nn

import vswin
from vswin.models.mvit.geometry import blocks
from vswin.models.registry import resolve_config
from vswin.models.swin.model import PatchMerging
from vswin.models.swin.windows import relative_position_index
from vswin.paper.text import paper_text

P, M = 8, 7
"""The default window, (8, 7, 7)."""
SYMBOLS = {"C": 96, "D": 96, "P": P, "M": M, "d": 32, "two": 2, "half": 1 / 2}
PRINTED = {
    (paper, sentence.where, number.of): number
    for paper in ("video_swin", "mvit")
    for sentence in paper_text(paper)
    for number in sentence.numbers
}


@pytest.fixture(scope="module")
def swin():
    with torch.device("meta"):
        return vswin.build_model("swin_t")


def as_printed(where, of, paper="video_swin"):
    """The numbers that a text stands for: of `(2P-1)×(2M-1)`, 15 and 13."""
    text = PRINTED[paper, where, of].number.removesuffix("-layer").strip("[]×")
    found = []
    for part in re.split("[×,]", text.strip("()") if "," in text else text):
        formula = re.sub(r"(?<=[\dP])(?=[A-Z])", "*", part.strip()).replace("^", "**")
        found.append(eval(formula, {"__builtins__": {}}, SYMBOLS))
    return found


def linear_layers(module):
    return [layer for layer in module.modules() if isinstance(layer, nn.Linear)]


def test_patch_merging(swin):
    merging = next(module for module in swin.modules() if isinstance(module, PatchMerging))
    where, of = "section 3.1", "feature dimension of the patch merging linear layer in the second"
    linear = merging.reduction
    assert as_printed(where, f"input {of} stage") == [linear.in_features]
    assert as_printed(where, f"output {of} stage") == [linear.out_features]
    of = "output dimension of the patch merging linear layer relative to the concatenated"
    assert as_printed(where, f"{of} features") == [linear.out_features / linear.in_features]
    with torch.device("meta"):
        frames, height, width = merging(torch.empty(1, 8, 56, 56, 96)).shape[1:4]
    (by,) = as_printed(where, "spatial downsampling in the patch merging layer of each stage")
    assert (frames, height * by, width * by) == (8, 56, 56)
    group = "group of spatially neighboring patches concatenated in patch merging"
    assert as_printed(where, group) == [56 / height, 56 / width]


def test_a_feed_forward_network_has_two_layers(swin):
    mlp = swin.layers[0].blocks[0].mlp
    of = "MLP (feed-forward network) of a video transformer block"
    assert as_printed("section 3.1", of) == [len(linear_layers(mlp))]
    with torch.device("meta"):
        mlp = vswin.build_model("mvit_b_16x4").blocks[0].mlp
    where = "section D.1"
    assert as_printed(where, "linear layers in each MLP", "mvit") == [len(linear_layers(mlp))]
    assert mlp.fc1.in_features == SYMBOLS["D"]
    of = "dimension to which the first MLP layer expands D"
    assert as_printed(where, of, "mvit") == [mlp.fc1.out_features]


def test_windows_and_their_biases(swin):
    first, second = swin.layers[0].blocks
    where, pairs = "section 3.2", relative_position_index((P, M, M), (P, M, M))
    tokens = as_printed(where, "number of tokens in a 3D window")
    assert tokens == [P * M * M] == [round(pairs.numel() ** 0.5)]
    assert as_printed(where, "query, key and value matrices Q, K, V") == [
        *tokens,
        first.attn.qkv.in_features // swin.config.num_heads[0],
    ]
    bias = as_printed(where, "3D relative position bias B for each head")
    assert bias[0] * bias[1] * bias[2] == pairs.numel()
    rows = len(first.attn.relative_position_bias_table)
    table = as_printed(where, "smaller-sized bias matrix B̂")
    assert table == [15, 13, 13] and table[0] * table[1] * table[2] == rows
    shift = as_printed(where, "shift of the windows")
    assert tuple(int(half) for half in shift) == second.shift_size != first.shift_size == (0, 0, 0)
    for of, size in (("temporal", P), ("height or width", M)):
        low, high = as_printed(where, f"range of the {of} relative position")
        assert high - low + 1 == 2 * size - 1 and low == -high


def test_strides_of_keys_and_values_shrink_with_the_grid_of_queries():
    strides = []
    for plan in blocks(resolve_config("mvit_b_16x4")):
        if plan.kv and plan.kv.stride not in strides:
            strides.append(plan.kv.stride)
    of = "adaptive K, V stride in {}"
    printed = [
        tuple(as_printed("section A.2", of.format(name), "mvit"))
        for name in ("the scale1 stage", "scale2", "scale3")
    ]
    assert strides == printed
