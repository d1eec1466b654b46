"""Public checkpoint layouts: how others name the same weights, as tables of names.

A layout is a table of pairs: how a name begins here, and how it begins there. Renaming in both
directions follows from the one table. What a family's checkpoints need beyond names is in
`CheckpointCode`.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:  # names of weights need no torch
    from torch import Tensor

Kind = Literal["2d", "video"]
Action = Literal["mapped", "inflated", "resized", "cropped"]
"""What is done to a checkpoint's weight: copied; given a temporal extent; interpolated to another
spatial size; cut to a smaller one."""
_PLACEHOLDER = re.compile(r"\{(\d*)([a-z])(?:\+(\d+))?\}")


@dataclasses.dataclass(frozen=True)
class Layout:
    """A naming scheme."""

    name: str
    kind: Kind | None
    """What models it holds; None for our own, which holds both."""
    weights: tuple[str, ...]
    """Patterns of our names of all weights that it has a place for; {p} is weight or bias, another
    letter in braces a number."""
    renamed: tuple[tuple[str, str], ...] = ()
    """How a name of ours begins, and how it begins in this layout; the first that fits counts, and
    names that none fits are the same. {i} is a number, which {2i+1} is made from."""
    wrapper: str | None = None
    """Key that its files keep the weights under."""

    def has(self, ours: str) -> bool:
        """Whether it has a place for a weight of that name."""
        return any(pattern.fullmatch(ours) for pattern in _compiled(self.weights))

    def theirs(self, ours: str) -> str:
        """The name in this layout of a name of ours."""
        for here, there in self.renamed:
            if (name := _rename(ours, here, there)) is not None:
                return name
        return ours

    def ours(self, theirs: str) -> str | None:
        """Our name of a weight; None where the layout has no such weight."""
        names = [_rename(theirs, there, here) for here, there in self.renamed]
        for name in [*names, theirs]:
            if name is not None and self.has(name) and self.theirs(name) == theirs:
                return name
        return None


class Found(Protocol):
    """What a checkpoint's shapes say about its model; every family has its own."""

    @property
    def kind(self) -> Kind:
        """Whether it is of an image or of a video model."""

    @property
    def num_classes(self) -> int | None:
        """None without a classifier."""

    @property
    def base(self) -> str:
        """The preset that `options` are to be laid over."""

    @property
    def open(self) -> Mapping[str, str]:
        """Options of `build_model` that the shapes leave open, and how to ask for each."""

    def options(self) -> dict[str, Any]:
        """What `build_model(base, ...)` is to be told besides what it assumes."""

    def size(self) -> str:
        """Preset and sizes, in words."""

    def facts(self) -> dict[str, Any]:
        """What else is known, by name, for `vswin weights inspect`."""

    @property
    def is_certain(self) -> bool:
        """Whether `options` say all."""


@dataclasses.dataclass(frozen=True)
class Adapted:
    """A checkpoint's weights in the shapes of a model."""

    weights: dict[str, Tensor]
    actions: dict[str, tuple[Action, ...]]
    """What was done to each weight."""
    applied: dict[str, str]
    """The choices of inflation that had an effect."""


def copied(
    weights: Mapping[str, Tensor],
    found: Any,
    config: Any,
    inflation: Mapping[str, str],
    source: str,
) -> Adapted:
    """All weights as they are: how a family adapts checkpoints that has nothing to adapt."""
    return Adapted(dict(weights), dict.fromkeys(weights, ("mapped",)), {})


@dataclasses.dataclass(frozen=True)
class CheckpointCode:
    """What loading and saving a family's checkpoints needs.

    Functions raise `WeightsError`, with the name of the checkpoint (`source`), where something is
    not as it should be.
    """

    layouts: Mapping[str, Layout]
    recognise: Callable[[Mapping[str, Tensor], str], Layout | None]
    """From entries and source, which layout a checkpoint has; None if it is of no model of the
    family."""
    read: Callable[
        [dict[str, Tensor], Mapping[str, Tensor], Layout, str], tuple[dict[str, Tensor], Any]
    ]
    """From weights under our names, all entries, layout and source, to weights in the shapes that
    the family keeps them in, and what they say about the model (`Found`)."""
    as_of: Callable[[Any, Any], Any] = lambda found, config: found
    """From what was found and the configuration of the model that the weights are known to be of,
    to what was found without what shapes leave open."""
    adapt: Callable[[Mapping[str, Tensor], Any, Any, Mapping[str, str], str], Adapted] = copied
    """From weights, what was found, a model's configuration, choices of inflation and source."""
    write: Callable[[dict[str, Tensor], Any, Layout, str], dict[str, Tensor]] = (
        lambda weights, found, layout, source: weights
    )
    """From weights under our names, what was found, layout and source, to what its file holds,
    lookup tables and notes included, still under our names."""
    not_weights: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Patterns of what layouts store beside weights, and why it is not needed."""
    only_in_video: Callable[[str], bool] = lambda name: False
    """Whether image models have no counterpart of a weight, which inflation leaves fresh."""

    def not_a_weight(self, key: str) -> str | None:
        """Why an entry of that name is no weight; None if it can be one."""
        patterns = self.not_weights.items()
        return next((why for pattern, why in patterns if re.search(pattern, key)), None)


def some(keys: Iterable[str], most: int = 3) -> str:
    """The first few of many names, and how many more there are."""
    keys = list(keys)
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return ", ".join(str(key) for key in keys[:most]) + more


def _rename(name: str, begins: str, shall_begin: str) -> str | None:
    """The name with another beginning; None if it does not begin like that."""
    found = _beginning(begins).match(name)
    if found is None:
        return None
    numbers = {}
    for times, letter, plus in _PLACEHOLDER.findall(begins):
        numbers[letter], rest = divmod(int(found[letter]) - int(plus or 0), int(times or 1))
        if rest or numbers[letter] < 0:
            return None

    def number(part: re.Match[str]) -> str:
        times, letter, plus = part.groups()
        return str(int(times or 1) * numbers[letter] + int(plus or 0))

    return _PLACEHOLDER.sub(number, shall_begin) + name[found.end() :]


@functools.cache
def _beginning(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\{[^}]*\})", pattern)
    return re.compile(
        "".join(
            f"(?P<{_PLACEHOLDER.fullmatch(part)[2]}>\\d+)" if part[:1] == "{" else re.escape(part)  # type: ignore[index]
            for part in parts
        )
    )


@functools.cache
def _compiled(names: tuple[str, ...]) -> tuple[re.Pattern[str], ...]:
    """Patterns of whole names."""
    escaped = (re.escape(name).replace(r"\{p\}", "(weight|bias)") for name in names)
    return tuple(re.compile(re.sub(r"\\\{[a-z]\\\}", r"\\d+", name)) for name in escaped)
