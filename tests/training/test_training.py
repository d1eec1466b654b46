"""Recipe, loop and checkpoints: section 4.1, and that a cut training ends as if it were not."""

import dataclasses
import itertools
import math

import pytest
import torch

import vswin
from vswin.data.moving_digits import MovingDigits
from vswin.errors import UsageError
from vswin.training.batch import Clips, by_step
from vswin.training.checkpoint import (
    DamagedCheckpointsError,
    load_newest_checkpoint,
    save_checkpoint,
)
from vswin.training.loop import DivergedError, Options, UnreadableDataError, train
from vswin.training.recipe import Recipe, build_optimizer, lr_factor, set_lr

RECIPE = Recipe(
    steps_per_epoch=3,
    epochs=4,
    warmup_epochs=1,
    batch_size=4,
    lr=1e-2,
    backbone_lr_ratio=0.5,
    linear_std="fan_in",
)
DATA = MovingDigits(generator_seed=1, frames=4, digits=2)


CONTENT = {"model": {}, "optimizer": {}, "scaler": {}, "sums": 0, "train_seconds": 0.0}


def batches(step):
    return DATA.batch("train", (0, step), RECIPE.batch_size)


def model(**overrides):
    torch.manual_seed(3)
    return vswin.build_model(
        "swin_t",
        **(
            {
                "embed_dim": 8,
                "depths": (2,),
                "num_heads": (2,),
                "window_size": (2, 3, 3),
                "num_classes": 12,
                "in_channels": 1,
                "drop_path": 0.5,
                "head_dropout": 0.3,
            }
            | overrides
        ),
    )


class Cut(Exception):  # noqa: N818
    """Stands for a kill."""


def run(folder, stop_after=None, recipe=RECIPE, minutes=15):
    net, losses = model(), []

    def on_step(step, steps):
        if step == stop_after:
            raise Cut

    options = Options(
        checkpoint_minutes=minutes,
        check_every=2,
        on_step=on_step,
        on_epoch=lambda p: losses.append((p.epoch, p.loss, p.top1)),
    )
    train(net, by_step(batches), recipe, 5, folder, options=options)
    return net.state_dict(), losses


@pytest.mark.parametrize("minutes", [15, 1e-9])  # checkpoints after epochs; within them, too
@pytest.mark.parametrize("stop_after", [1, 3, 4, 5, 7, 9, 12])
def test_a_cut_training_ends_bitwise_like_an_uncut_one(tmp_path, stop_after, minutes):
    expected, losses = run(tmp_path / "uncut")
    with pytest.raises(Cut):
        run(tmp_path / "cut", stop_after, minutes=minutes)
    torch.manual_seed(99)  # whatever happened to the generator meanwhile
    found, rest = run(tmp_path / "cut", minutes=minutes)
    assert all(torch.equal(found[k], v) for k, v in expected.items())
    # Finished epochs are not repeated (an epoch counts once its checkpoint is on disk).
    assert rest == losses[(stop_after - 1) // 3 :]


def test_a_broken_newest_checkpoint_is_skipped_by_name(tmp_path, caplog):
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, step, CONTENT | {"step": step, "model": torch.arange(1000)})
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["step-00000002.pt", "step-00000003.pt"]  # the last two are kept
    newest = tmp_path / names[1]
    newest.write_bytes(newest.read_bytes()[:-500])
    assert load_newest_checkpoint(tmp_path)["step"] == 2
    assert names[1] in caplog.text
    assert newest.with_suffix(".damaged").exists()  # set aside: it does not count among the kept
    save_checkpoint(tmp_path, 3, CONTENT | {"step": 3})
    assert sorted(p.name for p in tmp_path.glob("step-*.pt")) == names
    newest.unlink()
    # One flipped byte in the data is noticed, too.
    other = tmp_path / names[0]
    content = bytearray(other.read_bytes())
    content[content.index(torch.arange(900, 910).numpy().tobytes())] ^= 1
    other.write_bytes(content)
    with pytest.raises(DamagedCheckpointsError, match=r"no checkpoint in .* can be read"):
        load_newest_checkpoint(tmp_path)
    assert load_newest_checkpoint(tmp_path / "nothing") is None


