"""What a complete run found out: result.json, typed and versioned."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from pydantic import Field, TypeAdapter, ValidationError

from vswin.evaluation.cells import Cell
from vswin.files import DamagedFileError, read_json, write_json

VERSION = 3
"""Raised by hand when what is written changes its meaning; older files are refused."""

Share = Annotated[float, Ge(0), Le(1)]
Count = Annotated[int, Ge(0)]


@dataclasses.dataclass(frozen=True)
class CountedCost:
    """The cost of the model that was trained, for one clip; see `vswin.costs.counting`."""

    flops: Count
    """Multiply-accumulates under `rule`."""
    params: Count
    rule: str


@dataclasses.dataclass(frozen=True)
class Seconds:
    """How long it took, over all attempts; without what a killed attempt did in vain."""

    train: float
    test: float


@dataclasses.dataclass(frozen=True)
class Execution:
    """How the run was executed, as far as that changes the order in which numbers are added up."""

    processes: int = 1
    """Processes that trained together."""
    micro_batch: int | None = None
    """Most clips that a process sent through the model at a time; None: the whole batch."""
    threads: int = 1
    """CPU threads of each process."""
    device: str = "cpu"
    """Its type: cpu or cuda."""


@dataclasses.dataclass(frozen=True)
class Loaded:
    """What the weights were before the first step, where they were loaded (section 3.4)."""

    kind: Literal["run", "file"]
    source: str
    """The id of a run, or the name of a published file."""
    layout: str
    """The layout in which the weights were stored."""
    digest: str
    """SHA-256 over the weights."""
    inflation: dict[str, str] = dataclasses.field(default_factory=dict)
    """How an image model got its temporal extent; empty where a video model was loaded."""
    is_verified: bool = True
    """Whether it was known beforehand which digest the weights must have."""
    source_metrics: dict[str, Share] = dataclasses.field(default_factory=dict)
    """The metrics of the run that the weights are from; empty for a file."""


@dataclasses.dataclass(frozen=True)
class Stills:
    """Still images under the head of the pre-training, for a run that started from one."""

    before: Share
    """The pre-training's headline metric on its own test, each image a clip in which nothing moves,
    right after inflation."""
    after: Share
    """The same with the fine-tuned backbone."""
    moved: Annotated[float, Ge(0)]
    """How far the backbone's weights have moved, relative to their length at the start."""


@dataclasses.dataclass(frozen=True)
class DigitsDetails:
    """What only a run on Moving Digits has to say."""

    cells: tuple[Cell, ...]
    """The test's difficulties."""
    easiest: Cell
    """The test at the least difficulty that the run was trained at."""
    tested_on: dict[str, Share]
    """The headline metric of the same model, tested (not trained) on clips whose evidence is
    destroyed, by control."""
    stills: Stills | None = None
    """None: the run did not start from a model of images."""
    kind: Literal["moving_digits"] = "moving_digits"

    def __repr__(self) -> str:
        easy = self.easiest.metrics
        metrics = ", ".join(f"{name} {100 * share:.1f} %" for name, share in easy.items())
        return f"<DigitsDetails {len(self.cells)} difficulties; at the easiest {metrics}>"


@dataclasses.dataclass(frozen=True)
class ListOfVideos:
    """Which videos a split had."""

    listed: Count
    classes: Count
    digest: str
    """SHA-256 over the list."""


@dataclasses.dataclass(frozen=True)
class Inputs:
    """What a run on videos rests on; it is never continued with anything else."""

    train: ListOfVideos
    test: ListOfVideos
    initial_weights: str | None
    """The digest of the weights that it started from."""
    validation: ListOfVideos | None = None
    """None: nothing was validated."""


@dataclasses.dataclass(frozen=True)
class VideosDetails:
    """What only a run on videos has to say."""

    present: Count
    """Test videos that could be read; the result's `n` counts all that are listed."""
    views: str
    """Clips × crops of each test video."""
    inputs: Inputs
    replaced: Count
    """Training clips that stood for a video that could not be read."""
    best_epoch: Count | None = None
    """After which epoch the tested weights were taken, by validation; None: after the last."""
    kind: Literal["videos"] = "videos"


@dataclasses.dataclass(frozen=True)
class Result:
    """The outcome of a complete run."""

    metrics: dict[str, Share]
    """By the names that the run's task gives them, e.g. top1; over all test clips or videos."""
    n: Count
    """Test clips or videos."""
    cost: CountedCost
    seconds: Seconds
    train_clips: Count
    """Clips that training has shown; 0 where nothing was trained."""
    execution: Execution
    details: Annotated[DigitsDetails | VideosDetails, Field(discriminator="kind")]
    weights_digest: str | None = None
    """SHA-256 over the weights that were kept; None where none were."""
    loaded: Loaded | None = None
    """None: the weights started from random numbers."""
    version: int = VERSION

    def __repr__(self) -> str:
        cost = f"{self.cost.flops:.4g} multiply-accumulates, {self.cost.params:,} weights"
        times = f"trained in {self.seconds.train:.0f} s, tested in {self.seconds.test:.0f} s"
        return f"<Result {self.in_words()}; {cost}; {times}>"

    def in_words(self) -> str:
        """What was measured, on how many clips or videos."""
        measured = [f"{name} {100 * share:.1f} %" for name, share in self.metrics.items()]
        return f"{', '.join(measured)} of {self.n}"

    @property
    def clips_per_second(self) -> float | None:
        """Training speed, data included; None where nothing was trained."""
        return self.train_clips / self.seconds.train if self.train_clips else None


def write_result(path: Path, result: Result) -> None:
    """Replaces `path` by a result, atomically."""
    write_json(path, dataclasses.asdict(result))


def read_result(path: Path) -> Result | None:
    """The result in `path`; None where there is no such file.

    Raises:
        DamagedFileError: if it is there and not what `write_result` writes.
    """
    content = read_json(path)
    return None if content is None else result_from(content, str(path))


def result_from(content: Any, name: str) -> Result:
    """A result from what JSON says.

    Args:
        content: as `dataclasses.asdict` of a result gives it.
        name: where it is from, for the error.

    Raises:
        DamagedFileError: if it is no result, or one of another version.
    """
    version = content.get("version") if isinstance(content, dict) else None
    if isinstance(version, int) and version != VERSION:
        raise DamagedFileError(
            f"{name} is a result of version {version}, this is vswin with version {VERSION}; "
            "remove it and run again"
        )
    try:
        if version is None:
            raise ValueError("no version")
        return _adapter().validate_python(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        why = f"{key}: {first['msg']}"
    except ValueError as error:
        why = str(error)
    raise DamagedFileError(f"{name} is not a run's result ({why}); remove it and run again")


@functools.cache
def _adapter() -> TypeAdapter[Result]:
    return TypeAdapter(Result)
