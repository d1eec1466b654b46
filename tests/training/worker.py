"""One of the processes of test_distributed: `worker.py FOLDER STOP GRAD_CLIP`."""

import sys
from pathlib import Path

import torch

import vswin
from vswin.data.moving_digits import MovingDigits
from vswin.training.batch import Clips
from vswin.training.distributed import joined
from vswin.training.loop import Options, train
from vswin.training.recipe import Recipe

folder, stop, grad_clip = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
torch.set_num_threads(1)
recipe = Recipe(
    steps_per_epoch=3,
    epochs=2,
    warmup_epochs=1,
    batch_size=8,
    lr=1e-2,
    backbone_lr_ratio=0.5,
    linear_std="fan_in",
    grad_clip=grad_clip or None,
)
data = MovingDigits(generator_seed=1, frames=4, digits=2)
torch.manual_seed(3)
model = vswin.build_model(
    "swin_t",
    embed_dim=8,
    depths=(2,),
    num_heads=(2,),
    num_classes=12,
    window_size=(2, 3, 3),
    in_channels=1,
    drop_path=0.0,
    head_dropout=0.0,
)


def batches(first):
    step = first
    while True:
        clips, labels = data.batch("train", (0, step), 8)
        parts = [Clips(clips[i : i + 2], labels[i : i + 2], i) for i in range(0, 8, 2)]
        share = 4 // world.size
        yield parts[world.rank * share : (world.rank + 1) * share]
        step += 1


def on_step(step, steps):
    if step == stop:
        sys.exit(7)


lines = []
with joined(torch.device("cpu")) as world:
    if world.rank:  # the weights of the first are what counts
        torch.manual_seed(99)
        for p in model.parameters():
            p.data.normal_()
    options = Options(
        checkpoint_minutes=1e-9,
        check_every=1,
        on_step=on_step,
        on_epoch=lambda p: lines.append((p.epoch, p.loss, p.top1, p.replaced)),
    )
    train(model, batches, recipe, 0, folder / "checkpoints", world, options)
    assert world.gather(world.rank) == list(range(world.size))
    assert world.sum(torch.ones(1)).item() == world.size
    torch.save({"model": model.state_dict(), "lines": lines}, folder / f"{world.rank}.pt")
