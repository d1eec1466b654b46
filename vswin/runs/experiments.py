"""Experiments and protocols: YAML files that say what a table's rows are, and how to run them.

An experiment is written in the paper's terms (presets, windows and frames as printed). A protocol
maps those terms to what is trained: `experiments/protocols/proxy.yaml`, say, divides the temporal
sizes by two and puts a small model in the place of each preset. So a new ablation is one more
experiment file, and runs under every protocol.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vswin.data.moving_digits import CHANNELS, Control, MovingDigits
from vswin.errors import UsageError, unknown
from vswin.models.inflation import BiasInit, EmbeddingInit
from vswin.models.presets import Triple, VideoSwinConfig, resolve_config
from vswin.runs.identity import Initialisation, RunConfig
from vswin.runs.reading import read_strictly, require_named
from vswin.training.evaluate import GridTest
from vswin.training.recipe import Recipe

Count = Annotated[int, Field(ge=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


TaskName = Literal["temporal", "appearance"]
"""Which task of the embedded benchmark stands for the paper's dataset."""
ImageDataset = Literal["imagenet_1k", "imagenet_21k"]
RowControl = Control | Literal["no_pretraining"]


class Pretrained(_Strict):
    """What a row's weights start from (section 3.4)."""

    dataset: ImageDataset
    """Images that a 2D Swin Transformer was trained on."""
    embedding: EmbeddingInit = "inflate"
    """How the linear embedding gets its temporal extent (Table 8)."""
    bias: BiasInit = "duplicate"
    """How the relative position biases get theirs (Table 9)."""


class Row(_Strict):
    """One row of a table, in the paper's terms."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    """Name for the command line and for the printed cells in `vswin.paper`."""
    preset: str
    """A preset of section 3.3."""
    frames: Count = 32
    """Input frames; Table 5's temporal dimension times the patch's 2."""
    image_size: Count | None = None
    """Height and width of the input in pixels; None takes the table's."""
    model: dict[str, Any] = {}
    """Overrides for `build_model`, window_size as printed."""
    init: Pretrained | None = None
    """Pre-trained weights that it starts from; None starts from random ones."""
    control: RowControl = "none"
    """Not a printed row but a check of the benchmark: destroys the evidence in its clips, or
    starts from random weights where the others do not."""

    @model_validator(mode="after")
    def _check(self) -> Row:
        resolve_config(self.preset, **self.model)
        if self.control == "no_pretraining" and self.init is not None:
            raise ValueError("control no_pretraining excludes init")
        return self

    @property
    def is_control(self) -> bool:
        """Whether the row is a check of the benchmark instead of a row of the paper."""
        return self.control != "none"


