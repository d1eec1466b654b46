"""Experiments: YAML files that say what a table's rows are.

An experiment is written in the paper's terms (presets, windows and frames as printed). A protocol
maps those terms to what is trained, on Moving Digits (`vswin.experiments.embedded`) or on videos
(`vswin.experiments.videos`). So a new ablation is one more experiment file, and runs under every
protocol.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection
from dataclasses import fields, replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from vswin.data.datasets import dataset
from vswin.data.moving_digits import Control
from vswin.errors import UsageError, unknown
from vswin.experiments.own_claims import require_measured, with_usual
from vswin.experiments.recipes import LR_FACTOR, MODEL_FIELDS, Settings, Training
from vswin.experiments.start import Start, require_loaded
from vswin.models.layouts import some
from vswin.models.registry import presets, resolve_config
from vswin.paper.claims import Claim
from vswin.reading import Strict
from vswin.training.recipe import Recipe

Count = Annotated[int, Field(ge=1)]
PIXELS = 224
"""Height and width of a clip in section 4.1, which a recipe's `resize` belongs to."""

TaskName = Literal["temporal", "appearance"]
"""Which task of the embedded benchmark takes the place of the paper's dataset."""
Views = Annotated[str, Field(pattern=r"^[1-9][0-9]*x[135]$")]
"""Clips in time x crops in space, as `4x3`."""
RowControl = Literal[Control, "no_pretraining"]
Kind = Literal["moving_digits", "videos"]
"""Kinds of protocols."""


def _is_known(name: str, info: ValidationInfo) -> str:
    known = (info.context or {}).get("protocols", [name])  # the library says which there are
    if name not in known:
        raise ValueError(f"should be one of {', '.join(known)}")
    return name


ProtocolName = Annotated[str, AfterValidator(_is_known)]


class RowOnVideos(Strict):
    """In what a row differs from its table, when it is run on videos."""

    views: Views | None = None
    """Views of a test video; None takes the table's."""
    recipe: Settings = Field(default_factory=dict)
    """Settings that only a run on videos has: `flip`, `resize`, ..."""


class OnVideos(Strict):
    """What a table's rows have in common when they are run on videos, as printed."""

    dataset: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    """A name of `vswin.data.datasets`; one's own may be unknown here, where it is only listed."""
    views: Views = "4x3"
    """Views of a test video."""


