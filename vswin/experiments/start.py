"""What the weights of a row are before the first step (section 3.4)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vswin.experiments.recipes import IMAGES, PretrainedOn
from vswin.reading import Strict


class Start(Strict):
    """What a row's weights are before the first step (section 3.4).

    A table says it for all its rows; what a row leaves out, it has from its table.
    """

    origin: Literal[PretrainedOn, "random"] | None = Field(default=None, alias="from")
    """What they were trained on; random: on nothing. None is the table's."""
    checkpoint: str | None = None
    """The published file, where it is not the preset's usual one."""
    inflation: dict[str, str] = Field(default_factory=dict)
    """How an image model becomes a video model, where it is not by the family's defaults
    (Tables 8 and 9)."""

    @property
    def pretrained(self) -> PretrainedOn | None:
        """What the weights were trained on; None for random ones."""
        return None if self.origin is None or self.origin == "random" else self.origin

    def over(self, other: Start) -> Start:
        """This start, with the other's word where this one has none.

        A checkpoint belongs to what it was trained on: who names another origin has another file.
        """
        is_same = self.origin is None or self.origin == other.origin
        return Start.model_validate(
            {
                "from": self.origin or other.origin,
                "checkpoint": self.checkpoint or (other.checkpoint if is_same else None),
                "inflation": other.inflation | self.inflation,
            }
        )


def require_loaded(whose: str, said: Start, start: Start) -> None:
    """Refuses a checkpoint, or a way to inflate one, where nothing of the kind is loaded.

    Args:
        whose: how the message begins.
        said: what is said there.
        start: the same, with the table's word where that says nothing.
    """
    nothing = start.pretrained is None
    if said.checkpoint and nothing:
        raise ValueError(
            f"{whose}start.checkpoint is {said.checkpoint}, but nothing is said of what it was "
            "trained on; add `from`, or leave it out"
        )
    if start.inflation and not nothing and start.pretrained not in IMAGES:
        raise ValueError(
            f"{whose}start.inflation is for models of images, and one from {start.pretrained} is "
            "none; leave it out"
        )
    if said.inflation and nothing:
        raise ValueError(
            f"{whose}start.inflation is {said.inflation}, but nothing is inflated; say from what "
            "(`from`), or leave it out"
        )
