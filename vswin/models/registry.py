"""Model families: all that code outside `vswin.models` needs to know of a model.

A family describes itself in plain data and small functions of configurations, so that planning
runs and reading results need no torch; what does need it stands in a module of its own that is
imported on first use. An installed package makes its families known by entry points of the group
`ENTRY_POINTS`, in every process; `register` makes one known in this process alone.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import importlib
import importlib.metadata
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from vswin.models.errors import ModelError
from vswin.models.fields import with_tuples

if TYPE_CHECKING:
    from types import ModuleType

    from torch import nn

Pixels = Literal["imagenet", "half"]
"""How pixels are normalised: by ImageNet's means and deviations, as for Video Swin; or by 0.45 and
0.225 in all colours, as MViT's published models were trained."""
Placing = Literal["dense", "spans"]
"""Where the clips of a test lie in a video: as Video Swin's authors place them, or MViT's; see
`vswin.data.sampling`."""
LinearStd = float | Literal["fan_in"]
"""Initial standard deviation of linear layers; "fan_in" is 1/sqrt of their input's width."""
BUILT_IN = (
    "vswin.models.swin.family",
    "vswin.models.mvit.family",
    "vswin.models.slowfast.family",
)
"""Modules that each define a family as FAMILY."""
ENTRY_POINTS = "vswin.families"
"""Group of the entry points that installed packages have, each `name = "package.module:FAMILY"`."""


class ModelConfig(Protocol):
    """What every family's configuration has, a frozen dataclass."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def num_classes(self) -> int:
        """Logits."""

    @property
    def in_channels(self) -> int:
        """Channels of a clip."""


@dataclasses.dataclass(frozen=True)
class NaturalClips:
    """What clips a model is meant for, where nobody says otherwise."""

    size: int
    """Height and width in pixels."""
    frames: int = 32
    stride: int = 2
    """Every how many frames of a video one is taken."""
    pixels: Pixels = "imagenet"
    views: str | None = None
    """Clips x crops that a video is tested in; None is as usual for the dataset."""
    placing: Placing = "dense"


@dataclasses.dataclass(frozen=True)
class Family:
    """One kind of model, with its presets.

    A configuration is a frozen dataclass with the fields `num_classes` and `in_channels`, among
    others; its constructor refuses impossible values with a `ModelError` that names the field.
    """

    name: str
    version: int
    """Raised by hand when a change of the family's code changes results."""
    config_type: type[Any]
    presets: Mapping[str, Any]
    """Named architectures: a configuration for each."""
    code: str
    """The module with what needs torch: `build(config)`, a model with uninitialised weights;
    `initialise_(model, linear_std, bias_std, seed)`, in place; `is_spared(name, groups)`, whether
    weight decay spares a parameter; `HEAD`, how the names of the classifier's parameters begin;
    `prepare_for_counting(model)`, changes in place to a copy without weights before its operators
    are counted; `extra_counts(model, input_size, rule)`, what is to be added, by operator;
    `CHECKPOINTS`, see `vswin.models.layouts.CheckpointCode`."""
    slug: Callable[[Any, int], tuple[str, ...]]
    """For a configuration and a number of frames, the words that a run's id is made of."""
    sizes: Callable[[Any, int], dict[str, str]]
    """For the same, the sizes that a table may be about, by name, as papers print them."""
    work: Callable[[Any, int], int]
    """For the same, how long a run takes in comparison with others."""
    shrink: Callable[[Any, int, Mapping[str, Any], Mapping[str, Any]], Any]
    """How a configuration becomes small enough for the embedded benchmark: from it, a divisor of
    all temporal sizes, the family's own options in the protocol, and overrides."""
    natural_clips: Callable[[Any], NaturalClips]
    """The clips that a configuration is meant for."""
    rule: Literal["paper", "macs"] = "paper"
    """The rule of `vswin.costs` by which its authors count its costs."""
    clip_options: Callable[[int, int], dict[str, Any]] = lambda frames, side: {}
    """The overrides that make a configuration fit clips of so many frames and pixels a side; none
    where a model takes any."""
    require_whole: Callable[[Any, int, int], None] = lambda config, frames, side: None
    """Refuses with a `ModelError` clips of so many frames and pixels a side that a configuration
    would have to pad or cut."""
    simplest: Callable[[Any], Any] = lambda config: config
    """Of all configurations that compute the same function, the one that stands for them."""
    is_image_model: Callable[[Any], bool] = lambda config: False
    """Whether a configuration is of a 2D model, which sees single frames."""
    image_counterpart: Callable[[Any, int], Any] | None = None
    """The 2D model that a configuration's weights can be initialised from, with so many classes;
    None where a family cannot be initialised from images."""
    inflation: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """Choices in initialising from images, each with its values; the first is the default."""
    fitting: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    """Likewise choices in loading weights of a model for other clips."""
    words: Mapping[str, Callable[[str], dict[str, Any]]] = dataclasses.field(default_factory=dict)
    """Options of the command line, each with the overrides that its text stands for; raises a
    `ModelError` that says what is wanted."""
    complete: Callable[[Any, dict[str, Any]], dict[str, Any]] = lambda usual, said: said
    """Adds to what was said other values in the place of defaults that cannot go with it."""
    attention: str | None = None
    """The module that says what attends: `attention_layers(model)`, a list of
    `vswin.models.attention_distance.AttentionLayer`; `token_grid(model, size)`, (T', H', W') of the
    patch embedding for clips of (T, H, W). None where a family does not attend."""

    def inflation_with(self, given: Mapping[str, str]) -> dict[str, str]:
        """Every choice of inflation: as given, or the default."""
        return _with_defaults(self.inflation, given)

    def choices_with(self, given: Mapping[str, str]) -> dict[str, str]:
        """Every choice of inflation and fitting: as given, or the default."""
        return _with_defaults({**self.inflation, **self.fitting}, given)


