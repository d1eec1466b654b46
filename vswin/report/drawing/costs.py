"""Counted costs beside printed ones, and what rounding explains."""

from __future__ import annotations

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from vswin.report.drawing.canvas import (
    INK,
    OURS,
    PALE,
    SOFT,
    TONES,
    WIDTH,
    beside,
    inches,
    titled,
    widest,
)
from vswin.report.pictures.costs import Costs
from vswin.wording import signed

ROW, AXIS, LEGEND = 0.3, 0.6, 0.35


def draw(costs: Costs) -> Figure:
    """Draws by how much ours differs from each printed cost, in %."""
    height = ROW * len(costs.costs)
    body = height + AXIS + LEGEND
    left, right = 0.25 + widest([cost.label for cost in costs.costs]), 0.9
    figure = titled(costs.title, costs.notes, body)
    axis = inches(figure, left, AXIS, WIDTH - left - right, height)
    for place, cost in enumerate(costs.costs):
        band = 2 * cost.rounding
        axis.barh(place, band, left=-cost.rounding, height=0.7, color=PALE)
        colour = OURS if cost.exact else TONES["contradicted"]
        axis.plot([cost.percent], [place], "o", color=colour, ms=6)
        beside(axis, place, f"{signed(cost.percent)} %", colour, bold=not cost.exact)
    axis.axvline(0, color=INK, linewidth=1)
    axis.set_ylim(len(costs.costs) - 0.5, -0.5)
    axis.set_yticks(range(len(costs.costs)), [cost.label for cost in costs.costs], fontsize=9)
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_visible(False)
    axis.use_sticky_edges = False  # or a bar that reaches farthest would touch the edge
    axis.margins(x=0.1)
    axis.set_xlabel("counted, relative to printed, %", fontsize=9, color=SOFT)
    apart = TONES["contradicted"]
    handles = [
        Line2D([], [], marker="o", linestyle="none", color=OURS, label="as printed"),
        Line2D([], [], marker="o", linestyle="none", color=apart, label="not as printed"),
        Patch(color=PALE, label="what rounding to the printed digits explains"),
    ]
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.0, (body + 0.02) / figure.get_figheight()),
        ncols=3,
        frameon=False,
        fontsize=8.5,
    )
    return figure
