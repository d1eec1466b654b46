"""Operators are counted as torch's own counter has them, and none is passed over in silence."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.flop_counter import FlopCounterMode

from vswin.costs.operators import UncountedOperatorError, Weights, count_operators

MACS = Weights(layer_norm=0, batch_norm=0, pooling=0, bias=0)
PAPER = Weights(layer_norm=2, batch_norm=2, pooling=1, bias=1)
CLIP = (1, 4, 6, 8, 8)


class Calls(nn.Module):
    """A model of one function."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, clip):
        return self.function(clip)


def counts(module, weights=MACS):
    clip = torch.empty(CLIP, device="meta")
    return count_operators(module.to("meta").eval(), clip, weights)


def tokens(clip):
    """(1, 4, T, H, W) -> (1, T * H * W, 4)."""
    return clip.flatten(2).transpose(1, 2)


PRODUCTS = {
    "linear": ("linear", nn.Linear(8, 5)),
    "convolution": ("convolution", nn.Conv3d(4, 6, 3, stride=2, padding=1)),
    "depthwise pooling": ("convolution", nn.Conv3d(4, 4, 3, stride=(1, 2, 2), groups=4)),
    "groups": ("convolution", nn.Conv3d(4, 6, (1, 3, 3), groups=2, bias=False)),
    "transposed": ("convolution", nn.ConvTranspose3d(4, 6, 2, stride=2)),
    "matmul": ("matmul", Calls(lambda x: tokens(x) @ tokens(x).mT)),
    "matmul of a vector": ("matmul", Calls(lambda x: tokens(x) @ x[0, :, 0, 0, 0])),
    "bmm": ("matmul", Calls(lambda x: torch.bmm(tokens(x), tokens(x).mT))),
    "baddbmm": (
        "matmul",
        Calls(lambda x: torch.baddbmm(x[0, :1, 0, :1, :1], tokens(x), tokens(x).mT)),
    ),
    "einsum": ("matmul", Calls(lambda x: torch.einsum("bcthw,bdthw->bcd", x, x))),
    "einsum of three": (
        "matmul",
        Calls(lambda x: torch.einsum("ncthw,dc,ed->nethw", x, *2 * [x[0, :, 0, 0, :4]])),
    ),
    "attention": (
        "attention",
        Calls(
            lambda x: F.scaled_dot_product_attention(
                tokens(x), tokens(x)[:, ::2], tokens(x)[:, ::2, :3]
            )
        ),
    ),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_products_against_torchs_own_counter(name):
    ours, module = PRODUCTS[name]
    found = counts(module)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.zeros(CLIP, device="meta"))
    assert counter.get_total_flops() > 0
    assert found == {ours: counter.get_total_flops() / 2}


@pytest.mark.parametrize(
    ("module", "wanted"),
    [
        # 4 channels of 3 x 4 x 4 places, each of 8 products and a bias
        (nn.Conv3d(4, 4, 2, stride=2, groups=4), {"convolution": 4 * 48 * (8 + 1)}),
        (nn.AvgPool3d(2), {"pooling": 1536}),
        (nn.MaxPool3d(2), {"pooling": 1536}),
        (nn.AdaptiveAvgPool3d(1), {"pooling": 1536}),
        (nn.AdaptiveAvgPool3d(2), {"pooling": 1536}),
        (Calls(lambda x: x.mean(dim=(2, 3, 4))), {"pooling": 1536}),
        (nn.BatchNorm3d(4), {"batch_norm": 2 * 1536}),
        (nn.LayerNorm(8), {"layer_norm": 2 * 1536}),
        (Calls(lambda x: F.gelu(x + 1).softmax(-1).roll(1, 2) * x), {}),
        (nn.Dropout(0.5), {}),
    ],
)
def test_what_only_the_papers_rule_counts(module, wanted):
    assert counts(module, PAPER) == wanted


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("cumsum", lambda x: x.cumsum(2)),
        ("_fft_r2c", torch.fft.rfft),
        ("_euclidean_dist", lambda x: torch.cdist(tokens(x), tokens(x))),
        ("addbmm", lambda x: torch.addbmm(x[0, 0, 0, :4, :4], tokens(x).mT, tokens(x))),
    ],
)
def test_an_operator_that_nobody_has_counted_is_an_error_that_names_it(name, function):
    with pytest.raises(UncountedOperatorError, match=f"operator {name};"):
        counts(Calls(function))


def test_integers_are_places_and_count_nothing():
    assert counts(Calls(lambda x: torch.arange(5, device="meta").cumsum(0))) == {}
