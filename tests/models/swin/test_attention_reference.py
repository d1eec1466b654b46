"""3D shifted window attention against equations 1 and 2, written out over all tokens."""

import itertools
import math

import pytest
import torch

from vswin.models import build_model
from vswin.models.swin.partition import clip_window, half_window

pytestmark = pytest.mark.usefixtures("variant")


def windows_of(grid, window, shift):
    """The set of shifted windows of section 3.2 along one axis each: lists of token coordinates.

    Straight from the text: cut each axis at shift, shift + size, ...; what is left before the first
    cut and after the last is a (smaller) window of its own. Nothing is rolled.
    """
    axes = []
    for size, win, move in zip(grid, window, shift, strict=True):
        cuts = sorted({0, size, *range(move, size, win)})
        axes.append([list(range(a, b)) for a, b in itertools.pairwise(cuts)])
    return [list(itertools.product(*parts)) for parts in itertools.product(*axes)]


def reference_attention(attention, x, window_size, shift_size):
    """Equation 2 for each token over all tokens that share its window, one by one.

    x: (T', H', W', C) without batch. Where the windows do not divide the grid, the grid is first
    extended by zero tokens; those are keys like any other.
    """
    grid = tuple(x.shape[:3])
    window, shift = clip_window(grid, window_size, shift_size)
    padded = tuple(math.ceil(g / w) * w for g, w in zip(grid, window, strict=True))
    full = x.new_zeros(*padded, x.shape[-1])
    full[: grid[0], : grid[1], : grid[2]] = x
    heads = attention.num_heads
    dim = x.shape[-1] // heads
    q, k, v = attention.qkv(full).view(*padded, 3, heads, dim).unbind(3)
    table = attention.relative_position_bias_table.view(
        *(2 * size - 1 for size in window_size), heads
    )
    out = torch.zeros_like(full)
    for members in windows_of(padded, window, shift):
        for query in members:
            scores = []
            for key in members:
                offset = [
                    a - b + size - 1 for a, b, size in zip(query, key, window_size, strict=True)
                ]
                scores.append((q[query] * k[key]).sum(-1) / math.sqrt(dim) + table[tuple(offset)])
            weights = torch.stack(scores).softmax(dim=0)  # (keys, heads)
            values = torch.stack([v[key] for key in members])  # (keys, heads, d)
            out[query] = (weights[..., None] * values).sum(0).flatten()
    return attention.proj(out)[: grid[0], : grid[1], : grid[2]]


CASES = {
    "regular": ((4, 4, 4), (2, 2, 2), False),
    "shifted": ((4, 4, 4), (2, 2, 2), True),
    "odd window": ((6, 3, 6), (3, 3, 3), True),
    "padded": ((3, 5, 4), (2, 2, 3), False),
    "padded and shifted": ((5, 4, 5), (2, 3, 3), True),
    "clipped in time": ((2, 4, 4), (4, 2, 2), True),
    "clipped in space": ((4, 2, 3), (2, 4, 4), True),
    "clipped in height, padded in width": ((4, 2, 5), (2, 3, 3), True),
    "one window": ((2, 3, 3), (8, 7, 7), True),
}


@pytest.mark.parametrize(("grid", "window", "shifted"), CASES.values(), ids=CASES.keys())
def test_block_equals_equations_1_and_2(grid, window, shifted):
    torch.manual_seed(0)
    model = build_model(
        "swin_t",
        embed_dim=8,
        depths=(2,),
        num_heads=(2,),
        window_size=window,
        num_classes=2,
        drop_path=0.0,
    ).double()
    block = model.layers[0].blocks[int(shifted)]
    with torch.no_grad():
        block.attn.relative_position_bias_table.normal_()
        block.attn.qkv.bias.normal_()  # so that padding tokens are not zero keys and values
        block.attn.proj.bias.normal_()
        block.norm1.weight.normal_()
    z = torch.randn(2, *grid, 8, dtype=torch.double)

    expected = []
    for sample in z:
        hat = (
            reference_attention(
                block.attn,
                block.norm1(sample),
                window,
                half_window(window, "3d") if shifted else (0, 0, 0),
            )
            + sample
        )
        expected.append(block.mlp(block.norm2(hat)) + hat)
    # With and without gradients, which take different kernel variants.
    for grad in (True, False):
        with torch.set_grad_enabled(grad):
            found = block(z.flatten(1, 3), grid).view_as(z)
        torch.testing.assert_close(found, torch.stack(expected), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("grid", "window"), [((4, 4, 4), (2, 2, 2)), ((3, 5, 4), (2, 2, 3))])
def test_gradients_equal_those_of_the_equations(grid, window):
    torch.manual_seed(0)
    model = build_model(
        "swin_t",
        embed_dim=4,
        depths=(2,),
        num_heads=(2,),
        window_size=window,
        num_classes=2,
        drop_path=0.0,
    ).double()
    block = model.layers[0].blocks[1]
    with torch.no_grad():
        block.attn.relative_position_bias_table.normal_()
        block.attn.qkv.bias.normal_()
    z = torch.randn(1, *grid, 4, dtype=torch.double, requires_grad=True)
    target = torch.randn(1, *grid, 4, dtype=torch.double)

    def gradients(attended):
        ((attended + z) * target).sum().backward()
        found = [z.grad.clone(), *(p.grad.clone() for p in block.attn.parameters())]
        z.grad = None
        block.attn.zero_grad()
        return found

    from vswin.models.swin.windows import from_windows, to_windows

    layout = block.attn.layout(z.flatten(1, 3), grid, half_window(window, "3d"))
    ours = block.attn(to_windows(z.flatten(1, 3), layout), layout)
    found = gradients(from_windows(ours, layout).view_as(z))
    expected = gradients(
        reference_attention(block.attn, z[0], window, half_window(window, "3d"))[None]
    )
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
