"""Checkpoints: every layout in and out, and what is done to fit a model."""

import logging
import re

import pytest
import torch

import vswin
from tests.checkpoints import CASES, IMAGE, VIDEO, build, error_of, in_layout
from tests.peers import randomise_
from vswin.models.errors import WeightsError
from vswin.models.swin.layouts import LAYOUTS
from vswin.weights.checkpoint import checkpoint_of
from vswin.weights.files import read_checkpoint, to_layout


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_every_layout_is_written_recognised_and_read(name, options, suffix, tmp_path):
    model, again = randomise_(build(options)), build(options)
    path = tmp_path / f"weights{suffix}"
    vswin.save_weights(model, path, name)
    report = vswin.load_weights(again, path)
    assert (report.layout, report.found.kind) == (name, "2d" if options is IMAGE else "video")
    assert set(report.mapped) == set(model.state_dict())
    assert not (report.inflated or report.resized or report.cropped or report.fresh)
    for key, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_names_of_the_layouts_as_their_sources_have_them():
    """Spelt out by hand, because reading and writing share one renaming."""
    block = "layers.1.blocks.0"
    wanted = {
        "official_2d": {f"{block}.mlp.fc1.weight", "layers.0.downsample.norm.weight", "norm.bias",
                        "head.weight", f"{block}.attn.relative_position_index"},
        "timm_2d": {f"{block}.mlp.fc2.bias", "layers.1.downsample.reduction.weight", "norm.weight",
                    "head.fc.bias"},
        "official_video": {"backbone.patch_embed.proj.weight", f"backbone.{block}.attn.qkv.weight",
                           "backbone.norm.weight", "backbone.layers.0.downsample.norm.bias",
                           f"backbone.{block}.attn.relative_position_index",
                           "cls_head.fc_cls.weight"},
        "mmaction2": {"backbone.patch_embed.norm.weight", "backbone.norm3.bias",
                      f"backbone.{block}.norm2.weight", "cls_head.fc_cls.bias"},
        "torchvision": {"patch_embed.proj.bias", "features.0.1.attn.proj.weight",
                        "features.1.reduction.weight", "features.2.0.mlp.0.weight",
                        "features.2.1.mlp.3.bias", "norm.weight", "head.weight",
                        "features.2.1.attn.relative_position_bias_table"},
        "vswin": {f"{block}.attn.relative_position_bias_table", "head.weight"},
    }  # fmt: skip
    forbidden = {
        "timm_2d": r"head\.weight|layers\.0\.downsample|index",
        "mmaction2": r"backbone\.norm\.",
        "torchvision": r"layers|fc",
        "vswin": r"index",
    }
    assert "window_size" in in_layout("vswin")[0]
    for name, options in CASES:
        tensors, _ = in_layout(name, options)
        assert wanted[name] <= tensors.keys(), name
        assert not any(re.search(forbidden.get(name, "$^"), key) for key in tensors), name
        ndim = 4 if name in ("official_2d", "timm_2d") else 5
        key = next(key for key in tensors if key.endswith("patch_embed.proj.weight"))
        assert tensors[key].ndim == ndim


def test_wrappers_and_prefixes_of_training_are_taken_off():
    tensors, model = in_layout("official_video")
    wrapped = {
        "meta": {"epoch": 30, "CLASSES": ["abseiling"]},
        "optimizer": {"state": {}},
        "state_dict": {f"module.{key}": value for key, value in tensors.items()},
    }
    again = build()
    report = vswin.load_weights(again, wrapped)
    assert {"meta", "optimizer"} <= report.ignored.keys()
    assert sum("relative_position_index" in key for key in report.ignored) == 4
    assert torch.equal(again.head.weight, model.head.weight)


@pytest.mark.parametrize("prefixes", ["_orig_mod.module.", "module._orig_mod.", "module.module."])
def test_prefixes_come_off_in_any_order(prefixes):
    tensors, _ = in_layout("torchvision")
    vswin.load_weights(build(), {prefixes + key: value for key, value in tensors.items()})


@pytest.mark.parametrize(
    "options",
    [
        {"window_size": (8, 8, 8)},
        {"window_size": (5, 3, 3), "patch_size": (1, 4, 4)},  # 9 x 25 rows: also 15 x 15
        {"window_size": (1, 3, 4), "patch_size": (1, 4, 4)},
        {"window_size": (1, 8, 8), "patch_size": (1, 4, 4)},
        {"window_size": (5, 2, 2), "design": "factorized"},
        {"window_size": (1, 3, 3), "design": "factorized"},
        {"mlp_ratio": 2.7},
    ],
    ids=str,
)
@pytest.mark.parametrize("how", ["mapping", ".pth", ".safetensors"])
def test_every_model_can_load_its_own_weights(options, how, tmp_path):
    """Also where the shape of a table fits several windows."""
    model, again = randomise_(build(**options)), build(**options)
    source = model.state_dict()
    if how != "mapping":
        source = tmp_path / f"own{how}"
        vswin.save_weights(model, source)
    report = vswin.load_weights(again, source)
    assert set(report.mapped) == set(model.state_dict())
    assert report.found.kind == ("2d" if model.config.is_image_model else "video")
    assert all(
        torch.equal(a, b) for a, b in zip(again.parameters(), model.parameters(), strict=True)
    )


