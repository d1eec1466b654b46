"""What training makes of the weights of MViT: wrappers, prefixes, other classifiers, notes."""

import typing

import pytest
import torch

import vswin
from tests.command import vswin as command
from tests.peers import randomise_
from vswin.models.errors import WeightsError
from vswin.models.mvit.layouts import LAYOUTS
from vswin.weights.checkpoint import checkpoint_of, layouts
from vswin.weights.files import read_checkpoint, to_layout

SMALL = {"depths": (1, 1), "embed_dim": 16, "num_heads": 2, "num_classes": 5, "image_size": 64}
CLASSIFIERS = {
    "slowfast": "head.projection.",
    "slowfast_2d": "head.projection.",
    "pytorchvideo": "head.proj.",
    "pytorchvideo_2d": "head.proj.",
    "torchvision": "head.1.",
    "vswin": "head.",
}


def build(layout):
    preset = "mvit_b_16_imagenet" if layout.endswith("2d") else "mvit_b_16x4"
    frames = {} if layout.endswith("2d") else {"frames": 8}
    torch.manual_seed(0)
    return vswin.build_model(preset, **SMALL, **frames)


def in_layout(layout):
    model = randomise_(build(layout))
    return to_layout(read_checkpoint(model.state_dict()), LAYOUTS[layout]), model


def loaded(layout, source, model, **asked):
    again = build(layout)
    report = vswin.load_weights(again, source, **asked)
    assert report.layout == layout
    for name, value in again.state_dict().items():
        if name not in report.fresh:
            assert torch.equal(value, model.state_dict()[name]), name
    return report


@pytest.mark.parametrize("layout", LAYOUTS)
def test_wrappers_prefixes_and_notes(layout, tmp_path):
    tensors, model = in_layout(layout)
    more = {"criterion.weight": torch.ones(5), "n_averaged": torch.tensor(3)}
    for prefix in ("", "module.", "model.", "backbone.", "net._orig_mod.", "mvit."):
        state = {prefix + key: value for key, value in tensors.items()} | more
        torch.save({"model_state": state, "epoch": 3, "cfg": "TRAIN: 1"}, tmp_path / "x.pyth")
        for source in ({"state_dict": state, "model": {"type": "MViT"}}, tmp_path / "x.pyth"):
            assert loaded(layout, source, model).ignored.keys() >= more.keys()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("other", [None, "head.7.", "fc.", "head.mlp.", "cls_head.fc_cls."])
def test_another_classifier_or_none_can_be_left_out(layout, other):
    tensors, model = in_layout(layout)
    tensors = {k: v for k, v in tensors.items() if not k.startswith(CLASSIFIERS[layout])}
    assert not any("head" in key for key in tensors)
    if other is not None:
        tensors[f"{other}weight"] = torch.ones(7, 32)
    # Without it, weights of videos have the same names in SlowFast's layout and in ours.
    report = loaded("vswin" if layout == "slowfast" else layout, tensors, model, head=False)
    assert report.fresh == ("head.weight", "head.bias")
    with pytest.raises(WeightsError, match="head=False"):
        vswin.load_weights(build(layout), tensors)


@pytest.mark.parametrize("layout", ["slowfast", "pytorchvideo"])
@pytest.mark.parametrize("options", [{}, {"patch_kernel": (1, 4, 4), "patch_stride": (1, 4, 4)}])
def test_a_joint_table_with_a_square_of_rows_is_no_images(layout, options):
    """Four frames of 32 x 32 tokens have as many as one of 64 x 64: the layout says which."""
    options = SMALL | {"image_size": 32, "frames": 4, "positions": "joint"} | options
    model, again = (randomise_(vswin.build_model("mvit_b_16x4", **options), i) for i in (1, 2))
    tensors = to_layout(checkpoint_of(model), LAYOUTS[layout])
    report = vswin.load_weights(again, tensors)
    assert (report.found.kind, report.fresh) == ("video", ())
    assert torch.equal(again.head.weight, model.head.weight)


def test_what_does_not_belong_is_named():
    tensors, _ = in_layout("slowfast")
    for content, words in (
        (tensors | {"blocks.0.attn.gamma": torch.ones(2)}, "no place for blocks.0.attn.gamma"),
        ({k: v.numpy() for k, v in tensors.items()}, "an array of numpy"),
        (tensors | {"cls_token": torch.zeros(1).expand(10**8, 10**8)}, "cls_token has shape"),
    ):
        with pytest.raises(WeightsError, match=words):
            vswin.load_weights(build("slowfast"), content)


def test_the_help_of_convert_names_the_layouts_that_there_are():
    from vswin.cli.weights import convert

    (option,) = typing.get_type_hints(convert, include_extras=True)["to"].__metadata__
    words = set(option.help.replace(",", " ").replace(";", " ").replace(".", " ").split())
    assert layouts().keys() <= words
    assert {word for word in words if "_" in word} <= layouts().keys()
    assert "slowfast" in command("weights", "convert", "--help").stdout
