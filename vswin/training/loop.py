"""The training loop: a function of recipe, seed and data that can be cut anywhere and resumed."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from vswin.errors import VswinError
from vswin.training.checkpoint import load_newest_checkpoint, save_checkpoint
from vswin.training.recipe import Recipe, build_optimizer, lr_factor, set_lr

Batches = Callable[[int], tuple[Tensor, Tensor]]
"""From a step number to its clips (B, C, T, H, W) and labels (B,), always the same ones."""


class DivergedError(VswinError):
    """The loss is not a number any more."""


@dataclasses.dataclass(frozen=True)
class Progress:
    """What one epoch of training came to."""

    epoch: int
    """Epochs finished, from 1."""
    step: int
    """Steps finished."""
    steps: int
    """Steps in all."""
    loss: float
    """Mean training loss of the epoch."""
    top1: float
    """Training top-1 of the epoch, in [0, 1], before each step's update."""
    lr: float
    """The head's learning rate at the last step."""
    clips_per_second: float
    """Training speed over the epoch, data included."""
    train_seconds: float
    """Time spent in training so far, all attempts together, lost work not counted."""


def train(
    model: nn.Module,
    batches: Batches,
    recipe: Recipe,
    checkpoints: Path,
    device: torch.device,
    on_step: Callable[[int, int], None] = lambda step, steps: None,
    on_epoch: Callable[[Progress], None] = lambda progress: None,
) -> float:
    """Trains `model` in place; goes on from the newest checkpoint in `checkpoints`.

    Weights, optimiser state and torch's random state are saved after every epoch, and a batch is
    a function of its step. So a training that was killed and resumed ends with the weights of one
    that was not.

    Args:
        model: the model, on `device`, freshly initialised.
        batches: the training data by step.
        recipe: optimiser and schedule.
        checkpoints: folder for checkpoints.
        device: where to train.
        on_step: called after each step with (steps finished, steps in all).
        on_epoch: called after each epoch, before its checkpoint is written: whatever is told twice
            after a kill is the same both times, and nothing is left out.

    Returns:
        Seconds spent in training, over all attempts.

    Raises:
        DivergedError: if the loss becomes NaN or infinite.
    """
    optimizer = build_optimizer(model, recipe)
    first, before = _resume(model, optimizer, checkpoints, device)
    model.train()
    for epoch in range(first // recipe.steps_per_epoch, recipe.epochs):
        start = time.perf_counter()
        done = epoch * recipe.steps_per_epoch
        loss_sum, hits, lr = torch.zeros((), device=device), torch.zeros((), device=device), 0.0
        for step in range(done, done + recipe.steps_per_epoch):
            clips, labels = (x.to(device) for x in batches(step))
            factor = lr_factor(recipe, step)
            lr = recipe.lr * factor
            set_lr(optimizer, factor)
            loss, logits = _step(model, optimizer, clips, labels, recipe)
            loss_sum += loss
            hits += (logits.argmax(dim=1) == labels).sum()
            on_step(step + 1, recipe.steps)
        mean_loss = loss_sum.item() / recipe.steps_per_epoch
        if not math.isfinite(mean_loss):
            raise DivergedError(
                f"the training loss became {mean_loss} in epoch {epoch + 1}; "
                f"lower the learning rate ({recipe.lr:g}) or clip the gradient"
            )
        seconds = time.perf_counter() - start
        before += seconds
        seen = recipe.steps_per_epoch * recipe.batch_size
        on_epoch(
            Progress(
                epoch=epoch + 1,
                step=done + recipe.steps_per_epoch,
                steps=recipe.steps,
                loss=mean_loss,
                top1=hits.item() / seen,
                lr=lr,
                clips_per_second=seen / seconds,
                train_seconds=before,
            )
        )
        _save(model, optimizer, checkpoints, done + recipe.steps_per_epoch, before, device)
    return before


def _step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    clips: Tensor,
    labels: Tensor,
    recipe: Recipe,
) -> tuple[Tensor, Tensor]:
    """One update; the loss and the logits before it, detached."""
    logits = model(clips)
    loss = F.cross_entropy(logits, labels)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    if recipe.grad_clip is not None:
        nn.utils.clip_grad_norm_(model.parameters(), recipe.grad_clip)
    optimizer.step()
    return loss.detach(), logits.detach()


def _save(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    folder: Path,
    step: int,
    seconds: float,
    device: torch.device,
) -> None:
    state: dict[str, Any] = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "torch_rng": torch.get_rng_state(),
        "step": step,
        "train_seconds": seconds,
    }
    if device.type == "cuda":
        state["cuda_rng"] = torch.cuda.get_rng_state(device)
    save_checkpoint(folder, step, state)


def _resume(
    model: nn.Module, optimizer: torch.optim.Optimizer, folder: Path, device: torch.device
) -> tuple[int, float]:
    """Restores the newest checkpoint; (steps finished, seconds trained), zeros without one."""
    state = load_newest_checkpoint(folder)
    if state is None:
        return 0, 0.0
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["torch_rng"])
    if "cuda_rng" in state and device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda_rng"], device)
    return state["step"], state["train_seconds"]
