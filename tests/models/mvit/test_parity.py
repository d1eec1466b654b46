"""The same weights give the same logits and gradients as torchvision's MViT."""

import copy

import pytest
import torch

import vswin
from benchmarks.peers import mvit_peer
from tests.peers import import_torchvision, randomise_
from vswin.models.mvit.config import MViTConfig
from vswin.models.mvit.layouts import LAYOUTS
from vswin.weights.files import read_checkpoint, to_layout


@pytest.fixture(autouse=True)
def _two_threads(_one_thread):
    torch.set_num_threads(2)


def torchvision_model(config):
    """torchvision's model of any configuration with separate positions and convolutions."""
    import_torchvision()  # or a skip
    return mvit_peer(config)


SMALL = {"depths": (1, 2, 2, 1), "embed_dim": 16, "num_heads": 2, "num_classes": 11}


def clip_for(config, batch=2):
    size = (batch, config.in_channels, config.frames, config.image_size, config.image_size)
    return torch.randn(size, generator=torch.Generator().manual_seed(1))


def relative(found, wanted):
    assert wanted.abs().max() > 0.3  # not merely both near zero
    return ((found - wanted).abs().max() / wanted.abs().max()).item()


def test_the_published_model():
    theirs = randomise_(import_torchvision().models.video.mvit_v1_b(weights=None))
    ours = vswin.build_model("mvit_b_16x4", kv_pool_last_stage=True).eval()
    report = vswin.load_weights(ours, theirs.state_dict())
    assert (report.layout, report.found.kind, report.found.base) == (
        "torchvision",
        "video",
        "mvit_b_16x4",
    )
    assert report.found.options() == {"kv_pool_last_stage": True}
    assert len(report.mapped) == len(list(ours.parameters()))
    clip = clip_for(ours.config, batch=1)
    with torch.inference_mode():
        assert relative(ours(clip), theirs(clip)) < 1e-5


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"kv_pool_last_stage": True},
        {"image_size": 40, "frames": 6, "kv_stride": (2, 4, 4)},
        {"kv_adaptive": False, "kv_stride": (1, 2, 2)},
        {"kv_stride": (1, 1, 1)},
        {"kv_stride": (1, 1, 1), "q_pool_blocks": ()},
        {"image_size": 36, "kv_stride": (1, 4, 4)},
        {"q_pool_blocks": (2,), "kv_unpooled_blocks": (0, 3)},
    ],
    ids=str,
)
def test_another_configuration_with_all_gradients(options):
    size = {"image_size": 32, "frames": 4, "head_dropout": 0.0, "drop_path": 0.0}
    ours = vswin.build_model("mvit_b_16x4", **(SMALL | size | options))
    theirs = randomise_(torchvision_model(ours.config)).double()
    vswin.load_weights(ours.double(), theirs.state_dict())
    clip = clip_for(ours.config).double()
    mine, yours = ours(clip), theirs(clip)
    assert relative(mine, yours) < 1e-10
    weight = torch.randn(mine.shape, generator=torch.Generator().manual_seed(2))
    (mine * weight).sum().backward()
    (yours * weight).sum().backward()
    with_gradients = copy.deepcopy(theirs)
    for mine, yours in zip(with_gradients.parameters(), theirs.parameters(), strict=True):
        mine.data = yours.grad
    gradients = read_checkpoint(with_gradients.state_dict()).weights
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[name], rtol=1e-7, atol=1e-9, msg=name)


@pytest.mark.parametrize("pooled", [True, False], ids=["last stage pooled", "not pooled at all"])
@pytest.mark.parametrize("separate", [True, False], ids=["separate", "joint"])
def test_it_is_pytorchvideos_model(pooled, separate):
    """Where that is installed, which nothing here asks for: its last release is of January 2022.

    Its builder pools keys and values of every stage or of none. The epsilon of the LNs after
    pooling is 1e-5 in that release.
    """
    import_torchvision()
    peer = pytest.importorskip("pytorchvideo.models.vision_transformers")
    theirs = peer.create_multiscale_vision_transformers(
        spatial_size=64,
        temporal_size=8,
        depth=4,
        sep_pos_embed=separate,
        embed_dim_mul=[[1, 2.0], [3, 2.0]],
        atten_head_mul=[[1, 2.0], [3, 2.0]],
        pool_q_stride_size=[[1, 1, 2, 2], [3, 1, 2, 2]],
        pool_kv_stride_adaptive=[1, 4, 4] if pooled else None,
        pool_kvq_kernel=[3, 3, 3],
        head_num_classes=11,
    )
    theirs = randomise_(theirs).double()
    ours = vswin.build_model(
        "mvit_b_16x4",
        depths=(1, 2, 1),
        frames=8,
        image_size=64,
        num_classes=11,
        positions="separate" if separate else "joint",
        kv_stride=(1, 4, 4) if pooled else (1, 1, 1),
        kv_pool_last_stage=pooled,
        pool_norm_eps=theirs.blocks[1].attn.norm_q.eps,
    )
    report = vswin.load_weights(ours.double().eval(), theirs.state_dict())
    assert report.layout == "pytorchvideo"
    clip = clip_for(ours.config, batch=1).double()
    with torch.no_grad():
        difference = relative(ours(clip), theirs(clip))
    print(f"largest difference of logits {difference:.1e}, relative to the largest")
    assert difference < 1e-10


