"""Section 4.1, implementation details: optimiser, parameter groups and learning rate schedule."""

from __future__ import annotations

import dataclasses
import math
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt, Lt
from torch import nn

from vswin.models.initialisation import LinearStd


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a model is trained. Defaults are the paper's for Swin-T on Kinetics-400."""

    steps_per_epoch: Annotated[int, Ge(1)]
    """Optimiser steps in an epoch."""
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
    """AdamW's decoupled weight decay; none for LayerNorms and bias tables."""
    betas: tuple[float, float] = (0.9, 0.999)
    """AdamW's moment decays."""
    grad_clip: Annotated[float, Gt(0)] | None = None
    """Largest norm of the gradient; the paper clips nothing."""
    linear_std: LinearStd = 0.02
    """Initial standard deviation of linear layers, see `vswin.models.initialisation`."""
    bias_std: Annotated[float, Gt(0), Lt(math.inf)] = 0.02
    """Initial standard deviation of relative position bias tables, see there."""

    @property
    def steps(self) -> int:
        """Optimiser steps of the whole training."""
        return self.epochs * self.steps_per_epoch


def lr_factor(recipe: Recipe, step: int) -> float:
    """Share of the highest learning rate at a step (0-based): cosine decay with linear warm-up.

    The paper names the two and leaves the rest open. Here both move every step: warm-up rises from
    1/steps to 1 and multiplies a cosine that runs from 1 to 0 over the whole training.
    """
    warmup = min(1.0, (step + 1) / max(1.0, recipe.warmup_epochs * recipe.steps_per_epoch))
    return warmup * (1 + math.cos(math.pi * step / recipe.steps)) / 2


def build_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.AdamW:
    """AdamW with three groups: the backbone with and without weight decay, and the head."""
    groups = [
        {"params": params, "name": name, "base_lr": recipe.lr * ratio, "weight_decay": decay}
        for name, params, ratio, decay in (
            ("backbone", [], recipe.backbone_lr_ratio, recipe.weight_decay),
            ("backbone, no decay", [], recipe.backbone_lr_ratio, 0.0),
            ("head", [], 1.0, recipe.weight_decay),
        )
    ]
    for name, parameter in model.named_parameters():
        if name.startswith("head."):
            groups[2]["params"].append(parameter)
        else:
            groups[int(_is_exempt(name))]["params"].append(parameter)
    return torch.optim.AdamW(groups, lr=recipe.lr, betas=recipe.betas, fused=True)


def set_lr(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Sets every group to `factor` times its highest learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor


def group_summary(optimizer: torch.optim.Optimizer) -> list[dict[str, Any]]:
    """Name, learning rate, weight decay and size of each group, for the record of a run."""
    return [
        {
            "name": g["name"],
            "lr": g["base_lr"],
            "weight_decay": g["weight_decay"],
            "params": sum(p.numel() for p in g["params"]),
        }
        for g in optimizer.param_groups
    ]


def _is_exempt(name: str) -> bool:
    """Whether a parameter takes no weight decay: LayerNorms (all named norm*), bias tables, gates.

    This is what the released configuration says. What its optimiser did differs (its key matching
    let LayerNorms decay); the paper mentions neither.
    """
    parts = name.split(".")
    exempt = ("relative_position_bias_table", "gate")
    return parts[-1] in exempt or parts[-2].startswith("norm")
