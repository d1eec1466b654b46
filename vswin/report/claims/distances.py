"""Claims about attention distances (Figure A.6): numbers from `vswin distance`, and a verdict.

The paper's sentences say nothing of the clips. So a sentence holds if it holds on every kind of
clips that was measured: what decides is the interval from the lowest end to the highest of the
intervals over seeds, one for each kind. Where it is too large on one kind and too small on another,
that decides nothing: the paper's clips may lie between them.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Callable, Mapping, Sequence

from vswin.paper.claims import Claim
from vswin.report.claims import wording
from vswin.report.claims.deciding import rule_of, settle
from vswin.report.claims.judgement import Judgement
from vswin.report.statistics import MIN_SEEDS, Interval, mean_tau, t_interval
from vswin.runs.distances import Distances, Head, span

Heads = Sequence[Head]
KINDS = {
    "digits": "handwritten digits that move",
    "photographs": "parts of two photographs, panned",
    "noise": "white noise",
}
"""Kinds of rendered clips, all of which a verdict takes."""


def distance_range(heads: Heads) -> float:
    """The largest distance less the smallest one, over all heads and layers."""
    low, high = span(heads)
    return high - low


def layer_means(heads: Heads) -> list[float]:
    """The mean distance of each layer's heads."""
    return [statistics.fmean(head.grid for head in layer) for layer in _layers(heads)]


def layer_spread(heads: Heads) -> float:
    """By how much the layers' means differ, largest less smallest, in % of their mean."""
    means = layer_means(heads)
    return 100 * (max(means) - min(means)) / statistics.fmean(means)


def layer_trend(heads: Heads) -> float:
    """Kendall's tau between a layer's number and its mean distance."""
    return mean_tau([layer_means(heads)])


def head_trend(heads: Heads) -> float:
    """Kendall's tau between a layer's number and the range of its heads."""
    return mean_tau([[distance_range(layer) for layer in _layers(heads)]])


METRICS: Mapping[str, tuple[Callable[[Heads], float], str]] = {
    "distance_range": (distance_range, ""),
    "layer_spread": (layer_spread, " %"),
    "layer_trend": (layer_trend, ""),
    "head_trend": (head_trend, ""),
}
"""What a claim can be about: how it is computed of a model's heads, and its unit."""


def by_seed(distances: Distances, row: str, kind: str, metric: str) -> dict[int, float]:
    """What a row's models give on clips of a kind; trained weights are numbered."""
    found = [m for m in distances if (m.row, m.clips) == (row, kind)]
    measure, _ = METRICS[metric]
    return {
        number if m.seed is None else m.seed: measure(distances[m])
        for number, m in enumerate(found)
    }


def kinds_of(distances: Distances) -> list[str]:
    """The kinds of clips that were measured."""
    measured = {each.clips for each in distances}
    return [kind for kind in KINDS if kind in measured]


def intervals(distances: Distances, claim: Claim) -> dict[str, Interval]:
    """By kind of clips: the claim's number over seeds, of a ratio the rows' in pairs of a seed."""
    found = {}
    for kind in kinds_of(distances):
        rows = [by_seed(distances, row, kind, claim.metric) for row in claim.rows]
        seeds = sorted(set.intersection(*map(set, rows)))
        values = [math.prod((rows[0][s], *(1 / row[s] for row in rows[1:]))) for s in seeds]
        if values:
            found[kind] = t_interval(values)
    return found


def judge_distances(blank: Judgement, distances: Distances) -> Judgement:
    """Judges a claim of kind ratio or bound.

    Args:
        blank: the claim, not judged yet.
        distances: what was measured of its table.
    """
    claim = blank.claim
    found = intervals(distances, claim)
    if not found:
        trained = blank.evidence == "needs videos"
        how = f"`vswin distance {claim.table}{' --weights FILE' if trained else ''}`"
        needs = "it needs trained weights; " if trained else ""
        return dataclasses.replace(blank, reason=f"{needs}{how} measures it")
    first, whole = next(iter(found.values())), _hull(list(found.values()))
    rule = rule_of("bound", bounds=claim.bounds)
    verdict = settle(rule, [whole], [whole])
    on_each = [settle(rule, [interval], [interval]) for interval in found.values()]
    both_sides = ""
    if verdict == "inconclusive" and all(each == "contradicted" for each in on_each):
        both_sides = "too much on some and too little on others; the paper's clips may lie between"
    unit = " times" if claim.kind == "ratio" else METRICS[claim.metric][1]
    of = "file" if blank.evidence == "needs videos" else "seed"
    said = {kind: f"{kind}: {in_words(each)}{unit}" for kind, each in found.items()}
    parts = [f"{said[kind]}, {each.n} {of}{'s' * (each.n > 1)}" for kind, each in found.items()]
    bounds = f"{wording.bounds_in_words(claim)}{unit}"
    if claim.kind == "ratio":
        bounds = wording.times_in_words(claim)
    wanted = f"wanted {bounds} on each"
    few = f"no verdict below {MIN_SEEDS} seeds" if whole.n < MIN_SEEDS else ""
    lacking = ", ".join(kind for kind in KINDS if kind not in found)
    if lacking:
        verdict, lacking = "inconclusive", f"not measured on {lacking}"
    return dataclasses.replace(
        blank,
        verdict=verdict,
        reason="; ".join(filter(None, (*parts, wanted, both_sides, few, lacking))),
        difference=first.mean,
        interval=first if first.n > 1 else None,
        seeds=tuple(range(whole.n)),
        found="; ".join(said.values()),
    )


def in_words(interval: Interval) -> str:
    """`17.2 [15.1, 19.3]`; a single seed has no interval."""
    text = f"{interval.mean:.3g}"
    if interval.n > 1:
        text += f" [{interval.low:.3g}, {interval.high:.3g}]"
    return text


def _hull(found: Sequence[Interval]) -> Interval:
    """From the lowest end to the highest."""
    low, high = min(each.low for each in found), max(each.high for each in found)
    return Interval(found[0].mean, low, high, min(each.n for each in found))


def _layers(heads: Heads) -> list[list[Head]]:
    layers: dict[int, list[Head]] = {}
    for head in heads:
        layers.setdefault(head.layer, []).append(head)
    return [layers[number] for number in sorted(layers)]
