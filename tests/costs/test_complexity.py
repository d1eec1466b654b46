"""Section C: the formulas against what is counted, over strides, heads, sizes and channels."""

import itertools
import math

import pytest
import torch

import vswin
from vswin.costs.complexity import (
    MHPA,
    attention,
    attentions,
    count,
    elements,
    embedding,
    memory,
    multiply_accumulates,
    pooling,
    runtime,
    scores,
)
from vswin.models.mvit.geometry import Pool
from vswin.models.registry import resolve_config

POOLS = [None, Pool((3, 3, 3), (1, 2, 2)), Pool((3, 3, 3), (2, 4, 4)), Pool((1, 3, 3), (1, 8, 8))]
SWEEP = [
    MHPA(grid, dim, heads, q, kv)
    for grid, (dim, heads), q, kv in itertools.product(
        [(4, 16, 16), (8, 24, 8)], [(96, 1), (96, 4), (384, 4)], POOLS[:2], POOLS
    )
]


def test_runtime_is_counted_to_the_last_digit_once_the_class_token_is_added():
    for a in SWEEP:
        tokens, queries, keys = (1 + a.length // f for f in (1, a.f_q, a.f_k))
        linear = (3 * tokens + queries) * a.dim**2
        products = 2 * queries * keys * a.dim
        exact = linear + products + pooling(a, a.q) + 2 * pooling(a, a.kv)
        assert count(a).multiply_accumulates == exact, a


def test_formulas_are_within_what_one_token_more_adds():
    for a in SWEEP:
        found, more = count(a), (1 + a.f_q / a.length) * (1 + a.f_k / a.length)
        assert 1 <= found.multiply_accumulates / multiply_accumulates(a) <= more, a
        # Means and deviations of the LNs after pooling are kept, too: two numbers of a head.
        assert 1 <= found.elements / elements(a) <= more + 3 * a.heads / a.dim, a


def test_the_orders_of_the_text_bound_what_is_counted():
    for a in SWEEP:
        found = count(a)
        pooled = pooling(a, a.q) + 2 * pooling(a, a.kv)
        assert 2 * runtime(a) < found.multiply_accumulates < 4.2 * runtime(a) + pooled, a
        assert memory(a) < found.elements < 10 * memory(a), a


def test_the_orders_are_as_printed():
    """Written out for T, H, W = 2, 3, 4, D = 6, h = 3, f_q = 4, f_k = 8, kernels of 27."""
    a = MHPA((2, 3, 4), 6, 3, Pool((3, 3, 3), (1, 2, 2)), Pool((3, 3, 3), (2, 2, 2)))
    assert embedding(a) == 24 * 6**2
    assert attention(a) == 24**2 * 6 / (4 * 8)
    assert pooling(a, a.kv) == 24 * 6 * 27 / 8
    assert runtime(a) == 24 * 6 * (6 + 24 / (4 * 8)) == embedding(a) + attention(a)
    assert scores(a) == 24**2 * 3 / (4 * 8)
    assert memory(a) == 24 * 3 * (6 / 3 + 24 / (4 * 8)) == 24 * 6 + scores(a)


@pytest.mark.parametrize(
    ("preset", "options"),
    [
        ("mvit_b_16x4", {}),
        ("mvit_b_16x4", {"kv_stride": (2, 4, 4)}),
        ("mvit_b_24_32x3", {}),
        ("vit_b_8x8", {}),
    ],
)
def test_sums_over_a_models_blocks_are_what_vswin_cost_counts(preset, options):
    """Attention to the digit with the class token, and pooling to the digit as it is."""
    config = resolve_config(preset, **options)
    with torch.device("meta"):
        model = vswin.build_model(preset, **options)
    size = (3, config.frames, config.image_size, config.image_size)
    found = vswin.cost(model, size, rule="macs").by_operator
    layers = attentions(config)
    products = [2 * (1 + a.length // a.f_q) * (1 + a.length // a.f_k) * a.dim for a in layers]
    assert found["attention"] == sum(products)
    assert sum(2 * attention(a) for a in layers) == pytest.approx(found["attention"], rel=5e-3)
    patches = layers[0].length * config.embed_dim * config.in_channels
    embedded = patches * math.prod(config.patch_kernel)
    pooled = sum(pooling(a, a.q) + 2 * pooling(a, a.kv) for a in layers)
    assert found["convolution"] == embedded + pooled


def test_the_design_choice():
    """Embeddings take the same in all stages; with adaptive strides the bracket doubles."""
    layers = attentions(resolve_config("mvit_b_16x4"))
    last = [layers[block] for block in (0, 2, 13, 15)]
    assert len({embedding(a) for a in last}) == 1
    assert [memory(a) / a.length for a in last] == [488 * 2**stage for stage in range(4)]
