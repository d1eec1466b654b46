"""What is really trained in the place of each row of the paper, in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from vswin.experiments.tables import Experiment, Row
from vswin.models.registry import family_of
from vswin.runs.config import RunConfig


@dataclasses.dataclass(frozen=True)
class Size:
    """One thing that a row says or a protocol changes."""

    paper: str
    """As the row has it at the paper's own size."""
    trained: str
    """As it is in the row's run."""
    is_setting: bool = False
    """Whether it is a setting of the recipe, which is told where no size is changed, too."""

    def __str__(self) -> str:
        return self.trained if self.trained == self.paper else f"{self.paper} → {self.trained}"


Sizes = Mapping[str, Size]
"""Of a row, by name."""


def sizes_of(experiment: Experiment, row: Row, run: RunConfig) -> dict[str, Size]:
    """What a row says, and what its run has in its place.

    Clips, tokens, window, every field of the model, the start, and those settings of the recipe
    that some row of the table says itself.
    """
    paper = experiment.paper_model(row)
    _, _, _, pixels = experiment.paper_input(row)
    size = run.data.size if run.data.kind == "videos" else run.data.image_size
    found = {
        "frames": Size(str(row.frames), str(run.data.frames)),
        "pixels": Size(str(pixels), str(size)),
    }
    family, fields = family_of(paper), [field.name for field in dataclasses.fields(paper)]
    derived = family.sizes(run.model, run.data.frames)
    for name, text in family.sizes(paper, row.frames).items():
        if not {name, f"{name}_size"} & set(fields):
            found[name] = Size(text, derived[name])
    for name in fields:
        old, new = getattr(paper, name), getattr(run.model, name)
        found[name] = Size(_in_words(name, old), _in_words(name, new))
    found |= _settings(experiment, row, run)
    return found | {"start": Size(*_starts(experiment, row, run))}


def _settings(experiment: Experiment, row: Row, run: RunConfig) -> dict[str, Size]:
    """The settings of the recipe that some row of the table says itself, as this one has them."""
    trained = {**vars(run.model), **vars(run.recipe), **vars(run.data)}
    own = row.own_settings if row.tests is None else experiment.row(row.tests).own_settings
    usual = {**trained, **vars(experiment.paper_model(row))}
    rows = [each for each in experiment.rows if each.is_on(run.data.kind)]
    names = dict.fromkeys(name for each in rows for name in each.own_names)
    if run.data.kind != "videos":  # there, rates are told as fields of the model
        names = {name: None for name in names if name in vars(run.recipe)}
    return {
        name: Size(
            _in_words(name, own.get(name, usual[name])),
            _in_words(name, trained[name]),
            is_setting=True,
        )
        for name in names
    }


def differing(rows: Iterable[Sizes]) -> list[str]:
    """Names of what is not the same in all rows."""
    listed = list(rows)
    return [name for name in (listed[0] if listed else ()) if len({r[name] for r in listed}) > 1]


def has_changes(rows: Iterable[Sizes]) -> bool:
    """Whether a protocol trains anything else than the rows say."""
    return any(size.paper != size.trained for of_row in rows for size in of_row.values())


def is_to_be_told(rows: Iterable[Sizes]) -> bool:
    """Whether there is more to say of the rows than that each is trained as its model is."""
    listed = list(rows)
    return has_changes(listed) or any(s.is_setting for of_row in listed for s in of_row.values())


def in_every_row(rows: Iterable[Sizes]) -> str:
    """What a protocol changes, or the rows say of the recipe, alike; empty if there is nothing."""
    listed = list(rows)
    varying = differing(listed)
    alike = [
        f"{name} {size}"
        for name, size in (listed[0] if listed else {}).items()
        if name not in varying and (size.paper != size.trained or size.is_setting)
    ]
    return f"In every row: {'; '.join(alike)}." if alike else ""


def trained_lines(experiment: Experiment, runs: Mapping[str, RunConfig]) -> list[str]:
    """What is trained for each row, one line for each, and in all of them; empty if as its model.

    Args:
        experiment: whose rows.
        runs: their runs, by row.
    """
    sizes = {id_: sizes_of(experiment, experiment.row(id_), run) for id_, run in runs.items()}
    names = differing(sizes.values())
    if not is_to_be_told(sizes.values()):
        return []
    lines = [
        f"  {row_id}: {'; '.join(f'{name} {of_row[name]}' for name in names)}"
        for row_id, of_row in sizes.items()
        if names
    ]
    lines += [f"  {alike}"] if (alike := in_every_row(sizes.values())) else []
    arrows = " (left of an arrow: what the row says)" if has_changes(sizes.values()) else ""
    return [f"Trained as{arrows}:", *lines]


def _in_words(name: str, value: Any) -> str:
    if isinstance(value, tuple):
        return ("×" if name.endswith("_size") else ", ").join(map(str, value))
    return str(value)


def _starts(experiment: Experiment, row: Row, run: RunConfig) -> tuple[str, str]:
    """What weights start from, in the paper and in the run."""
    if row.tests is not None:
        return f"the model of {row.tests}", f"the model of {row.tests}"
    start = experiment.start_of(row)
    origin: str = start.origin or "random"
    if start.checkpoint:
        origin += f", checkpoint {start.checkpoint}"
    if run.init.kind == "random":
        return origin, "random"
    if run.init.kind == "run":
        return origin, run.init.run.slug.rpartition("-s")[0]
    return origin, origin  # the published file
