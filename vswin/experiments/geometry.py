"""How the paper's sizes are scaled down for small protocols."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, model_validator

from vswin.errors import UsageError
from vswin.experiments.tables import Count
from vswin.models.errors import ModelError
from vswin.models.registry import families, family_of, resolve_config
from vswin.reading import Strict


def image_model(model: Any, num_classes: int) -> Any:
    """The 2D model that the weights of a model can be initialised from.

    Raises:
        UsageError: if its family cannot be initialised from images.
    """
    family = family_of(model)
    if family.image_counterpart is None:
        raise UsageError(f"models of family {family.name} cannot start from images")
    return family.image_counterpart(model, num_classes)


class Geometry(Strict):
    """How sizes are scaled down; beside this, each family has options of its own, by its name.

    As `{temporal_divisor: 2, swin: {spatial_window: 3}}`.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    temporal_divisor: Count
    """Divides frames and whatever a model has in time."""

    @model_validator(mode="after")
    def _check(self) -> Geometry:
        for name in self.model_extra or {}:
            if name not in [family.name for family in families()]:
                known = ", ".join(family.name for family in families())
                raise ValueError(f"{name} is no model family; known: {known}")
        return self

    def require_possible(self, models: dict[str, dict[str, Any]]) -> dict[str, Any]:
        """The small models in the place of presets as they are, by preset.

        Args:
            models: for each preset, the overrides that make it small.

        Raises:
            ValueError: if an option or override is unknown or impossible.
        """
        for preset, overrides in models.items():
            resolve_config(preset, **overrides)  # it names what it does not know
        try:
            return {p: self.model(resolve_config(p), models[p]) for p in models}
        except UsageError as error:
            raise ValueError(str(error)) from error

    def model(self, config: Any, overrides: dict[str, Any]) -> Any:
        """The small model in the place of one of the paper's.

        Args:
            config: the paper's model, with the row's changes.
            overrides: what makes it small, for its preset.

        Raises:
            UsageError: if a size in time cannot be divided.
        """
        family = family_of(config)
        options = (self.model_extra or {}).get(family.name, {})
        try:
            return family.shrink(config, self.temporal_divisor, options, overrides)
        except ModelError as error:
            raise UsageError(str(error)) from error

    def frames(self, count: int) -> int:
        """The number of frames in the place of the paper's.

        Raises:
            UsageError: if it cannot be divided.
        """
        scaled, rest = divmod(count, self.temporal_divisor)
        if rest or not scaled:
            raise UsageError(
                f"frames {count} cannot be divided by the protocol's temporal_divisor "
                f"{self.temporal_divisor}"
            )
        return scaled