def test_a_window_that_shapes_leave_open_is_not_guessed(tmp_path):
    wide = randomise_(build(window_size=(8, 8, 8)))
    # The published layouts' lookup tables say it, a file of ours notes it.
    for layout in ("torchvision", "vswin"):
        vswin.save_weights(wide, tmp_path / f"{layout}.pth", layout)
        report = vswin.load_weights(build(window_size=(4, 8, 8)), tmp_path / f"{layout}.pth")
        assert len(report.cropped) == 4
        assert report.found.window_size == (8, 8, 8)
        text = error_of(tmp_path / f"{layout}.pth", build(window_size=(9, 3, 3)))
        assert "window_size=(9, 3, 3) is larger than (8, 8, 8)" in text
    # Without either, 3375 rows are those of (8, 8, 8), of (68, 3, 3) and of more.
    text = error_of(wide.state_dict(), build(window_size=(8, 3, 3)))
    assert "3375 rows, which several windows have" in text
    # The same number of rows, and tables that say that it is another window.
    image = randomise_(build(window_size=(1, 8, 8)))
    text = error_of(
        to_layout(checkpoint_of(image), LAYOUTS["torchvision"]), build(window_size=(5, 3, 3))
    )
    assert "window_size=(5, 3, 3) is larger than (1, 8, 8)" in text


def test_windows_that_are_not_square_are_not_mixed_up():
    for layout, window, other in (
        ("torchvision", (2, 3, 4), (2, 4, 3)),
        ("official_2d", (1, 3, 5), (1, 5, 3)),
    ):
        patch = {"patch_size": (1, 4, 4)} if window[0] == 1 else {}
        model = randomise_(build(window_size=window, **patch))
        tensors = to_layout(checkpoint_of(model), LAYOUTS[layout])
        again = build(window_size=window, **patch)
        vswin.load_weights(again, tensors)
        assert torch.equal(again.head.weight, model.head.weight)
        text = error_of(tensors, build(window_size=other, **patch))
        assert f"relative_position_index is not that of window {other}" in text
    with pytest.raises(WeightsError, match="timm_2d cannot say that the window is"):
        to_layout(checkpoint_of(model), LAYOUTS["timm_2d"])
    flat = randomise_(build(window_size=(1, 2, 14), patch_size=(1, 4, 4)))  # 81 rows, as (1, 5, 5)
    text = error_of(to_layout(checkpoint_of(flat), LAYOUTS["official_2d"]))
    assert "relative_position_index is not that of window (2, 3, 3)" in text


def test_weights_that_share_a_tensor_are_written(tmp_path):
    tensors, _ = in_layout("vswin")
    tensors["layers.0.blocks.1.norm1.weight"] = tensors["layers.0.blocks.0.norm1.weight"]
    vswin.save_weights(read_checkpoint(tensors), tmp_path / "shared.safetensors")
    vswin.load_weights(build(), tmp_path / "shared.safetensors")
    with pytest.raises(WeightsError, match="weights are a dict, wanted a model"):
        vswin.save_weights(tensors, tmp_path / "dict.pth")


def test_a_second_set_of_weights_is_named():
    tensors, model = in_layout("official_2d", IMAGE)
    other, _ = in_layout("official_2d", IMAGE)
    content = {"model": tensors, "model_ema": {k: v + 1 for k, v in other.items()}, "epoch": 300}
    again = build(IMAGE)
    report = vswin.load_weights(again, content)
    assert report.ignored["model_ema"] == (
        "a second set of weights, beside model; pass it alone to load it"
    )
    assert torch.equal(again.head.weight, model.head.weight)
    vswin.load_weights(again, {"state_dict": {"model": tensors}})


def test_timm_without_a_classifier_is_timm():
    tensors, _ = in_layout("timm_2d", IMAGE)
    headless = {key: value for key, value in tensors.items() if not key.startswith("head.")}
    report = vswin.load_weights(build(), headless)
    assert report.layout == "timm_2d"
    assert "layers.0.downsample.reduction.weight" in report.mapped


def test_a_training_checkpoint_of_our_own_is_read():
    model = randomise_(build())
    content = {"model": model.state_dict(), "optimizer": {}, "step": 7}
    assert vswin.load_weights(build(), content).layout == "vswin"


def test_half_precision_is_read_into_single():
    tensors, model = in_layout("torchvision")
    half = {k: v.half() if v.is_floating_point() else v for k, v in tensors.items()}
    again = build()
    vswin.load_weights(again, half)
    torch.testing.assert_close(again.head.weight, model.head.weight, rtol=1e-3, atol=1e-3)
    assert again.head.weight.dtype == torch.float32


