"""Protocols on videos: `paper`, as printed, and small rehearsals of it on rendered videos."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

from pydantic import Field, model_validator

from vswin.data.datasets import class_names
from vswin.data.video_data import VideoData, ViewsTest, sampling_of
from vswin.errors import UsageError
from vswin.experiments.embedded import Geometry
from vswin.experiments.recipes import RecipeBook, Settings, Sourced, split, split_given
from vswin.experiments.tables import Count, Experiment, OnVideos, Origin, Row, Strict, VideoDataset
from vswin.models.registry import resolve_config
from vswin.models.swin.config import VideoSwinConfig
from vswin.runs.identity import Initialisation, PretrainedFile, RunConfig
from vswin.training.recipe import Recipe

SPAN = 64
"""Frames that a clip of section 4.1 stretches over, 32 at a stride of 2. Clips of fewer frames
(Table 5) are spread over the same stretch."""
PIXELS = 224
"""Clip size of section 4.1, which a recipe's `resize` belongs to."""
IMAGES: tuple[Origin, ...] = ("imagenet_1k", "imagenet_21k")
"""Origins that are 2D models."""


class StandIn(Strict):
    """A run that takes the place of a published checkpoint in a rehearsal."""

    dataset: str
    recipe: Settings = Field(default_factory=dict)
    """Settings that replace those of the rehearsal's recipe."""
    data: Settings = Field(default_factory=dict)
    """Settings of the clips that replace those of the run that starts from it."""


class Rehearsal(Strict):
    """How the paper's protocol is made small enough to be run here, on rendered videos."""

    geometry: Geometry
    size: Count
    """Height and width of a clip in pixels."""
    models: dict[str, dict[str, Any]]
    """For each preset, the overrides that make its stand-in."""
    datasets: dict[str, str]
    """What stands for each dataset of the paper."""
    recipe: Settings
    """Settings that replace those of the recipe."""
    data: dict[VideoDataset, Settings] = Field(default_factory=dict)
    """For each dataset, settings of the clips that replace the recipe's, likewise."""
    pretraining: dict[Origin, StandIn]
    """What stands for each thing that weights start from."""


