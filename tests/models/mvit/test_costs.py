"""FLOPs and parameters of the appendix's tables, to the printed digit."""

import functools
import re
from decimal import ROUND_HALF_UP, Decimal

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import vswin
from vswin.models.registry import presets
from vswin.project import project_root


@functools.cache
def counted(name, **options):
    """(GFLOPs, millions of parameters) under the rule of the appendix, which counts products."""
    with torch.device("meta"):
        model = vswin.build_model(name, **options)
    size = (model.config.frames, model.config.image_size, model.config.image_size)
    found = vswin.cost(model, (3, *size), rule="macs")
    return found.gflops, found.mparams


def as_printed(value):
    """To one decimal, at once or from the two decimals of SlowFast's log."""
    tenth, hundredth = Decimal("0.1"), Decimal("0.01")
    exact = Decimal(value)
    twice = exact.quantize(hundredth, ROUND_HALF_UP).quantize(tenth, ROUND_HALF_UP)
    return {float(exact.quantize(tenth, ROUND_HALF_UP)), float(twice)}


MAX = {"pooling": "max"}  # the ablations'
B, VIT, IMAGE = "mvit_b_16x4", "vit_b_8x8", "mvit_b_16_imagenet"
KV_VIT = {"kv_stride": (1, 2, 2), "kv_adaptive": False, "kv_pool_last_stage": True}
CELLS = {
    "A.1 B 16x4": (B, {"num_classes": 700}, 70.5, 36.8),
    "A.1 B-24 32x3": ("mvit_b_24_32x3", {"num_classes": 700}, 236, None),
    "A.1 B-24 32x3, 80 classes of AVA": ("mvit_b_24_32x3", {"num_classes": 80}, 236, 52.9),
    "32x3": ("mvit_b_32x3", {}, 170, 36.6),
    "64x3": ("mvit_b_64x3", {}, 455, 36.6),
    "A.2 ViT-B": (VIT, {}, 179.6, 87.2),
    "A.2 2-scale": (VIT, {"q_pool_blocks": (6,)} | MAX, 111.1, None),
    "A.2 K, V pool, but in one block": (
        VIT,
        KV_VIT | MAX | {"kv_unpooled_blocks": (11,)},
        148.4,
        None,
    ),
    "A.3 none": (B, {"positions": "none"} | MAX, None, 36.2),
    "A.3 space": (B, {"positions": "space"} | MAX, None, 36.5),
    "A.3 joint": (B, {"positions": "joint"} | MAX, None, 38.6),
    "A.3 separate": (B, MAX, None, 36.5),
    "A.3 with convolutions": (B, {}, 70.5, 36.6),
    "A.4 8x8 1x4x4": (
        B,
        {"frames": 8, "patch_kernel": (1, 4, 4), "patch_stride": (1, 4, 4)} | MAX,
        69.4,
        36.5,
    ),
    "A.4 8x8 1x7x7": (
        B,
        {"frames": 8, "patch_kernel": (1, 7, 7), "patch_stride": (1, 4, 4)} | MAX,
        69.6,
        36.5,
    ),
    "A.5 V1": (B, {"depths": (2, 6, 6, 2), "kv_stride": (2, 4, 4)} | MAX, 90.2, 29.5),
    "A.5 V2": (B, {"depths": (2, 4, 6, 4), "kv_stride": (2, 4, 4)} | MAX, 86.9, 42.8),
    "A.5 V3": (B, {"depths": (2, 4, 8, 2), "kv_stride": (2, 4, 4)} | MAX, 88.3, 32.2),
    "A.5 V4": (B, {"depths": (2, 2, 8, 4), "kv_stride": (2, 4, 4)} | MAX, 85.0, 45.5),
    "A.5 V5": (B, {"depths": (1, 2, 11, 2), "kv_stride": (2, 4, 4)} | MAX, 83.6, 36.5),
    "A.5 V6": (B, {"depths": (2, 2, 10, 2), "kv_stride": (2, 4, 4)} | MAX, 86.4, 34.9),
    "A.6 1x4x4": (B, {"kv_stride": (1, 4, 4), "kv_adaptive": False} | MAX, 71.4, None),
    "A.6 2x4x4": (B, {"kv_stride": (2, 4, 4), "kv_adaptive": False} | MAX, 64.3, None),
    "A.6 2x8x8 adaptive": (B, {"kv_stride": (2, 8, 8)} | MAX, 63.7, None),
    "A.9 8x8": (IMAGE, {"kv_stride": (1, 8, 8)} | MAX, 7.2, None),
    "A.9 4x4": (IMAGE, MAX, 7.8, None),
    "A.9 2x2": (IMAGE, {"kv_stride": (1, 2, 2)} | MAX, 9.0, None),
    "A.9 none": (IMAGE, {"kv_stride": (1, 1, 1)} | MAX, 10.4, None),
}


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_is_as_printed(cell):
    name, options, flops, params = CELLS[cell]
    found_flops, found_params = counted(name, **options)
    if isinstance(flops, int):
        assert round(found_flops) == flops
    elif flops is not None:
        assert flops in as_printed(found_flops)
    if params is not None:
        assert round(found_params, 1) == params


