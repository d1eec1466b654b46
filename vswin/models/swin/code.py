"""What the Swin family does in torch, see `vswin.models.registry.Family.code`."""

from __future__ import annotations

import math

from vswin.models.swin.checkpoints import CHECKPOINTS
from vswin.models.swin.config import VideoSwinConfig
from vswin.models.swin.designs import FactorizedTemporalAttention
from vswin.models.swin.initialisation import initialise_
from vswin.models.swin.model import VideoSwinBlock, VideoSwinTransformer

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


def build(config: VideoSwinConfig) -> VideoSwinTransformer:
    """A model whose weights torch has drawn, see `initialise_`."""
    return VideoSwinTransformer(config)


def is_spared(name: str, groups: str) -> bool:
    """Whether weight decay spares a parameter, or it has a group of its own.

    Args:
        name: of the parameter.
        groups: "intended": LayerNorms (all norm*), bias tables and Table 4's gates are spared;
            "official": only the bias tables are, as by the released optimiser.
    """
    parts = name.split(".")
    is_table = parts[-1] == "relative_position_bias_table"
    if groups == "official":
        return is_table
    return is_table or parts[-1] == "gate" or parts[-2].startswith("norm")


def prepare_for_counting(model: VideoSwinTransformer) -> None:
    """Counts shifted windows as the paper does in its efficient batch computation.

    They are as many and as large as regular ones there, whatever a mask then keeps apart.
    """
    for module in model.modules():
        if isinstance(module, VideoSwinBlock | FactorizedTemporalAttention):
            module.shift_size = (0, 0, 0)


def extra_counts(
    model: VideoSwinTransformer, input_size: tuple[int, int, int, int], rule: str
) -> dict[str, int]:
    """The bias of the patch embedding, which is computed as a linear layer here.

    Args:
        model: the model.
        input_size: (C, T, H, W) in pixels.
        rule: only "paper" counts it, as the bias of the convolution that the embedding equals.

    Returns:
        The elements that leave the embedding, which have a bias added.
    """
    grid = zip(input_size[1:], model.config.patch_size, strict=True)
    tokens = math.prod(math.ceil(size / patch) for size, patch in grid)
    return {"embedding_bias": tokens * model.config.embed_dim} if rule == "paper" else {}
