"""Frozen backbones, rates by depth, early stopping and balanced epochs, cut anywhere or not."""

import copy
import dataclasses
from collections import Counter

import pytest
import torch

import vswin
from tests.training.test_training import RECIPE, Cut, batches, model
from vswin.errors import UsageError
from vswin.training.batch import by_step
from vswin.training.checkpoint import load_newest_checkpoint
from vswin.training.feeding import _balanced_epoch
from vswin.training.frozen import prepare_
from vswin.training.loop import Options, train
from vswin.training.recipe import build_optimizer
from vswin.training.validation import Validation

PROBE = dataclasses.replace(RECIPE, trains="head")


def saved_bytes(net, clips):
    """What a step keeps for its way back, weights left out."""
    kept, weights = {}, {p.data_ptr() for p in net.parameters()}

    def pack(tensor):
        if tensor.data_ptr() not in weights:
            kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        net(clips).sum().backward()
    return sum(kept.values())


def test_nothing_is_computed_or_kept_for_a_frozen_backbone():
    clips, _ = batches(0)
    whole, probe = model(), model()
    prepare_(whole, RECIPE)
    prepare_(probe, PROBE)
    assert saved_bytes(probe, clips) < 0.01 * saved_bytes(whole, clips)
    for name, parameter in probe.named_parameters():
        assert (parameter.grad is not None) == name.startswith("head."), name
    # Its features are those of a test, though stochastic depth is 0.5; the head's dropout stays.
    tested = model().eval().forward_features(clips)
    assert torch.allclose(probe.forward_features(clips), tested, atol=1e-5)
    assert not torch.equal(probe(clips), probe(clips))
    assert [g["name"] for g in build_optimizer(probe, PROBE).param_groups if g["params"]] == [
        "head"
    ]


def test_a_linear_probe_moves_the_head_alone_and_learns(tmp_path):
    net, before, losses = model(head_dropout=0.0), model().state_dict(), []
    recipe = dataclasses.replace(PROBE, epochs=4, lr=0.3)
    options = Options(on_epoch=lambda progress: losses.append(progress.loss))
    train(net, by_step(lambda step: batches(0)), recipe, 0, tmp_path, options=options)
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name]) != name.startswith("head."), name
    assert losses[-1] < losses[0] - 0.1


@pytest.mark.parametrize("preset", ["swin_t", "mvit_b_16x4"])
def test_rates_fall_from_block_to_block(preset):
    with torch.device("meta"):
        net = vswin.build_model(preset, num_classes=5)
    recipe = dataclasses.replace(RECIPE, layer_decay=0.8, weight_decay=0.02)
    plain = build_optimizer(net, dataclasses.replace(recipe, layer_decay=1.0))
    of = {id(p): g for g in build_optimizer(net, recipe).param_groups for p in g["params"]}
    usual = {id(p): g for g in plain.param_groups for p in g["params"]}
    rates = {}
    for name, parameter in net.named_parameters():
        group = of[id(parameter)]
        assert group["weight_decay"] == usual[id(parameter)]["weight_decay"], name
        rates[name] = group["base_lr"]
    blocks = sum(getattr(net.config, "depths", ()))
    first = "layers.0.blocks.0" if preset == "swin_t" else "blocks.0"
    assert rates["head.weight"] == 1e-2
    assert rates["norm.weight"] == pytest.approx(5e-3 * 0.8)
    assert rates["patch_embed.proj.weight"] == pytest.approx(5e-3 * 0.8 ** (blocks + 1))
    assert rates[f"{first}.attn.qkv.weight"] == pytest.approx(5e-3 * 0.8**blocks)
    assert len(set(rates.values())) == blocks + 2


def test_a_model_that_is_no_row_of_blocks_has_no_rates_by_depth():
    with torch.device("meta"):
        net = vswin.build_model("slowfast_r50_8x8")
    with pytest.raises(UsageError, match=r"layer_decay 0\.8: the model is no row of blocks"):
        build_optimizer(net, dataclasses.replace(RECIPE, layer_decay=0.8))


SCORES = [0.1, 0.5, 0.4, 0.5, 0.3, 0.9, 0.9]
"""Of the epochs. With a patience of 3 the fifth is the last; the best is the fourth, of equals the
latest."""
STOPPING = dataclasses.replace(RECIPE, epochs=7, patience=3)


def attempt(folder, told, kept, stop=None):
    """Trains until it is over or cut: after a step, or as the last weights are kept."""
    net, done = model(), [0]

    def on_step(step, steps):
        done[0] = step
        if step == stop:
            raise Cut

    def on_epoch(progress):
        told[progress.epoch] = progress.validation
        kept[progress.epoch] = copy.deepcopy(net.state_dict())

    def keep_last():
        kept["last"] = copy.deepcopy(net.state_dict())
        if stop == "end":
            raise Cut

    def score():
        net.eval()  # as a test leaves it
        return SCORES[done[0] // 3 - 1]

    options = Options(checkpoint_minutes=1e-9, on_step=on_step, on_epoch=on_epoch)
    validation = Validation(score, STOPPING.patience, keep_last)
    train(net, by_step(batches), STOPPING, 0, folder, options=options, validation=validation)
    return net.state_dict()


def same(one, other):
    return all(torch.equal(value, other[name]) for name, value in one.items())


def test_training_stops_early_with_the_best_weights_however_often_it_is_cut(tmp_path):
    told, kept, cut_told, cut_kept = {}, {}, {}, {}
    best = attempt(tmp_path / "calm", told, kept)
    assert told == dict(enumerate(SCORES[:5], 1))
    assert same(best, kept[4])
    assert same(kept["last"], kept[5])
    assert not same(kept[4], kept[5])
    for stop in (2, 6, 8, 12, 13, 15, "end"):
        with pytest.raises(Cut):
            attempt(tmp_path / "cut", cut_told, cut_kept, stop)
    assert same(attempt(tmp_path / "cut", cut_told, cut_kept), best)
    assert cut_told == told
    assert same(cut_kept["last"], kept["last"])
    assert load_newest_checkpoint(tmp_path / "cut")["step"] == 15


def test_a_balanced_epoch_shows_classes_alike_and_of_each_its_videos_in_turn():
    labels = [0] * 7 + [1] * 2 + [2] * 3
    keys = _balanced_epoch(labels)
    first, second = keys(5, 0, 12), keys(5, 1, 12)
    assert Counter(labels[place] for _, place in first) == {0: 4, 1: 4, 2: 4}
    for start in range(0, 12, 3):  # all of them, again and again
        assert {labels[place] for _, place in first[start : start + 3]} == {0, 1, 2}
    shown = Counter(place for _, place in first)
    assert [shown[place] for place in (7, 8)] == [2, 2]
    assert sorted(shown[place] for place in (9, 10, 11)) == [1, 1, 2]
    assert len({place for _, place in first if place < 7}) == 4
    assert len({*first, *second}) == 24  # no clip is cut as another one was
    assert first != [(turn, place) for turn, place in second]
    assert keys(5, 0, 12) == first
