"""Recipe books: section 4.1 as data, every value with its source.

The paper's text, the released configurations and what their optimiser really did differ. Each is
one YAML file of `experiments/recipes` that gives every setting as a list of values with
conditions:

    lr:
      - {value: 1.0e-3, source: "..."}
      - {when: {pretrained: imagenet_21k}, value: 3.0e-4, source: "..."}

The last value whose conditions all hold wins. A book must give every setting, so that none is left
to a default that nobody can name the source of.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args, get_type_hints

from annotated_types import Ge, Gt, Le, Lt
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    TypeAdapter,
    ValidationError,
    create_model,
)

from vswin.data.datasets import dataset as known_dataset
from vswin.errors import unknown
from vswin.models.registry import presets
from vswin.reading import ExperimentError, Strict, in_plain_words, read_strictly, require_named
from vswin.training.recipe import Recipe

Dataset = Literal["kinetics400", "kinetics600", "ssv2"]
"""What the models of the papers are trained on."""
PretrainedOn = Literal["imagenet_1k", "imagenet_21k", "kinetics400"]
"""What the weights that a row starts from were trained on."""
IMAGES: tuple[PretrainedOn, ...] = ("imagenet_1k", "imagenet_21k")
"""Datasets of images: models that were trained on them are 2D."""
T = TypeVar("T")


def _in_order(pair: tuple[float, float]) -> tuple[float, float]:
    if pair[0] > pair[1]:
        raise ValueError(f"the smaller number comes first, not [{pair[0]}, {pair[1]}]")
    return pair


_Share = Annotated[float, Ge(0), Le(1)]
_Dropped = Annotated[float, Ge(0), Lt(1)]
_PositiveShare = Annotated[float, Gt(0), Le(1)]
_Positive = Annotated[float, Gt(0), Lt(float("inf"))]
_Count = Annotated[int, Ge(1)]

LR_FACTOR = "lr_factor"
"""What a row multiplies a protocol's `lr` by: protocols have different ones."""

_RECIPE_KINDS: dict[str, Any] = get_type_hints(Recipe, include_extras=True)
_MODEL_KINDS: dict[str, Any] = {"drop_path": _Dropped, "head_dropout": _Dropped}
_DATA_KINDS: dict[str, Any] = {
    "flip": _Share,
    "rand_augment": tuple[_Count, Annotated[int, Ge(0), Le(30)]] | None,
    "erasing": _Share,
    "resize": _Count,
    "area": Annotated[tuple[_PositiveShare, _PositiveShare], AfterValidator(_in_order)],
    "ratio": Annotated[tuple[_Positive, _Positive], AfterValidator(_in_order)],
    "balanced": bool,
}
_MAY_LACK = ("trains", "layer_decay", "patience", "balanced")
"""Settings that a book may leave out: without them training is what it is without such a thing."""

RECIPE_FIELDS = tuple(field.name for field in dataclasses.fields(Recipe))
"""Settings of the training, see `vswin.training.recipe.Recipe`."""
MODEL_FIELDS = tuple(_MODEL_KINDS)
"""Settings of the model that belong to its training: rates in [0, 1), whatever its family."""
DATA_FIELDS = tuple(_DATA_KINDS)
"""Settings of the training clips. `flip`: probability of a horizontal flip. `rand_augment`:
(n operations, magnitude m of 30), None for none. `erasing`: probability that a box is erased.
`resize`: short side of the frames in pixels before the crop, for crops of 224 × 224. `area`: range
of the crop's share of the frame. `ratio`: range of the crop's width / height. `balanced`: whether
every class is shown as often as any other."""


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _is_preset(name: str) -> str:
    if name not in presets():
        raise ValueError(f"should be one of {', '.join(presets())}")
    return name


_OneOrMore = Annotated[tuple[T, ...], BeforeValidator(_listed), Field(min_length=1)]


class When(Strict):
    """Conditions, each one name or a list of names; a condition that is left out always holds."""

    preset: _OneOrMore[Annotated[str, AfterValidator(_is_preset)]] = ()
    dataset: _OneOrMore[Dataset] = ()
    pretrained: _OneOrMore[PretrainedOn] = ()
    """Never holds for a model that starts from random weights."""

    def holds(self, **row: str | None) -> bool:
        """Whether a row's preset, dataset and pretrained are among the ones named."""
        return all(not names or row[condition] in names for condition, names in self)


class Entry(Strict, Generic[T]):
    """A value of a setting."""

    value: T
    source: Annotated[str, Field(pattern=r"\S")]
    """Where the value stands; "not said; chosen: ..." where the book's subject is silent."""
    when: When = When()
    """The rows that the value is for."""


