"""Protocols on the embedded benchmark: Moving Digits in the place of videos.

`experiments/protocols/proxy.yaml`, say, divides the temporal sizes by two and puts a small model in
the place of each preset.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

from pydantic import Field, model_validator

from vswin.data.moving_digits import CHANNELS, Control, GridTest, MovingDigits
from vswin.errors import UsageError
from vswin.experiments.tables import Count, Experiment, ImageDataset, Row, Strict, TaskName
from vswin.models.registry import resolve_config
from vswin.models.swin.config import Triple, VideoSwinConfig
from vswin.runs.identity import Initialisation, RunConfig
from vswin.training.recipe import Recipe


class Geometry(Strict):
    """How the paper's sizes are scaled down."""

    temporal_divisor: Count
    """Divides frames and temporal windows."""
    spatial_window: Count
    """Stands for M = 7."""

    def window(self, window: Triple) -> Triple:
        """What stands for a window.

        Raises:
            UsageError: if its temporal size cannot be divided.
        """
        time = self.time("temporal window", window[0]) if window[0] > 1 else 1
        return (time, *[self.spatial_window] * 2)

    def time(self, what: str, size: int) -> int:
        """What stands for a temporal size.

        Raises:
            UsageError: if it cannot be divided; says so of `what`.
        """
        scaled, rest = divmod(size, self.temporal_divisor)
        if rest or not scaled:
            raise UsageError(
                f"{what} {size} cannot be divided by the protocol's temporal_divisor "
                f"{self.temporal_divisor}"
            )
        return scaled


class Pretraining(Strict):
    """How the 2D model that stands for an ImageNet model is trained on still images."""

    data: MovingDigits
    recipe: Recipe
    test: GridTest


class AppearanceTask(Strict):
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


class EmbeddedProtocol(Strict):
    """How the rows of any table are trained and tested on Moving Digits."""

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
    def _check(self) -> EmbeddedProtocol:
        for preset, overrides in self.models.items():
            found = resolve_config(preset, **overrides)
            if found.in_channels != CHANNELS:
                raise ValueError(
                    f"models.{preset}.in_channels is {found.in_channels}, but the "
                    f"clips have {CHANNELS}"
                )
        _require_possible(self.data, self.test)
        return self

    def includes(self, row: Row) -> bool:
        """Whether the row is run under this protocol: every row is."""
        del row
        return True

    def stage(self, task: TaskName) -> EmbeddedProtocol | AppearanceTask:
        """Whose data, recipe and test a table of that task is run with.

        Raises:
            UsageError: if the protocol has none for it.
        """
        if task == "temporal":
            return self
        if self.appearance is None:
            raise UsageError(f"protocol {self.protocol} has no appearance task")
        return self.appearance

    def configure(self, experiment: Experiment, row: Row, seed: int) -> RunConfig:
        """The run that stands for a row of a table; raises as `run_config` does."""
        return self.run_config(row, seed, experiment.task)

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
        overrides["window_size"] = self.geometry.window(
            resolve_config(row.preset, **row.model).window_size
        )
        model = resolve_config(row.preset, **overrides)
        frames = self.geometry.time("frames", row.frames)
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


def _require_possible(data: MovingDigits, test: GridTest) -> None:
    if 2 * data.switch_jitter >= data.timeline:
        raise ValueError("data.switch_jitter must be less than half of data.timeline")
    if test.clips_per_cell < len(data.classes):
        raise ValueError(
            f"test.clips_per_cell is {test.clips_per_cell}, wanted at least one for each of the "
            f"{len(data.classes)} classes of task {data.task}"
        )
