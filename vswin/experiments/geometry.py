"""How the paper's sizes are scaled down for small protocols.

What a row says of its model is carried over by one of these rules, or refused:

- temporal sizes are divided by `temporal_divisor`, and must be divisible;
- rates (`drop_path`, `head_dropout`) are as the row says;
- what the protocol makes smaller, such as `embed_dim`, and lists under `by_ratio`, changes by the
  factor by which the row changes the preset;
- what the family has a rule for, by its options (Swin: windows in space, see its `shrink`);
- what the protocol leaves alone (`design`, `shift`, `patch_size`, `mlp_ratio`) is as the row says.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from pydantic import ConfigDict, Field, model_validator

from vswin.errors import UsageError
from vswin.experiments.recipes import MODEL_FIELDS
from vswin.experiments.tables import PIXELS, Count, Experiment, Row
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


def in_words(value: Any) -> str:
    """A value as experiment files write it."""
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list | tuple) else str(value)


class Geometry(Strict):
    """How sizes are scaled down; beside this, each family has options of its own, by its name.

    As `{temporal_divisor: 2, swin: {spatial_window: {7: 3}}}`.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    temporal_divisor: Count
    """Divides frames and whatever a model has in time."""
    image_sizes: dict[Count, Count] = Field(default_factory=dict)
    """Pixels in the place of the paper's other sizes than 224, whose place the usual size takes."""
    by_ratio: tuple[str, ...] = ()
    """Sizes of the small models that a row changes by a factor: those that it changes by that
    factor in the preset. A factor is the same for all stages, and what comes out is whole."""

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
        fields = {name for of_preset in models.values() for name in of_preset}
        if models and (others := [name for name in self.by_ratio if name not in fields]):
            raise ValueError(
                f"geometry.by_ratio: {others[0]} is nothing that `models` makes smaller; those "
                f"are {', '.join(sorted(fields))}"
            )
        try:
            return {p: self._shrunk(resolve_config(p), models[p]) for p in models}
        except UsageError as error:
            raise ValueError(str(error)) from error

    def model(self, experiment: Experiment, row: Row, config: Any, overrides: Any) -> Any:
        """The small model in the place of a row's, but for the rates that the row says.

        Args:
            experiment: whose row.
            row: whose changes are carried over.
            config: the paper's model, the row's sizes included.
            overrides: what makes it small, for its preset.

        Raises:
            UsageError: if something that the row says can be neither carried over nor left out.
        """
        usual = experiment.paper_model(row.model_copy(update={"model": {}}))
        carried = {
            name: self._carried(name, getattr(config, name), getattr(usual, name), small)
            for name, small in overrides.items()
            if name not in (*MODEL_FIELDS, "num_classes")
        }
        return self._shrunk(config, {**overrides, **carried})

    def _shrunk(self, config: Any, overrides: Mapping[str, Any]) -> Any:
        family = family_of(config)
        options = (self.model_extra or {}).get(family.name, {})
        try:
            return family.shrink(config, self.temporal_divisor, options, overrides)
        except ModelError as error:
            raise UsageError(str(error)) from error

    def _carried(self, name: str, said: Any, usual: Any, small: Any) -> Any:
        """What a field of the small model is if the row has `said` in the place of `usual`."""
        if _listed(said) == _listed(usual):
            return small
        key = f"model.{name} {in_words(said)}"
        if name not in self.by_ratio:
            raise UsageError(
                f"{key}: the protocol has {in_words(small)} for every row; leave it out, or choose "
                "another protocol"
            )
        pairs = zip(_listed(said), _listed(usual), strict=False)
        factors = {Fraction(new) / Fraction(old) for new, old in pairs}
        scaled = [factor * Fraction(each) for factor in factors for each in _listed(small)]
        if len(_listed(said)) != len(_listed(usual)) or len(factors) != 1:
            raise UsageError(
                f"{key} is no multiple of {in_words(usual)}, which has {in_words(small)} in its "
                "place; change all stages by the same factor, or choose another protocol"
            )
        if any(each.denominator != 1 for each in scaled):
            raise UsageError(
                f"{key} is {factors.pop()} of {in_words(usual)}, but the same of "
                f"{in_words(small)}, which has its place, is not whole; choose another factor, or "
                "another protocol"
            )
        found = tuple(map(int, scaled))
        return found if isinstance(small, list | tuple) else found[0]

    def frames(self, count: int) -> int:
        """The number of frames in the place of the paper's.

        Raises:
            UsageError: if it cannot be divided.
        """
        scaled, rest = divmod(count, self.temporal_divisor)
        if rest or not scaled:
            raise UsageError(
                f"frames {count} cannot be divided by the protocol's temporal_divisor "
                f"{self.temporal_divisor}; choose a multiple of it"
            )
        return scaled

    def image_size(self, side: int, usual: int) -> int:
        """Pixels in the place of the paper's, whose 224 are `usual`.

        Raises:
            UsageError: if the protocol has none for it.
        """
        sizes = {PIXELS: usual, **self.image_sizes}
        if side not in sizes:
            raise UsageError(
                f"image_size {side}: the protocol has clips in the place of {_known(sizes)} pixels "
                "alone; choose one of these, or add it to geometry.image_sizes"
            )
        return sizes[side]

    def require_whole(self, row: Row, model: Any, frames: int, side: int) -> None:
        """Refuses a row whose clips are no whole number of the small model's tokens.

        Args:
            row: what it says of frames is named.
            model: the small one.
            frames: of a clip in small.
            side: its height and width in pixels.
        """
        try:
            family_of(model).require_whole(model, frames, side)
        except ModelError as error:
            raise UsageError(
                f"frames {row.frames} become {frames} of {side} × {side} pixels here, and {error}; "
                "choose others"
            ) from error


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _known(sizes: Mapping[int, Any]) -> str:
    return ", ".join(map(str, sorted(sizes)))