class VideoProtocol(Strict):
    """How the rows of any table are trained and tested on videos (section 4.1)."""

    protocol: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    title: str
    shows: str
    """What its accuracies can and cannot say; printed wherever they appear."""
    comparable: bool
    """Whether its accuracies may be set against printed ones."""
    tests_claims: bool
    """Whether its accuracies may decide about a claim of the paper."""
    tolerance: float | None = None
    """Largest difference in points from a printed accuracy that counts as reproduced; fixed before
    anything was run."""
    seeds: Count
    """Seeds that are run when none are asked for."""
    threads: Count = 1
    """CPU threads of a run."""
    recipe: str
    """A recipe of `experiments/recipes`."""
    weights: dict[Origin, dict[str, str]] = Field(default_factory=dict)
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

    def includes(self, row: Row) -> bool:
        """Whether the row is run under this protocol: no checks of the embedded benchmark are."""
        return not row.is_control

    def settings(self, experiment: Experiment, row: Row) -> dict[str, Sourced]:
        """Every setting that the row is trained with, and its source.

        The row's own word counts more than the rehearsal's, and that more than the recipe's.

        Raises:
            UsageError: if the row cannot be run on videos.
        """
        found = self._from_book(experiment, row)
        if self.small is not None:
            run = self.configure(experiment, row, 0)
            assert isinstance(run.data, VideoData)
            kept = {**vars(run.recipe), **vars(run.model), **vars(run.data)}
            for name, setting in found.items():
                if setting.value != kept[name]:
                    found[name] = Sourced(kept[name], "the rehearsal")
        own = {name: Sourced(value, "the row") for name, value in row.videos.recipe.items()}
        return found | own

    def _from_book(self, experiment: Experiment, row: Row) -> dict[str, Sourced]:
        dataset = _on_videos(experiment, row).dataset
        assert self.book is not None  # the library sees to it
        return self.book.resolve(row.preset, dataset, _origin(experiment, row))

    def configure(self, experiment: Experiment, row: Row, seed: int) -> RunConfig:
        """The run that stands for a row of a table.

        Raises:
            UsageError: if the row cannot be run on videos, or a stand-in is missing.
        """
        views = _views(row.videos.views or _on_videos(experiment, row).views)
        if row.videos.tests is not None:
            tested = self.configure(experiment, experiment.row(row.videos.tests), seed)
            return dataclasses.replace(
                tested, test=views, init=Initialisation(tested, only_test=True)
            )
        run = self._by_the_book(experiment, row, views, seed)
        own, rates, clips = split_given(row.videos.recipe)
        how = {"embedding": row.init.embedding, "bias": row.init.bias} if row.init else {}
        origin = _origin(experiment, row)
        if self.small is not None:
            run = _rehearse(self.small, run, origin, how)
        else:
            run = dataclasses.replace(run, init=self._published(origin, row, how))
        return dataclasses.replace(
            run,
            recipe=dataclasses.replace(run.recipe, **own),
            model=dataclasses.replace(run.model, **rates),
            data=dataclasses.replace(run.data, **clips),
        )

    def _by_the_book(
        self, experiment: Experiment, row: Row, views: ViewsTest, seed: int
    ) -> RunConfig:
        """The row at the paper's own size, but for what it starts from and says itself."""
        recipe, rates, data = split(self._from_book(experiment, row))
        size = experiment.paper_input(row)[-1]
        dataset = _on_videos(experiment, row).dataset
        clips = VideoData(
            dataset=dataset,
            frames=row.frames,
            stride=max(1, SPAN // row.frames),
            sampling=sampling_of(dataset),
            size=size,
            **(data | {"resize": data["resize"] * size // PIXELS}),
        )
        model = dataclasses.replace(experiment.paper_model(row), **rates)
        return RunConfig(row.preset, model, clips, Recipe(**recipe), views, seed)

    def _published(self, origin: Origin, row: Row, how: dict[str, Any]) -> PretrainedFile:
        file = row.videos.checkpoint or self.weights.get(origin, {}).get(row.preset)
        if file is None:
            raise UsageError(
                f"protocol {self.protocol} names no checkpoint of {row.preset} that was trained on "
                f"{origin}"
            )
        kind = "2d" if origin in IMAGES else "video"
        return PretrainedFile(file, kind, **how, digest=self.digests.get(file))


def _on_videos(experiment: Experiment, row: Row) -> OnVideos:
    if experiment.videos is None or row.is_control:
        what = f"row {row.id} is a check of the embedded benchmark, and"
        raise UsageError(f"{what if row.is_control else experiment.table} cannot be run on videos")
    return experiment.videos


def _origin(experiment: Experiment, row: Row) -> Origin:
    """What a row's weights start from: its own word, or the table's."""
    if row.videos.pretrained is not None:
        return row.videos.pretrained
    return row.init.dataset if row.init else _on_videos(experiment, row).pretrained


def _views(text: str) -> ViewsTest:
    clips, crops = map(int, text.split("x"))
    return ViewsTest(clips, crops)  # type: ignore[arg-type]


def _rehearse(small: Rehearsal, run: RunConfig, origin: Origin, how: dict[str, Any]) -> RunConfig:
    """The run in small: another model, other videos, and a run in place of a checkpoint."""
    if run.preset not in small.models:
        raise UsageError(
            f"the protocol has no stand-in for preset {run.preset}; it has "
            f"{', '.join(small.models)}"
        )
    assert isinstance(run.data, VideoData)
    window = small.geometry.window(run.model.window_size)
    model = dataclasses.asdict(run.model) | {"window_size": window} | small.models[run.preset]
    frames = small.geometry.time("frames", run.data.frames)
    data = dataclasses.replace(
        run.data,
        frames=frames,
        stride=max(1, SPAN // frames),
        size=small.size,
        resize=run.data.resize * small.size // run.data.size,
        **small.data.get(run.data.dataset, {}),
    )
    recipe = dataclasses.asdict(run.recipe) | small.recipe
    made = dataclasses.replace(run, data=data, model=resolve_config(run.preset, **model))
    made = _on(small, made, run.data.dataset, recipe)
    return dataclasses.replace(made, init=_stand_in(small, made, recipe, origin, how))


def _on(small: Rehearsal, run: RunConfig, dataset: str, recipe: dict[str, Any]) -> RunConfig:
    """The run on what stands for a dataset of the paper."""
    assert isinstance(run.data, VideoData)
    name = small.datasets.get(dataset, dataset)
    return dataclasses.replace(
        run,
        model=dataclasses.replace(run.model, num_classes=len(class_names(name))),
        data=dataclasses.replace(run.data, dataset=name),
        recipe=Recipe(**recipe),
    )


def _stand_in(
    small: Rehearsal, run: RunConfig, recipe: dict[str, Any], origin: Origin, how: dict[str, Any]
) -> Initialisation:
    """The run whose weights take the place of a published checkpoint's."""
    found = small.pretraining.get(origin)
    if found is None:
        raise UsageError(f"the protocol has nothing that stands for {origin}")
    before = _on(small, run, found.dataset, recipe | found.recipe)
    assert isinstance(before.data, VideoData)
    data = dataclasses.replace(before.data, sampling="dense", **found.data)
    if origin in IMAGES:
        data = dataclasses.replace(data, frames=1, stride=1)
        model = _image_model(before.model)
        before = dataclasses.replace(before, model=model, data=data, test=ViewsTest(1, 1))
        return Initialisation(before, **how)
    before = dataclasses.replace(before, data=data, test=ViewsTest())
    image = "imagenet_21k" if "imagenet_21k" in small.pretraining else "imagenet_1k"
    return Initialisation(
        dataclasses.replace(before, init=_stand_in(small, before, recipe, image, {}))
    )


def _image_model(model: VideoSwinConfig) -> VideoSwinConfig:
    """The 2D Swin Transformer that a video model's weights are inflated from."""
    return dataclasses.replace(
        model,
        patch_size=(1, *model.patch_size[1:]),
        window_size=(1, *model.window_size[1:]),
        design="joint",
        shift="3d",
    )
