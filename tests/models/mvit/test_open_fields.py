"""What files of foreign layouts leave open is as in the model, and is never stated as a fact."""

import pytest
import torch

import vswin
from tests.models.mvit.test_model import clip_for
from tests.peers import randomise_
from vswin.errors import UsageError
from vswin.evaluation.public import ClipsAsked, model_of
from vswin.models.errors import WeightsError
from vswin.weights.files import read_checkpoint

SMALL = {"depths": (1, 2), "embed_dim": 8, "frames": 8, "image_size": 32, "num_classes": 3}
MODELS = {
    # Table A.4: kernels and strides of the patch embedding.
    **{
        f"{kernel}/{stride}": {"patch_kernel": kernel, "patch_stride": stride}
        for kernel, stride in (
            ((1, 4, 4), (1, 4, 4)),
            ((1, 7, 7), (1, 4, 4)),
            ((3, 7, 7), (1, 4, 4)),
            ((3, 7, 7), (4, 4, 4)),
            ((7, 7, 7), (4, 4, 4)),
        )
    },
    # Tables A.3, A.6, A.7, A.9.
    **{name: {"positions": name} for name in ("joint", "space", "none")},
    **{name: {"skip": name.removesuffix(" skip")} for name in ("unnormalized", "none skip")},
    "max": {"pooling": "max", "kv_stride": (2, 4, 4)},
    "max, joint": {"pooling": "max", "positions": "joint", "image_size": 48},
    "fixed": {"kv_stride": (1, 2, 2), "kv_adaptive": False, "pool_norm_eps": 1e-5},
    "unpooled": {"kv_stride": (1, 1, 1), "kv_pool_last_stage": True},
    "no pools": {"depths": (3,), "kv_stride": (1, 1, 1), "num_heads": 2},
    # The same models as others, spelled differently.
    "q blocks": {"q_pool_blocks": (1,)},
    "kv blocks": {"kv_unpooled_blocks": (2, 0)},
}
HAS_NOT = {"joint", "space", "none", "unnormalized", "none skip", "max", "max, joint"}
"""Of them what torchvision's model cannot be."""


def build(preset="mvit_b_16x4", seed=0, **options):
    return randomise_(vswin.build_model(preset, **(SMALL | options)), seed)


def assert_loads(path, model, **options):
    again = build(seed=1, **options)
    report = vswin.load_weights(again, path)
    assert not (report.fresh or report.resized)
    assert again.config == model.config
    clip = clip_for(model, batch=1).float()
    with torch.inference_mode():
        assert torch.equal(again(clip), model(clip))


@pytest.mark.parametrize("layout", ["slowfast", "pytorchvideo", "torchvision"])
@pytest.mark.parametrize("name", MODELS)
def test_every_model_goes_to_a_foreign_layout_and_back_and_to_ours(name, layout, tmp_path):
    model, path = build(**MODELS[name]), tmp_path / "weights.pth"
    if layout == "torchvision" and name in HAS_NOT:
        with pytest.raises(WeightsError, match="torchvision's model has not|no place for pos"):
            vswin.save_weights(model, path, layout)
        return
    vswin.save_weights(model, path, layout)
    assert_loads(path, model, **MODELS[name])
    vswin.save_weights(read_checkpoint(path), tmp_path / "ours.pth", "vswin")
    assert_loads(tmp_path / "ours.pth", model, **MODELS[name])
    before, after = (read_checkpoint(each).found for each in (path, tmp_path / "ours.pth"))
    assert before.config == after.config
    assert set(before.silent) == set(after.silent)
    assumed = after.facts()["assumed"]
    assert all(f"{field}=" in assumed for field in ("frames", "image_size", "patch_stride"))


@pytest.mark.parametrize("layout", ["slowfast_2d", "pytorchvideo_2d"])
@pytest.mark.parametrize("positions", ["joint", "separate", "space", "none"])
def test_images_without_pools_of_keys_and_values_likewise(layout, positions, tmp_path):
    """Table A.9's "none"; that they are images is certain, and cannot get lost on the way."""
    options = {"frames": 1, "kv_stride": (1, 1, 1), "positions": positions}
    options |= {"preset": "mvit_b_16_imagenet"}
    model, path, ours = build(**options), tmp_path / "weights.pth", tmp_path / "ours.pth"
    vswin.save_weights(model, path, layout)
    vswin.save_weights(read_checkpoint(path), ours, "vswin")
    for each in (path, ours):
        assert read_checkpoint(each).found.kind == "2d"
        assert_loads(each, model, **options)
        with pytest.raises(WeightsError, match="build it with frames=1"):
            vswin.load_weights(build(**(options | {"frames": 8})), each)


