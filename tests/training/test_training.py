"""Recipe, loop and checkpoints: section 4.1, and that a cut training ends as if it were not."""

import dataclasses
import math

import pytest
import torch

import vswin
from vswin.data.moving_digits import MovingDigits
from vswin.training.batch import by_step
from vswin.training.checkpoint import load_newest_checkpoint, save_checkpoint
from vswin.training.loop import DivergedError, Options, train
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
        look_every=2,
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
        save_checkpoint(tmp_path, step, {"step": step, "x": torch.arange(1000)})
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["step-00000002.pt", "step-00000003.pt"]  # the last two are kept
    newest = tmp_path / names[1]
    newest.write_bytes(newest.read_bytes()[:-500])
    assert load_newest_checkpoint(tmp_path)["step"] == 2
    assert names[1] in caplog.text
    # One flipped byte in the data is noticed, too.
    other = tmp_path / names[0]
    content = bytearray(other.read_bytes())
    content[content.index(torch.arange(900, 910).numpy().tobytes())] ^= 1
    other.write_bytes(content)
    assert load_newest_checkpoint(tmp_path) is None


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
