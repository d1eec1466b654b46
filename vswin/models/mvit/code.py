"""What the MViT family does in torch, see `vswin.models.registry.Family.code`."""

from __future__ import annotations

from vswin.models.mvit.checkpoints import CHECKPOINTS
from vswin.models.mvit.config import MViTConfig
from vswin.models.mvit.initialisation import initialise_
from vswin.models.mvit.model import MultiscaleViT

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


def build(config: MViTConfig) -> MultiscaleViT:
    """A model with uninitialised weights."""
    return MultiscaleViT(config)


def is_spared(name: str, groups: str) -> bool:
    """Whether weight decay spares a parameter: LNs and biases, as in the released code.

    Position tables and the class token are decayed.

    Args:
        name: of the parameter.
        groups: the same under "intended" and "official".
    """
    del groups
    parts = name.split(".")
    return parts[-1] == "bias" or "".join(parts[-2:-1]).startswith("norm")


def prepare_for_counting(model: MultiscaleViT) -> None:
    """Counts the last block for all tokens, as the paper does."""
    model.class_token_only = False


def extra_counts(
    model: MultiscaleViT, input_size: tuple[int, int, int, int], rule: str
) -> dict[str, int]:
    """Nothing: every operator is counted as it runs."""
    del model, input_size, rule
    return {}