def _with_defaults(
    choices: Mapping[str, tuple[str, ...]], given: Mapping[str, str]
) -> dict[str, str]:
    return {name: values[0] for name, values in choices.items()} | dict(given)


@functools.cache
def _known() -> dict[str, Family]:
    known: dict[str, Family] = {}
    for module in BUILT_IN:
        _add(importlib.import_module(module).FAMILY, known)
    for point in sorted(importlib.metadata.entry_points(group=ENTRY_POINTS)):
        try:
            found = point.load()
            if not isinstance(found, Family):
                raise ModelError("it is no vswin.models.registry.Family")
            _add(found, known)
        except Exception as error:  # whatever a package raises when it is imported
            package = point.dist.name if point.dist else "a package"
            raise ModelError(
                f"{package} has the model family {point.value}, which cannot be used: {error}; "
                "mend or uninstall it"
            ) from error
    return known


def _add(new: Family, known: dict[str, Family]) -> None:
    if new.name in known:
        raise ModelError(f"there is a model family {new.name!r} already; choose another name")
    taken = new.presets.keys() & {name for family in known.values() for name in family.presets}
    if taken:
        raise ModelError(f"there is a preset {min(taken)!r} already; choose another name")
    known[new.name] = new


def register(new: Family) -> None:
    """Makes a family known in this process, under its name and the names of its presets.

    Runs are processes of their own: what they shall know is an entry point (`ENTRY_POINTS`).

    Raises:
        ModelError: if a name is taken by another family.
    """
    _add(new, _known())


def families() -> tuple[Family, ...]:
    """All families that are known."""
    return tuple(_known().values())


def family(name: str) -> Family:
    """The family of that name.

    Raises:
        ModelError: if there is none.
    """
    if name not in _known():
        raise _unknown("model family", name, _known())
    return _known()[name]


def family_of(model: Any) -> Family:
    """The family of a configuration, or of a model that has one as `config`.

    Raises:
        ModelError: if it is of no family that is known.
    """
    config = getattr(model, "config", model)
    for found in families():
        if isinstance(config, found.config_type):
            return found
    raise ModelError(f"{type(model).__name__} is no model (or configuration) of vswin.build_model")


def presets() -> dict[str, Family]:
    """The names of all presets, each with its family."""
    return {name: found for found in families() for name in found.presets}


def resolve_config(name: str, **overrides: Any) -> Any:
    """The configuration of preset `name` with `overrides` laid over it; lists become tuples.

    Raises:
        ModelError: if the preset or an override is unknown, or a value is impossible.
    """
    known = presets()
    if name not in known:
        raise _unknown("preset", name, known)
    found = known[name]
    options = _fields(found)
    for key in overrides:
        if key not in options:
            owners = [each.name for each in families() if key in _fields(each)]
            if owners:
                raise ModelError(
                    f"unknown model option {key!r} of {name}, which is of family {found.name}; "
                    f"family {', '.join(owners)} has it"
                )
            raise _unknown("model option", key, options)
    frozen = with_tuples(overrides)
    usual = found.presets[name]
    return dataclasses.replace(usual, **found.complete(usual, frozen))


def _fields(of: Family) -> list[str]:
    return [field.name for field in dataclasses.fields(of.config_type)]


def overrides_of(words: Mapping[str, str]) -> dict[str, Any]:
    """The overrides that options of the command line stand for, see `Family.words`.

    Raises:
        ModelError: if no family has such an option, or its text is not as it should be.
    """
    found: dict[str, Any] = {}
    for name, text in words.items():
        readers = [known.words[name] for known in families() if name in known.words]
        if not readers:
            raise ModelError(f"no model family has an option {name!r}")
        found |= readers[0](text)
    return found


def code_of(model: Any) -> ModuleType:
    """The torch module of the family of a configuration or model, see `Family.code`."""
    return importlib.import_module(family_of(model).code)


def build(config: Any) -> nn.Module:
    """A model with uninitialised weights; under `torch.device("meta")` without any."""
    return code_of(config).build(config)


def initialise_(
    model: nn.Module,
    linear_std: LinearStd = 0.02,
    bias_std: float = 0.02,
    seed: int | None = None,
) -> None:
    """Draws all weights anew, in place.

    Args:
        model: of any family.
        linear_std: standard deviation for linear layers, or "fan_in" for 1/sqrt of their width.
        bias_std: standard deviation of tables of position biases, where the family has them.
        seed: each parameter follows from it and the parameter's name and shape, so that models
            of different designs start equal in what they share. None: all are drawn one after the
            other from torch's global generator.
    """
    code_of(model).initialise_(model, linear_std, bias_std, seed)


def _unknown(what: str, name: str, known: Iterable[str]) -> ModelError:
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    return ModelError(f"unknown {what} {name!r}; known: {', '.join(known)}{hint}")
