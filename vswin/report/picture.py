"""What the figure of a table shows, as plain data; `vswin.report.plots` draws it.

A drawing takes longer than all else of a report. So a picture on disk says of what it is one, and
is kept while that is what would be drawn.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import io
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

from vswin.paper.printed import Figure, Panel

if TYPE_CHECKING:  # a study shows its picture itself
    from vswin.report.study import Study

DIGEST_KEY = "Content-Digest"
"""The text in a PNG that says of what it is a picture."""


@dataclasses.dataclass(frozen=True)
class Point:
    """A row of the table: results in %, costs in 10^9 multiply-accumulates; NaN is missing."""

    paper: float
    ours: float
    low: float
    high: float
    by_seed: tuple[float, ...]
    paper_cost: float
    cost: float

    @property
    def is_done(self) -> bool:
        """Whether there is a result of ours."""
        return not math.isnan(self.ours)


@dataclasses.dataclass(frozen=True)
class Column:
    """Rows along one quantity."""

    title: str
    xlabel: str
    ticks: tuple[str, ...]
    our_ticks: tuple[str, ...]
    """Those of our results, which say what stands for the paper's sizes."""
    is_ordered: bool
    """Whether a line may join the points: designs and initialisations have no order."""
    points: tuple[Point, ...]


@dataclasses.dataclass(frozen=True)
class Picture:
    """Everything that a figure shows; two that are equal look alike."""

    title: str
    notes: tuple[str, ...]
    """The lines below the title."""
    metric: str
    """What the axes of results show, in %."""
    paper_label: str
    """Of the axis of printed results; empty where nothing is printed, which then has no panel."""
    our_label: str
    cost_label: str
    """Of the axis of costs; empty where there is nothing to see, which then has no panel."""
    chance: float | None
    """Result in % that guessing reaches; None where nothing can be trained."""
    columns: tuple[Column, ...]

    def __repr__(self) -> str:
        return f"<Picture {self.title}: {sum(len(c.points) for c in self.columns)} points>"

    def digest(self) -> str:
        """SHA-256 of the content, of the code that draws it and of matplotlib's version."""
        found = hashlib.sha256(json.dumps(dataclasses.asdict(self)).encode())
        found.update(importlib.metadata.version("matplotlib").encode())
        found.update(Path(__file__).with_name("plots.py").read_bytes())
        return found.hexdigest()


def picture_of(study: Study) -> Picture:
    """What there is to show of a study."""
    terms, figure = study.terms, study.printed.figure if study.printed else Figure()
    seeds = max((len(by_seed) for by_seed in study.runs.values()), default=0)
    bars = "over seeds (Student t)" if seeds > 1 else "over test clips (Wilson)"
    measured = (
        f"{seeds} seed{'s' * (seeds != 1)}; bars: 95 % {bars}" if seeds else "nothing was run"
    )
    notes = [f"ours: {terms.title}, {measured}"]
    if study.printed and not terms.comparable:
        notes.append("not comparable with printed accuracies")
    points = {row.id: _point(study, row.id, figure) for row in study.rows}
    whose = "the paper's model" if study.printed else "the row's model"
    has_costs = study.prints(figure.cost) or len({p.cost for p in points.values()}) > 1
    whole = Panel(rows=tuple(points), ticks="row", xlabel="row")
    return Picture(
        title=study.title,
        notes=tuple(notes),
        metric=terms.metrics.get(figure.metric, figure.metric),
        paper_label=f"printed ({study.dataset})" if study.prints(figure.metric) else "",
        our_label=f"ours (protocol {terms.protocol})",
        cost_label=f"cost of {whose},\nG multiply-accumulates" if has_costs else "",
        chance=study.chance if study.is_trainable else None,
        columns=tuple(_column(study, panel, points) for panel in figure.panels or (whole,)),
    )


def _point(study: Study, row_id: str, figure: Figure) -> Point:
    interval = study.interval(row_id, figure.metric)
    return Point(
        paper=float(study.number(row_id, figure.metric) or "nan"),
        ours=interval.mean if interval else math.nan,
        low=interval.low if interval else math.nan,
        high=interval.high if interval else math.nan,
        by_seed=tuple(study.by_seed(row_id, figure.metric).values()),
        paper_cost=float(study.number(row_id, figure.cost) or "nan"),
        cost=study.counted(row_id, figure.cost),
    )


def _column(study: Study, panel: Panel, points: dict[str, Point]) -> Column:
    ticks = tuple(_tick(study, row_id, panel.ticks) for row_id in panel.rows)
    our_ticks = ticks
    if study.is_trainable and panel.scaled and not study.terms.comparable:
        sizes = [study.row(row_id).sizes[panel.scaled] for row_id in panel.rows]
        our_ticks = tuple(f"{t}\n(here {size})" for t, size in zip(ticks, sizes, strict=True))
    return Column(
        title=panel.title,
        xlabel=panel.xlabel,
        ticks=ticks,
        our_ticks=our_ticks,
        is_ordered=panel.is_ordered,
        points=tuple(points[row_id] for row_id in panel.rows),
    )


def _tick(study: Study, row_id: str, column: str) -> str:
    """A row's printed cell; its id where there is no such column."""
    row = study.printed.row(row_id) if study.printed else None
    return row.cells.get(column, row_id) if row else row_id


def digest_in(png: bytes) -> str | None:
    """Of what a PNG says to be a picture; None if it does not say, or is not whole."""
    from PIL import Image  # only where there is a picture to be read

    try:
        with Image.open(io.BytesIO(png)) as image:
            found = image.info.get(DIGEST_KEY)
            image.verify()  # the checksums of all its parts
    except (OSError, SyntaxError, ValueError):
        return None
    return found