class Experiment(_Strict):
    """A table of the paper, or an ablation of one's own."""

    table: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    title: str
    section: str
    """Where the paper discusses it."""
    num_classes: Count
    """Classes of the paper's dataset, which its parameter counts include."""
    image_size: Count = 224
    """Height and width of the paper's input in pixels, unless a row has its own."""
    task: TaskName = "temporal"
    """Which task of the embedded benchmark stands for the dataset."""
    protocols: tuple[str, ...]
    """Protocols it can be run under. Empty: its costs can be compared, nothing is trained yet."""
    choices: tuple[str, ...] = ()
    """What the paper leaves open about the rows, and what was chosen."""
    rows: Annotated[tuple[Row, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _check(self) -> Experiment:
        ids = [row.id for row in self.rows]
        doubled = sorted({i for i in ids if ids.count(i) > 1})
        if doubled:
            raise ValueError(f"row ids must differ; repeated: {', '.join(doubled)}")
        return self

    def row(self, row_id: str) -> Row:
        """The row of that id.

        Raises:
            UsageError: if there is none.
        """
        for row in self.rows:
            if row.id == row_id:
                return row
        raise unknown("row", row_id, [row.id for row in self.rows], f" of {self.table}")

    def paper_model(self, row: Row) -> VideoSwinConfig:
        """The architecture at the paper's own size, for its cost."""
        return resolve_config(row.preset, **{"num_classes": self.num_classes, **row.model})

    def paper_input(self, row: Row) -> tuple[int, int, int, int]:
        """(channels, T, H, W) of the paper's input."""
        side = row.image_size or self.image_size
        return (3, row.frames, side, side)


class Geometry(_Strict):
    """How the paper's sizes are scaled down."""

    temporal_divisor: Count
    """Divides frames and temporal windows."""
    spatial_window: Count
    """Stands for M = 7."""


class Pretraining(_Strict):
    """How the 2D model that stands for an ImageNet model is trained on still images."""

    data: MovingDigits
    recipe: Recipe
    test: GridTest


class AppearanceTask(_Strict):
    """The task in which pre-training on still images helps (Tables 8 and 9)."""

    title: str
    data: MovingDigits
    recipe: Recipe
    test: GridTest
    pretraining: dict[ImageDataset, Pretraining]
    """What stands for each dataset of images."""
    deviations: tuple[str, ...]
    """In what it differs from the paper's setup; takes the place of the protocol's own."""
    calibration: str
    """How and on what the dials were chosen; likewise."""

    @model_validator(mode="after")
    def _check(self) -> AppearanceTask:
        if self.data.task != "appearance":
            raise ValueError(f"data.task is {self.data.task!r}, wanted 'appearance'")
        _require_possible(self.data, self.test)
        for name, stage in self.pretraining.items():
            if (stage.data.task, stage.data.frames) != ("stills", 1):
                raise ValueError(f"pretraining.{name}.data: wanted task: stills and frames: 1")
            _require_possible(stage.data, stage.test)
        return self


class Protocol(_Strict):
    """How the rows of any table are trained and tested."""

    protocol: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    title: str
    shows: str
    """What its accuracies can and cannot say; printed wherever they appear."""
    comparable: bool
    """Whether its accuracies may be set against printed ones. Never for the embedded benchmark."""
    tests_claims: bool
    """Whether its accuracies may decide about a claim of the paper."""
    seeds: Count
    """Seeds that are run when none are asked for."""
    threads: Count = 1
    """CPU threads of a run. Fixed, so that results depend on neither cores nor `jobs`."""
    geometry: Geometry
    models: dict[str, dict[str, Any]]
    """For each preset, the overrides that make its stand-in."""
    data: MovingDigits
    recipe: Recipe
    test: GridTest
    appearance: AppearanceTask | None = None
    """Data, recipe and test of tables whose `task` is appearance, in place of the above."""
    deviations: tuple[str, ...]
    """In what it differs from the paper's setup."""
    calibration: str
    """How and on what the dials were chosen."""

    @model_validator(mode="after")
    def _check(self) -> Protocol:
        for preset, overrides in self.models.items():
            found = resolve_config(preset, **overrides)
            if found.in_channels != CHANNELS:
                raise ValueError(
                    f"models.{preset}.in_channels is {found.in_channels}, but the "
                    f"clips have {CHANNELS}"
                )
        _require_possible(self.data, self.test)
        return self

    def stage(self, task: TaskName) -> Protocol | AppearanceTask:
        """Whose data, recipe and test a table of that task is run with.

        Raises:
            UsageError: if the protocol has none for it.
        """
        if task == "temporal":
            return self
        if self.appearance is None:
            raise UsageError(f"protocol {self.protocol} has no appearance task")
        return self.appearance

    def run_config(self, row: Row, seed: int, task: TaskName = "temporal") -> RunConfig:
        """The run that stands for `row` in a table of that task.

        Raises:
            UsageError: if the protocol has no stand-in for the row's preset or pre-training, or
                the row's sizes cannot be scaled down.
        """
        stage = self.stage(task)
        if row.preset not in self.models:
            raise UsageError(
                f"protocol {self.protocol} has no stand-in for preset {row.preset}; "
                f"it has {', '.join(self.models)}"
            )
        overrides = {**row.model, **self.models[row.preset]}
        overrides["num_classes"] = len(stage.data.classes)
        overrides["window_size"] = self._scale_window(
            resolve_config(row.preset, **row.model).window_size
        )
        model = resolve_config(row.preset, **overrides)
        frames = self._scale_time("frames", row.frames)
        if frames > stage.data.timeline:
            raise UsageError(
                f"row {row.id} wants {frames} frames, but clips of protocol {self.protocol} have "
                f"{stage.data.timeline} (data.timeline)"
            )
        control: Control = "none" if row.control == "no_pretraining" else row.control
        data = dataclasses.replace(stage.data, frames=frames, control=control)
        init = self._initialisation(row, model, seed, task)
        return RunConfig(row.preset, model, data, stage.recipe, stage.test, seed, init)

    def _initialisation(
        self, row: Row, model: VideoSwinConfig, seed: int, task: TaskName
    ) -> Initialisation | None:
        """The pre-training that stands for the row's, with the 2D model that fits its model."""
        if row.init is None:
            return None
        stages = self.appearance.pretraining if self.appearance and task == "appearance" else {}
        if row.init.dataset not in stages:
            raise UsageError(
                f"row {row.id} starts from {row.init.dataset}, for which protocol "
                f"{self.protocol} has no stand-in in task {task}"
            )
        stage = stages[row.init.dataset]
        image_model = dataclasses.replace(
            model,
            patch_size=(1, *model.patch_size[1:]),
            window_size=(1, *model.window_size[1:]),
            num_classes=len(stage.data.classes),
            design="joint",
            shift="3d",
        )
        pretraining = RunConfig(row.preset, image_model, stage.data, stage.recipe, stage.test, seed)
        return Initialisation(pretraining, row.init.embedding, row.init.bias)

    def _scale_window(self, window: Triple) -> Triple:
        frames = self._scale_time("temporal window", window[0]) if window[0] > 1 else 1
        return (frames, *[self.geometry.spatial_window] * 2)

    def _scale_time(self, what: str, size: int) -> int:
        scaled, rest = divmod(size, self.geometry.temporal_divisor)
        if rest or not scaled:
            raise UsageError(
                f"{what} {size} cannot be divided by protocol {self.protocol}'s "
                f"temporal_divisor {self.geometry.temporal_divisor}"
            )
        return scaled


@dataclasses.dataclass(frozen=True)
class Library:
    """The experiments and protocols of a folder."""

    folder: Path

    def tables(self) -> list[str]:
        """Names of all experiments."""
        return sorted(path.stem for path in self.folder.glob("*.yaml"))

    def protocols(self) -> list[str]:
        """Names of all protocols."""
        return sorted(path.stem for path in (self.folder / "protocols").glob("*.yaml"))

    def experiment(self, table: str) -> Experiment:
        """Reads an experiment.

        Raises:
            UsageError: if there is none of that name.
            ExperimentError: if its file is broken.
        """
        if table not in self.tables():
            raise unknown("table", table, self.tables())
        path = self.folder / f"{table}.yaml"
        return require_named(path, "table", read_strictly(path, Experiment))

    def protocol(self, name: str) -> Protocol:
        """Reads a protocol.

        Raises:
            UsageError: if there is none of that name.
            ExperimentError: if its file is broken.
        """
        if name not in self.protocols():
            raise unknown("protocol", name, self.protocols())
        path = self.folder / "protocols" / f"{name}.yaml"
        return require_named(path, "protocol", read_strictly(path, Protocol))


def _require_possible(data: MovingDigits, test: GridTest) -> None:
    if 2 * data.switch_jitter >= data.timeline:
        raise ValueError("data.switch_jitter must be less than half of data.timeline")
    if test.clips_per_cell < len(data.classes):
        raise ValueError(
            f"test.clips_per_cell is {test.clips_per_cell}, wanted at least one for each of the "
            f"{len(data.classes)} classes of task {data.task}"
        )
