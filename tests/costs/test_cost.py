"""Costs against the printed cells, and against a count by hand."""

import copy
import math

import pytest
import torch

import vswin
from vswin.errors import UsageError
from vswin.models import ModelError
from vswin.paper.printed import printed_table
from vswin.report import load_study

SLIPS = {
    ("table1", "swin_b_1k", "params"),
    ("table1", "swin_b", "params"),
    ("table3", "mvit_b_64x3", "params"),
    ("table3", "mvit_b_24_32x3", "params"),
}


@pytest.mark.parametrize("table", ["table1", "table3", "table5"])
def test_every_printed_cost_cell_of_the_rows_that_can_be_built(table):
    cells = load_study(table, protocol="smoke", results_dir="/nonexistent").cost_lines()
    ours = [row for row in printed_table(table).rows if row.system == "ours" or row.from_paper]
    assert len(cells) == 2 * len(
        {tuple(row.cells.values()) for row in ours}
    )  # one is printed twice
    wrong = {(table, c["row"], c["metric"]) for c in cells if not c["exact"]}
    assert wrong == {slip for slip in SLIPS if slip[0] == table}
    # A cell that is not reproduced is explained, and only those are.
    assert {(table, c["row"], c["metric"]) for c in cells if c["evidence"]} == wrong


@pytest.mark.parametrize(
    ("preset", "decimals"), [("swin_t", "87.9"), ("swin_s", "165.9"), ("swin_b", "281.6")]
)
def test_the_decimals_of_the_authors_readme(preset, decimals):
    with torch.device("meta"):
        model = vswin.build_model(preset)
    assert f"{vswin.cost(model, (3, 32, 224, 224)).gflops:.1f}" == decimals


def by_hand(config, size):
    """Multiply-accumulates from section 3, layer by layer, without running anything."""
    t, h, w = (math.ceil(s / p) for s, p in zip(size, config.patch_size, strict=True))
    macs = t * h * w * math.prod(config.patch_size) * config.in_channels * config.embed_dim
    normed = t * h * w * config.embed_dim
    for stage, depth in enumerate(config.depths):
        c = config.embed_dim * 2**stage
        window = [min(g, win) for g, win in zip((t, h, w), config.window_size, strict=True)]
        count = math.prod(math.ceil(g / win) for g, win in zip((t, h, w), window, strict=True))
        n = math.prod(window)
        attended, tokens = count * n, t * h * w
        macs += depth * attended * (3 * c * c + c * c + 2 * n * c)
        macs += depth * tokens * 2 * c * int(c * config.mlp_ratio)
        normed += depth * tokens * 2 * c
        if stage < len(config.depths) - 1:
            h, w = math.ceil(h / 2), math.ceil(w / 2)
            macs += t * h * w * 4 * c * 2 * c
            normed += t * h * w * 4 * c
    final = t * h * w * c
    return macs + c * config.num_classes, normed + final, final


@pytest.mark.parametrize(
    ("overrides", "size"),
    [
        ({}, (32, 224, 224)),
        ({"window_size": (16, 7, 7)}, (32, 224, 224)),
        ({}, (9, 100, 132)),
    ],
)
def test_rules_against_a_count_by_hand(overrides, size):
    with torch.device("meta"):
        model = vswin.build_model("swin_t", **overrides)
    macs, normed, pooled = by_hand(model.config, size)
    count = {rule: vswin.cost(model, (3, *size), rule=rule) for rule in ("macs", "fvcore", "paper")}
    assert count["macs"].flops == macs
    assert count["fvcore"].flops == macs + 5 * normed
    embedded = math.prod(math.ceil(s / p) for s, p in zip(size, (2, 4, 4), strict=True)) * 96
    assert count["paper"].flops == macs + 2 * normed + pooled + embedded
    assert sum(count["paper"].by_operator.values()) == count["paper"].flops


def test_a_real_model_is_counted_like_a_meta_one_and_left_alone():
    model = vswin.build_model(
        "swin_t", embed_dim=8, depths=(1, 1), num_heads=(1, 2), window_size=(2, 3, 3)
    )
    before = copy.deepcopy(model.state_dict())
    found = vswin.cost(model, (3, 4, 24, 24))
    with torch.device("meta"):
        meta = vswin.build_model(
            "swin_t", embed_dim=8, depths=(1, 1), num_heads=(1, 2), window_size=(2, 3, 3)
        )
    assert found == vswin.cost(meta, (3, 4, 24, 24))
    assert found.params == sum(p.numel() for p in model.parameters())
    assert model.training
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_errors():
    with torch.device("meta"):
        model = vswin.build_model("swin_t")
    with pytest.raises(UsageError, match="'flops'; known: .*paper"):
        vswin.cost(model, (3, 32, 224, 224), rule="flops")
    with pytest.raises(UsageError, match="four integers"):
        vswin.cost(model, (32, 224, 224))
    with pytest.raises(ModelError, match="Linear is no model"):
        vswin.cost(torch.nn.Linear(1, 1), (3, 32, 224, 224))
    with pytest.raises(ModelError, match="wanted"):
        vswin.cost(model, (1, 32, 224, 224))
