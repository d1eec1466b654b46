"""Model families: what is known by name, and what is refused."""

import re

import pytest
import torch
from torch._subclasses import FakeTensor, FakeTensorMode
from typer.testing import CliRunner

import vswin
from vswin.cli.main import app
from vswin.experiments.tables import Row
from vswin.models import registry
from vswin.models.errors import ModelError
from vswin.models.registry import family, family_of, presets, resolve_config


def test_presets_belong_to_families():
    assert {name for name, found in presets().items() if found.name == "swin"} == {
        "swin_t",
        "swin_s",
        "swin_b",
        "swin_l",
    }
    assert family_of(resolve_config("swin_t")) is family("swin")


def test_what_is_left_out_takes_the_default_that_goes_with_what_is_said():
    assert resolve_config("swin_t", design="split").window_size == (1, 7, 7)
    assert resolve_config("swin_t", design="joint").window_size == (8, 7, 7)
    with pytest.raises(ModelError, match="spatial window"):
        resolve_config("swin_t", design="split", window_size=[8, 7, 7])


@pytest.mark.parametrize(
    ("said", "follows"),
    [
        ({"design": "split"}, {"window_size": (1, 7, 7)}),
        ({"design": "split", "shift": "none"}, {"window_size": (1, 7, 7), "shift": "none"}),
        ({"design": "factorized"}, {"window_size": (8, 7, 7)}),
        ({"patch_size": (1, 4, 4)}, {"window_size": (8, 7, 7)}),
        ({"window_size": (64, 7, 7)}, {"patch_size": (2, 4, 4)}),  # clipped to what there is
        ({"depths": [2, 2]}, {"num_heads": (3, 6)}),
        ({"depths": (1,) * 5}, {"num_heads": (3, 6, 12, 24, 48)}),
        ({"num_heads": (3, 6)}, {"depths": (2, 2), "embed_dim": 96}),
        ({"num_heads": (3, 6, 12, 24, 48)}, {"depths": (2, 2, 6, 2, 2)}),
        ({"num_heads": (5, 10, 20, 40)}, {"embed_dim": 160, "depths": (2, 2, 6, 2)}),
        ({"num_heads": (1, 3)}, {"embed_dim": 96}),
        ({"num_heads": (2, 7)}, {"embed_dim": 448}),
        ({"embed_dim": 48}, {"num_heads": (3, 6, 12, 24)}),  # goes with it, and stays
        ({"embed_dim": 64}, {"num_heads": (2, 4, 8, 16)}),
        ({"embed_dim": 100}, {"num_heads": (2, 4, 8, 16)}),
        ({"embed_dim": 8, "depths": (2, 2)}, {"num_heads": (1, 2)}),
        ({"embed_dim": 256, "depths": (2, 2), "design": "split"}, {"num_heads": (8, 16)}),
    ],
)
def test_a_default_gives_way_to_what_is_said(said, follows):
    """And a model can be built, with every preset's defaults."""
    config = resolve_config("swin_t", **said)
    assert {name: getattr(config, name) for name in follows} == follows
    frozen = {k: tuple(v) if isinstance(v, list) else v for k, v in said.items()}
    assert {name: getattr(config, name) for name in said} == frozen
    with torch.device("meta"):
        vswin.build_model("swin_t", **said)
    for preset, found in presets().items():
        if found.name == "swin":
            resolve_config(preset, **said)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"design": "split", "window_size": (8, 7, 7)}, "design='split' with the 3D window"),
        ({"depths": (2, 2), "num_heads": (3, 6, 12)}, "num_heads=(3, 6, 12) is not possible"),
        ({"embed_dim": 64, "num_heads": (3, 6, 12, 24)}, "a divisor of the 64 channels"),
        ({"num_heads": ()}, "num_heads=() is not possible"),
        ({"num_heads": 3}, "num_heads=3 is not possible"),
        ({"depths": (2, 0)}, "depths=(2, 0) is not possible"),
        ({"depths": "22"}, "depths='22' is not possible"),
        ({"embed_dim": 0}, "embed_dim=0 is not possible"),
        ({"embed_dim": 96.0}, "embed_dim=96.0 is not possible"),
        ({"design": "splat"}, "design='splat' is not possible"),
    ],
)
def test_only_what_is_said_can_contradict_itself(said, message):
    with pytest.raises(ModelError, match=re.escape(message)):
        vswin.build_model("swin_t", **said)


def test_a_default_gives_way_wherever_a_model_is_named():
    """In a row of an experiment, on the command line, and in a protocol's small models."""
    row = Row(id="wide", preset="swin_t", model={"depths": [2, 2], "design": "split"})
    assert resolve_config(row.preset, **row.model).num_heads == (3, 6)
    small = family("swin").shrink(
        resolve_config("swin_t"), 2, {"spatial_window": 3}, {"embed_dim": 8, "depths": [2, 2]}
    )
    assert small.num_heads == (1, 2)
    done = CliRunner().invoke(app, ["cost", "swin_t", "--design", "split"])
    assert done.exit_code == 0, done.output
    asked = CliRunner().invoke(app, ["cost", "swin_t", "--design", "split", "--window", "1x7x7"])
    assert done.output == asked.output.replace(" window_size=(1, 7, 7),", "")


@pytest.mark.parametrize(
    ("preset", "small", "size"),
    [
        ("swin_t", {"depths": (2, 1), "num_heads": (1, 2), "drop_path": 0.2}, (8, 32, 32)),
        ("mvit_b_16x4", {"depths": (1, 2), "drop_path": 0.2}, (16, 224, 224)),
    ],
)
def test_of_fake_tensors_a_model_has_shapes_and_no_weights(preset, small, size):
    real = vswin.build_model(preset, **small)
    with FakeTensorMode():
        model = vswin.build_model(preset, **small)
        logits = model(torch.empty(2, 3, *size))
    assert isinstance(logits, FakeTensor)
    assert logits.shape == (2, 400)
    assert str(model) == str(real)  # rates of stochastic depth are numbers
    wanted = {name: weight.shape for name, weight in real.named_parameters()}
    assert {name: weight.shape for name, weight in model.named_parameters()} == wanted


def test_names_that_do_not_exist_are_refused_with_the_nearest():
    with pytest.raises(ModelError, match="unknown preset 'swin_x'.*swin_t"):
        vswin.build_model("swin_x")
    with pytest.raises(
        ModelError, match="unknown model option 'windowsize'.*did you mean 'window_size'"
    ):
        vswin.build_model("swin_t", windowsize=(8, 7, 7))
    with pytest.raises(ModelError, match="unknown model family 'swim'"):
        family("swim")
    with pytest.raises(ModelError, match="is no model"):
        family_of(object())
    with pytest.raises(ModelError, match="already"):
        registry.register(family("swin"))


def test_the_image_counterpart_is_the_2d_swin_transformer():
    config = family("swin").image_counterpart(resolve_config("swin_t"), 1000)
    assert config.is_image_model
    assert (config.patch_size, config.window_size, config.num_classes) == (
        (1, 4, 4),
        (1, 7, 7),
        1000,
    )
