"""Formulas as lines and what was counted as points, in panels of two columns."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter

from vswin.report.drawing.canvas import INK, OURS, SOFT, WIDTH, inches, titled
from vswin.report.pictures.formulas import Formulas, Panel

COLOURS = (OURS, "#b35900", "#6a3d9a", "#1a7f37")
COLUMNS = 2
HEIGHT, ABOVE, BELOW = 2.2, 0.45, 0.65
"""Inches of a panel, above it for its title, and below it for its axis."""
LEFT, GAP, LEGEND = 0.7, 0.75, 0.3


def draw(formulas: Formulas) -> Figure:
    """Draws each panel on logarithmic axes, where powers are straight lines."""
    lines = math.ceil(len(formulas.panels) / COLUMNS)
    each = ABOVE + HEIGHT + BELOW
    body = lines * each + LEGEND
    figure = titled(formulas.title, formulas.notes, body)
    width = (WIDTH - LEFT - 0.15 - GAP * (COLUMNS - 1)) / COLUMNS
    for place, panel in enumerate(formulas.panels):
        line, column = divmod(place, COLUMNS)
        bottom = body - LEGEND - line * each - ABOVE - HEIGHT
        _draw(inches(figure, LEFT + column * (width + GAP), bottom, width, HEIGHT), panel)
    figure.legend(
        handles=[
            Line2D([], [], color=INK, label="formula"),
            Line2D([], [], color=INK, marker="o", linestyle="none", ms=5, label="counted"),
        ],
        loc="upper left",
        bbox_to_anchor=(0.0, (body + 0.02) / figure.get_figheight()),
        ncols=2,
        frameon=False,
        fontsize=9,
    )
    return figure


def _draw(axis: Axes, panel: Panel) -> None:
    for colour, series in zip(COLOURS, panel.series, strict=False):
        axis.plot(panel.places, series.formula, color=colour, linewidth=1.3, label=series.label)
        axis.plot(panel.places, series.counted, "o", color=colour, ms=4.5)
    axis.set_yscale("log")
    axis.set_xscale("log" if min(panel.places) > 0 else "linear")
    if any(panel.ticks):
        axis.set_xticks(panel.places, panel.ticks)
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.tick_params(axis="x", which="minor", length=0)
    axis.margins(y=0.12)
    axis.set_title(panel.title, fontsize=10, loc="left")
    axis.set_xlabel(panel.x_title, fontsize=9, color=SOFT)
    axis.set_ylabel(panel.y_title, fontsize=9, color=SOFT)
    axis.grid(color="#eeeeee", linewidth=0.7)
    axis.legend(fontsize=8, frameon=False, title="stride of K and V", title_fontsize=8)
