"""Protocols on the embedded benchmark: Moving Digits in the place of videos.

`experiments/protocols/proxy.yaml`, say, divides the temporal sizes by two and puts a small model in
the place of each preset.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from vswin.data.moving_digits import CHANNELS, Control, GridTest, MovingDigits
from vswin.errors import UsageError
from vswin.experiments.geometry import Geometry, image_model, in_words
from vswin.experiments.recipes import RECIPE_FIELDS, PretrainedOn
from vswin.experiments.tables import Count, Experiment, Row, Strict, TaskName, why_not
from vswin.runs.config import FromRun, Init, Random, RunConfig
from vswin.training.recipe import Recipe


class Pretraining(Strict):
    """How a 2D model is trained on still images, in the place of one trained on ImageNet."""

    data: MovingDigits
    recipe: Recipe
    test: GridTest


class AppearanceTask(Strict):
    """The task in which pre-training on still images helps (Tables 7 to 9)."""

    title: str
    models: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """As the protocol's `models`, of presets that only this task has."""
    data: MovingDigits
    recipe: Recipe
    test: GridTest
    pretraining: dict[PretrainedOn, Pretraining]
    """What takes the place of each dataset of images."""
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

    kind: Literal["moving_digits"]
    protocol: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    extends: str | None = None
    """The protocol that has what the file leaves out."""
    varies: str = ""
    """In what it differs from that one, in a line; makes it a sensitivity study of it."""
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
    """For each preset, the overrides that make the small model in its place."""
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
        models = self._models("appearance")  # with those of every task
        for preset, found in self.geometry.require_possible(models).items():
            if found.in_channels != CHANNELS:
                raise ValueError(
                    f"models.{preset}.in_channels is {found.in_channels}, but the "
                    f"clips have {CHANNELS}"
                )
        _require_possible(self.data, self.test)
        if self.varies and self.extends is None:
            raise ValueError("varies wants `extends`, and the protocol that it differs from")
        return self

    def __repr__(self) -> str:
        return f"<EmbeddedProtocol {self.protocol}: {self.title}>"

    def why_not(self, experiment: Experiment) -> str:
        """Why a table cannot be run here; empty if there are small models, and a task like its."""
        has_task = experiment.task == "temporal" or self.appearance is not None
        lacking = "" if has_task else f"which has nothing for `task: {experiment.task}`"
        models = self._models(experiment.task)
        return why_not(experiment, self.protocol, models, lacking, self.includes)

    def includes(self, row: Row) -> bool:
        """Whether the row is run under this protocol: all are but those for videos only."""
        return row.is_on("moving_digits")

    def says(self, experiment: Experiment, row: Row) -> dict[str, Any]:
        """As `Experiment.says`, with every setting that the row is trained with."""
        recipe = row.trained_with(self.stage(experiment.task).recipe)
        return experiment.says(row) | {f"recipe.{k}": v for k, v in vars(recipe).items()}

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

    def _models(self, task: TaskName) -> dict[str, dict[str, Any]]:
        """For each preset that a task has, the overrides that make the small model."""
        if task == "temporal" or self.appearance is None:
            return self.models
        return self.models | self.appearance.models

    def configure(self, experiment: Experiment, row: Row, seed: int) -> RunConfig:
        """The run of a row with a seed.

        Raises:
            UsageError: if the protocol has no small model for the row's preset, nothing in the
                place of what it starts from, or the row's sizes cannot be scaled down.
        """
        if row.tests is not None:
            raise UsageError(f"row {row.id} tests other views, of which Moving Digits has none")
        models = self._models(experiment.task)
        if row.preset not in models:
            raise UsageError(
                f"protocol {self.protocol} has no small model for preset {row.preset}; "
                f"it has {', '.join(models)}"
            )
        _require_nothing_for_videos(row)
        stage = self.stage(experiment.task)
        recipe = row.trained_with(stage.recipe)
        if recipe.steps_per_epoch is None:
            raise UsageError(
                "recipe.steps_per_epoch null: Moving Digits have no last clip; say a number"
            )
        if recipe.patience is not None:
            raise UsageError(
                f"recipe.patience {recipe.patience}: Moving Digits have no validation split; leave "
                "it out"
            )
        paper = experiment.paper_model(row.without_rates)
        overrides = {**models[row.preset], "num_classes": len(stage.data.classes)}
        model = self.geometry.model(experiment, row, paper, overrides)
        data = self._clips(experiment, row, stage.data)
        self.geometry.require_whole(row, model, data.frames, data.image_size)
        init = self._init(experiment, row, model, seed)
        model = dataclasses.replace(model, **row.rates)
        label = self._label(experiment.task, row)
        return RunConfig(label, model, data, recipe, stage.test, seed, init)

    def _label(self, task: TaskName, row: Row) -> str:
        """What runs of the row are called by: of presets with one small model, the first.

        So rows that only their presets tell apart share their runs.
        """
        models = self._models(task)
        return next(preset for preset in models if models[preset] == models[row.preset])

    def _clips(self, experiment: Experiment, row: Row, usual: MovingDigits) -> MovingDigits:
        """The clips of a row."""
        frames = self.geometry.frames(row.frames)
        if frames > usual.timeline or usual.timeline % frames:
            raise UsageError(
                f"row {row.id} wants {frames} frames ({row.frames} in the row), which cannot be "
                f"spread evenly over the {usual.timeline} of a clip of protocol {self.protocol} "
                "(data.timeline); choose others"
            )
        control: Control = "none" if row.control == "no_pretraining" else row.control
        side = self.geometry.image_size(experiment.paper_input(row)[-1], usual.image_size)
        return dataclasses.replace(usual, frames=frames, control=control, image_size=side)

    def _init(self, experiment: Experiment, row: Row, model: Any, seed: int) -> Init:
        """What the row starts from: a 2D model of the same kind, trained on still images.

        The temporal task has no such models: there, every row starts from random weights. Rates
        that a row says are its own; the model that it starts from is trained with the protocol's.
        """
        stage = self.stage(experiment.task)
        if not isinstance(stage, AppearanceTask):
            if experiment.inflation_of(row):
                raise UsageError(
                    f"row {row.id} is about inflation (start.inflation), but nothing is "
                    "pre-trained in task temporal; say `task: appearance` in the table"
                )
            return Random()
        origin = experiment.start_of(row).pretrained
        if origin is None:
            return Random()
        if origin not in stage.pretraining:
            raise UsageError(
                f"row {row.id} starts from {origin}, and protocol {self.protocol} has nothing to "
                f"take its place in task {experiment.task}"
            )
        images = stage.pretraining[origin]
        side = self.geometry.image_size(experiment.paper_input(row)[-1], images.data.image_size)
        run = RunConfig(
            self._label(experiment.task, row),
            image_model(model, len(images.data.classes)),
            dataclasses.replace(images.data, image_size=side),
            images.recipe,
            images.test,
            seed,
            is_pretraining=True,
        )
        return FromRun(run, experiment.inflation_of(row))


