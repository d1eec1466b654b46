"""How weights begin: from scratch (section D.1); the choices are the released code's."""

from __future__ import annotations

import math

from torch import nn

from vswin.models.mvit.attention import DepthwiseConv
from vswin.models.mvit.model import MultiscaleViT
from vswin.models.registry import LinearStd
from vswin.models.seeding import modules_seeded_by_name, seed_by_name

STD = 0.02


def initialise_(
    model: MultiscaleViT,
    linear_std: LinearStd = STD,
    bias_std: float = STD,
    seed: int | None = None,
) -> None:
    """Draws all weights anew, in place.

    Linear layers, convolutions, position tables and the class token: truncated normal. LN weights
    are 1. Biases of linear layers and LNs are 0.02, that of the patch embedding keeps torch's
    default.

    Args:
        model: what to initialise.
        linear_std: standard deviation for linear layers, or "fan_in" for 1/sqrt of their width.
        bias_std: without effect: there are no tables of position biases.
        seed: see `vswin.models.registry.initialise_`.
    """
    del bias_std
    for _, module in modules_seeded_by_name(model, seed):
        if isinstance(module, nn.Linear):
            std = linear_std if linear_std != "fan_in" else 1 / math.sqrt(module.in_features)
            nn.init.trunc_normal_(module.weight, std=std)
            nn.init.constant_(module.bias, STD)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.constant_(module.bias, STD)
        elif isinstance(module, nn.Conv3d):
            module.reset_parameters()
            nn.init.trunc_normal_(module.weight, std=STD)
        elif isinstance(module, DepthwiseConv):
            nn.init.trunc_normal_(module.weight, std=STD)
    for name, parameter in model.named_parameters(recurse=False):
        assert name == "cls_token" or name.startswith("pos_embed")
        seed_by_name(seed, name)
        nn.init.trunc_normal_(parameter, std=STD)
