"""What the figure of a table shows, as plain data; `vswin.report.plots` draws it.

A drawing takes longer than all else of a report. So a picture on disk says of what it is one, and
is kept while that is what would be drawn.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import math
import zlib
from pathlib import Path
from typing import Literal

from vswin.data.datasets import dataset
from vswin.report.study import Study

DIGEST_KEY = "Content-Digest"
"""The text in a PNG that says of what it is a picture."""


@dataclasses.dataclass(frozen=True)
class Panel:
    """One column of the figure: some rows of a table along one quantity."""

    title: str
    rows: tuple[str, ...]
    ticks: tuple[str, ...]
    xlabel: str
    scaled: Literal["window", "tokens", None] = None
    """What a tick says that the embedded protocols scale down: a window, or tokens in time."""


PANELS: dict[str, tuple[Panel, ...]] = {
    "table5": (
        Panel(
            "Longer clips (window as long as the clip)",
            ("dim4", "dim8", "dim16"),
            ("4", "8", "16"),
            "temporal dimension of 3D tokens",
            "tokens",
        ),
        Panel(
            "Longer windows (temporal dimension 16)",
            ("win4", "win8", "win16"),
            ("4×7×7", "8×7×7", "16×7×7"),
            "window size",
            "window",
        ),
    ),
    "table4": (
        Panel("", ("joint", "split", "factorized"), ("joint", "split", "factorized"), "design"),
    ),
    "table6": (
        Panel(
            "",
            ("shift_none", "shift_spatial", "shift_3d"),
            ("w/o 3D shifting", "w/o temporal shifting", "w. 3D shifting"),
            "shifted windows",
        ),
    ),
    "table8": (
        Panel("", ("inflate", "center"), ("inflate", "center"), "linear embedding begins as"),
    ),
    "table9": (
        Panel(
            "", ("duplicate", "center"), ("duplicate", "center"), "relative position bias begins as"
        ),
    ),
}
"""How a table is laid out as a figure; one without an entry shows its rows in printed order."""


@dataclasses.dataclass(frozen=True)
class Point:
    """A row of the table: accuracies in %, costs in 10^9 multiply-accumulates; NaN is missing."""

    paper_top1: float
    top1: float
    low: float
    high: float
    by_seed: tuple[float, ...]
    paper_flops: float
    flops: float

    @property
    def is_done(self) -> bool:
        """Whether there is an accuracy of ours."""
        return not math.isnan(self.top1)


@dataclasses.dataclass(frozen=True)
class Column:
    """Rows along one quantity."""

    title: str
    xlabel: str
    ticks: tuple[str, ...]
    our_ticks: tuple[str, ...]
    """Those of our accuracies, which say what stands for the paper's sizes."""
    is_ordered: bool
    """Whether a line may join the points: designs and initialisations have no order."""
    points: tuple[Point, ...]


@dataclasses.dataclass(frozen=True)
class Picture:
    """Everything that a figure shows; two that are equal look alike."""

    title: str
    notes: tuple[str, ...]
    """The lines below the title."""
    paper_label: str
    our_label: str
    has_costs: bool
    chance: float | None
    """Top-1 in % that guessing reaches; None where nothing can be trained."""
    columns: tuple[Column, ...]

    def digest(self) -> str:
        """SHA-256 of the content, of the code that draws it and of matplotlib's version."""
        found = hashlib.sha256(json.dumps(dataclasses.asdict(self)).encode())
        found.update(importlib.metadata.version("matplotlib").encode())
        found.update(Path(__file__).with_name("plots.py").read_bytes())
        return found.hexdigest()


def picture_of(study: Study) -> Picture:
    """What there is to show of a study."""
    protocol = study.protocol
    seeds = max((len(s) for s in study.results.values()), default=0)
    bars = "over seeds (Student t)" if seeds > 1 else "over test clips (Wilson)"
    title = study.stage.title if study.is_trainable else protocol.title
    notes = [f"ours: {title}, {seeds} seed{'s' * (seeds != 1)}; bars: 95 % {bars}"]
    if not protocol.comparable:
        notes.append("not comparable with printed accuracies")
    points = {line["row"]: _point(study, line) for line in study.lines()}
    costs = list(points.values())
    panels = PANELS.get(study.experiment.table) or (_whole_table(study),)
    on_videos = study.experiment.videos  # an ablation of one's own may not say
    return Picture(
        title=study.title,
        notes=tuple(notes),
        paper_label=f"printed ({dataset(on_videos.dataset).title if on_videos else 'the paper'})",
        our_label=f"ours (protocol {protocol.protocol})",
        has_costs=not all(math.isnan(p.paper_flops) for p in costs)
        or len({p.flops for p in costs}) > 1,
        chance=100 / study.num_classes if study.is_trainable else None,
        columns=tuple(_column(study, panel, points) for panel in panels),
    )


def _point(study: Study, line: dict) -> Point:
    return Point(
        line["paper_top1"],
        line["top1"],
        line["top1_low"],
        line["top1_high"],
        tuple(study.top1(line["row"]).values()),
        line["paper_flops"],
        line["flops"],
    )


def _column(study: Study, panel: Panel, points: dict[str, Point]) -> Column:
    is_scaled = study.is_trainable and panel.scaled and not study.protocol.comparable
    return Column(
        title=panel.title,
        xlabel=panel.xlabel,
        ticks=panel.ticks,
        our_ticks=_scaled_ticks(study, panel) if is_scaled else panel.ticks,
        is_ordered=panel.scaled is not None,
        points=tuple(points[row] for row in panel.rows),
    )


def _scaled_ticks(study: Study, panel: Panel) -> tuple[str, ...]:
    """The paper's size, and below it the one that stands for it under the study's protocol."""
    labels = []
    for row_id, tick in zip(panel.rows, panel.ticks, strict=True):
        config = study.run_config(study.experiment.row(row_id))
        tokens = str(config.data.frames // config.model.patch_size[0])
        window = "×".join(map(str, config.model.window_size))
        labels.append(f"{tick}\n(here {window if panel.scaled == 'window' else tokens})")
    return tuple(labels)


def _whole_table(study: Study) -> Panel:
    rows = tuple(row.id for row in study.rows)
    return Panel("", rows, rows, "row")


def digest_in(png: bytes) -> str | None:
    """Of what a PNG says to be a picture; None if it does not say, or is not whole."""
    if not png.startswith(b"\x89PNG\r\n\x1a\n"):
        return None
    found, place, kind = None, 8, b""
    while kind != b"IEND":
        size = int.from_bytes(png[place : place + 4], "big")
        kind, data = png[place + 4 : place + 8], png[place + 8 : place + 8 + size]
        checksum = png[place + 8 + size : place + 12 + size]
        if len(checksum) < 4 or zlib.crc32(kind + data) != int.from_bytes(checksum, "big"):
            return None
        key, _, text = data.partition(b"\0")
        if kind == b"tEXt" and key == DIGEST_KEY.encode():
            found = text.decode("latin-1")
        place += 12 + size
    return found
