"""A panel for each metric, over the same ratios on a logarithmic axis."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vswin.report.drawing.canvas import OURS, SOFT, WIDTH, inches, titled
from vswin.report.pictures.sweep import Line, Panel, Sweep

HEIGHT, AXIS, LEFT, GAP = 2.6, 0.6, 0.7, 0.75
"""Inches of a panel, below it, left of it, and between two."""
LEGEND_LINE = 0.21
LOOKS = ((OURS, "o"), ("#b4541a", "s"), ("#5b4a9e", "^"), (SOFT, "v"))
"""Colour and marker of a line, and again from the first; a single row is hollow, with those of the
line that it is called after."""
APART = 1.035
"""Factor by which the ratios of one line are moved off those of the next, to be seen beside it."""


def draw(sweep: Sweep) -> Figure:
    """Draws all panels beside each other, with one legend below."""
    count = len(sweep.panels)
    legend = LEGEND_LINE * len(sweep.panels[0].lines) + 0.1
    figure = titled(sweep.title, sweep.notes, HEIGHT + AXIS + legend)
    width = (WIDTH - LEFT - 0.25 - GAP * (count - 1)) / count
    for place, panel in enumerate(sweep.panels):
        axis = inches(figure, LEFT + place * (width + GAP), AXIS + legend, width, HEIGHT)
        _panel(axis, panel)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower left", frameon=False, fontsize=9)
    return figure


def _panel(axis: Axes, panel: Panel) -> None:
    axis.set_xscale("log")
    for number, line in enumerate(panel.lines):
        look = LOOKS[_alike(panel, number) % len(LOOKS)]
        aside = APART ** (number - (len(panel.lines) - 1) / 2)
        _line(axis, line, look, aside, is_above=bool(number % 2))
    ratios = sorted({point.ratio for line in panel.lines for point in line.points})
    axis.set_xticks(ratios, [f"{ratio:g}×" for ratio in ratios])
    axis.minorticks_off()
    axis.margins(x=0.1, y=0.1)
    axis.grid(axis="y", color="#eeeeee", linewidth=0.7)
    axis.set_xlabel("learning rate of the backbone / of the head", fontsize=9, color=SOFT)
    axis.set_ylabel(panel.metric, fontsize=9)


def _alike(panel: Panel, number: int) -> int:
    """The number of the line that a single row is called after, or else its own."""
    line = panel.lines[number]
    for other, candidate in enumerate(panel.lines):
        is_line = len(candidate.points) > 1 == len(line.points)
        if is_line and line.label.endswith(candidate.label):
            return other
    return number


def _line(axis: Axes, line: Line, look: tuple[str, str], aside: float, is_above: bool) -> None:
    """Means with intervals, and above or below them, beside the line, the number of seeds."""
    color, marker = look
    ratios = [point.ratio * aside for point in line.points]
    means = [point.mean for point in line.points]
    ends = [[p.mean - p.low for p in line.points], [p.high - p.mean for p in line.points]]
    filled = color if len(line.points) > 1 else "white"
    axis.errorbar(
        ratios, means, yerr=ends, color=color, marker=marker, mfc=filled, ms=6, label=line.label
    )
    is_right = is_above != (means[-1] > means[0])  # where a line that rises or falls is not
    for ratio, point in zip(ratios, line.points, strict=True):
        axis.annotate(
            str(point.n),
            (ratio, point.mean),
            (5 if is_right else -5, 4 if is_above else -4),
            textcoords="offset points",
            ha="left" if is_right else "right",
            va="bottom" if is_above else "top",
            fontsize=7.5,
            color=color,
        )
    if line.before is not None:
        axis.axhline(line.before, color=color, linestyle=":", linewidth=1)
