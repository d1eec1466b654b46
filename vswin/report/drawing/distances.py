"""Attention distances as in Figure A.6: the layer to the right, the distance upwards."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vswin.report.drawing.canvas import OURS, SOFT, WIDTH, inches, titled
from vswin.report.pictures.distances import DistancesPicture, Panel

HEIGHT, ABOVE, BELOW = 1.9, 0.42, 0.5
"""Inches of a panel, above it for its title, and below it for its axis."""
LEFT, GAP = 0.75, 0.25


def draw(picture: DistancesPicture) -> Figure:
    """Draws all panels on the same axes, so that they can be compared."""
    each = HEIGHT + ABOVE + BELOW
    figure = titled(picture.title, picture.notes, each * len(picture.lines))
    columns = max(map(len, picture.lines))
    width = (WIDTH - LEFT - 0.15 - GAP * (columns - 1)) / columns
    panels = [panel for line in picture.lines for panel in line]
    values = [value for panel in panels for _, value in panel.points]
    room = 0.06 * (max(values) - min(values))
    limits = min(values) - room, max(values) + 3 * room
    last = max(layer for panel in panels for layer, _ in panel.points)
    for number, line in enumerate(picture.lines):
        bottom = each * (len(picture.lines) - number) - ABOVE - HEIGHT
        for column, panel in enumerate(line):
            axis = inches(figure, LEFT + column * (width + GAP), bottom, width, HEIGHT)
            _panel(axis, panel, last)
            axis.set_ylim(*limits)
            axis.tick_params(labelleft=column == 0)
            if column == 0:
                axis.set_ylabel(f"mean attention distance\non {panel.kind}", fontsize=9)
    return figure


def _panel(axis: Axes, panel: Panel, last: int) -> None:
    layers, values = zip(*panel.points, strict=True)
    axis.scatter(layers, values, s=14, color=OURS, alpha=0.55, linewidths=0)
    axis.set_xlim(0.3, last + 0.7)
    axis.set_xticks(range(2, last + 1, 2))
    axis.set_xlabel("layer", fontsize=9)
    axis.set_title(panel.title, fontsize=9.5, loc="left")
    axis.grid(axis="y", color="#eeeeee", linewidth=0.7)
    axis.annotate(
        panel.aside, (1, 1), (-4, -4), xycoords="axes fraction", textcoords="offset points",
        ha="right", va="top", fontsize=8.5, color=SOFT,
    )  # fmt: skip
