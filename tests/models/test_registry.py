"""Model families: what is known by name, and what is refused."""

import pytest

import vswin
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
