"""Section 4.1, implementation details: optimiser, parameter groups and learning rate schedule."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt

from vswin.errors import UsageError
from vswin.models.registry import LinearStd, code_of

if TYPE_CHECKING:  # a recipe is plain data: planning runs has no use for torch
    import torch
    from torch import nn


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a model is trained. Defaults are the paper's for Swin-T on Kinetics-400."""

    steps_per_epoch: Annotated[int, Ge(1)] | None = None
    """Optimiser steps in an epoch; None is as many as show each training video once."""
    epochs: Annotated[int, Ge(1)] = 30
    """Length of the training."""
    warmup_epochs: Annotated[float, Ge(0)] = 2.5
    """Linear warm-up of the learning rate at the start."""
    batch_size: Annotated[int, Ge(1)] = 64
    """Clips in a step."""
    lr: Annotated[float, Gt(0), Lt(math.inf)] = 3e-4
    """Highest learning rate of the head."""
    backbone_lr_ratio: Annotated[float, Ge(0), Lt(math.inf)] = 0.1
    """Learning rate of everything but the head, relative to the head's (Table 7)."""
    weight_decay: Annotated[float, Ge(0), Lt(math.inf)] = 0.02
    """AdamW's decoupled weight decay; which parameters it spares, `groups` says."""
    betas: tuple[float, float] = (0.9, 0.999)
    """AdamW's moment decays."""
    grad_clip: Annotated[float, Gt(0)] | None = None
    """Largest norm of the gradient; the paper clips nothing."""
    linear_std: LinearStd = 0.02
    """Initial standard deviation of linear layers, see `vswin.models.registry.initialise_`."""
    bias_std: Annotated[float, Gt(0), Lt(math.inf)] = 0.02
    """Initial standard deviation of relative position bias tables, see there."""
    cosine_by: Literal["step", "epoch"] = "step"
    """Whether the cosine moves every step, or stays the same throughout an epoch."""
    warmup_from: Annotated[float, Ge(0), Le(1)] | None = None
    """Share of the learning rate that the warm-up begins with; None: one of its steps' share."""
    groups: Literal["intended", "official"] = "intended"
    """Which parameters are spared, see `build_optimizer`."""
    label_smoothing: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Share of each label that is spread evenly over all classes (Something-Something)."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """What matrix products are computed in; weights stay fp32, and fp16 scales its loss. On a GPU
    fp32 is not rounded to TF32 either, see `vswin.training.distributed.joined`."""
    trains: Literal["all", "head"] = "all"
    """All weights, or those of the head alone: a linear probe, see `vswin.training.frozen`."""
    layer_decay: Annotated[float, Gt(0), Le(1)] = 1.0
    """What multiplies the backbone's learning rate from each block to the one before it."""
    patience: Annotated[int, Ge(1)] | None = None
    """Training stops after so many epochs without a better score on the validation split, and the
    best weights are tested. None: nothing is validated, and the last ones are."""

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole training.

        Raises:
            ValueError: if the length of an epoch has not been settled yet, see `for_clips`.
        """
        if self.steps_per_epoch is None:
            raise ValueError("steps_per_epoch depends on the number of videos; see for_clips")
        return self.epochs * self.steps_per_epoch

    def for_clips(self, count: int) -> Recipe:
        """This recipe with epochs that show `count` clips; a last incomplete batch is left out.

        Raises:
            UsageError: if there are fewer clips than one batch takes.
        """
        if self.steps_per_epoch is not None:
            return self
        if count < self.batch_size:
            raise UsageError(
                f"{count} training videos are fewer than one batch of {self.batch_size}; list "
                f"more, or say `recipe: {{batch_size: {max(1, count)}}}` in the row"
            )
        return dataclasses.replace(self, steps_per_epoch=count // self.batch_size)


def lr_factor(recipe: Recipe, step: int) -> float:
    """Share of the highest learning rate at a step (0-based): cosine decay with linear warm-up.

    The paper names the two and leaves the rest open; `cosine_by` and `warmup_from` settle it. The
    warm-up moves every step and multiplies a cosine from 1 to 0 over the whole training.
    """
    per_epoch = recipe.steps // recipe.epochs
    length = recipe.warmup_epochs * per_epoch
    if recipe.warmup_from is None:
        warmup = min(1.0, (step + 1) / max(1.0, length))
    else:
        begun = min(1.0, step / length) if length else 1.0
        warmup = recipe.warmup_from + (1 - recipe.warmup_from) * begun
    if recipe.cosine_by == "epoch":
        step -= step % per_epoch
    return warmup * (1 + math.cos(math.pi * step / recipe.steps)) / 2


def build_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW with the groups of section 4.1: backbone and head, with and without weight decay.

    `groups="intended"` is what the paper and the released configuration say: the whole backbone
    has the lower learning rate, and its normalisations and tables of position biases no decay.
    `groups="official"` is what the released optimiser does: of the configuration's keys it applies
    only the longest that matches a name, so that bias tables have the head's learning rate and no
    decay, and LayerNorms, as part of the backbone, decay. Which parameters those are, the model's
    family says.

    `layer_decay` makes groups of the backbone's blocks: the last block has the backbone's rate
    times the decay, the block before it times its square, and so on to the embedding. Weights that
    are frozen are in no group.

    Raises:
        UsageError: if there is a `layer_decay`, and the model is no row of blocks.
    """
    import torch  # here, where it is wanted

    ratio, decay = recipe.backbone_lr_ratio, recipe.weight_decay
    official = recipe.groups == "official"
    spared = ("bias tables", 1.0, 0.0) if official else ("backbone, no decay", ratio, 0.0)
    groups: list[dict[str, Any]] = [
        {"params": [], "name": name, "base_lr": recipe.lr * share, "weight_decay": wd}
        for name, share, wd in (("backbone", ratio, decay), spared, ("head", 1.0, decay))
    ]
    code = code_of(model)
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if name.startswith(code.HEAD):
            groups[2]["params"].append(parameter)
        else:
            groups[int(code.is_spared(name, recipe.groups))]["params"].append(parameter)
    if recipe.layer_decay < 1:
        groups = [*_by_depth(model, groups[:2], recipe.layer_decay), groups[2]]
    return torch.optim.AdamW(groups, lr=recipe.lr, betas=recipe.betas, fused=True)


def _by_depth(
    model: nn.Module, groups: Sequence[dict[str, Any]], decay: float
) -> Iterator[dict[str, Any]]:
    """Groups of the backbone, divided by how deep their weights are."""
    depths = _depths(model)
    if not (blocks := max(depths.values())):
        raise UsageError(f"layer_decay {decay}: the model is no row of blocks; leave it out")
    for group in groups:
        for depth in sorted({depths[parameter] for parameter in group["params"]}):
            yield group | {
                "params": [p for p in group["params"] if depths[p] == depth],
                "name": f"{group['name']}, depth {depth}",
                "base_lr": group["base_lr"] * decay ** (blocks + 1 - depth),
            }


def _depths(model: nn.Module) -> dict[nn.Parameter, int]:
    """For each weight how many blocks are begun when it is used; those of the embedding have 0."""
    blocks, found = set[str](), {}
    for name, parameter in model.named_parameters():
        if block := re.match(r"(?:.*\.)?blocks\.\d+\.", name):
            blocks.add(block[0])
        found[parameter] = len(blocks)
    return found


def set_lr(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Sets every group to `factor` times its highest learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor
