"""What a run is: everything that can change its result, and nothing else."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Annotated, Any

from pydantic import Discriminator, Tag

from vswin.data.moving_digits import GridTest, MovingDigits
from vswin.data.video_data import VideoData, ViewsTest
from vswin.models.swin.config import BiasInit, EmbeddingInit, VideoSwinConfig
from vswin.models.swin.layouts import Kind
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
    only_test: bool = False
    """Nothing is trained: the other run's model is tested, in other views."""


@dataclasses.dataclass(frozen=True)
class PretrainedFile:
    """Section 3.4: a run that starts from a published checkpoint."""

    file: str
    """Its name; where the machine keeps it is no matter of the run's."""
    kind: Kind
    """What it must hold: a 2D (image) model, which is inflated, or a video model."""
    embedding: EmbeddingInit = "inflate"
    """Table 8."""
    bias: BiasInit = "duplicate"
    """Table 9."""
    digest: str | None = None
    """SHA-256 over its weights, where it is known; another one is refused."""


def _either(key: str) -> Any:
    """Tells two dataclasses on disk apart by a field that only the second one has."""
    return Discriminator(
        lambda value: (
            "second"
            if (key in value if isinstance(value, dict) else hasattr(value, key))
            else "first"
        )
    )


Data = Annotated[
    Annotated[MovingDigits, Tag("first")] | Annotated[VideoData, Tag("second")], _either("dataset")
]
Test = Annotated[
    Annotated[GridTest, Tag("first")] | Annotated[ViewsTest, Tag("second")], _either("crops")
]
Origin = Annotated[
    Annotated["Initialisation", Tag("first")] | Annotated[PretrainedFile, Tag("second")],
    _either("file"),
]


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """One row under one protocol with one seed.

    Not in it, because they do not change the result: the table and row that asked for the run
    (Table 5 prints one run twice), the number of workers, the device, paths.
    """

    preset: str
    """The preset that the row names. A label: `model` says what is built."""
    model: VideoSwinConfig
    data: Data
    recipe: Recipe
    test: Test
    seed: int
    """Initial weights, stochastic depth and the training clips; what is tested is the same."""
    init: Origin | None = None
    """What the weights start from; None is random numbers."""

    @property
    def is_on_videos(self) -> bool:
        """Whether it is trained on videos, not on Moving Digits."""
        return isinstance(self.data, VideoData)

    @property
    def is_pretraining(self) -> bool:
        """Whether it is of use for its weights alone, and incomplete without them."""
        return isinstance(self.data, MovingDigits) and self.data.task == "stills"

    @property
    def sources(self) -> list[RunConfig]:
        """The runs that it starts from, one after the other, nearest first."""
        if not isinstance(self.init, Initialisation):
            return []
        return [self.init.pretraining, *self.init.pretraining.sources]

    @property
    def length(self) -> int:
        """How long it takes, for putting runs in an order: the frames that its windows see."""
        return self.data.frames * self.model.window_size[0]

    @property
    def keeps_weights(self) -> bool:
        """Whether its weights are kept: others start from them, or they took long to train."""
        return self.is_on_videos or self.is_pretraining

    def identity(self) -> dict[str, Any]:
        """The canonical content that the id is made of.

        Fields that have their default are left out, so that a new option leaves old ids alone; a
        changed default must therefore raise `RESULTS_VERSION`, and a test holds us to that.
        """
        content = _without_defaults(self)
        del content["preset"]
        if isinstance(self.init, Initialisation):
            content["init"]["pretraining"] = self.init.pretraining.identity()
        elif self.init is not None:
            content["init"].pop("digest", None)  # learning it later makes no other run
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
        if isinstance(self.data, VideoData):
            words += [self.data.dataset]
        elif self.data.task != "temporal":
            words += [self.data.task]
        if self.init is not None and not self.is_on_videos:
            words += [f"{self.init.embedding}_embedding", f"{self.init.bias}_bias"]
        elif isinstance(self.init, Initialisation) and self.init.only_test:
            words += [f"tested_{str(self.test).replace('×', 'x')}"]
        elif self.init is not None:
            words += (
                [] if self.init.embedding == "inflate" else [f"{self.init.embedding}_embedding"]
            )
            words += [] if self.init.bias == "duplicate" else [f"{self.init.bias}_bias"]
        if isinstance(self.data, MovingDigits) and self.data.control != "none":
            words += [self.data.control]
        return words


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
