"""What the SlowFast family does in torch, see `vswin.models.registry.Family.code`."""

from __future__ import annotations

import math

from torch import nn

from vswin.models.registry import LinearStd
from vswin.models.seeding import modules_seeded_by_name
from vswin.models.slowfast.checkpoints import CHECKPOINTS
from vswin.models.slowfast.config import SlowFastConfig
from vswin.models.slowfast.model import SlowFast

__all__ = [
    "CHECKPOINTS",
    "HEAD",
    "build",
    "extra_counts",
    "initialise_",
    "is_spared",
    "prepare_for_counting",
]

HEAD = "head."


def build(config: SlowFastConfig) -> SlowFast:
    """A model with uninitialised weights."""
    return SlowFast(config)


def initialise_(
    model: SlowFast, linear_std: LinearStd = 0.01, bias_std: float = 0.0, seed: int | None = None
) -> None:
    """Draws all weights anew, in place, as the released code does.

    Convolutions: normal, by their fan out, for ReLU. The last normalisation of a block begins at 0,
    so that the block is its shortcut. The classifier: normal of standard deviation 0.01.

    Args:
        model: what to initialise.
        linear_std: "fan_in" for 1/sqrt of the classifier's width; a number is without effect.
        bias_std: without effect: there are no tables of position biases.
        seed: see `vswin.models.registry.initialise_`.
    """
    del bias_std
    for name, module in modules_seeded_by_name(model, seed):
        if isinstance(module, nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.BatchNorm3d):
            module.reset_running_stats()
            nn.init.constant_(module.weight, 0.0 if name.endswith(".c_bn") else 1.0)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            std = 1 / math.sqrt(module.in_features) if linear_std == "fan_in" else 0.01
            nn.init.normal_(module.weight, std=std)
            nn.init.zeros_(module.bias)


def is_spared(name: str, groups: str) -> bool:
    """Whether weight decay spares a parameter: normalisations only, as in the released code.

    Args:
        name: of the parameter.
        groups: the same under "intended" and "official".
    """
    del groups
    return name.split(".")[-2].endswith("bn")


def prepare_for_counting(model: SlowFast) -> None:
    """Nothing: it is counted as it runs."""


def extra_counts(
    model: SlowFast, input_size: tuple[int, int, int, int], rule: str
) -> dict[str, int]:
    """Nothing: every operator is counted as it runs."""
    del model, input_size, rule
    return {}
