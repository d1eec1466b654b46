"""What the ratio of the learning rates is worth over its range (section 4.3).

Rows that differ in the ratio alone are one line; a table has such a picture if three of them do.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping

from vswin.report.claims.sources import measured
from vswin.report.data import Row, Section
from vswin.report.digits import stills_of
from vswin.report.pictures.shown import place
from vswin.report.pictures.sweep import Line, Panel, Point, Sweep
from vswin.report.statistics import t_interval
from vswin.report.study import Study
from vswin.wording import signed

FEWEST = 3
"""Ratios that a line must have for there to be a picture."""
RATIO, STILLS = "backbone_lr_ratio", "stills"


def sweep(study: Study) -> Section:
    """The place of the picture; nothing where there is none."""
    lines = _lines(study)
    if not lines:
        return Section("")
    return Section(
        "The ratio over its range",
        ["row", "less the one of the highest ratio, points", "seeds"],
        [line for rows in lines for line in _against_highest(study, rows)],
        before="By the backbone's learning rate, relative to the head's.",
        note="Differences are paired over the seeds that both rows have; brackets: 95 %, Student's "
        "t. Only those of the claims above were registered.",
        picture="sweep",
    )


def _against_highest(study: Study, rows: Mapping[float, Row]) -> Iterator[list[str]]:
    """The top-1 of each row less that of the last one, which has the highest ratio."""
    *others, highest = rows.values()
    base = measured(study, highest.id, study.terms.headline)
    for row in others:
        by_seed = measured(study, row.id, study.terms.headline)
        seeds = by_seed.keys() & base.keys()
        if len(seeds) > 1:
            found = t_interval([by_seed[seed] - base[seed] for seed in sorted(seeds)])
            brackets = f"[{signed(found.low)}, {signed(found.high)}]"
            names = f"{row.label} − {highest.label}"
            yield [names, f"{signed(found.mean)} {brackets}", str(found.n)]


def sweep_of(study: Study) -> Sweep | None:
    """Top-1 and what is left of the pre-training, by the ratio."""
    lines = _lines(study)
    if not lines:
        return None
    headline = study.terms.headline
    metrics = {headline: f"{study.terms.metrics[headline]}{place(study)}, %"}
    note = (
        "Means with 95 % intervals (Student's t); the number at a point is that of its seeds. Axes "
        "do not start at zero."
    )
    if stills_of([row for rows in lines for row in rows.values()], study.runs):
        metrics[STILLS] = "still images after the training, top-1, %"
        note += " Dotted: before the training."
    return Sweep(
        title=f"{study.title}: the ratio over its range",
        notes=(note,),
        panels=tuple(
            Panel(title, tuple(_line(study, rows, metric) for rows in lines))
            for metric, title in metrics.items()
        ),
    )


def _lines(study: Study) -> list[dict[float, Row]]:
    """Rows of which several seeds were trained, alike but for the ratio, by it."""
    groups: dict[str, dict[float, Row]] = {}
    for row in (*study.distinct_rows, *study.beside):
        runs = study.runs.get(row.id, {})
        if len(runs) > 1:  # of one run there is no interval over seeds
            alike = {name: str(size) for name, size in row.trained.items() if name != RATIO}
            ratio = next(iter(runs.values())).config.recipe.backbone_lr_ratio
            groups.setdefault(repr(alike), {})[ratio] = row
    if max(map(len, groups.values()), default=0) < FEWEST:
        return []
    return [dict(sorted(rows.items())) for rows in groups.values()]


def _label(rows: Collection[Row]) -> str:
    """The words that name all of them, or else their ids; of one, all of its words."""
    words = [[word for name in row.names for word in name.split(", ")] for row in rows]
    common = [word for word in words[0] if all(word in others for others in words)]
    return ", ".join(common or [row.id for row in rows])


def _line(study: Study, rows: Mapping[float, Row], metric: str) -> Line:
    found = {ratio: study.interval(row.id, metric) for ratio, row in rows.items()}
    points = tuple(Point(ratio, i.mean, i.low, i.high, i.n) for ratio, i in found.items() if i)
    kept = stills_of([*rows.values()], study.runs) if metric == STILLS and len(points) > 1 else {}
    before = [100 * each.before for of_row in kept.values() for each in of_row]
    mean = math.fsum(before) / len(before) if before else None
    return Line(_label(rows.values()), points, mean)
