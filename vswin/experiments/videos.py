"""Protocols on videos: `paper`, as printed, and small rehearsals of it on rendered videos."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from vswin.data.datasets import class_names
from vswin.data.datasets import dataset as known_dataset
from vswin.data.video_data import VideoData, ViewsTest, sampling_of
from vswin.errors import UsageError
from vswin.experiments.geometry import Geometry, image_model
from vswin.experiments.recipes import (
    DATA_FIELDS,
    IMAGES,
    MODEL_FIELDS,
    RECIPE_FIELDS,
    Dataset,
    PretrainedOn,
    RecipeBook,
    Settings,
    Sourced,
    split,
)
from vswin.experiments.tables import PIXELS, Count, Experiment, OnVideos, Row, Strict, why_not
from vswin.models.registry import family_of
from vswin.runs.config import FromCheckpoint, FromRun, Init, Random, RunConfig, TestOnly
from vswin.training.recipe import Recipe

SPAN = 64
"""Frames that a clip of section 4.1 stretches over, 32 at a stride of 2. Clips of fewer frames
(Table 5) are spread over the same stretch."""
CHANNELS = 3
"""Of a video's frames."""


class Substitute(Strict):
    """A run that takes the place of a published checkpoint in a rehearsal."""

    dataset: str
    recipe: Settings = Field(default_factory=dict)
    """Settings that replace those of the rehearsal's recipe."""
    data: Settings = Field(default_factory=dict)
    """Settings of the clips that replace those of the run that starts from it."""
    images: PretrainedOn | None = None
    """Of videos: the dataset of images in whose place is what it starts from itself; left out, the
    largest there is."""


class Rehearsal(Strict):
    """How the paper's protocol is made small enough to be run here, on rendered videos."""

    geometry: Geometry
    size: Count
    """Height and width in pixels of the clips in the place of those of 224 × 224; what is in the
    place of others, `geometry.image_sizes` says."""
    models: dict[str, dict[str, Any]]
    """For each preset, the overrides that make the small model in its place."""
    datasets: dict[str, str]
    """What takes the place of each dataset of the paper."""
    recipe: Settings
    """Settings that replace those of the recipe."""
    data: dict[Dataset, Settings] = Field(default_factory=dict)
    """For each dataset, settings of the clips that replace the recipe's, likewise."""
    pretraining: dict[PretrainedOn, Substitute]
    """What takes the place of each checkpoint, by what that was trained on."""

    @model_validator(mode="after")
    def _check(self) -> Rehearsal:
        self.geometry.require_possible(self.models)
        for where, settings, names in (
            ("recipe", self.recipe, RECIPE_FIELDS),
            *((f"data.{name}", found, DATA_FIELDS) for name, found in self.data.items()),
            *((f"pretraining.{n}.recipe", s.recipe, RECIPE_FIELDS) for n, s in self._stages),
            *((f"pretraining.{n}.data", s.data, DATA_FIELDS) for n, s in self._stages),
        ):
            if others := [name for name in settings if name not in names]:
                raise ValueError(f"{where} cannot have {others[0]}; wanted {', '.join(names)}")
        return self

    @property
    def _stages(self) -> list[tuple[str, Substitute]]:
        return list(self.pretraining.items())