def test_equal_models_of_our_own_files_are_equal_however_they_are_spelled(tmp_path):
    model, path = build(), tmp_path / "weights.pth"
    vswin.save_weights(model, path)
    same = {"q_pool_blocks": (1,), "kv_unpooled_blocks": (2, 1), "pool_norm_eps": 1e-6}
    report = vswin.load_weights(build(seed=1, **same), path)
    assert report.found.is_certain
    with pytest.raises(WeightsError, match="with kv_stride=.1, 8, 8., but this one has kv_stride"):
        vswin.load_weights(build(**same, kv_stride=(1, 4, 4)), path)
    joint, shuffled = {"positions": "joint"}, {"frames": 32, "image_size": 16}
    vswin.save_weights(build(**joint), path)  # as many rows, for other clips
    with pytest.raises(WeightsError, match="is of a model with frames=8, image_size=32, but"):
        vswin.load_weights(build(**joint, **shuffled), path)


@pytest.mark.parametrize(
    ("has", "wants", "words"),
    [
        ({"pooling": "max"}, {}, "no convolutions that pool.*build it with pooling='max'"),
        ({}, {"pooling": "max"}, "build it with pooling='conv'"),
        ({"skip": "none"}, {}, "build it with skip='none'"),
        ({}, {"skip": "none"}, "build it with skip='normalized' or skip='unnormalized'"),
        ({}, {"kv_stride": (1, 1, 1)}, "pool keys and values, but this model has kv_stride"),
        ({"kv_stride": (1, 1, 1)}, {}, r"build it with kv_stride=\(1, 1, 1\)"),
        ({"positions": "none"}, {}, "with positions='none', but this one has positions='sep"),
        ({}, {"frames": 16}, "frames=16; build it with frames=8, or with another patch_stride"),
    ],
    ids=str,
)
def test_what_weights_do_not_allow_is_refused_by_keyword(has, wants, words, tmp_path):
    vswin.save_weights(build(**has), tmp_path / "weights.pth", "slowfast")
    with pytest.raises(WeightsError, match=words) as caught:
        vswin.load_weights(build(**wants), tmp_path / "weights.pth")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("positions", "fitting"), [("joint", (8, 32)), ("none", (4, 48))])
def test_clips_that_are_asked_for_need_no_resizing_where_tables_fit(
    positions, fitting, tmp_path, caplog
):
    path, (frames, size) = tmp_path / "weights.pth", fitting
    vswin.save_weights(build(positions=positions, image_size=32), path, "slowfast")
    model, _ = model_of(path, ClipsAsked(frames=frames, size=size))
    assert (model.config.frames, model.config.image_size) == fitting
    assert "assumed: patch_stride=(2, 4, 4), " in caplog.text  # and not what was asked for


def test_clips_that_tables_do_not_hold_are_not_stated(tmp_path):
    path = tmp_path / "weights.pth"
    vswin.save_weights(build(positions="joint"), path, "slowfast")
    with pytest.raises(UsageError, match="pos_embed of 257 rows .*--frames and --size"):
        model_of(path)
    vswin.save_weights(build(positions="space"), path, "slowfast")
    assert model_of(path, ClipsAsked(frames=12))[0].config.frames == 12
    with pytest.raises(UsageError, match="tables for 32×32 pixels, not for 48×48; --resize"):
        model_of(path, ClipsAsked(frames=12, size=48))


def test_a_file_without_convolutions_is_taken_for_a_model_that_pools_by_the_maximum(
    tmp_path, caplog
):
    model, path = build(pooling="max", frames=16), tmp_path / "weights.pth"
    vswin.save_weights(model, path, "pytorchvideo")
    found, _ = model_of(path)
    clip = clip_for(model, batch=1).float()
    with torch.inference_mode():
        assert torch.equal(found(clip), model(clip))
    assert "pooling='max'" in read_checkpoint(path).found.facts()["assumed"]
    assert "does not say all of its model; assumed: frames=16, " in caplog.text  # and it is said
    assert "pooling='max'" in caplog.text
    vswin.save_weights(model, path)
    caplog.clear()
    model_of(path)
    assert not caplog.text
