"""What a run is: everything that can change its result, and nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

from vswin.data.moving_digits import MovingDigits
from vswin.models.inflation import BiasInit, EmbeddingInit
from vswin.models.presets import VideoSwinConfig
from vswin.training.evaluate import GridTest
from vswin.training.recipe import Recipe

RESULTS_VERSION = 1
"""Raised by hand when a change of the code changes results, so that old ones are not mistaken for
new ones."""


@dataclasses.dataclass(frozen=True)
class Initialisation:
    """Section 3.4: a run that starts from the weights of a 2D model that was trained before."""

    pretraining: RunConfig
    """The run whose weights are loaded; it trains a 2D model on still images."""
    embedding: EmbeddingInit = "inflate"
    """How the linear embedding gets its temporal extent (Table 8)."""
    bias: BiasInit = "duplicate"
    """How the relative position biases get theirs (Table 9)."""


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """One row under one protocol with one seed.

    Not in it, because they do not change the result: the table and row that asked for the run
    (Table 5 prints one run twice), the number of workers, the device, paths.
    """

    preset: str
    """The preset that the row names. A label: `model` says what is built."""
    model: VideoSwinConfig
    data: MovingDigits
    recipe: Recipe
    test: GridTest
    seed: int
    """Initial weights, stochastic depth and the training clips; test clips are always the same."""
    init: Initialisation | None = None
    """What the weights start from; None is random numbers."""

    @property
    def is_pretraining(self) -> bool:
        """Whether other runs start from this one's weights, which are therefore kept."""
        return self.data.task == "stills"

    def identity(self) -> dict[str, Any]:
        """The canonical content that the id is made of.

        Fields that have their default are left out, so that a new option leaves old ids alone; a
        changed default must therefore raise `RESULTS_VERSION`, and a test holds us to that.
        """
        content = _without_defaults(self)
        del content["preset"]
        if self.init is not None:
            content["init"]["pretraining"] = self.init.pretraining.identity()
        return {"results_version": RESULTS_VERSION, **content}

    @property
    def run_id(self) -> str:
        """A readable slug and a hash of the identity: the name of the run's folder."""
        return f"{self.slug}-{digest(self.identity())}"

    @property
    def slug(self) -> str:
        """What a person wants to know first: preset, tokens in time, window, variant, seed."""
        time = self.data.frames // self.model.patch_size[0]
        window = "x".join(map(str, self.model.window_size))
        return "-".join([self.preset, f"t{time}", f"w{window}", *self._variant(), f"s{self.seed}"])

    def _variant(self) -> list[str]:
        """In what the run differs from the usual, in words that a file name can hold."""
        words = [] if self.model.design == "joint" else [self.model.design]
        words += [] if self.model.shift == "3d" else [f"shift_{self.model.shift}"]
        words += [] if self.data.task == "temporal" else [self.data.task]
        if self.init is not None:
            words += [f"{self.init.embedding}_embedding", f"{self.init.bias}_bias"]
        return words + ([] if self.data.control == "none" else [self.data.control])


def canonical_json(value: Any) -> str:
    """JSON with sorted keys and no spaces: the same text for the same content."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """Ten hexadecimal digits of the SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:10]


def _without_defaults(value: Any) -> dict[str, Any]:
    kept = {}
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        if field.default is not dataclasses.MISSING and item == field.default:
            continue
        kept[field.name] = _without_defaults(item) if dataclasses.is_dataclass(item) else item
    # Tuples become lists here, so that what is hashed is what is read back from disk.
    return json.loads(json.dumps(kept))
