"""The training loop: a function of recipe, seed and data that can be cut anywhere and resumed."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from vswin.errors import VswinError
from vswin.tasks import SINGLE_LABEL, Task
from vswin.training.batch import Batches, MicroBatch
from vswin.training.checkpoint import (
    load_checkpoint,
    load_newest_checkpoint,
    save_checkpoint,
)
from vswin.training.distributed import World
from vswin.training.frozen import prepare_
from vswin.training.recipe import Recipe, build_optimizer, lr_factor, set_lr
from vswin.training.validation import Best, Validation, better

CHECK_EVERY = 20
"""Steps between two checks of the loss and the clock, for which a GPU must be waited for."""
CHECKPOINT_MINUTES = 15.0
DTYPES = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class DivergedError(VswinError):
    """The loss is not a number any more."""


class UnreadableDataError(VswinError):
    """More of the training videos cannot be read than is acceptable."""


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
    """Share of the epoch's clips that were answered correctly, before each step's update."""
    lr: float
    """The head's learning rate at the last step."""
    clips_per_second: float
    """Training speed over the epoch (over the part since it was resumed), data included."""
    train_seconds: float
    """Time spent in training so far, all attempts together, lost work not counted."""
    replaced: int = 0
    """Clips of the epoch that stood for a video that could not be read."""
    validation: float | None = None
    """Score on the validation split after the epoch; None where nothing is validated."""


@dataclasses.dataclass(frozen=True)
class Options:
    """What may differ between two trainings that end with the same weights."""

    checkpoint_minutes: float = CHECKPOINT_MINUTES
    """A checkpoint is written after every epoch, and when the last is older than this."""
    check_every: int = CHECK_EVERY
    """Steps between two checks of the loss and the clock."""
    max_replaced: float = 0.01
    """Share of an epoch's clips that may stand for unreadable videos."""
    on_step: Callable[[int, int], None] = lambda step, steps: None
    """Called after each step with (steps finished, steps in all)."""
    on_epoch: Callable[[Progress], None] = lambda progress: None
    """Called after each epoch, before its checkpoint is written: whatever is told twice after a
    kill is the same both times, and nothing is left out."""


def train(
    model: nn.Module,
    batches: Batches,
    recipe: Recipe,
    seed: int,
    checkpoints: Path,
    world: World | None = None,
    options: Options | None = None,
    task: Task = SINGLE_LABEL,
    validation: Validation | None = None,
) -> float:
    """Trains `model` in place; goes on from the newest checkpoint in `checkpoints`.

    Everything that a step does follows from what a checkpoint holds and from the step's number:
    batches are functions of it, and so are the random numbers of stochastic depth and dropout. So
    a training that was killed at any step and resumed ends with the weights and metrics of one
    that was not. (To the bit in one process on the CPU; several processes and GPUs add up in an
    order of their own.)

    Args:
        model: the model, on `world.device`, freshly initialised, the same in every process.
        batches: this process's training data.
        recipe: optimiser and schedule; its `steps_per_epoch` is settled.
        seed: for stochastic depth and dropout.
        checkpoints: folder for checkpoints.
        world: this process among those that train the model together; None is alone on the CPU.
        options: how often to check and to save, and whom to tell.
        task: what the labels are.
        validation: stops training early, and leaves the best weights in the model; None trains to
            the end and leaves the last ones.

    Returns:
        Seconds spent in training, over all attempts; without validation.

    Raises:
        DivergedError: if the loss becomes NaN or infinite; names the first such step.
        UnreadableDataError: if too many clips of an epoch had to be replaced.
    """
    world, options = world or World(), options or Options()
    prepare_(model, recipe)
    state = _State(model, build_optimizer(model, recipe), recipe, world, task, validation)
    state.resume(checkpoints)
    if not state.is_over:
        _take_steps(state, _replica(model, world), batches(state.step), seed, checkpoints, options)
    state.finish()
    return state.seconds