def test_a_checkpoint_of_another_version_is_not_taken_for_ours(tmp_path, caplog):
    save_checkpoint(tmp_path, 1, {"step": 1, "model": {}})
    with pytest.raises(DamagedCheckpointsError):
        load_newest_checkpoint(tmp_path)
    assert "another version of vswin wrote it: no optimizer" in caplog.text


def test_the_loss_falls_and_every_parameter_moves(tmp_path):
    net = model(drop_path=0.0, head_dropout=0.0)
    before = {k: v.clone() for k, v in net.state_dict().items()}
    fixed = batches(0)
    recipe = dataclasses.replace(RECIPE, epochs=80)
    losses = []
    options = Options(on_epoch=lambda p: losses.append(p.loss))
    train(net, by_step(lambda step: fixed), recipe, 0, tmp_path, options=options)
    assert losses[-1] < losses[0] / 4
    assert all((net.state_dict()[k] != v).any() for k, v in before.items())


def test_a_loss_that_is_no_number_stops_with_a_reason(tmp_path):
    def poisoned(step):
        clips, labels = batches(step)
        return clips * (math.nan if step == 4 else 1), labels

    with pytest.raises(DivergedError, match="at step 5, in epoch 2; lower the learning rate"):
        train(model(), by_step(poisoned), RECIPE, 0, tmp_path)
    assert load_newest_checkpoint(tmp_path)["step"] == 3  # nothing that is no number was kept


def test_schedule_is_linear_warm_up_times_cosine():
    recipe = Recipe(steps_per_epoch=10)  # 30 epochs, 2.5 of warm-up: section 4.1
    assert recipe.steps == 300
    factors = [lr_factor(recipe, step) for step in range(300)]
    assert factors[0] == pytest.approx(1 / 25)
    cosine = [(1 + math.cos(math.pi * step / 300)) / 2 for step in range(300)]
    assert factors[24:] == pytest.approx(cosine[24:])
    assert factors[12] == pytest.approx(13 / 25 * cosine[12])
    assert factors.index(max(factors)) == 24
    assert factors[-1] < 1e-4


def test_parameter_groups():
    net = model()
    optimizer = build_optimizer(net, dataclasses.replace(RECIPE, weight_decay=0.02))
    of = {id(p): g for g in optimizer.param_groups for p in g["params"]}
    assert len(of) == len(list(net.parameters()))
    for name, parameter in net.named_parameters():
        group = of[id(parameter)]
        assert group["base_lr"] == pytest.approx(1e-2 if name.startswith("head") else 5e-3), name
        exempt = "norm" in name or "relative_position_bias_table" in name
        assert group["weight_decay"] == (0 if exempt else 0.02), name
    set_lr(optimizer, 0.5)
    assert sorted({g["lr"] for g in optimizer.param_groups}) == pytest.approx([2.5e-3, 5e-3])


def test_the_released_schedule_is_constant_within_an_epoch_and_begins_at_a_tenth():
    recipe = Recipe(steps_per_epoch=10, cosine_by="epoch", warmup_from=0.1)
    factors = [lr_factor(recipe, step) for step in range(300)]
    assert factors[0] == pytest.approx(0.1)
    by_hand = 0.1 + 0.9 * 12 / 25  # half-way through 2.5 epochs, in the second epoch
    assert factors[12] == pytest.approx(by_hand * (1 + math.cos(math.pi / 30)) / 2)
    assert len(set(factors[30:40])) == 1
    assert factors[299] == pytest.approx((1 + math.cos(math.pi * 29 / 30)) / 2)
    assert factors[25] == pytest.approx((1 + math.cos(math.pi * 2 / 30)) / 2)


def test_the_released_optimiser_matches_the_longest_key_alone():
    recipe = dataclasses.replace(RECIPE, weight_decay=0.02, groups="official")
    net = model()
    optimizer = build_optimizer(net, recipe)
    of = {id(p): g for g in optimizer.param_groups for p in g["params"]}
    seen = set()
    for name, parameter in net.named_parameters():
        group = (of[id(parameter)]["base_lr"], of[id(parameter)]["weight_decay"])
        if "relative_position_bias_table" in name:
            assert group == (1e-2, 0.0), name
        elif name.startswith("head."):
            assert group == (1e-2, 0.02), name
        else:  # LayerNorms, too
            assert group == (5e-3, 0.02), name
        seen.add(group)
    assert len(seen) == 3