@pytest.mark.parametrize("layout", ["torchvision", "slowfast", "pytorchvideo", "vswin"])
def test_weights_go_to_each_layout_and_back(layout, tmp_path):
    options = {"image_size": 64, "frames": 8}
    ours = randomise_(vswin.build_model("mvit_b_16x4", **SMALL, **options))
    vswin.save_weights(ours, tmp_path / "weights.pth", layout)
    again = vswin.build_model("mvit_b_16x4", **SMALL, **options)
    report = vswin.load_weights(again, tmp_path / "weights.pth")
    assert report.layout == layout
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in ours.state_dict().items())
    assumed = report.found.facts()["assumed"]
    assert assumed == "nothing" if layout == "vswin" else "kv_stride=(1, 8, 8)" in assumed
    found = report.found.config
    names = ("depths", "embed_dim", "num_heads", "frames", "image_size", "num_classes", "positions")
    assert all(getattr(found, name) == getattr(ours.config, name) for name in names)


@pytest.mark.parametrize("layout", ["slowfast_2d", "pytorchvideo_2d", "vswin"])
def test_weights_of_images_likewise(layout, tmp_path):
    ours = randomise_(vswin.build_model("mvit_b_16_imagenet", **SMALL, image_size=64))
    vswin.save_weights(ours, tmp_path / "weights.safetensors", layout)
    again = vswin.build_model("mvit_b_16_imagenet", **SMALL, image_size=64)
    report = vswin.load_weights(again, tmp_path / "weights.safetensors")
    assert (report.layout, report.found.kind) == (layout, "2d")
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in ours.state_dict().items())


def test_torchvision_takes_ours():
    ours = randomise_(vswin.build_model("mvit_b_16x4", **SMALL, image_size=64, frames=8))
    theirs = torchvision_model(ours.config).eval()
    back = to_layout(read_checkpoint(ours.state_dict()), LAYOUTS["torchvision"])
    theirs.load_state_dict(back, strict=True)
    clip = clip_for(ours.config)
    with torch.inference_mode():
        assert relative(ours(clip), theirs(clip)) < 1e-5


def test_our_own_files_say_all(tmp_path):
    config = {"pooling": "max", "positions": "joint", "kv_stride": (2, 4, 4), "kv_adaptive": False}
    config |= {"pool_norm_eps": 1e-5}
    ours = vswin.build_model("mvit_b_16x4", **SMALL, image_size=64, frames=8, **config)
    vswin.save_weights(ours, tmp_path / "weights.safetensors")
    found = read_checkpoint(tmp_path / "weights.safetensors").found
    assert found.is_certain
    assert found.config == ours.config
    again = vswin.build_model(found.base, **found.options())
    assert again.config.pool_norm_eps == 1e-5
    vswin.load_weights(again, tmp_path / "weights.safetensors")


def test_queries_keys_and_values_of_three_layers_are_one_of_ours():
    """As SlowFast's own files between two of its versions have them."""
    ours = randomise_(vswin.build_model("mvit_b_16x4", **SMALL, image_size=64, frames=8))
    state = to_layout(read_checkpoint(ours.state_dict()), LAYOUTS["slowfast"])
    for name in [n for n in state if ".attn.qkv." in n]:
        for part, value in zip("qkv", state.pop(name).chunk(3), strict=True):
            state[name.replace("qkv", part)] = value
    again = vswin.build_model("mvit_b_16x4", **SMALL, image_size=64, frames=8)
    vswin.load_weights(again, {"model_state": state, "epoch": 200})
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in ours.state_dict().items())


def test_the_default_is_the_papers_version():
    assert MViTConfig().kv_pool_last_stage is False
