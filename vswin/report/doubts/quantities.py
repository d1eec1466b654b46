"""What the names in formulas stand for: printed numbers, and what the project is made with.

| name | stands for |
| --- | --- |
| `TABLE.swin_b.top1` | the number of a cell; with `.2`, the second number in it |
| `text.shift_gain` | a number of the text that has an id |
| `preset.swin_t.patch_size.0` | of a preset: a field, or how many `stages`, `blocks` |
| `experiment.TABLE.win8.window_size.0` | of a row: likewise, or `image_size`, `clips`, `crops` |
| `recipe.lr.swin_b.kinetics400` | a setting of the recipe `printed` |
| `classes.ssv2`, `videos.ssv2.train` | of a dataset: its classes, the videos of its public lists |
| `stride.TABLE.swin_t` | every how many frames of a video one is taken |
| `rows.TABLE`, `presets.swin` | how many there are |
| `images.TABLE.swin_l` | 10^6 images that it was pre-trained on, which no paper prints |
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from vswin.data.datasets import class_names, dataset
from vswin.errors import VswinError
from vswin.experiments.library import Library
from vswin.experiments.recipes import PretrainedOn, read_recipe_book
from vswin.experiments.tables import Experiment, Row
from vswin.experiments.videos import SPAN, VideoProtocol
from vswin.models.registry import presets, resolve_config
from vswin.models.swin.config import OTHER_FRAME_BIAS
from vswin.paper.arithmetic import Span, evaluate, exactly, printed_spans
from vswin.paper.auditing import Check
from vswin.paper.printed import DASHES, printed_table
from vswin.paper.quantities import printed_quantity
from vswin.paper.text import paper_text, papers
from vswin.project import experiments_dir

BOOK = "printed"
"""The recipe that is the text of Video Swin's section 4.1."""
STARTS: dict[str, PretrainedOn] = {"ssv2": "kinetics400"}
"""What models of a dataset start from, where it is not images."""
TRAINED = ("drop_path", "head_dropout")
"""Fields of a configuration that only training makes use of."""


def value_of(name: str) -> Span:
    """What a name stands for.

    Raises:
        ValueError: if it is none that is known.
    """
    kind, *rest = name.split(".")
    try:
        if kind == "text":
            return _of_text(*rest)
        if kind in KINDS:
            return exactly(KINDS[kind](*rest))
        table, row, column, *place = name.split(".")
        return cell_span(table, row, column, int(place[0]) if place else 1)
    except (LookupError, AttributeError, TypeError, ValueError, VswinError) as error:
        raise ValueError(f"{name} stands for nothing: {error}") from error


def cell_span(table: str, row: str, column: str, place: int = 1) -> Span:
    """A number in a cell, the first one by default.

    Raises:
        ValueError: if there is no such cell, or no number in it.
    """
    spans = cell_spans(table, row, column)
    if len(spans) < place:
        raise ValueError(f"{table}.{row}.{column} has no number {place}")
    return spans[place - 1]


def cell_spans(table: str, row: str, column: str) -> list[Span]:
    """All numbers in a cell; empty if there is none.

    A setting has not been rounded, nor have the views behind FLOPs (`G×1×5`).
    """
    found = _printed(table).row(row)
    text = found.cells.get(column, "") if found else ""
    if text in DASHES:
        return []
    spans = printed_spans(text.replace("(", " ("))
    is_counted = _is_setting(table, column)
    return [
        exactly(span.face) if is_counted or (place and "×" in text) else span
        for place, span in enumerate(spans)
    ]


def repeated(cell: str) -> list[Span]:
    """What a text repeats of a cell: all numbers of a setting (`4×3`), the first of a metric.

    Raises:
        ValueError: if there is no such cell, or no number in it.
    """
    table, row, column, *place = cell.split(".")
    first = value_of(cell)
    return cell_spans(table, row, column) if _is_setting(table, column) and not place else [first]


def _is_setting(table: str, column: str) -> bool:
    return not any(each.id == column and each.metric for each in _printed(table).columns)


def sides_of(check: Check) -> tuple[Span, Span, bool]:
    """What the two formulas of a check stand for, and whether they agree, given their digits."""
    left, right = evaluate(check.left, value_of), evaluate(check.right, value_of)
    return left, right, left.low <= right.high if check.relation == "at most" else left.meets(right)


def is_training(name: str) -> bool:
    """Whether a name stands for a setting whose worth only a training can tell."""
    kind, *rest = name.split(".")
    return kind == "recipe" or (kind in ("preset", "experiment") and rest[-1] in TRAINED)


