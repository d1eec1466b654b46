"""Two processes train one model: what they end with is what one process ends with."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
WORKER = """
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
recipe = Recipe(steps_per_epoch=3, epochs=2, warmup_epochs=1, batch_size=8, lr=1e-2,
                backbone_lr_ratio=0.5, linear_std="fan_in", grad_clip=grad_clip or None)
data = MovingDigits(generator_seed=1, frames=4, digits=2)
torch.manual_seed(3)
model = vswin.build_model("swin_t", embed_dim=8, depths=(2,), num_heads=(2,), num_classes=12,
                          window_size=(2, 3, 3), in_channels=1, drop_path=0.0, head_dropout=0.0)

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
    options = Options(checkpoint_minutes=1e-9, look_every=1, on_step=on_step,
                      on_epoch=lambda p: lines.append((p.epoch, p.loss, p.top1, p.replaced)))
    train(model, batches, recipe, 0, folder / "checkpoints", world, options)
    assert world.gather(world.rank) == list(range(world.size))
    assert world.sum(torch.ones(1)).item() == world.size
    torch.save({"model": model.state_dict(), "lines": lines}, folder / f"{world.rank}.pt")
"""


def run(folder, processes, stop=0, grad_clip=0.0):
    """Exit codes of the processes."""
    folder.mkdir(exist_ok=True)
    import os
    import socket

    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(processes)}
    command = [sys.executable, "-c", WORKER, str(folder), str(stop), str(grad_clip)]
    started = [
        subprocess.Popen(
            command, cwd=ROOT, env=os.environ | place | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        )
        for rank in range(processes)
    ]
    return [process.wait(timeout=120) for process in started]


@pytest.mark.parametrize("grad_clip", [0.0, 0.1])
def test_two_processes_end_with_the_weights_of_one(tmp_path, grad_clip):
    assert run(tmp_path / "one", 1, grad_clip=grad_clip) == [0]
    assert run(tmp_path / "two", 2, grad_clip=grad_clip) == [0, 0]
    one = torch.load(tmp_path / "one" / "0.pt")
    first, second = (torch.load(tmp_path / "two" / f"{rank}.pt") for rank in range(2))
    for name, value in one["model"].items():
        assert torch.equal(first["model"][name], second["model"][name]), name
        torch.testing.assert_close(first["model"][name], value, rtol=1e-3, atol=2e-5)
    assert first["lines"] == second["lines"]  # sums over both processes, in both
    for expected, found in zip(one["lines"], first["lines"], strict=True):
        assert found == pytest.approx(expected, rel=1e-4)


def test_two_processes_that_were_stopped_go_on(tmp_path):
    assert run(tmp_path / "whole", 2) == [0, 0]
    assert run(tmp_path / "cut", 2, stop=4) == [7, 7]
    assert run(tmp_path / "cut", 2) == [0, 0]
    whole, cut = (torch.load(tmp_path / name / "0.pt") for name in ("whole", "cut"))
    for name, value in whole["model"].items():
        torch.testing.assert_close(cut["model"][name], value, rtol=1e-4, atol=1e-6)
    # The first epoch was over; of the second, the part before the stop is in its figures.
    assert cut["lines"][-1] == pytest.approx(whole["lines"][-1], rel=1e-5)