Fields: Any = create_model(  # type: ignore[call-overload]  # fields that data names
    "Fields",
    __base__=Strict,
    __doc__="Every setting, each with its values in the order in which later ones win.",
    **{
        name: (
            Annotated[tuple[Entry[kind], ...], Field(min_length=1)],  # type: ignore[valid-type]
            () if name in _MAY_LACK else ...,
        )
        for name, kind in (_RECIPE_KINDS | _MODEL_KINDS | _DATA_KINDS).items()
    },
)


@dataclasses.dataclass(frozen=True)
class Sourced:
    """A value and where it stands."""

    value: Any
    source: str


class RecipeBook(Strict):
    """One account of how the paper's models were trained."""

    recipe: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    """Its name, and its file's."""
    title: str
    about: str
    """Whose account it is and what it leaves open; printed where its numbers are."""
    fields: Fields

    def __repr__(self) -> str:
        settings = len(type(self.fields).model_fields)
        return f"<RecipeBook {self.recipe}: {self.title}; {settings} settings>"

    def resolve(self, preset: str, dataset: str, pretrained: str | None) -> dict[str, Sourced]:
        """The value and source of every setting for a row of the paper.

        Args:
            preset: a preset of a model family.
            dataset: what is trained on: a name of `vswin.data.datasets`.
            pretrained: what the weights to start from were trained on: imagenet_1k, imagenet_21k
                or kinetics400; None starts from random ones.

        Returns:
            By name, in the order RECIPE_FIELDS, MODEL_FIELDS, DATA_FIELDS.

        Raises:
            UsageError: if one of the names is not known.
            ExperimentError: if the book has no value of a setting for such a row.
        """
        known_dataset(dataset)
        row = {"preset": preset, "dataset": dataset, "pretrained": pretrained}
        known = {
            "preset": tuple(presets()),
            "pretrained": (*get_args(PretrainedOn), None),
        }
        for condition, names in known.items():
            if row[condition] not in names:
                raise unknown(condition, str(row[condition]), map(str, names))
        return {name: self._last(name, entries, row) for name, entries in self.fields if entries}

    def _last(
        self, name: str, entries: tuple[Entry[Any], ...], row: dict[str, str | None]
    ) -> Sourced:
        for entry in reversed(entries):
            if entry.when.holds(**row):
                return Sourced(entry.value, entry.source)
        words = ", ".join(f"{condition} {value}" for condition, value in row.items())
        raise ExperimentError(
            f"{self.recipe}.yaml: fields.{name}: no value is for {words}; add one whose `when` "
            "holds there"
        )


def checked(fields: dict[str, Any]) -> dict[str, Any]:
    """Settings that a row or rehearsal gives itself, each of its kind.

    Raises:
        ValueError: if one is no setting, or has a value that it cannot have.
    """
    return _checked(fields, _RECIPE_KINDS | _MODEL_KINDS | _DATA_KINDS)


def checked_training(fields: dict[str, Any]) -> dict[str, Any]:
    """What a row says of its training, whatever the protocol.

    Raises:
        ValueError: if something is no setting of the training, or has a value that it cannot have.
    """
    if "lr" in fields and LR_FACTOR in fields:
        raise ValueError(f"{LR_FACTOR} multiplies the protocol's lr; leave it out, or lr")
    return _checked(fields, _RECIPE_KINDS | {LR_FACTOR: _Positive})


def _checked(fields: dict[str, Any], kinds: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for name, value in fields.items():
        if name not in kinds:
            raise ValueError(unknown("setting", name, kinds).args[0])
        try:
            found[name] = TypeAdapter(kinds[name]).validate_python(value)
        except ValidationError as error:
            raise ValueError(
                f"{name}: {in_plain_words(error.errors()[0])}, not {value!r}"
            ) from error
    return found


Settings = Annotated[dict[str, Any], AfterValidator(checked)]
"""Settings by name, see RECIPE_FIELDS, MODEL_FIELDS and DATA_FIELDS."""
Training = Annotated[dict[str, Any], AfterValidator(checked_training)]
"""Settings of RECIPE_FIELDS by name, and LR_FACTOR."""


def split(fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Settings by name as keyword arguments; what is not given is left out.

    Returns:
        Those of `Recipe`, those of the model's configuration, and the settings of training clips.
    """
    recipe, model, data = (
        {name: fields[name] for name in names if name in fields}
        for names in (RECIPE_FIELDS, MODEL_FIELDS, DATA_FIELDS)
    )
    return recipe, model, data


def recipe_names(folder: Path) -> list[str]:
    """Names of the recipe books of a folder."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def read_recipe_book(folder: Path, name: str) -> RecipeBook:
    """Reads one of the recipe books of a folder, such as `experiments/recipes`.

    Raises:
        UsageError: if there is none of that name.
        ExperimentError: if its file is broken; names file, line and key.
    """
    if name not in recipe_names(folder):
        raise unknown("recipe", name, recipe_names(folder))
    path = folder / f"{name}.yaml"
    return require_named(path, "recipe", read_strictly(path, RecipeBook))
