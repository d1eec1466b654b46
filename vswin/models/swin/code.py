"""What the Swin family does in torch, see `vswin.models.registry.Family.code`."""

from __future__ import annotations

from vswin.models.swin.config import VideoSwinConfig
from vswin.models.swin.initialisation import initialise_
from vswin.models.swin.model import VideoSwinTransformer

__all__ = ["HEAD", "build", "initialise_", "is_spared"]

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