def _require_nothing_for_videos(row: Row) -> None:
    """Refuses what a row says of videos alone: here it would be dropped."""
    if row.only_on == "videos":
        raise UsageError("only_on videos: leave it out, or choose a protocol on them")
    if row.videos.recipe:
        name, value = next(iter(row.videos.recipe.items()))
        instead = f"say recipe.{name}" if name in RECIPE_FIELDS else "leave it out"
        raise UsageError(
            f"videos.recipe.{name} {in_words(value)} is for protocols on videos alone; {instead}, "
            "or choose one of these"
        )
    if row.videos.views is not None:
        raise UsageError(
            f"videos.views {row.videos.views} is for protocols on videos alone (Moving Digits has "
            "one view); leave it out, or choose one of these"
        )


def _require_possible(data: MovingDigits, test: GridTest) -> None:
    if data.scans is not None and data.scans[0] >= data.scans[1]:
        raise ValueError(f"data.scans is {in_words(data.scans)}, wanted the smaller number first")
    if 2 * data.switch_jitter >= data.timeline:
        raise ValueError("data.switch_jitter must be less than half of data.timeline")
    if test.clips_per_cell < len(data.classes):
        raise ValueError(
            f"test.clips_per_cell is {test.clips_per_cell}, wanted at least one for each of the "
            f"{len(data.classes)} classes of task {data.task}"
        )
