"""From a preset's name to a model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch._subclasses import FakeTensor

from vswin.models.registry import build, initialise_, resolve_config

if TYPE_CHECKING:
    from torch import nn


def build_model(name: str, **overrides: Any) -> nn.Module:
    """Builds a preset, such as those of section 3.3, with fresh weights.

    Args:
        name: a preset of any family, e.g. "swin_t"; `vswin.models.registry.presets` has all.
        **overrides: fields of the family's configuration, e.g. `num_classes=174`. What is left out
            has the preset's value, or the one that goes with what is given.

    Returns:
        The model in training mode. Under `with torch.device("meta")`, or where torch makes fake
        tensors, it has shapes and no weights.

    Raises:
        ModelError: if the preset or an override is unknown, or a value is impossible.
    """
    model = build(resolve_config(name, **overrides))
    first = next(model.parameters())
    if first.device != torch.device("meta") and not isinstance(first, FakeTensor):
        initialise_(model)
    return model