class Row(Strict):
    """One row of a table, in the paper's terms."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
    """Name for the command line and for the printed cells in `vswin.paper`."""
    title: Annotated[str, Field(min_length=1)] | None = None
    """What reports call it beside that; only of a row that no paper prints, and of no control."""
    preset: str
    """A preset of a model family."""
    frames: Count = 32
    """Input frames; Table 5's temporal dimension times the patch's 2."""
    image_size: Count | None = None
    """Height and width of the input in pixels; None takes the table's."""
    model: dict[str, Any] = Field(default_factory=dict)
    """Overrides for `build_model`, as printed."""
    start: Start = Start()
    """In what it differs from the table's `start`."""
    tests: str | None = None
    """The row whose model it tests, in other views; nothing is trained for it."""
    recipe: Training = Field(default_factory=dict)
    """Settings of the training that the row is about (Table 7), under every protocol."""
    only_on: Kind | Literal["costs"] | None = None
    """The kind of protocols that it is run under; None: every kind. Not a printed row of ours.
    `costs`: none; a row of another system, whose costs are counted."""
    min_seeds: Count = 1
    """A study of fewer seeds leaves the row out, unless it is asked for by its id."""
    published: str | None = None
    """The file that its authors have published of the trained model, whose test on videos is shown
    beside the row's own runs; None: there is none."""
    control: RowControl = "none"
    """A check of the benchmark: its clips lack the evidence, or its initial weights are random."""
    videos: RowOnVideos = RowOnVideos()
    """In what it differs from the table's `videos`."""

    @model_validator(mode="after")
    def _check(self) -> Row:
        resolve_config(self.preset, **self.model)
        choices = presets()[self.preset].inflation
        for name, choice in self.start.inflation.items():
            if choice not in choices.get(name, ()):
                known = "; ".join(f"{what}: {', '.join(of)}" for what, of in choices.items())
                raise ValueError(
                    f"start.inflation: {name}: {choice} is no choice of {self.preset}; {known}"
                )
        if self.control == "no_pretraining" and self.start.origin != "random":
            raise ValueError("control no_pretraining wants `start: {from: random}`")
        for part, said in (("model", self.model), ("recipe", self.recipe)):
            for name in sorted(said.keys() & self.videos.recipe.keys()):
                if said[name] != self.videos.recipe[name]:
                    raise ValueError(
                        f"{part}.{name} is {said[name]}, but videos.recipe.{name} "
                        f"{self.videos.recipe[name]}; leave one of them out"
                    )
        if LR_FACTOR in self.recipe and "lr" in self.videos.recipe:
            raise ValueError(
                "recipe.lr_factor multiplies the protocol's lr; leave it out, or videos.recipe.lr"
            )
        if self.is_control and self.title:
            raise ValueError("a control is called after what it checks; leave title out")
        if self.is_control and self.only_on in ("videos", "costs"):
            raise ValueError("a control is a check of the embedded benchmark; leave only_on out")
        return self

    @property
    def is_control(self) -> bool:
        """Whether the row is a check of the benchmark instead of a row of the paper."""
        return self.control != "none"

    @property
    def rates(self) -> dict[str, Any]:
        """What it says of its model that belongs to the training."""
        return {name: self.model[name] for name in MODEL_FIELDS if name in self.model}

    @property
    def own_settings(self) -> dict[str, Any]:
        """Settings that it says itself: rates of its model, and what it changes in the recipe."""
        said = {name: value for name, value in self.recipe.items() if name != LR_FACTOR}
        return self.rates | said | self.videos.recipe

    @property
    def own_names(self) -> list[str]:
        """Names of the settings that it is about; of a factor, that of what it multiplies."""
        return [*self.own_settings, *(["lr"] if LR_FACTOR in self.recipe else [])]

    @property
    def said_settings(self) -> dict[str, Any]:
        """What it says of its training, by key."""
        found = {f"recipe.{name}": value for name, value in self.recipe.items()}
        return found | {f"videos.recipe.{name}": v for name, v in self.videos.recipe.items()}

    def trained_with(self, usual: Recipe) -> Recipe:
        """A protocol's training, as the row changes it under every protocol."""
        said = dict(self.recipe)
        if factor := said.pop(LR_FACTOR, None):
            said["lr"] = float(f"{usual.lr * factor:.12g}")  # 3e-5, not 2.9999999999999997e-05
        return replace(usual, **said)

    def is_on(self, kind: Kind) -> bool:
        """Whether it is run under protocols of a kind: controls check the embedded benchmark."""
        return self.only_on in (None, kind) and not (self.is_control and kind == "videos")

    @property
    def without_rates(self) -> Row:
        """The row, with its model's usual rates."""
        sizes = {name: said for name, said in self.model.items() if name not in MODEL_FIELDS}
        return self.model_copy(update={"model": sizes})

    def is_about(self, key: str) -> bool:
        """Whether the row itself says something of a key of `Experiment.says`."""
        part: Any = self
        for name in key.replace("start.from", "start.origin").split("."):
            said = part.keys() if isinstance(part, dict) else part.model_fields_set
            if name not in said:
                return False
            part = part[name] if isinstance(part, dict) else getattr(part, name)
        return True


