"""Weights for clips of another size: position tables are interpolated if asked, else refused."""

import itertools

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

import vswin
from tests.models.mvit.test_model import clip_for, small
from vswin.models.errors import WeightsError
from vswin.models.mvit.geometry import patch_grid
from vswin.models.mvit.layouts import LAYOUTS
from vswin.models.mvit.positions import resized
from vswin.weights.checkpoint import checkpoint_of, parse_checkpoint
from vswin.weights.files import to_layout

KINDS = ("separate", "joint", "space")


def as_saved(model):
    """What a file of vswin.save_weights holds, which says the clips that the model is for."""
    return to_layout(checkpoint_of(model), LAYOUTS["vswin"])


def linear_by_hand(rows, length):
    """(T', C) -> (T, C): cells of equal width, values at their centres."""
    count, out = len(rows), []
    for i in range(length):
        at = min(max((i + 0.5) * count / length - 0.5, 0), count - 1)
        low = int(at)
        high = min(low + 1, count - 1)
        out.append((1 - (at - low)) * rows[low] + (at - low) * rows[high])
    return torch.stack(out)


def table(*shape):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("length", [1, 2, 3, 4, 7, 8, 16])
def test_time_is_linear(length):
    rows = table(1, 4, 5)
    found = resized({"pos_embed_temporal": rows}, (4, 3, 3), (length, 3, 3))
    torch.testing.assert_close(found["pos_embed_temporal"][0], linear_by_hand(rows[0], length))


@pytest.mark.parametrize("size", [(3, 3), (7, 7), (14, 10)], ids=str)
def test_space_is_bicubic(size):
    rows = table(1, 20, 5)
    found = resized({"pos_embed_spatial": rows}, (4, 5, 4), (4, *size))["pos_embed_spatial"]
    image = rows[0].T.view(1, 5, 5, 4)
    wanted = F.interpolate(image, size, mode="bicubic", align_corners=False)
    torch.testing.assert_close(found[0], wanted[0].flatten(1).T)


def test_a_joint_table_is_resized_on_each_axis():
    """The class token's row is kept; the order of the axes does not matter."""
    rows = table(1, 1 + 3 * 4 * 5, 2)
    found = resized({"pos_embed": rows}, (3, 4, 5), (6, 7, 3))["pos_embed"]
    assert torch.equal(found[:, 0], rows[:, 0])
    cells = rows[0, 1:].view(3, 4, 5, 2)
    in_time = torch.stack(
        [
            torch.stack([linear_by_hand(cells[:, h, w], 6) for w in range(5)], dim=1)
            for h in range(4)
        ],
        dim=1,
    )
    wanted = F.interpolate(in_time.permute(0, 3, 1, 2), (7, 3), mode="bicubic")
    torch.testing.assert_close(found[0, 1:].view(6, 7, 3, 2), wanted.permute(0, 2, 3, 1))


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_size_is_the_same_table(kind):
    model, again = small(positions=kind), small(positions=kind)
    vswin.load_weights(again, model.state_dict(), positions="resize")
    for name, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "clip", [{"frames": 8}, {"image_size": 28}, {"frames": 6, "image_size": 36}]
)
def test_asked_for_they_are_resized_and_the_rest_is_copied(kind, clip):
    model, other = small(positions=kind), small(positions=kind, **clip)
    report = vswin.load_weights(other, as_saved(model), positions="resize")
    grids = patch_grid(model.config), patch_grid(other.config)
    tables = {n: v for n, v in model.state_dict().items() if n.startswith("pos_embed")}
    wanted = model.state_dict() | resized(tables, *grids)
    for name, value in other.state_dict().items():
        torch.testing.assert_close(value, wanted[name], msg=name)
    changed = {n for n, v in tables.items() if v.shape != other.state_dict()[n].shape}
    assert set(report.resized) == changed
    assert len(report.mapped) == len(wanted) - len(changed)
    assert other(clip_for(other)).isfinite().all()


@pytest.mark.parametrize("layout", ["slowfast", "pytorchvideo", "torchvision"])
def test_public_layouts_say_enough_of_separate_tables(layout):
    model, other = small(), small(image_size=36, frames=8)
    state = to_layout(checkpoint_of(model), LAYOUTS[layout])
    with pytest.raises(WeightsError) as caught:
        vswin.load_weights(other, state)
    for words in ("frames=4, image_size=20", "has frames=8, image_size=36", "positions='resize'"):
        assert words in str(caught.value)
    assert vswin.load_weights(other, state, positions="resize").resized == (
        "pos_embed_spatial",
        "pos_embed_temporal",
    )


@pytest.mark.parametrize(("size", "rows"), [(20, 51), (224, 6273)])
def test_what_a_joint_table_of_another_files_is_for_is_not_guessed(size, rows):
    joint = {"positions": "joint", "image_size": size}
    model, other = small(**joint), small(**joint, frames=8)
    state = to_layout(checkpoint_of(model), LAYOUTS["slowfast"])
    for positions in ("exact", "resize"):
        with pytest.raises(WeightsError, match=f"{rows} rows, and nothing says of how many"):
            vswin.load_weights(other, state, positions=positions)
    assert "image_size=224, " in parse_checkpoint(state).found.facts()["assumed"]
    with pytest.raises(WeightsError, match="is of a model with positions='joint', but this one"):
        vswin.load_weights(small(), state)
    images, larger = (
        small(positions="joint", frames=1, patch_kernel=(1, 7, 7), patch_stride=(1, 4, 4), **more)
        for more in ({}, {"image_size": 40})
    )
    state = to_layout(checkpoint_of(images), LAYOUTS["slowfast_2d"])
    assert vswin.load_weights(larger, state, positions="resize").resized == ("pos_embed",)


@pytest.mark.parametrize(
    ("has", "wants"), list(itertools.permutations((*KINDS, "none"), 2)), ids=str
)
def test_another_kind_of_table_is_refused_even_so(has, wants):
    model, other = small(positions=has), small(positions=wants, image_size=28)
    with pytest.raises(WeightsError, match=f"build it with .*positions='{has}'") as caught:
        vswin.load_weights(other, model.state_dict(), positions="resize")
    assert "\n" not in str(caught.value)
    assert "resize" not in str(caught.value)


def test_the_choice_has_two_values():
    with pytest.raises(WeightsError, match="positions='crop' is not possible; wanted one of"):
        vswin.load_weights(small(), small().state_dict(), positions="crop")
    swin = vswin.build_model("swin_t", embed_dim=8, depths=(1, 1), num_heads=(1, 2))
    with pytest.raises(WeightsError, match="family swin has no inflation 'positions'"):
        vswin.load_weights(swin, swin.state_dict(), positions="resize")
