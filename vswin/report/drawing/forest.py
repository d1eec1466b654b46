"""The forest plot: every claim's differences, seed by seed, beside zero and its margins."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from vswin.report.drawing.canvas import (
    ALLOWED,
    INK,
    LINEAR,
    SOFT,
    TONES,
    WIDTH,
    beside,
    inches,
    logarithmic,
    titled,
    widest,
)
from vswin.report.pictures.forest import Claim, Forest, Step
from vswin.wording import signed

ROW, HEAD, GAP = 0.42, 0.21, 0.16
"""Inches of a difference, of a line of a claim's words, and between claims."""
AXIS, LEGEND = 0.55, 0.3
"""Inches below an axis, and of the legend."""
EDGE: dict[str, Any] = {"color": SOFT, "linewidth": 0.9, "linestyle": (0, (3, 3))}
"""How a margin is drawn."""
LONG = 30
"""Letters of a label that needs a second line."""
UNEQUAL = 6.0
"""So many times larger than another, a difference would leave nothing of it on a linear axis."""


def draw(forest: Forest) -> Figure:
    """Draws a line for each difference below the words of its claim."""
    words = {claim: textwrap.wrap(claim.title, 96) for claim in forest.claims}
    height = sum(_height(claim, words[claim]) for claim in forest.claims)
    body = height + AXIS + LEGEND
    left = 0.25 + max(widest([_label(s) for c in forest.claims for s in c.steps]), 0.8)
    right = 1.75
    figure = titled(forest.title, forest.notes, body)
    axis = inches(figure, left, AXIS, WIDTH - left - right, height)
    extent = _scaled(axis, forest, WIDTH - left - right)
    _panel(axis, forest.claims, words, height, extent)
    _legend(figure, forest, body)
    return figure


def _scaled(axis: Axes, forest: Forest, width: float) -> tuple[float, float]:
    """Gives the axis its scale, logarithmic if a difference is lost otherwise; returns its ends."""
    low, high = _limits(forest.claims)
    extents = [step.extent for claim in forest.claims for step in claim.steps]
    is_unequal = max(extents) > UNEQUAL * max(min(extents), LINEAR)
    if is_unequal:
        low, high = min(1.15 * low, -LINEAR), max(1.15 * high, LINEAR)  # room for its points
        logarithmic(axis, low, high, width)
    else:
        axis.set_xlim(low, high)
    scale = f" (logarithmic beyond ±{LINEAR:g})" if is_unequal else ""
    axis.set_xlabel(f"{forest.unit}{scale}", fontsize=9, color=SOFT)
    return low, high


def _height(claim: Claim, words: Sequence[str]) -> float:
    return ROW * len(claim.steps) + HEAD * len(words) + GAP


def _panel(
    axis: Axes,
    claims: Sequence[Claim],
    words: dict[Claim, list[str]],
    height: float,
    extent: tuple[float, float],
) -> None:
    """Claims one below the other; the axis, whose ends are given, counts inches from its top."""
    axis.set_ylim(height, 0)
    axis.set_yticks([])
    axis.spines["left"].set_visible(False)
    top = 0.0
    for claim in claims:
        top += GAP / 2
        for line in words[claim]:
            top += HEAD
            axis.annotate(
                line,
                (0, top - 0.06),
                (8 - 72 * axis.get_position().x0 * WIDTH, 0),
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                fontsize=9,
                color=INK,
            )
        colour = TONES.get(claim.tone, SOFT)
        if words[claim]:
            first = top - HEAD * (len(words[claim]) - 0.5) + 0.02
            beside(axis, first, claim.verdict, colour, bold=True)
        bottom = top + ROW * len(claim.steps)
        _shade(axis, claim, top, bottom, extent)
        for place, step in enumerate(claim.steps):
            own = TONES.get(step.tone, SOFT) if step.tone else colour
            _step(axis, step, top + ROW * (place + 0.5), own)
        axis.plot([0, 0], [top, bottom], color=INK, linewidth=1)
        top = bottom + GAP / 2
        if claim is not claims[-1]:
            axis.axhline(top, color="#dddddd", linewidth=0.7)
    axis.grid(axis="x", color="#eeeeee", linewidth=0.7)


