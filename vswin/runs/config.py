"""A run as data: one row of a table under one protocol with one seed.

Data, test, task and what the weights start from are unions; `kind` tells their members apart, and
`family` does so for the model. A third kind of data is one dataclass with a `kind` and a `VERSION`,
one entry in `Data`, and one in the table of `vswin.runs.execute`.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, PlainValidator, TypeAdapter

from vswin.data.moving_digits import GridTest, MovingDigits
from vswin.data.video_data import VideoData, ViewsTest
from vswin.models.registry import family, family_of
from vswin.runs.identity import digest, without_defaults
from vswin.tasks import SINGLE_LABEL, Task
from vswin.training import VERSION as TRAINING_VERSION
from vswin.training.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class Random:
    """Training begins with random weights."""

    kind: Literal["random"] = "random"


@dataclasses.dataclass(frozen=True)
class FromCheckpoint:
    """Training begins with a published checkpoint (section 3.4)."""

    file: str
    """Its name; where the machine keeps it is no part of the run."""
    expect: Literal["2d", "video"]
    """What it must hold: an image model, which is inflated, or a video model."""
    inflation: dict[str, str] = dataclasses.field(default_factory=dict)
    """How an image model becomes a video model, where it is not by the family's defaults."""
    digest: str | None = None
    """SHA-256 over its weights, where it is known; another one is refused. Not in the identity:
    that it is known later makes no other run."""
    kind: Literal["checkpoint"] = "checkpoint"


@dataclasses.dataclass(frozen=True)
class FromRun:
    """Training begins with the weights of another run."""

    run: RunConfig
    inflation: dict[str, str] = dataclasses.field(default_factory=dict)
    """As above, if the other run's model is an image model."""
    kind: Literal["run"] = "run"


@dataclasses.dataclass(frozen=True)
class TestOnly:
    """Nothing is trained: the model of another run is tested in other views."""

    run: RunConfig
    kind: Literal["test_only"] = "test_only"
    __test__: ClassVar[bool] = False  # or pytest takes it for tests


def _read_model(value: Any) -> Any:
    """A model's configuration from its fields and the name of its family."""
    if not isinstance(value, dict):
        return value
    fields = dict(value)
    kind = family(str(fields.pop("family", None))).config_type
    return TypeAdapter(kind).validate_python(fields)


Data = Annotated[MovingDigits | VideoData, Field(discriminator="kind")]
Test = Annotated[GridTest | ViewsTest, Field(discriminator="kind")]
Init = Annotated[Random | FromCheckpoint | FromRun | TestOnly, Field(discriminator="kind")]
Model = Annotated[Any, PlainValidator(_read_model)]
"""A configuration of any family; see `vswin.models.registry`."""


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Everything that determines a run; what that excludes, see `vswin.runs.identity`."""

    preset: str
    """A label: the preset that the row names, or one with the same small model. `model` says what
    is built."""
    model: Model
    data: Data
    recipe: Recipe
    test: Test
    seed: int
    """Initial weights, stochastic depth and the training clips; what is tested is the same."""
    init: Init = Random()
    """What the weights are before the first step."""
    task: Task = SINGLE_LABEL
    is_pretraining: bool = False
    """Whether it is of use for its weights alone, and incomplete without them."""

    def __repr__(self) -> str:
        about = [f"{self.recipe.epochs} epochs" if self.is_trained else "not trained"]
        if self.source is not None:
            about += [f"from {self.source.run_id}"]
        elif isinstance(self.init, FromCheckpoint):
            about += [f"from {self.init.file}"]
        return f"<RunConfig {self.run_id}: {', '.join(about)}>"

    @property
    def is_trained(self) -> bool:
        """Whether the run trains, and not only tests another run's model."""
        return self.init.kind != "test_only"

    @property
    def source(self) -> RunConfig | None:
        """The run whose weights it starts from."""
        return self.init.run if isinstance(self.init, FromRun | TestOnly) else None

    @property
    def ancestors(self) -> list[RunConfig]:
        """The runs that it starts from, one after the other, nearest first."""
        return [] if self.source is None else [self.source, *self.source.ancestors]

    def with_seed(self, seed: int) -> RunConfig:
        """The same run, and the runs that it starts from, with another seed."""
        init = self.init
        if isinstance(init, FromRun | TestOnly):
            init = dataclasses.replace(init, run=init.run.with_seed(seed))
        return dataclasses.replace(self, seed=seed, init=init)

    @property
    def work(self) -> int:
        """How long it takes in comparison with others, for putting runs in an order."""
        return family_of(self.model).work(self.model, self.data.frames)

    @property
    def versions(self) -> dict[str, int]:
        """The versions of the components that compute its result."""
        parts = (self.data, self.test, self.task)
        found = {family_of(self.model).name: family_of(self.model).version}
        found |= {part.kind: part.VERSION for part in parts}
        return found | ({"training": TRAINING_VERSION} if self.is_trained else {})

    def identity(self) -> dict[str, Any]:
        """The canonical content that the id is made of, see `vswin.runs.identity`."""
        content = without_defaults(self)
        del content["preset"]
        content["model"]["family"] = family_of(self.model).name
        content["init"].pop("digest", None)
        if self.source is not None:
            content["init"]["run"] = self.source.identity()
        return {"versions": self.versions, **content}

    @functools.cached_property
    def run_id(self) -> str:
        """A readable slug and a hash of the identity: the name of the run's folder."""
        return f"{self.slug}-{digest(self.identity())}"

    @property
    def slug(self) -> str:
        """What a person wants to know first: preset, model, data, start, seed."""
        model = family_of(self.model).slug(self.model, self.data.frames)
        words = [self.preset, *model, *self.data.slug, *self._start_in_words(), f"s{self.seed}"]
        return "-".join(words)

    def _start_in_words(self) -> list[str]:
        """What it starts from, in words that a file name can hold."""
        if isinstance(self.init, Random):
            return []
        if isinstance(self.init, TestOnly):
            return [f"tested_{str(self.test).replace('×', 'x')}"]
        return [
            "pretrained",
            *(f"{how}_{what}" for what, how in sorted(self.init.inflation.items())),
        ]

    def as_dict(self) -> dict[str, Any]:
        """All fields, as run.json holds them."""
        content = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        for name, value in content.items():
            if dataclasses.is_dataclass(value) and not isinstance(value, type):
                content[name] = dataclasses.asdict(value)
        content["model"] = {"family": family_of(self.model).name, **content["model"]}
        if self.source is not None:
            content["init"]["run"] = self.source.as_dict()
        return content


@functools.cache
def _reader() -> TypeAdapter[RunConfig]:
    return TypeAdapter(RunConfig)


def read_config(content: Any) -> RunConfig:
    """A configuration from what `RunConfig.as_dict` gave.

    Raises:
        ValueError: if it is none.
    """
    return _reader().validate_python(content)
