"""What the ratio of the learning rates is worth over its range (section 4.3).

Rows that differ in the ratio alone are one line; a table has such a picture if three of them do.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator

from vswin.report.data import Row, Section
from vswin.report.pictures.shown import place
from vswin.report.pictures.sweep import Line, Panel, Point, Sweep
from vswin.report.study import Study
from vswin.runs.result import DigitsDetails

FEWEST = 3
"""Ratios that a line must have for there to be a picture."""
STILLS = "stills"


def sweep(study: Study) -> Section:
    """The place of the picture; nothing where there is none."""
    if not _lines(study):
        return Section("")
    text = "By the backbone's learning rate, relative to the head's."
    return Section("The ratio over its range", text=text, picture="sweep")


def sweep_of(study: Study) -> Sweep | None:
    """Top-1 and what is left of the pre-training, by the ratio."""
    lines = _lines(study)
    if not lines:
        return None
    headline = study.terms.headline
    metrics = {headline: f"{study.terms.metrics[headline]}{place(study)}, %"}
    if any(study.by_seed(row.id, STILLS) for rows in lines.values() for row in rows):
        metrics[STILLS] = "still images after the training, top-1, %"
    return Sweep(
        title=f"{study.title}: the ratio over its range",
        notes=(
            "Means with 95 % intervals over seeds (Student's t). Axes do not start at zero. "
            "Dotted: before the training.",
        ),
        panels=tuple(
            Panel(title, tuple(_line(study, label, rows, metric) for label, rows in lines.items()))
            for metric, title in metrics.items()
        ),
    )


def _lines(study: Study) -> dict[str, list[Row]]:
    """Rows that differ in the ratio alone, under what they are called in common."""
    groups: dict[str, dict[float, Row]] = {}
    for row in (*study.distinct_rows, *study.beside):
        runs = study.runs.get(row.id, {})
        if len(runs) > 1:  # of one run there is no interval over seeds
            config = runs[min(runs)].config
            ratio = config.recipe.backbone_lr_ratio
            alike = dataclasses.replace(config.recipe, backbone_lr_ratio=1.0)
            key = repr(dataclasses.astuple(dataclasses.replace(config, recipe=alike)))
            groups.setdefault(key, {})[ratio] = row
    if max(map(len, groups.values()), default=0) < FEWEST:
        return {}
    sorted_rows = ([rows[ratio] for ratio in sorted(rows)] for rows in groups.values())
    return {_in_common(rows): rows for rows in sorted_rows}


def _in_common(rows: Iterable[Row]) -> str:
    """The words that name all of them; of one, all of its words."""
    words = [[word for name in row.names for word in name.split(", ")] for row in rows]
    return ", ".join(w for w in words[0] if all(w in others for others in words))


def _line(study: Study, label: str, rows: Iterable[Row], metric: str) -> Line:
    points = []
    for row in rows:
        runs, interval = study.runs[row.id], study.interval(row.id, metric)
        if interval is not None:
            ratio = next(iter(runs.values())).config.recipe.backbone_lr_ratio
            points.append(Point(ratio, interval.mean, interval.low, interval.high))
    before = [100 * share for row in rows for share in _before(study, row)]
    is_shown = before and metric == STILLS and len(points) > 1
    return Line(label, tuple(points), math.fsum(before) / len(before) if is_shown else None)


def _before(study: Study, row: Row) -> Iterator[float]:
    for run in study.runs[row.id].values():
        details = run.result.details
        if isinstance(details, DigitsDetails) and details.stills:
            yield details.stills.before