@pytest.mark.parametrize("name", ["official_2d", "timm_2d"])
def test_2d_weights_in_a_video_model_are_inflated_and_the_report_says_so(name, caplog):
    tensors, image = in_layout(name, IMAGE)
    model = build()
    with caplog.at_level(logging.INFO, "vswin"):
        report = vswin.load_weights(model, tensors, embedding="center", bias="center")
    assert report.found.kind == "2d"
    assert report.how == {"embedding": "center", "bias": "center"}
    tables = [key for key in model.state_dict() if key.endswith("bias_table")]
    assert set(report.inflated) == {"patch_embed.proj.weight", *tables}
    assert report.fresh == ("head.weight", "head.bias")
    assert set(report.mapped) | set(report.inflated) | set(report.fresh) == set(model.state_dict())
    assert str(report) in caplog.text
    for words in ("inflated 5", "fresh 2", "ignored 2 (the classifier", "embedding: center"):
        assert words in str(report)
    weight = model.patch_embed.proj.weight
    assert torch.equal(weight[:, :, 1], image.patch_embed.proj.weight[:, :, 0])


def test_2d_tables_of_another_window_are_resized():
    tensors, _ = in_layout("official_2d", IMAGE)
    report = vswin.load_weights(build(window_size=(2, 4, 4)), tensors)
    assert len(report.resized) == 4
    assert set(report.resized) < set(report.inflated)
    # The window is what a 2D Swin's own size depends on, too.
    report = vswin.load_weights(build(IMAGE, window_size=(1, 2, 2)), tensors)
    assert len(report.resized) == 4
    assert not report.inflated


def test_a_smaller_window_takes_its_part_of_a_video_table():
    tensors, model = in_layout("torchvision", VIDEO | {"window_size": (4, 3, 3)})
    small = build()
    report = vswin.load_weights(small, tensors)
    assert len(report.cropped) == 4
    # On a clip of two tokens in time the larger window is clipped to the smaller one.
    clip = torch.randn(1, 3, 4, 24, 24)
    torch.testing.assert_close(small(clip), model(clip))


def test_the_digest_is_of_the_weights_not_of_the_file(tmp_path):
    model = randomise_(build())
    digests = set()
    for name in ("vswin", "torchvision", "mmaction2", "official_video"):
        for suffix in (".pth", ".safetensors"):
            vswin.save_weights(model, tmp_path / f"{name}{suffix}", name)
            digests.add(vswin.load_weights(build(), tmp_path / f"{name}{suffix}").digest)
    assert len(digests) == 1
    image, of_image = randomise_(build(IMAGE)), set()
    for name in ("vswin", "official_2d", "timm_2d"):
        vswin.save_weights(image, tmp_path / f"{name}.pth", name)
        of_image.add(vswin.load_weights(build(IMAGE), tmp_path / f"{name}.pth").digest)
    assert len(of_image) == 1
    with torch.no_grad():
        model.head.bias[0] += 1e-6
    assert vswin.load_weights(build(), model.state_dict()).digest not in digests


def test_layouts_hold_what_they_are_for(tmp_path):
    def refuse(model, layout, name="out.pth"):
        with pytest.raises(WeightsError) as caught:
            vswin.save_weights(model, tmp_path / name, layout)
        assert not list(tmp_path.iterdir())
        return str(caught.value)

    assert "for video models: inflate it first" in refuse(build(IMAGE), "torchvision")
    assert "for 2D (image) models" in refuse(build(), "timm_2d")
    split = build(window_size=(1, 3, 3), design="split")
    assert "no place for temporal_layers" in refuse(split, "mmaction2")
    assert "unknown layout 'mmaction'" in refuse(build(), "mmaction")
    image_mvit = vswin.build_model(
        "mvit_b_16_imagenet", depths=(1, 1), embed_dim=8, image_size=32, num_classes=3
    )
    assert "for video models: wanted slowfast_2d or pytorchvideo_2d" in refuse(
        image_mvit, "slowfast"
    )
    assert "ends in .pth, .pyth" in refuse(build(), "vswin", "out.bin")
    assert "cannot write" in refuse(build(), "vswin", "no/such/folder/out.pth")
    for model in (split, build(window_size=(2, 3, 3), design="factorized")):
        path = tmp_path / "design.safetensors"
        vswin.save_weights(randomise_(model), path)
        again = vswin.build_model("swin_t", **VIDEO | {
            "design": model.config.design, "window_size": model.config.window_size})  # fmt: skip
        report = vswin.load_weights(again, path)
        assert report.found.design == model.config.design
        assert all(torch.equal(a, b) for a, b in zip(again.parameters(), model.parameters(),
                                                     strict=True))  # fmt: skip
