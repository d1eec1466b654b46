"""How weights begin: from scratch here; from pre-trained 2D weights in section 3.4."""

from __future__ import annotations

import math

from torch import nn

from vswin.models.registry import LinearStd
from vswin.models.seeding import modules_seeded_by_name, seed_by_name
from vswin.models.swin.attention import WindowAttention3D
from vswin.models.swin.designs import FactorizedTemporalAttention
from vswin.models.swin.model import VideoSwinTransformer

HEAD_STD = 0.01


def initialise_(
    model: VideoSwinTransformer,
    linear_std: LinearStd = 0.02,
    bias_std: float = 0.02,
    seed: int | None = None,
) -> None:
    """Draws all weights anew, in place.

    Linear layers and bias tables: truncated normal, biases 0; LayerNorm 1 and 0; the patch
    embedding keeps the convolution default; the head is normal with standard deviation 0.01. These
    are the released code's choices, the paper gives none.

    Args:
        model: what to initialise.
        linear_std: standard deviation for linear layers. 0.02 suits the widths of section 3.3;
            with a few dozen channels it is too small to learn from, and "fan_in" (1/sqrt of the
            input width) is the width-independent choice.
        bias_std: standard deviation of the relative position bias tables. Near zero, attention
            starts blind to position; pre-trained tables are not. A small model that has to learn
            the order of events from scratch finds it far sooner from a spread of about 2, or with
            tables that learn at the head's rate (`Recipe.groups`).
        seed: see `vswin.models.registry.initialise_`.
    """
    for _, module in modules_seeded_by_name(model, seed):
        if isinstance(module, nn.Linear):
            std = linear_std if linear_std != "fan_in" else 1 / math.sqrt(module.in_features)
            nn.init.trunc_normal_(module.weight, std=std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm | nn.Conv3d):
            module.reset_parameters()
        elif isinstance(module, WindowAttention3D):
            table = module.relative_position_bias_table
            nn.init.trunc_normal_(table, std=bias_std, a=-2 * bias_std, b=2 * bias_std)
        elif isinstance(module, FactorizedTemporalAttention):
            nn.init.constant_(module.gate, model.config.initial_gate)
    seed_by_name(seed, "head")
    nn.init.normal_(model.head.weight, std=HEAD_STD)