def _take_steps(
    state: _State,
    replica: nn.Module,
    steps: Iterator[Sequence[MicroBatch]],
    seed: int,
    checkpoints: Path,
    options: Options,
) -> None:
    recipe, world = state.recipe, state.world
    per_epoch = recipe.steps // recipe.epochs
    while not state.is_over:
        lr = recipe.lr * lr_factor(recipe, state.step)
        set_lr(state.optimizer, lr_factor(recipe, state.step))
        _step(state, replica, next(steps), seed)
        options.on_step(state.step, recipe.steps)
        ends_epoch = state.step % per_epoch == 0
        is_due = state.age() >= 60 * options.checkpoint_minutes
        # Several processes must check at the same steps; their clocks differ.
        if ends_epoch or state.step % options.check_every == 0 or (is_due and world.size == 1):
            state.require_sound(options.max_replaced)
            if ends_epoch:
                _end_epoch(state, lr, options)
            if ends_epoch or world.agree(is_due):
                state.save(checkpoints)


def _replica(model: nn.Module, world: World) -> nn.Module:
    """The model, wrapped so that its gradients are averaged over the processes."""
    if world.size == 1:
        return model
    on_gpu = world.device.type == "cuda"
    return DistributedDataParallel(
        model, device_ids=[world.device] if on_gpu else None, gradient_as_bucket_view=True
    )


def _step(state: _State, replica: nn.Module, parts: Sequence[MicroBatch], seed: int) -> None:
    """One update from this process's share of the batch, a micro-batch at a time."""
    recipe, world = state.recipe, state.world
    share = sum(len(part) for part in parts)
    state.optimizer.zero_grad(set_to_none=True)
    for number, part in enumerate(parts):
        torch.manual_seed(_key(seed, state.step, part.first))
        clips, target = part.on(world.device)
        # Gradients travel once for each step, with the last micro-batch.
        keeps = world.size > 1 and number < len(parts) - 1
        apart = replica.no_sync if keeps else contextlib.nullcontext
        with apart():  # type: ignore[operator]  # a method of DistributedDataParallel
            with torch.autocast(
                world.device.type, DTYPES[recipe.precision], enabled=recipe.precision != "fp32"
            ):
                logits = replica(clips)
            loss = state.task.loss(logits, target, recipe.label_smoothing)
            state.scaler.scale(loss * (len(part) / share) if len(parts) > 1 else loss).backward()
        state.count(loss.detach(), logits.detach(), target, part)
    if recipe.grad_clip is not None:
        state.scaler.unscale_(state.optimizer)
        nn.utils.clip_grad_norm_(state.model.parameters(), recipe.grad_clip)
    state.scaler.step(state.optimizer)
    state.scaler.update()
    state.step += 1


def _key(seed: int, step: int, first: int) -> int:
    """A seed for torch from the run's, the step and the place in its batch."""
    return int(np.random.SeedSequence((seed, step, first)).generate_state(1, np.uint64)[0])


def _end_epoch(state: _State, lr: float, options: Options) -> None:
    recipe = state.recipe
    per_epoch = recipe.steps // recipe.epochs
    loss, hits, replaced = state.world.sum(state.sums.double()).tolist()
    clips = per_epoch * recipe.batch_size
    since, state.seconds = state.clock()
    score = state.validate()
    options.on_epoch(
        Progress(
            epoch=state.step // per_epoch,
            step=state.step,
            steps=recipe.steps,
            loss=loss / clips,
            top1=hits / clips,
            lr=lr,
            clips_per_second=(state.step - state.since_step) * recipe.batch_size / since,
            train_seconds=state.seconds,
            replaced=int(replaced),
            validation=score,
        )
    )
    state.begin_epoch()