def parts(step, size):
    clips, labels = batches(step)
    return [Clips(clips[i : i + size], labels[i : i + size], i) for i in range(0, 4, size)]


@pytest.mark.parametrize("size", [1, 2, 3])
def test_micro_batches_add_up_to_the_batch(tmp_path, size):
    """Also of unequal size: 3 + 1."""
    recipe = dataclasses.replace(RECIPE, epochs=2, label_smoothing=0.1, grad_clip=0.5)
    ends = []
    for number, each in enumerate((4, size)):
        net, lines = model(drop_path=0.0, head_dropout=0.0), []
        options = Options(on_epoch=lambda p, lines=lines: lines.append((p.loss, p.top1)))
        feed = lambda first, each=each: (parts(s, each) for s in itertools.count(first))  # noqa: E731
        train(net, feed, recipe, 0, tmp_path / str(number), options=options)
        ends.append((net.state_dict(), lines))
    (whole, losses), (divided, others) = ends
    for name, value in whole.items():
        torch.testing.assert_close(divided[name], value, rtol=1e-3, atol=1e-5)
    for a, b in zip(losses, others, strict=True):
        assert b == pytest.approx(a, rel=1e-4)


def test_label_smoothing_is_the_published_one(tmp_path):
    """0.1 / classes everywhere, and 0.9 more on the right one (facts of the released code)."""
    recipe = dataclasses.replace(RECIPE, steps_per_epoch=1, epochs=1, label_smoothing=0.1)
    net, lines = model(drop_path=0.0, head_dropout=0.0), []
    clips, labels = batches(0)
    with torch.no_grad():
        scores = net.train()(clips).log_softmax(dim=1)
    wanted = torch.full_like(scores, 0.1 / 12)
    wanted[range(4), labels] += 0.9
    expected = -(wanted * scores).sum(dim=1).mean().item()
    train(net, by_step(batches), recipe, 0, tmp_path, options=Options(on_epoch=lines.append))
    assert lines[0].loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_lower_precision_trains_nearly_the_same_and_resumes(tmp_path, precision):
    recipe = dataclasses.replace(RECIPE, precision=precision)
    full, _ = run(tmp_path / "full")
    low, _ = run(tmp_path / "low", recipe=recipe)
    assert any(not torch.equal(low[k], full[k]) for k in full)  # it was indeed another
    assert all(value.dtype == torch.float32 for value in low.values())
    distance = sum((low[k] - full[k]).norm() ** 2 for k in full) ** 0.5
    assert distance < 0.5 * sum(v.norm() ** 2 for v in full.values()) ** 0.5
    with pytest.raises(Cut):
        run(tmp_path / "cut", 7, recipe)
    again, _ = run(tmp_path / "cut", recipe=recipe)
    assert all(torch.equal(again[k], v) for k, v in low.items())


def test_too_many_unreadable_videos_stop_the_training(tmp_path):
    def some(step):
        return [dataclasses.replace(parts(step, 4)[0], replaced=int(step == 3))]

    def feed(first):
        return (some(step) for step in itertools.count(first))

    lines = []
    options = Options(max_replaced=0.1, on_epoch=lines.append)
    train(model(), feed, RECIPE, 0, tmp_path / "few", options=options)
    assert [line.replaced for line in lines] == [0, 1, 0, 0]
    with pytest.raises(UnreadableDataError, match=r"1 of the 12 clips of epoch 2.*more than 5 %"):
        train(model(), feed, RECIPE, 0, tmp_path / "many", options=Options(max_replaced=0.05))


def test_a_recipe_learns_its_length_from_the_number_of_videos():
    recipe = Recipe()
    with pytest.raises(ValueError, match="for_clips"):
        _ = recipe.steps
    assert recipe.for_clips(240_436).steps_per_epoch == 3756  # 240,436 // 64
    assert RECIPE.for_clips(5) is RECIPE
    with pytest.raises(UsageError, match="63 training videos are fewer than one batch of 64"):
        recipe.for_clips(63)
