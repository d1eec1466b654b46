"""Learning curves: a small panel for each row, with every seed and their mean."""

from __future__ import annotations

import math
import textwrap

from matplotlib.figure import Figure

from vswin.report.drawing.canvas import OURS, SOFT, WIDTH, inches, titled
from vswin.report.pictures.curves import LOOKS, Curves

COLUMNS = 4
HEIGHT, ABOVE, BELOW = 1.35, 0.5, 0.3
"""Inches of a panel, above it for its title, and below it for its ticks."""
LEFT, GAP = 0.65, 0.22


def draw(curves: Curves) -> Figure:
    """Draws all panels on the same axes, so that they can be compared."""
    columns = min(COLUMNS, len(curves.rows))
    lines = math.ceil(len(curves.rows) / columns)
    each = HEIGHT + ABOVE + BELOW
    body = lines * each
    figure = titled(curves.title, curves.notes, body)
    width = (WIDTH - LEFT - 0.15 - GAP * (COLUMNS - 1)) / COLUMNS
    top = 1.05 * max(value for row in curves.rows for by in row.by_seed for value in by)
    last = max(step for row in curves.rows for step in row.steps)
    for place, row in enumerate(curves.rows):
        line, column = divmod(place, columns)
        bottom = body - line * each - ABOVE - HEIGHT
        axis = inches(figure, LEFT + column * (width + GAP), bottom, width, HEIGHT)
        for values in row.by_seed:
            axis.plot(row.steps, values, color=OURS, alpha=0.3, linewidth=0.8)
        axis.plot(row.steps, row.mean, color=OURS, linewidth=2)
        for look, bound in zip(LOOKS, curves.bounds, strict=False):
            if bound.value < top:
                axis.axhline(bound.value, color=SOFT, linestyle=look, linewidth=1)
        axis.set_xlim(0, last)
        axis.set_ylim(0, top)
        axis.set_xticks([0, last], ["0", f"{last:,} steps"], fontsize=8.5)
        first, end = axis.get_xticklabels()
        first.set_horizontalalignment("left")
        end.set_horizontalalignment("right")
        axis.set_title("\n".join(textwrap.wrap(row.label, 28)), fontsize=9.5, loc="left")
        axis.tick_params(labelleft=column == 0)
        axis.grid(axis="y", color="#eeeeee", linewidth=0.7)
        if column == 0:
            axis.set_ylabel(curves.metric, fontsize=9)
    return figure
