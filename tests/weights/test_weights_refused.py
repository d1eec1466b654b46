"""Checkpoints: everything that a user can get wrong, and files that mean harm."""

import pytest
import torch

import vswin
from tests.checkpoints import IMAGE, VIDEO, build, error_of, in_layout
from vswin.models.errors import WeightsError
from vswin.models.swin.layouts import LAYOUTS


@pytest.mark.parametrize("name", [name for name, layout in LAYOUTS.items() if layout.kind != "2d"])
def test_a_missing_weight_is_named(name):
    tensors, _ = in_layout(name)
    end = "1.attn.proj.weight"
    (key,) = [k for k in tensors if k.endswith("1.blocks.1.attn.proj.weight") or
              k.endswith("features.2.1.attn.proj.weight")]  # fmt: skip
    assert key.endswith(end)
    del tensors[key]
    assert "lacks layers.1.blocks.1.attn.proj.weight" in error_of(tensors)


def test_a_missing_classifier_says_what_to_do():
    tensors, _ = in_layout("official_video")
    tensors = {key: value for key, value in tensors.items() if not key.startswith("cls_head")}
    text = error_of(tensors)
    assert "lacks head.weight, head.bias" in text
    assert "head=False" in text
    report = vswin.load_weights(build(), tensors, head=False)
    assert report.fresh == ("head.weight", "head.bias")


def test_other_classes_are_refused_unless_the_head_is_left_out():
    tensors, _ = in_layout("mmaction2")
    text = error_of(tensors, build(num_classes=7))
    assert "head.weight is (5, 16), wanted (7, 16)" in text
    assert "head=False" in text
    report = vswin.load_weights(build(num_classes=7), tensors, head=False)
    assert set(report.ignored.values()) >= {"the classifier is trained anew"}


