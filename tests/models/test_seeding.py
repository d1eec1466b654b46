"""Designs that are compared start equal in what they share."""

import itertools

import pytest
import torch

import vswin
from vswin.models.errors import ModelError
from vswin.models.registry import initialise_

SMALL = {
    "embed_dim": 24,
    "depths": (2, 2),
    "num_heads": (2, 4),
    "in_channels": 1,
    "num_classes": 12,
}
MODELS = {
    "joint": {"window_size": (4, 3, 3)},
    "long": {"window_size": (8, 3, 3)},
    "split": {"design": "split", "window_size": (1, 3, 3)},
    "factorized": {"design": "factorized", "window_size": (8, 3, 3)},
}


def built(name, seed):
    model = vswin.build_model("swin_t", **SMALL, **MODELS[name])
    initialise_(model, "fan_in", seed=seed)
    return dict(model.named_parameters())


@pytest.mark.parametrize(("one", "other"), [*itertools.combinations(MODELS, 2)])
def test_parameters_of_equal_name_and_shape_start_equal(one, other):
    first, second = built(one, 3), built(other, 3)
    shared = [name for name in first if name in second and first[name].shape == second[name].shape]
    assert len(shared) >= 40
    assert all(torch.equal(first[name], second[name]) for name in shared)


def test_another_seed_and_another_name_are_other_numbers():
    one, other = built("joint", 3), built("joint", 4)
    matrices = [name for name, value in one.items() if value.ndim > 1]
    assert not any(torch.equal(one[name], other[name]) for name in matrices)
    for first, second in itertools.combinations(matrices, 2):
        assert not torch.equal(one[first].flatten()[:9], one[second].flatten()[:9])


def test_a_seed_of_its_own_is_independent_of_the_global_generator():
    torch.manual_seed(0)
    one = built("joint", 3)
    torch.manual_seed(1)
    other = built("joint", 3)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_gate_starts_where_it_is_said_to():
    model = vswin.build_model("swin_t", **SMALL, design="factorized", initial_gate=1)
    gates = [value.item() for name, value in model.named_parameters() if name.endswith("gate")]
    assert gates == [1.0] * 4
    with pytest.raises(ModelError, match="initial_gate=1 is for design='factorized'"):
        vswin.build_model("swin_t", initial_gate=1.0)


def test_tables_of_positions_of_mvit_start_equal_too():
    def positions(classes):
        model = vswin.build_model("mvit_b_16x4", num_classes=classes)
        initialise_(model, seed=5)
        return dict(model.named_parameters())

    first, second = positions(7), positions(9)
    assert all(torch.equal(first[n], second[n]) for n in first if not n.startswith("head"))