class Experiment(Strict):
    """A table of the paper, or an ablation of one's own."""

    table: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]
    title: str
    awaits: str = ""
    """What is not there yet to train its rows, in a sentence; their costs are counted. Empty: they
    are trained."""
    distances: bool = False
    """Whether the attention distances of its rows are measured: `vswin distance`."""
    num_classes: Count | None = None
    """Classes that counted costs include, where `videos` names no dataset that says how many there
    are; left out there, they are the preset's own."""
    protocols: Annotated[tuple[ProtocolName, ...], Field(min_length=1)] | None = None
    """Those that it may be run under; left out: every one that has what it needs."""
    image_size: Count = PIXELS
    """Height and width of the paper's input in pixels, unless a row has its own."""
    task: TaskName = "temporal"
    """Which task of the embedded benchmark takes the place of the dataset."""
    start: Start = Start()
    """What the weights of its rows are before the first step; left out, they are random."""
    videos: OnVideos | None = None
    """What it takes to run it on videos; None: it cannot be."""
    test_clips: tuple[Count, ...] = ()
    """Numbers of clips that the cost of a whole test is shown for (Figure A.4)."""
    choices: tuple[str, ...] = ()
    """What the paper leaves open about the rows, and what was chosen."""
    rows: Annotated[tuple[Row, ...], Field(min_length=1)]
    claims: tuple[Claim, ...] = ()
    """What is expected of it, in an ablation of one's own; judged like a claim of the paper."""

    @field_validator("claims", mode="before")
    @classmethod
    def _fill_in(cls, said: object, info: ValidationInfo) -> object:
        """Adds to claims what goes without saying here: their table and class of evidence."""
        if not isinstance(said, list | tuple):
            return said
        return [with_usual(claim, info.data.get("table")) for claim in said]

    @model_validator(mode="after")
    def _check(self) -> Experiment:
        ids = [row.id for row in self.rows]
        doubled = sorted({i for i in ids if ids.count(i) > 1})
        if doubled:
            raise ValueError(f"row ids must differ; repeated: {', '.join(doubled)}")
        names = [claim.id for claim in self.claims]
        if twice := sorted({i for i in names if names.count(i) > 1}):
            raise ValueError(f"claim ids must differ; repeated: {', '.join(twice)}")
        for claim in self.claims:
            require_measured(claim)
            of_here = [row for row in claim.rows if claim.table_of(row) == self.table]
            if missing := [row for row in of_here if row.rpartition(".")[2] not in ids]:
                raise ValueError(f"claim {claim.id}: {missing[0]} is none of {', '.join(ids)}")
        for row in self.rows:
            require_loaded(f"row {row.id}: ", row.start, self.start_of(row))
            trained = [other.id for other in self.rows if other.tests is None]
            if row.tests is not None and row.tests not in trained:
                raise ValueError(
                    f"row {row.id} tests {row.tests}, which is no row that is trained; "
                    f"those are {', '.join(trained)}"
                )
            if row.tests is not None:
                with contextlib.suppress(UsageError):  # as below
                    self._require_same_model(row, self.row(row.tests))
        if not any(self.start_of(row).pretrained for row in self.rows):
            require_loaded("", self.start, self.start)
        if self.start.checkpoint and self.start.pretrained is None:
            require_loaded("", self.start, self.start)
        # What this machine does not know is refused where it is used: it may be listed at least.
        with contextlib.suppress(UsageError):
            self._require_classes_of_dataset()
        return self

    def _require_classes_of_dataset(self) -> None:
        if self.videos and self.num_classes is not None and self.num_classes != self.classes:
            raise ValueError(
                f"num_classes is {self.num_classes}, but videos.dataset, {self.videos.dataset}, "
                f"has {self.classes}; leave num_classes out"
            )

    def _require_same_model(self, row: Row, tested: Row) -> None:
        """Refuses a row that tests another's model and says itself that it is not that one."""
        model = self.says(tested) | tested.said_settings
        for key, value in (self.says(row) | row.said_settings).items():
            if key in ("tests", "videos.views") or not row.is_about(key):
                continue
            if value != (other := model.get(key)):
                raise ValueError(
                    f"row {row.id} tests {tested.id}, whose {key} is {other}, not {value}; leave "
                    f"{key} out"
                )

    def __repr__(self) -> str:
        rows = some([row.id for row in self.rows])
        return f"<Experiment {self.table}: {self.title}; {len(self.rows)} rows: {rows}>"

    @property
    def classes(self) -> int | None:
        """Classes that counted costs include; None: the preset's own.

        Raises:
            UsageError: if its videos are of a dataset that this machine does not know.
        """
        return dataset(self.videos.dataset).num_classes if self.videos else self.num_classes

    def is_for(self, protocol: str) -> bool:
        """Whether it may be run under a protocol, as far as it says itself."""
        return self.protocols is None or protocol in self.protocols

    def row(self, row_id: str) -> Row:
        """The row of that id.

        Raises:
            UsageError: if there is none.
        """
        for row in self.rows:
            if row.id == row_id:
                return row
        raise unknown("row", row_id, [row.id for row in self.rows], f" of {self.table}")

    def start_of(self, row: Row) -> Start:
        """What a row's weights are before the first step, its table's word included."""
        return row.start.over(self.start)

    def inflation_of(self, row: Row) -> dict[str, str]:
        """In what a row's inflation is not by the defaults of its model's family."""
        usual = presets()[row.preset].inflation
        found = self.start_of(row).inflation
        return {name: choice for name, choice in found.items() if choice != usual[name][0]}

    def says(self, row: Row) -> dict[str, Any]:
        """All that a row is at the paper's own size, by key; what its table says is part of it.

        Two rows that say the same, and are trained alike, are one row, printed twice.
        """
        start = self.start_of(row)
        model = self.paper_model(row)
        found = {
            "preset": row.preset,
            "frames": row.frames,
            "image_size": row.image_size or self.image_size,
            "control": row.control,
            "start.from": start.origin or "random",
            "start.checkpoint": start.checkpoint,
            "videos.views": row.videos.views or (self.videos.views if self.videos else None),
            "tests": row.tests,
        }
        inflation = presets()[row.preset].inflation_with(start.inflation)
        found |= {f"start.inflation.{name}": choice for name, choice in inflation.items()}
        return found | {f"model.{f.name}": getattr(model, f.name) for f in fields(model)}

    def paper_model(self, row: Row) -> Any:
        """The architecture at the paper's own size, for its cost."""
        said = {} if self.classes is None else {"num_classes": self.classes}
        sized = presets()[row.preset].clip_options(*self.paper_input(row)[1:3])
        return resolve_config(row.preset, **(said | sized | row.model))

    def paper_input(self, row: Row) -> tuple[int, int, int, int]:
        """(channels, T, H, W) of the paper's input."""
        side = row.image_size or self.image_size
        return (3, row.frames, side, side)


def why_not(
    experiment: Experiment,
    protocol: str,
    models: Collection[str] | None,
    lacking: str,
    includes: Callable[[Row], bool],
) -> str:
    """Why an experiment cannot be run under a protocol; empty if it can be, as far as this tells.

    Args:
        experiment: a table, or an ablation of one's own.
        protocol: its name.
        models: presets that have a small model there; None if they are trained as they are.
        lacking: what else is not there, as the end of the sentence; empty if nothing.
        includes: whether a row is run there.
    """
    if experiment.awaits:
        return f"{experiment.table} cannot be trained yet: {experiment.awaits}"
    if not experiment.is_for(protocol):
        return f"{experiment.table} names its protocols, and {protocol} is none of them"
    rows = [row for row in experiment.rows if includes(row)]
    without = [row for row in rows if models is not None and row.preset not in models]
    if without and not lacking:
        lacking = f"which has no small model of {without[0].preset} (row {without[0].id})"
    if not lacking:
        return ""
    return f"{experiment.table} cannot be run under protocol {protocol}, {lacking}"