def test_cells_that_cannot_be_reproduced_are_these():
    """Copied from the rows above, or of convolutions, or of no model that was found."""
    wide = {"frames": 32, "patch_kernel": (7, 7, 7), "patch_stride": (4, 4, 4)}
    assert counted(B, **MAX)[0] == pytest.approx(70.325, abs=5e-4)  # printed 70.5
    assert counted(B, **wide, **MAX) == pytest.approx((71.741, 36.570), abs=5e-4)  # 70.5, 36.5
    assert counted(B, kv_stride=(1, 1, 1), **MAX)[0] == pytest.approx(279.947, abs=5e-4)  # 130.8
    assert counted("mvit_b_24_32x3", num_classes=700)[1] == pytest.approx(53.387, abs=5e-4)  # 52.9


@pytest.mark.parametrize(
    ("name", "options", "parameters"),
    [
        (B, {}, 36_599_536),
        ("mvit_b_32x3", {}, 36_600_304),
        ("mvit_b_64x3", {}, 36_601_840),
        ("mvit_b_24_32x3", {}, 53_156_176),
        (B, {"kv_pool_last_stage": True}, 36_610_672),
        (B, MAX, 36_513_232),
        (IMAGE, {}, 36_982_600),
        (IMAGE, MAX, 36_945_640),
        (VIT, {}, 87_159_952),
    ],
)
def test_the_number_of_parameters_is_that_of_the_released_model(name, options, parameters):
    with torch.device("meta"):
        model = vswin.build_model(name, **options)
    assert sum(p.numel() for p in model.parameters()) == parameters


def test_the_documents_say_what_is_counted():
    models = (project_root() / "docs" / "models.md").read_text()
    rows = [
        line.split("|")[1:5] for line in models.splitlines() if re.match(r"\| `(mvit|vit)_", line)
    ]
    listed = {}
    for names, _, params, flops in rows:
        for name, *cells in zip(
            *(re.split(", ", c.strip()) for c in (names, params, flops)), strict=False
        ):
            listed[name.strip("`")] = tuple(map(float, cells))
    assert listed.keys() == {name for name, family in presets().items() if family.name == "mvit"}
    for name, (params, flops) in listed.items():
        assert (round(counted(name)[1], 1), round(counted(name)[0], 1)) == (params, flops), name


def test_the_count_is_that_of_torch():
    """Of every token, although the classifier reads the class token only."""
    with torch.device("meta"):
        model = vswin.build_model(B, image_size=64, depths=(1, 1), frames=4, embed_dim=8).eval()
        clip = torch.empty(1, 3, 4, 64, 64)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.forward_features(clip)
    head = 16 * 400
    assert vswin.cost(model, (3, 4, 64, 64), "macs").flops == counter.get_total_flops() // 2 + head