class _State:
    """Everything that a step changes, and nothing else: what a checkpoint holds."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        recipe: Recipe,
        world: World,
        task: Task,
        validation: Validation | None,
    ) -> None:
        self.model, self.optimizer, self.recipe = model, optimizer, recipe
        self.world, self.task, self.validation = world, task, validation
        self.best: Best | None = None
        self.scaler = torch.amp.GradScaler(world.device.type, enabled=recipe.precision == "fp16")
        self.step = 0
        self.seconds = 0.0
        """Spent in training up to the last checked epoch, all attempts together."""
        self.begin_epoch()
        self.saved = time.perf_counter()

    def begin_epoch(self) -> None:
        # In this process: the losses of all clips, the hits, the replaced clips.
        self.sums = torch.zeros(3, device=self.world.device)
        self.first_bad = torch.full((), math.inf, device=self.world.device)
        self.since, self.since_step = time.perf_counter(), self.step

    def clock(self) -> tuple[float, float]:
        """Seconds since the epoch was begun or resumed, and in all."""
        since = time.perf_counter() - self.since
        return since, self.seconds + since

    @property
    def is_over(self) -> bool:
        """Whether the last step is done, or validation has stopped training."""
        epoch = self.step // (self.recipe.steps // self.recipe.epochs)
        patience = self.validation.patience if self.validation else self.recipe.epochs
        stopped = self.best is not None and epoch - self.best.risen >= patience
        return stopped or self.step >= self.recipe.steps

    def validate(self) -> float | None:
        """The score after an epoch; keeps the weights if they are the best."""
        if self.validation is None:
            return None
        score = self.validation.score()
        prepare_(self.model, self.recipe)
        epoch = self.step // (self.recipe.steps // self.recipe.epochs)
        self.best = better(self.best, score, epoch, self.model)
        return score

    def finish(self) -> None:
        """Leaves the best weights in the model, if some were kept."""
        if self.validation is not None and self.best is not None:
            self.validation.keep_last()
            self.model.load_state_dict(self.best.weights)

    def age(self) -> float:
        """Seconds since the last checkpoint."""
        return time.perf_counter() - self.saved

    def count(self, loss: Tensor, logits: Tensor, target: Tensor, part: MicroBatch) -> None:
        """Adds a micro-batch to the epoch's sums, without waiting for the device."""
        hits = self.task.hits(logits, target)
        replaced = torch.full_like(loss, part.replaced)
        self.sums += torch.stack((loss * len(part), hits.to(loss.dtype), replaced))
        now = torch.full_like(self.first_bad, self.step)
        is_bad = ~loss.isfinite()
        self.first_bad = torch.where(is_bad, torch.minimum(now, self.first_bad), self.first_bad)

    def require_sound(self, max_replaced: float) -> None:
        """Raises, in every process, if a loss was no number or too many videos were replaced."""
        own = (self.first_bad.item(), self.sums[2].item())
        bads, replaced = zip(*self.world.gather(own), strict=True)
        per_epoch = self.recipe.steps // self.recipe.epochs
        if math.isfinite(min(bads)):
            raise DivergedError(
                f"the training loss became NaN or infinite at step {int(min(bads)) + 1}, in epoch "
                f"{int(min(bads)) // per_epoch + 1}; lower the learning rate "
                f"({self.recipe.lr:g}) or clip the gradient"
            )
        clips = per_epoch * self.recipe.batch_size
        if sum(replaced) > max_replaced * clips:
            raise UnreadableDataError(
                f"{sum(replaced):.0f} of the {clips} clips of epoch "
                f"{(self.step - 1) // per_epoch + 1} stand for videos that cannot be read, more "
                f"than {100 * max_replaced:g} %; `vswin data check` names them"
            )

    def save(self, folder: Path) -> None:
        """Writes a checkpoint, in the main process; the others' sums are added to its."""
        sums = self.world.sum(self.sums)
        if self.world.is_main:
            content: dict[str, Any] = {
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "scaler": self.scaler.state_dict(),
                "step": self.step,
                "sums": sums,
                "train_seconds": self.clock()[1],
            }
            if self.best is not None:
                content["best"] = self.best.as_dict()
            save_checkpoint(folder, self.step, content)
        self.saved = time.perf_counter()

    def resume(self, folder: Path) -> None:
        """Restores the newest checkpoint that the main process can read, if there is one."""
        state = load_newest_checkpoint(folder) if self.world.is_main else None
        step = self.world.agree(state["step"] if state else None)
        if step is None:
            return
        state = state or load_checkpoint(folder, step)
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.step, self.seconds = state["step"], state["train_seconds"]
        self.best = Best(**state["best"]) if "best" in state else None
        self.begin_epoch()
        if self.world.is_main:
            self.sums.copy_(state["sums"])
