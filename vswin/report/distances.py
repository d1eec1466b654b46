"""What a page says and shows of attention distances, beside the claims."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from vswin.report.claims.distances import (
    KINDS,
    by_seed,
    distance_range,
    in_words,
    kinds_of,
    layer_means,
)
from vswin.report.data import Section
from vswin.report.pictures.distances import DistancesPicture, Panel
from vswin.report.statistics import t_interval
from vswin.report.study import Study
from vswin.runs.distances import Head


def ranges(study: Study) -> Section:
    """How far heads look, row by row and by kind of clips."""
    lines = []
    for row in study.rows:
        for kind in kinds_of(study.distances):
            models = [h for m, h in study.distances.items() if (m.row, m.clips) == (row.id, kind)]
            if not models:
                continue
            means = [statistics.fmean(layer_means(heads)) for heads in models]
            found = [
                in_words(t_interval(values))
                for values in (
                    means,
                    [distance_range(heads) for heads in models],
                    list(by_seed(study.distances, row.id, kind, "layer_spread").values()),
                )
            ]
            lines.append([" ".join(row.labels.values()), kind, *found, str(len(models))])
    clips = {len(h.by_clip) for heads in study.distances.values() for h in heads}
    return Section(
        "Attention distances",
        ["row", "clips", "mean", "range", "layers differ by, %", "seeds"],
        lines,
        note=(
            f"Each of the mean over {'/'.join(map(str, sorted(clips)))} clips, with its interval "
            "over seeds at 95 %. Range: the largest distance less the smallest one, over heads and "
            "layers. Clips: " + "; ".join(f"{kind}, {words}" for kind, words in KINDS.items()) + "."
        )
        if lines
        else "",
        picture="distances",
    )


def dependence(study: Study) -> Section:
    """What the ratio of two rows' ranges depends on."""
    rows = [row.id for row in study.rows if _seeds(study, row.id)]
    if len(rows) != 2:
        return Section("What the ratio of ranges depends on")
    lines = [
        [kind, name, in_words(t_interval(values))]
        for kind in kinds_of(study.distances)
        for name, values in _ratios(study, rows, kind)
    ]
    return Section(
        "What the ratio of ranges depends on",
        ["clips", "measured", f"range of {rows[1]} / {rows[0]}"],
        lines,
        note="One clip: every clip by itself, the mean of its ratios. Without time: distances in "
        "the frame alone. Axes of one length: a step is its share of the axis.",
    )


def _seeds(study: Study, row: str) -> set[int]:
    return {m.seed for m in study.distances if m.row == row and m.seed is not None}


def _ratios(study: Study, rows: Sequence[str], kind: str) -> Iterator[tuple[str, list[float]]]:
    """(how it was measured, the ratio of each seed)."""
    found = {(m.row, m.seed): heads for m, heads in study.distances.items() if m.clips == kind}
    seeds = [s for s in sorted(_seeds(study, rows[0])) if all((row, s) in found for row in rows)]
    pairs = [(found[rows[0], seed], found[rows[1], seed]) for seed in seeds]
    if not pairs:
        return
    yield "all clips", [distance_range(b) / distance_range(a) for a, b in pairs]
    if len(pairs[0][0][0].by_clip) > 1:
        yield "one clip", [_one_clip(a, b) for a, b in pairs]
    yield "without time", [_width(b, "frame") / _width(a, "frame") for a, b in pairs]
    yield "axes of one length", [_width(b, "cube") / _width(a, "cube") for a, b in pairs]


def _one_clip(first: Sequence[Head], second: Sequence[Head]) -> float:
    widths = [
        [max(values) - min(values) for values in zip(*(h.by_clip for h in heads), strict=True)]
        for heads in (first, second)
    ]
    return statistics.fmean(b / a for a, b in zip(*widths, strict=True))


def _width(heads: Sequence[Head], measure: str) -> float:
    values = [getattr(head, measure) for head in heads]
    return max(values) - min(values)


def distances_of(study: Study) -> DistancesPicture | None:
    """The picture: of every row the first set of weights, on each kind of clips."""
    if not study.distances:
        return None
    lines = []
    for kind in kinds_of(study.distances):
        panels = []
        for row in study.rows:
            models = [
                (measured.weights, heads)
                for measured, heads in study.distances.items()
                if (measured.row, measured.clips) == (row.id, kind)
            ]
            if models:
                weights, heads = models[0]
                points = tuple((head.layer + 1, head.grid) for head in heads)
                aside = f"{weights.replace('seed', 'seed ')}: range {distance_range(heads):.4f}"
                panels.append(Panel(" ".join(row.labels.values()), kind, points, aside))
        lines.append(tuple(panels))
    missing = [" ".join(r.labels.values()) for r in study.rows if not _is_measured(study, r.id)]
    notes = [
        "A point is a head; 1 is the longest distance there is. All panels have the same axes."
    ]
    if missing:
        notes.append(f"Not run, for they need trained weights: {', '.join(missing)}.")
    return DistancesPicture(study.title, tuple(notes), tuple(lines))


def _is_measured(study: Study, row: str) -> bool:
    return any(measured.row == row for measured in study.distances)
