"""Which costs of other systems can be counted anew, and with what: `vswin/paper/peers.yaml`.

A model there is built by a library on PyPI, as its source says, and stands for rows of the tables.
`vswin.costs.peers` builds and counts it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from vswin.paper.printed import FOLDER, Id
from vswin.reading import Strict, read_strictly

FILE = FOLDER / "peers.yaml"
PeerRule = Literal["macs", "layers"]
"""What is counted: products of linear layers and convolutions (`layers`), those of attention, too
(`macs`)."""
Library = Literal["pytorchvideo", "timm", "torchvision", "transformers"]


class Tolerance(Strict):
    """How far from a printed number a count may be, in % of it, to be called near."""

    flops: Annotated[float, Field(gt=0)]
    params: Annotated[float, Field(gt=0)]


class PeerModel(Strict):
    """A model of another work, as a library builds it."""

    id: Id
    says: str
    """What a reader calls it."""
    libraries: Annotated[tuple[Library, ...], Field(min_length=1)]
    builder: Id
    """A function of `vswin.costs.peers.builders`."""
    options: dict[Id, int | float | tuple[int, ...]] = Field(default_factory=dict)
    """What it is called with, besides classes, frames and size."""
    frames: Annotated[int, Field(ge=1)]
    """Of a clip."""
    size: Annotated[int, Field(ge=1)]
    """Height and width of a frame."""
    rule: PeerRule = "macs"
    source: str
    """Where its configuration and its clip are from."""
    chosen: str = ""
    """What the source leaves open, and was chosen by the number that it gives."""
    documented: bool = True
    """Whether the source says all of it. Where not, a count that differs is no evidence."""
    confidence: Literal["high", "medium", "low"] = "medium"
    """In a count that differs, as evidence."""
    remarks: dict[Id, str] = Field(default_factory=dict)
    """What there is to say of a count that differs, by metric."""
    rows: Annotated[tuple[str, ...], Field(min_length=1)]
    """The printed rows, as `table1.x3d_xxl`."""

    @property
    def configuration(self) -> str:
        """All that its counts depend on but for the classes, as they are kept with it."""
        options = ", ".join(f"{name}={value}" for name, value in self.options.items())
        return f"{self.builder}({options}) on {self.frames} frames of {self.size}x{self.size}"


class Unchecked(Strict):
    """Rows that no library builds as their source says."""

    rows: Annotated[tuple[str, ...], Field(min_length=1)]
    why: str


class Peers(Strict):
    """The file."""

    tolerance: Tolerance
    models: tuple[PeerModel, ...]
    unchecked: tuple[Unchecked, ...]

    @model_validator(mode="after")
    def _check(self) -> Peers:
        for what, names in (("model", [m.id for m in self.models]), ("row", [*self.rows()])):
            if twice := sorted({name for name in names if names.count(name) > 1}):
                raise ValueError(f"a {what} is there twice: {twice[0]}")
        return self

    def rows(self) -> Iterator[str]:
        """Every row that the file speaks of."""
        for model in self.models:
            yield from model.rows
        for each in self.unchecked:
            yield from each.rows

    def model_of(self, row: str) -> PeerModel | None:
        """What stands for a row, as `table1.x3d_xxl`; None if nothing does."""
        return next((model for model in self.models if row in model.rows), None)

    def why_not(self, row: str) -> str:
        """Why nothing stands for a row; empty if something does, or the file is silent."""
        return next((each.why for each in self.unchecked if row in each.rows), "")


@functools.cache
def read_peers() -> Peers:
    """What can be counted of other systems.

    Raises:
        ExperimentError: if the file is broken; names file, line and key.
    """
    found: Peers = read_strictly(FILE, Peers)
    return found