def test_other_mistakes_are_named():
    video, _ = in_layout("torchvision")
    image, _ = in_layout("official_2d", IMAGE)
    ours, _ = in_layout("vswin")
    index = "features.0.0.attn.relative_position_index"
    texts = {
        "2D file where a video one is needed": error_of(image, expect="video"),
        "video file where a 2D one is needed": error_of(video, expect="2d"),
        "video file for the image model": error_of(video, build(IMAGE)),
        "other preset": error_of(video, vswin.build_model("swin_t")),
        "other patch": error_of(video, build(patch_size=(4, 4, 4))),
        "other channels": error_of(video, build(in_channels=1)),
        "other MLP": error_of(video, build(mlp_ratio=2.0)),
        "vain bias": error_of(image, build(design="split", window_size=(1, 3, 3)), bias="center"),
        "vain embedding": error_of(video, embedding="center"),
        "no tensors": error_of({"net": {}, "epoch": 3}),
        "no values": error_of({k: v.to("meta") for k, v in ours.items()}),
        "0-d head": error_of(ours | {"head.weight": torch.ones(())}),
        "0-d table": error_of(
            ours | {"layers.0.blocks.0.attn.relative_position_bias_table": torch.ones(())}
        ),
        "no square": error_of(
            {
                k: torch.ones(27, v.shape[1]) if "table" in k else v
                for k, v in image.items()
                if "index" not in k
            }
        ),
        "Swin-S3": error_of(
            image | {"layers.1.blocks.0.attn.relative_position_bias_table": torch.ones(49, 2)}
        ),
        "wrong note": error_of(ours | {"window_size": torch.tensor([10**6, 10**6, 10**6])}),
        "other order": error_of(video | {index: video[index].flip(0)}),
        "other window": error_of(video | {index: video[index][:9, :9]}),
        "sparse index": error_of(video | {index: video[index].to_sparse()}),
        "home": error_of("~nobody-of-that-name/weights.pth"),
        "long name": error_of(f"{300 * 'a'}.pth"),
        "overflow": error_of(ours | {"norm.bias": torch.full((16,), 1e300, dtype=torch.float64)}),
        "8 bit": error_of(ours | {"norm.bias": torch.ones(16).to(torch.float8_e5m2)}),
        "sparse": error_of(ours | {"norm.bias": torch.ones(16).to_sparse()}),
        "other model": error_of(video, torch.nn.Linear(1, 1)),
        "list": error_of(ours | {"patch_embed.proj.weight": [1.0]}),
        "other design": error_of(video, build(window_size=(1, 3, 3), design="split")),
        "window too long": error_of(video, build(window_size=(4, 3, 3))),
        "window too wide": error_of(video, build(window_size=(2, 4, 4))),
        "unknown entry": error_of(ours | {"layers.0.blocks.0.attn.gamma": torch.ones(1)}),
        "unknown layout": error_of({"encoder.0.weight": torch.ones(1)}),
        "unknown layout and a note": error_of({"encoder.0.weight": torch.ones(1), "epoch": 3}),
        "nothing": error_of({"state_dict": {}}),
        "Swin V2": error_of(image | {"layers.0.blocks.0.attn.logit_scale": torch.ones(1)}),
        "NaN": error_of(ours | {"norm.bias": torch.full((16,), torch.nan)}),
        "integers": error_of(ours | {"norm.bias": torch.ones(16, dtype=torch.long)}),
        "wrong shape": error_of(ours | {"norm.bias": torch.ones(8)}),
        "bad option": error_of(video, bias="centre"),
        "no mapping": error_of(3),
    }
    wanted = {
        "2D file where a video one is needed": "is a 2D (image) checkpoint, official_2d; wanted",
        "video file where a 2D one is needed": "is a video checkpoint, torchvision; wanted a 2D",
        "video file for the image model": "the model is the 2D Swin Transformer",
        "other preset": "no preset (C=8, depths 2-2, heads 1-2), but the model is swin_t (C=96,",
        "other patch": "is (2, 4, 4), but the model's is (4, 4, 4)",
        "other channels": "is 3, but the model's is 1",
        "other MLP": "width of the MLPs of a mapping is (32, 64), but the model's is (16, 32)",
        "vain bias": "bias='center' would have no effect: the model's windows have one frame",
        "vain embedding": "a mapping is a video checkpoint, which is not inflated",
        "no tensors": "no tensors: net, epoch; wanted weights by name, or under one of state_dict",
        "no values": "is on the meta device; wanted a dense",
        "0-d head": "head.weight has shape (), wanted 2 dimensions",
        "0-d table": "relative_position_bias_table has shape (), wanted 2 dimensions",
        "no square": "has 27 rows; a 2D table has (2M - 1)^2",
        "Swin-S3": "bias tables of several windows",
        "wrong note": "says window (1000000, 1000000, 1000000), but its bias tables have 75 rows",
        "other order": f"{index} is not that of window (2, 3, 3)",
        "other window": f"{index} is not that of window (2, 3, 3)",
        "sparse index": f"{index} is torch.int64, torch.sparse_coo; wanted a dense tensor",
        "home": "~nobody-of-that-name/weights.pth: ",
        "long name": "cannot be read: File name too long",
        "overflow": "norm.bias overflows torch.float32",
        "8 bit": "norm.bias is torch.float8_e5m2; wanted floating point numbers",
        "sparse": "norm.bias is torch.float32, torch.sparse_coo; wanted a dense",
        "other model": "the model is a Linear, wanted one of vswin.build_model",
        "list": "no tensors: patch_embed.proj.weight",
        "other design": "holds the joint design, but the model is design='split'",
        "window too long": "window_size=(4, 3, 3) is larger than (2, 3, 3)",
        "window too wide": "window_size=(2, 4, 4) is larger than (2, 3, 3)",
        "unknown entry": "has no place for layers.0.blocks.0.attn.gamma",
        "unknown layout": "its keys begin with encoder.0.weight; known: official_2d, timm_2d",
        "unknown layout and a note": "its keys begin with encoder.0.weight; known: official_2d",
        "nothing": "holds no tensors",
        "Swin V2": "Swin Transformer V2",
        "NaN": "no finite numbers in norm.bias",
        "integers": "norm.bias is torch.int64; wanted floating point numbers",
        "wrong shape": "norm.bias is (8,), wanted (16,)",
        "bad option": "bias='centre' is not possible; wanted one of 'duplicate', 'center'",
        "no mapping": "weights are a int, wanted a path or a mapping",
    }
    for mistake, text in texts.items():
        assert wanted[mistake] in text, (mistake, text)


def test_the_checkpoint_of_another_preset_is_named_by_both_names():
    with torch.device("meta"):
        state = vswin.build_model("swin_s").state_dict()
    small = {k: torch.zeros(v.shape) for k, v in state.items()}
    text = error_of(small, vswin.build_model("swin_t"))
    assert "holds swin_s (C=96, depths 2-2-18-2, heads 3-6-12-24)" in text
    assert "the model is swin_t (C=96, depths 2-2-6-2" in text


def test_the_meta_device_has_nothing_to_load_into():
    with torch.device("meta"):
        model = vswin.build_model("swin_t", **VIDEO)
    with pytest.raises(WeightsError, match="meta device"):
        vswin.load_weights(model, in_layout("vswin")[0])


def test_paths_that_are_no_files(tmp_path):
    assert "there is no file" in error_of(tmp_path / "none.pth")
    assert "is a folder, wanted a file" in error_of(tmp_path)
