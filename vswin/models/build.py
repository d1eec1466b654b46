"""From a preset's name to a model."""

from __future__ import annotations

from typing import Any

from vswin.models.swin.config import resolve_config
from vswin.models.swin.initialisation import new_model
from vswin.models.swin.model import VideoSwinTransformer


def build_model(name: str, **overrides: Any) -> VideoSwinTransformer:
    """Builds a preset of section 3.3 with fresh weights.

    Args:
        name: a key of `vswin.models.swin.config.PRESETS`, e.g. "swin_t".
        **overrides: fields of `VideoSwinConfig`, e.g. `num_classes=174, window_size=(16, 7, 7)`.

    Returns:
        The model in training mode. Under `with torch.device("meta")` it has shapes and no weights.

    Raises:
        ModelError: if the preset or an override is unknown, or a value is impossible.
    """
    return new_model(resolve_config(name, **overrides))
