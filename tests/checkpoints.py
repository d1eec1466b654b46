"""Small models and checkpoints of every layout, for the tests of loading and refusing them."""

import pytest
import torch

import vswin
from tests.peers import randomise_
from vswin.models.errors import WeightsError
from vswin.models.swin.layouts import LAYOUTS
from vswin.weights.files import read_checkpoint, to_layout

TINY = {"embed_dim": 8, "depths": (2, 2), "num_heads": (1, 2), "num_classes": 5}
VIDEO = TINY | {"window_size": (2, 3, 3)}
IMAGE = TINY | {"window_size": (1, 3, 3), "patch_size": (1, 4, 4)}
BOTH = {"vswin": (VIDEO, IMAGE)}
CASES = [
    (name, options)
    for name, layout in LAYOUTS.items()
    for options in BOTH.get(name, (VIDEO if layout.kind == "video" else IMAGE,))
]


def build(options=VIDEO, **overrides):
    torch.manual_seed(0)
    return vswin.build_model("swin_t", **(options | overrides)).eval()


def in_layout(name, options=VIDEO):
    """A checkpoint in a layout, and the model that it was made from."""
    model = randomise_(build(options))
    return to_layout(read_checkpoint(model.state_dict()), LAYOUTS[name]), model


def error_of(source, model=None, **options):
    model = build() if model is None else model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(WeightsError) as caught:
        vswin.load_weights(model, source, **options)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    text = str(caught.value)
    assert "\n" not in text
    return text
