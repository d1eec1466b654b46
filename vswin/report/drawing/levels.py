"""The plot of levels: every seed of every row, on an axis that shows their spread."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vswin.report.drawing.canvas import (
    INK,
    OURS,
    SOFT,
    WIDTH,
    beside,
    inches,
    titled,
    widest,
)
from vswin.report.pictures.levels import Bound, Levels, Strip
from vswin.wording import bracketed

ROW, AXIS, HEAD = 0.4, 0.6, 0.42
"""Inches of a row, below an axis, and above one for the names of bounds."""
LONG = 30
"""Letters of a label's line."""


def draw(levels: Levels) -> Figure:
    """Draws the rows; below them, on an axis from zero, the controls."""
    panels = [(levels.rows, levels.bounds, False)]
    if levels.controls:
        panels.append((levels.controls, levels.control_bounds, True))
    body = sum(ROW * len(strips) + AXIS + HEAD for strips, *_ in panels) - 0.1
    everything = (*levels.rows, *levels.controls)
    left = 0.25 + max(widest([_label(strip) for strip in everything]), 0.8)
    right = 0.2 + max(widest([strip.aside for strip in everything]), widest(["84.1 [83.8, 84.3]"]))
    figure = titled(levels.title, levels.notes, body, max(WIDTH, left + right + 4))
    bottom = body
    for strips, bounds, from_zero in panels:
        height = ROW * len(strips)
        bottom -= HEAD + height
        axis = inches(figure, left, bottom, figure.get_figwidth() - left - right, height)
        _panel(axis, strips, bounds, from_zero)
        axis.set_xlabel(f"{levels.metric}{': controls' if from_zero else ''}", fontsize=9)
        bottom -= AXIS
    return figure


def _panel(axis: Axes, strips: Sequence[Strip], bounds: Sequence[Bound], from_zero: bool) -> None:
    limits = _limits(strips, bounds, from_zero)
    axis.set_xlim(*limits)
    axis.set_ylim(len(strips) - 0.5, -0.5)
    axis.set_yticks(range(len(strips)), map(_label, strips), fontsize=9.5)
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    axis.grid(axis="x", color="#eeeeee", linewidth=0.7)
    for place, strip in enumerate(strips):
        _strip(axis, strip, place)
    _bounds(axis, bounds, limits)


def _label(strip: Strip) -> str:
    """In lines of a length that leaves the picture to the results."""
    return "\n".join(textwrap.wrap(strip.label, LONG))


def _bounds(axis: Axes, bounds: Sequence[Bound], limits: tuple[float, float]) -> None:
    """Lines at predicted levels; those that lie below the axis are named at its left end."""
    beyond = [f"{b.label} {b.value:.1f}" for b in bounds if b.value < limits[0]]
    if beyond:
        axis.annotate(
            f"← below this axis: {'; '.join(beyond)}",
            (0, 1),
            (0, 4),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=8.5,
            color=SOFT,
        )
    shown = sorted((b for b in bounds if limits[0] <= b.value <= limits[1]), key=lambda b: b.value)
    for place, bound in enumerate(shown):
        axis.axvline(bound.value, color=SOFT, linestyle=":", linewidth=1.2)
        is_right = bound.value > sum(limits) / 2
        axis.annotate(
            f"{bound.label}: {bound.value:.1f}",
            (bound.value, 1),
            (-3 if is_right else 3, 4 + 12 * ((place + bool(beyond)) % 2)),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="right" if is_right else "left",
            fontsize=8.5,
            color=SOFT,
        )


def _limits(
    strips: Sequence[Strip], bounds: Sequence[Bound], from_zero: bool
) -> tuple[float, float]:
    """What the results span, with room; bounds near it are included.

    An interval of Student's t may go on where no accuracy is; the axis does not.
    """
    ends = [v for s in strips for v in (*s.by_seed, s.low, s.high) if math.isfinite(v)]
    ends += [s.printed for s in strips if s.printed is not None]
    if from_zero:
        return 0.0, 1.06 * max([*ends, *(bound.value for bound in bounds)])
    low, high = (min(ends), max(ends)) if ends else (0.0, 100.0)
    span = max(high - low, 1.0)
    near = [b.value for b in bounds if low - span / 2 <= b.value <= high + span / 2]
    low, high = min([low, *near]), max([high, *near])
    return max(low - 0.06 * span, -2.0), min(high + 0.06 * span, 102.0)


def _strip(axis: Axes, strip: Strip, place: int) -> None:
    """Seeds, and below them the mean with its interval; what is printed where comparable."""
    axis.axhline(place + 0.5, color="#f0f0f0", linewidth=0.7)
    if not strip.by_seed:
        axis.annotate(
            "not run",
            (0.5, place),
            xycoords=("axes fraction", "data"),
            ha="center",
            va="center",
            color=SOFT,
            fontsize=9,
        )
        return
    axis.plot(strip.by_seed, [place - 0.18] * len(strip.by_seed), "o", color=OURS, alpha=0.4, ms=4)
    if math.isfinite(strip.low):
        axis.plot([strip.low, strip.high], [place + 0.12] * 2, color=OURS, linewidth=2.2)
    axis.plot([strip.mean], [place + 0.12], "D", color=OURS, ms=6, mec="white", mew=0.8)
    if strip.printed is not None:
        axis.plot([strip.printed], [place + 0.12], "|", color=INK, ms=14, mew=2)
    text = f"{strip.mean:.1f}"
    if math.isfinite(strip.low) and strip.low < strip.high:
        text += f" {bracketed(strip.low, strip.high)}"
    beside(axis, place - 0.18 if strip.aside else place, text)
    if strip.aside:
        beside(axis, place + 0.22, strip.aside, SOFT)
