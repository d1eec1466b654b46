"""The geometry of 3D windows."""

import math

import pytest
import torch

from vswin.models.swin.partition import clip_window, half_window
from vswin.models.swin.windows import (
    from_windows,
    relative_position_index,
    to_windows,
    window_layout,
)

CPU = torch.device("cpu")


def count(layout):
    """Windows in one clip."""
    return sum(group.count for group in layout.groups)


def test_figure_3_eight_windows_and_27_after_the_shift():
    grid, window = (8, 8, 8), (4, 4, 4)
    shift = half_window(window, "3d")
    assert shift == (2, 2, 2)
    regular = window_layout(grid, window, (0, 0, 0), CPU)
    assert count(regular) == 8
    assert regular.allowed is None
    # 27 windows in layer l + 1 ...
    shifted = window_layout(grid, window, shift, CPU)
    assert count(shifted) == 27
    assert {group.volume: 0 for group in shifted.groups}.keys() == {8, 16, 32, 64}
    assert shifted.allowed is None
    # ... computed as 8, with a mask.
    masked = window_layout(grid, window, shift, CPU, masked=True)
    assert count(masked) == 8
    assert [group.size for group in masked.groups] == [window]


@pytest.mark.parametrize("shift", [(1, 0, 0), (0, 2, 1), (2, 1, 3)])
@pytest.mark.parametrize("grid", [(4, 8, 8), (3, 5, 7)])
def test_both_partitions_let_the_same_tokens_see_each_other(grid, shift):
    """Pair by pair, padding aside."""
    window, volume = (4, 4, 4), math.prod(grid)

    def pairs(masked):
        layout = window_layout(grid, window, shift, CPU, masked=masked)
        seen = torch.zeros(volume + 1, volume + 1, dtype=torch.bool)
        start = number = 0
        for group in layout.groups:
            for _ in range(group.count):
                members = layout.index[start : start + group.volume]
                block = torch.ones(group.volume, group.volume, dtype=torch.bool)
                if layout.allowed is not None:
                    block = layout.allowed[number]
                seen[members[:, None], members] |= block
                start, number = start + group.volume, number + 1
        return seen[:volume, :volume]

    cut_up, masked = pairs(False), pairs(True)
    assert torch.equal(cut_up, masked)
    assert 0 < cut_up.double().mean() < 1


def test_share_of_the_shifted_attention_that_is_not_masked():
    """The 57 % in the docstring of `window_layout`."""
    done = full = 0
    for stage, (side, shifted_blocks) in enumerate([(56, 1), (28, 1), (14, 3), (7, 1)]):
        layout = window_layout((16, side, side), (8, 7, 7), (4, 3, 3), CPU)
        work = shifted_blocks * 2**stage  # by channels
        done += work * sum(group.count * group.volume**2 for group in layout.groups)
        full += work * 16 * side**2 * 392
    assert round(done / full, 2) == 0.57


def test_paper_geometry_of_section_3():
    # 32 x 224 x 224 pixels are 16 x 56 x 56 tokens, 2 x 8 x 8 windows of 8 x 7 x 7.
    layout = window_layout((16, 56, 56), (8, 7, 7), (4, 3, 3), CPU, masked=True)
    assert (count(layout), layout.groups[0].volume) == (128, 392)
    assert len(layout.index) == layout.volume == 16 * 56 * 56  # nothing is padded
    # The last stage is one window in space: only time is shifted.
    assert clip_window((16, 7, 7), (8, 7, 7), (4, 3, 3)) == ((8, 7, 7), (4, 0, 0))
    # Table 5's temporally global rows have no temporal shift.
    assert clip_window((8, 56, 56), (8, 7, 7), (4, 3, 3)) == ((8, 7, 7), (0, 3, 3))


@pytest.mark.parametrize("shift", [(0, 0, 0), (1, 1, 2)])
@pytest.mark.parametrize("grid", [(4, 6, 6), (3, 5, 7), (1, 2, 9), (2, 1, 1)])
@pytest.mark.parametrize("masked", [False, True])
def test_to_windows_and_back(grid, shift, masked):
    layout = window_layout(grid, (2, 3, 3), shift, CPU, masked=masked, batch=2)
    tokens = torch.randn(2, math.prod(grid), 5, dtype=torch.double, requires_grad=True)
    windows = to_windows(tokens, layout)
    assert windows.shape == (len(layout.index), 5)
    assert torch.equal(from_windows(windows, layout), tokens)
    # Every token is somewhere exactly once, the rest is zero padding.
    assert windows.abs().sum().item() == pytest.approx(tokens.abs().sum().item())
    assert torch.autograd.gradcheck(lambda x: to_windows(x, layout), (tokens,), atol=1e-6)
    both = windows.detach().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: from_windows(x, layout), (both,), atol=1e-6)


@pytest.mark.parametrize("clipped", [(4, 3, 3), (2, 3, 3), (4, 2, 3), (3, 1, 2)])
def test_a_clipped_window_keeps_the_bias_of_each_offset(clipped):
    table = (4, 3, 3)
    index = relative_position_index(clipped, table)
    cells = [
        (t, h, w) for t in range(clipped[0]) for h in range(clipped[1]) for w in range(clipped[2])
    ]
    for i, a in enumerate(cells):
        for j, b in enumerate(cells):
            dt, dh, dw = (x - y for x, y in zip(a, b, strict=True))
            assert index[i, j] == ((dt + 3) * 5 + dh + 2) * 5 + dw + 2


def test_slicing_the_full_index_is_right_in_time_and_wrong_in_space():
    """What public implementations do, and why ours differs (see relative_position_index)."""
    full = relative_position_index((8, 7, 7), (8, 7, 7))

    def share_wrong(clipped):
        ours = relative_position_index(clipped, (8, 7, 7))
        n = len(ours)
        return (ours != full[:n, :n]).double().mean().item()

    assert share_wrong((4, 7, 7)) == 0
    assert share_wrong((8, 4, 4)) > 0.9


def test_shift_axes_of_table_6():
    assert half_window((8, 7, 7), "3d") == (4, 3, 3)
    assert half_window((8, 7, 7), "spatial") == (0, 3, 3)
    assert half_window((8, 7, 7), "none") == (0, 0, 0)