def _limits(claims: Sequence[Claim]) -> tuple[float, float]:
    """All seeds, intervals and margins, and zero, with room beside them."""
    ends = [0.0]
    for claim in claims:
        ends += [value for s in claim.steps for value in (*s.by_seed, s.mean)]
        ends += [e for s in claim.steps for e in (s.low, s.high) if math.isfinite(e)]
        ends += [edge for edge in claim.needs if math.isfinite(edge)]
        ends += [-claim.margin, claim.margin] if claim.margin else []
    low, high = min(ends), max(ends)
    room = 0.06 * (high - low) or 1.0
    return low - room, high + room


def _shade(
    axis: Axes, claim: Claim, top: float, bottom: float, limits: tuple[float, float]
) -> None:
    """Where the interval must lie for the claim to hold; the margins, as lines.

    An interval on one side of zero decides, also within the margin: so that is no area.
    """
    low, high = max(claim.needs[0], limits[0]), min(claim.needs[1], limits[1])
    height = bottom - top
    axis.add_patch(Rectangle((low, top), high - low, height, color=ALLOWED, linewidth=0))
    if claim.margin and _has_margins(claim):
        for edge in (-claim.margin, claim.margin):
            axis.plot([edge, edge], [top, bottom], **EDGE)


def _has_margins(claim: Claim) -> bool:
    """Whether the claim is about a difference from zero, of which a small one is no effect."""
    return bool(claim.margin) and 0 in claim.needs


def _step(axis: Axes, step: Step, y: float, colour: str) -> None:
    """The seeds, and below them the mean with its interval."""
    axis.plot(step.by_seed, [y - 0.09] * len(step.by_seed), "o", color=colour, alpha=0.45, ms=4)
    low, high = (max(min(end, 1e6), -1e6) for end in (step.low, step.high))
    axis.plot([low, high], [y + 0.06] * 2, color=colour, linewidth=2.2, solid_capstyle="butt")
    axis.plot([step.mean], [y + 0.06], "D", color=colour, ms=6, mec="white", mew=0.8)
    axis.annotate(
        _label(step),
        (0, y),
        (-8, 0),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        ha="right",
        va="center",
        fontsize=9.5,
        color=INK,
    )
    text = signed(step.mean)
    if math.isfinite(step.low) and step.low != step.high:
        text += f" [{signed(step.low)}, {signed(step.high)}]"
    beside(axis, y - 0.09, text)
    beside(axis, y + 0.09, f"n = {len(step.by_seed)}", SOFT)


def _label(step: Step) -> str:
    """What is subtracted from what; in two lines if it is long."""
    if len(step.label) <= LONG or "\n" in step.label:
        return step.label
    outer = ") − (" if ") − (" in step.label else " − "
    first, _, second = step.label.partition(outer)
    return f"{first}{outer[0].strip()}\n− {outer[-1].strip()}{second}"


def _legend(figure: Figure, forest: Forest, body: float) -> None:
    """What points, bars and colours are."""
    handles: list[Artist] = [
        Line2D([], [], marker="o", linestyle="none", color=SOFT, alpha=0.45, ms=4, label="a seed"),
        Line2D([], [], marker="D", color=SOFT, ms=6, mec="white", label="mean, 95 % interval"),
        Patch(color=ALLOWED, label="the interval must lie here to hold"),
    ]
    if any(map(_has_margins, forest.claims)):
        handles.append(
            Line2D([], [], **EDGE, label="margins: within both and across zero, no effect")
        )
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.0, (body + 0.05) / figure.get_figheight()),
        ncols=4,
        frameon=False,
        fontsize=8.5,
        handletextpad=0.5,
        columnspacing=1.4,
    )
