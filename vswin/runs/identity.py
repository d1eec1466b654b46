"""What a run is: everything that can change its result, and nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

from vswin.data.moving_digits import MovingDigits
from vswin.models.presets import VideoSwinConfig
from vswin.training.evaluate import GridTest
from vswin.training.recipe import Recipe

RESULTS_VERSION = 1
"""Raised by hand when a change of the code changes results, so that old ones are not mistaken for
new ones."""


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

    def identity(self) -> dict[str, Any]:
        """The canonical content that the id is made of.

        Fields that have their default are left out, so that a new option leaves old ids alone; a
        changed default must therefore raise `RESULTS_VERSION`, and a test holds us to that.
        """
        content = _without_defaults(self)
        del content["preset"]
        return {"results_version": RESULTS_VERSION, **content}

    @property
    def run_id(self) -> str:
        """A readable slug and a hash of the identity: the name of the run's folder."""
        return f"{self.slug}-{digest(self.identity())}"

    @property
    def slug(self) -> str:
        """What a person wants to know first: preset, tokens in time, window, control, seed."""
        time = self.data.frames // self.model.patch_size[0]
        window = "x".join(map(str, self.model.window_size))
        control = "" if self.data.control == "none" else f"-{self.data.control}"
        return f"{self.preset}-t{time}-w{window}{control}-s{self.seed}"


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