class VideoProtocol(Strict):
    """How the rows of any table are trained and tested on videos (section 4.1)."""

    kind: Literal["videos"]
    protocol: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    extends: str | None = None
    """The protocol that has what the file leaves out."""
    title: str
    shows: str
    """What its accuracies can and cannot say; printed wherever they appear."""
    comparable: bool
    """Whether its accuracies may be set against printed ones."""
    tests_claims: bool
    """Whether its accuracies may decide about a claim of the paper."""
    by_name: bool = False
    """Whether only experiments that name it in `protocols` are run under it."""
    tolerance: float | None = None
    """Largest difference in points from a printed accuracy that counts as reproduced; fixed before
    anything was run."""
    seeds: Count
    """Seeds that are run when none are asked for."""
    threads: Count = 1
    """CPU threads of a run."""
    recipe: str
    """A recipe of `experiments/recipes`."""
    weights: dict[PretrainedOn, dict[str, str]] = Field(default_factory=dict)
    """Published checkpoints that rows start from: by what they were trained on and preset."""
    digests: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]] = Field(
        default_factory=dict
    )
    """SHA-256 over the weights (`vswin weights inspect`) of those files, where it is known."""
    small: Rehearsal | None = None
    """None is the paper's own size."""
    deviations: tuple[str, ...]
    """In what it differs from the paper's setup."""
    calibration: str = ""
    """How its settings were chosen, where they are not the paper's."""
    book: RecipeBook | None = Field(default=None, exclude=True)
    """The recipe itself, see `with_book`."""

    @model_validator(mode="after")
    def _check(self) -> VideoProtocol:
        if self.comparable and (self.small is not None or self.tolerance is None):
            raise ValueError("comparable wants the paper's own size and a tolerance")
        return self

    def with_book(self, book: RecipeBook) -> VideoProtocol:
        """This protocol with its recipe."""
        return self.model_copy(update={"book": book})

    def __repr__(self) -> str:
        return f"<VideoProtocol {self.protocol}: {self.title}>"

    def why_not(self, experiment: Experiment) -> str:
        """Why a table cannot be run here; empty if it says what it takes, and models are there."""
        lacking = ""
        if self.by_name and self.protocol not in (experiment.protocols or ()):
            lacking = f"which is for experiments that name it (`protocols: [{self.protocol}]`)"
        elif experiment.videos is None:
            lacking = "which is on videos, as it names none (`videos: {dataset: kinetics400}`)"
        models = None if self.small is None else self.small.models
        return why_not(experiment, self.protocol, models, lacking, self.includes)

    def includes(self, row: Row) -> bool:
        """Whether the row is run under this protocol: no checks of the embedded benchmark are."""
        return row.is_on("videos")

    def settings(self, experiment: Experiment, row: Row) -> dict[str, Sourced]:
        """Every setting that the row is trained with, and its source.

        The row's own word counts more than the rehearsal's, and that more than the recipe's.

        Raises:
            UsageError: if the row cannot be run on videos.
        """
        if row.tests is not None:
            return self.settings(experiment, experiment.row(row.tests))
        found = self._from_book(experiment, row)
        run = self.configure(experiment, row, 0)
        assert isinstance(run.data, VideoData)
        kept = {**vars(run.recipe), **vars(run.model), **vars(run.data)}
        own = row.own_names
        found |= {name: Sourced(kept[name], "the row") for name in own if name not in found}
        for name, setting in found.items():
            if name in own:
                found[name] = Sourced(kept[name], "the row")
            elif setting.value != kept[name] and self.small is not None:
                found[name] = Sourced(kept[name], "the rehearsal")
            elif setting.value != kept[name]:  # `resize`, where clips have another size
                where = f"{setting.value} at {PIXELS} × {PIXELS} pixels, rounded down"
                found[name] = Sourced(kept[name], f"{where}; {setting.source}")
        return found

    def says(self, experiment: Experiment, row: Row) -> dict[str, Any]:
        """As `Experiment.says`, with every setting that the recipe has for the row."""
        book = {name: found.value for name, found in self._from_book(experiment, row).items()}
        recipe, _, _ = split(book)
        settings = book | vars(row.trained_with(Recipe(**recipe))) | row.rates | row.videos.recipe
        rates = {f"model.{name}": settings.pop(name) for name in MODEL_FIELDS}
        said = {f"videos.recipe.{name}": value for name, value in settings.items()}
        return experiment.says(row) | rates | said

    def _from_book(self, experiment: Experiment, row: Row) -> dict[str, Sourced]:
        dataset = _on_videos(experiment, row).dataset
        assert self.book is not None  # the library sees to it
        found = self.book.resolve(row.preset, dataset, experiment.start_of(row).pretrained)
        if found["flip"].value and not known_dataset(dataset).flip:
            found["flip"] = Sourced(0.0, f"a mirrored clip of {dataset} may show another class")
        return found

    def configure(self, experiment: Experiment, row: Row, seed: int) -> RunConfig:
        """The run of a row with a seed.

        Raises:
            UsageError: if the row cannot be run on videos, or nothing takes the place of what it
                starts from.
        """
        views = _views(row.videos.views or _on_videos(experiment, row).views)
        if row.tests is not None:
            tested = self.configure(experiment, experiment.row(row.tests), seed)
            return dataclasses.replace(tested, test=views, init=TestOnly(tested))
        run = self._by_the_book(experiment, row, views, seed)
        if self.small is not None:
            run = _rehearse(self.small, run, experiment, row)
        else:
            run = dataclasses.replace(run, init=self._published(experiment, row))
        own, rates, clips = split(row.rates | row.videos.recipe)
        if "resize" in clips:
            assert isinstance(run.data, VideoData)
            clips["resize"] = clips["resize"] * run.data.size // PIXELS
        return dataclasses.replace(
            run,
            recipe=dataclasses.replace(row.trained_with(run.recipe), **own),
            model=dataclasses.replace(run.model, **rates),
            data=dataclasses.replace(run.data, **clips),
        )

    def _by_the_book(
        self, experiment: Experiment, row: Row, views: ViewsTest, seed: int
    ) -> RunConfig:
        """The row at the paper's own size, but for what it starts from and says itself."""
        by_name = {n: setting.value for n, setting in self._from_book(experiment, row).items()}
        recipe, rates, data = split(by_name)
        size = experiment.paper_input(row)[-1]
        dataset = _on_videos(experiment, row).dataset
        clips = VideoData(
            dataset=dataset,
            frames=row.frames,
            stride=_stride(row.frames, sampling_of(dataset)),
            sampling=sampling_of(dataset),
            size=size,
            **(data | {"resize": data["resize"] * size // PIXELS}),
        )
        model = experiment.paper_model(row)
        if lacking := sorted(rates.keys() - vars(model).keys()):
            raise UsageError(
                f"preset {row.preset} has no {', '.join(lacking)}, which every recipe sets: it is "
                "tested (`vswin eval`) and counted (`vswin cost`), not trained"
            )
        model = dataclasses.replace(model, **rates)
        pixels = family_of(model).natural_clips(model).pixels
        clips = dataclasses.replace(clips, pixels=pixels)
        if model.in_channels != CHANNELS:
            raise UsageError(
                f"model.in_channels {model.in_channels}: videos have {CHANNELS} channels; leave it "
                "out"
            )
        return RunConfig(row.preset, model, clips, Recipe(**recipe), views, seed)

    def _published(self, experiment: Experiment, row: Row) -> Init:
        start, inflation = experiment.start_of(row), experiment.inflation_of(row)
        if start.pretrained is None:
            return Random()
        file = start.checkpoint or self.weights.get(start.pretrained, {}).get(row.preset)
        if file is None:
            raise UsageError(
                f"protocol {self.protocol} names no checkpoint of {row.preset} that was trained on "
                f"{start.pretrained}"
            )
        expect: Literal["2d", "video"] = "2d" if start.pretrained in IMAGES else "video"
        return FromCheckpoint(file, expect, inflation, self.digests.get(file))


def _on_videos(experiment: Experiment, row: Row) -> OnVideos:
    if row.is_control:
        what = f"row {row.id} is a check of the embedded benchmark, and"
        raise UsageError(f"{what} cannot be run on videos")
    if row.only_on not in (None, "videos"):
        raise UsageError(f"only_on {row.only_on}: leave it out, or choose a protocol on them")
    if experiment.videos is None:
        raise UsageError(f"{experiment.table} cannot be run on videos")
    return experiment.videos


def _stride(frames: int, sampling: str) -> int:
    """Every how many frames of the video one is taken, so that a clip stretches over `SPAN`."""
    if sampling == "dense" and SPAN % frames:
        raise UsageError(
            f"{frames} frames cannot be spread evenly over the {SPAN} that a clip stretches over; "
            f"choose a divisor of {SPAN}"
        )
    return max(1, SPAN // frames)


def _views(text: str) -> ViewsTest:
    clips, crops = map(int, text.split("x"))
    return ViewsTest(clips, crops)  # type: ignore[arg-type]


def _rehearse(small: Rehearsal, run: RunConfig, experiment: Experiment, row: Row) -> RunConfig:
    """The run in small: another model, other videos, and a run in place of a checkpoint."""
    if run.preset not in small.models:
        raise UsageError(
            f"the protocol has no small model for preset {run.preset}; it has "
            f"{', '.join(small.models)}"
        )
    assert isinstance(run.data, VideoData)
    frames = small.geometry.frames(run.data.frames)
    size = small.geometry.image_size(run.data.size, small.size)
    data = dataclasses.replace(
        run.data,
        frames=frames,
        stride=_stride(frames, run.data.sampling),
        size=size,
        resize=run.data.resize * size // run.data.size,
        **small.data.get(run.data.dataset, {}),  # type: ignore[call-overload]  # or none of them
    )
    recipe = dataclasses.asdict(run.recipe) | small.recipe
    model = small.geometry.model(experiment, row, run.model, small.models[run.preset])
    small.geometry.require_whole(row, model, frames, size)
    made = dataclasses.replace(run, data=data, model=model)
    made = _on(small, made, run.data.dataset, recipe)
    origin = experiment.start_of(row).pretrained
    if origin is None:
        return made
    source = _substitute(small, made, recipe, origin)
    return dataclasses.replace(made, init=FromRun(source, experiment.inflation_of(row)))


def _on(small: Rehearsal, run: RunConfig, dataset: str, recipe: dict[str, Any]) -> RunConfig:
    """The run on what takes the place of a dataset of the paper."""
    assert isinstance(run.data, VideoData)
    name = small.datasets.get(dataset, dataset)
    return dataclasses.replace(
        run,
        model=dataclasses.replace(run.model, num_classes=len(class_names(name))),
        data=dataclasses.replace(run.data, dataset=name),
        recipe=Recipe(**recipe),
    )


def _substitute(
    small: Rehearsal, run: RunConfig, recipe: dict[str, Any], origin: PretrainedOn
) -> RunConfig:
    """The run whose weights take the place of a published checkpoint's."""
    found = small.pretraining.get(origin)
    if found is None:
        raise UsageError(f"the protocol has nothing in the place of {origin}")
    before = _on(small, run, found.dataset, recipe | found.recipe)
    before = dataclasses.replace(before, is_pretraining=True)
    assert isinstance(before.data, VideoData)
    data = dataclasses.replace(before.data, sampling="dense", **found.data)
    if origin in IMAGES:
        data = dataclasses.replace(data, frames=1, stride=1)
        model = image_model(before.model, before.model.num_classes)
        return dataclasses.replace(before, model=model, data=data, test=ViewsTest(1, 1))
    images = found.images or (IMAGES[-1] if IMAGES[-1] in small.pretraining else IMAGES[0])
    before = dataclasses.replace(before, data=data, test=ViewsTest())
    source = _substitute(small, before, recipe, images)
    return dataclasses.replace(before, init=FromRun(source))