def trained_row(setting: str) -> tuple[str, str] | None:
    """Table and row of the first training with a recipe's setting, as `recipe.lr.swin_b.ssv2`.

    None for a setting of a model, which no recipe of the project trains.
    """
    kind, _, preset, *rest = setting.split(".")
    if kind != "recipe":
        return None
    (data,) = rest
    for table in _library().tables():
        experiment = experiment_of(table) if printed_table(table) else None
        if experiment is None or experiment.videos is None or experiment.videos.dataset != data:
            continue
        for row in experiment.rows:
            start = experiment.start_of(row).pretrained
            if row.preset == preset and start == STARTS.get(data, "imagenet_1k"):
                return table, row.id
    return None


def is_cell(name: str) -> bool:
    """Whether it names a printed cell."""
    return name.startswith("table")


@functools.cache
def experiment_of(table: str) -> Experiment | None:
    """The experiment of a table; None where there is none."""
    library = _library()
    return library.experiment(table) if table in library.tables() else None


@functools.cache
def video_protocol(name: str) -> VideoProtocol:
    """A protocol on videos."""
    found = _library().protocol(name)
    assert isinstance(found, VideoProtocol)
    return found


def row_of(table: str, row_id: str) -> tuple[Experiment, Row] | None:
    """The row of an experiment that stands for a printed one; None where there is none."""
    experiment = experiment_of(table)
    found = [row for row in experiment.rows if row.id == row_id] if experiment else []
    return (experiment, found[0]) if experiment and found else None


@functools.cache
def _library() -> Library:
    return Library(experiments_dir())


def _printed(table: str) -> Any:
    found = printed_table(table)
    if found is None:
        raise ValueError(f"{table} is no printed table")
    return found


def _field(config: Any, field: str, place: Sequence[str]) -> float:
    if field in ("stages", "blocks"):
        return len(config.depths) if field == "stages" else sum(config.depths)
    value = getattr(config, field)
    return float(value[int(place[0])] if place else value)


def _of_row(table: str, row_id: str, field: str, *place: str) -> float:
    found = row_of(table, row_id)
    if found is None:
        raise ValueError(f"{table} has no row {row_id} that is run or counted")
    experiment, row = found
    _, frames, size, _ = experiment.paper_input(row)
    if field in ("frames", "image_size"):
        return frames if field == "frames" else size
    if field in ("clips", "crops"):
        clips, crops = str(experiment.says(row)["videos.views"]).split("x")
        return float(clips if field == "clips" else crops)
    return _field(experiment.paper_model(row), field, place)


@functools.cache
def _recipe(preset: str, data: str) -> dict[str, Any]:
    book = read_recipe_book(experiments_dir() / "recipes", BOOK)
    return dict(book.resolve(preset, data, STARTS.get(data, "imagenet_1k")))


def _setting(field: str, preset: str, data: str) -> float:
    return float(_recipe(preset, data)[field].value)


def _stride(table: str, row_id: str) -> float:
    return SPAN / _of_row(table, row_id, "frames")


def _of_preset(preset: str, field: str, *place: str) -> float:
    return _field(resolve_config(preset), field, place)


def _images(table: str, row_id: str) -> float:
    found = printed_quantity(_printed(table), row_id, "pretraining_images")
    if found is None:
        raise ValueError(f"{table}.{row_id} is pre-trained on nothing whose images are known")
    return found


def _videos(data: str, part: str) -> int:
    about = dataset(data)
    found = about.train_videos if part == "train" else about.test_videos
    if found is None:
        raise ValueError(f"{data} has no list")
    return found


def _of_text(number_id: str) -> Span:
    for paper in papers():
        for sentence in paper_text(paper):
            for number in sentence.numbers:
                if number.id == number_id:
                    (span,) = printed_spans(number.number, number.unit, number.about)
                    return span
    raise ValueError(f"no number of the text is called {number_id}")


KINDS: dict[str, Callable[..., float]] = {
    "preset": _of_preset,
    "experiment": _of_row,
    "recipe": _setting,
    "classes": lambda data: len(class_names(data)),
    "videos": _videos,
    "rows": lambda table: len(_printed(table).rows),
    "presets": lambda family: sum(found.name == family for found in presets().values()),
    "stride": _stride,
    "images": _images,
    "bias": lambda which: {"other_frame": OTHER_FRAME_BIAS}[which],
}
"""What computes what a name stands for that begins so."""
