"""The cost of a whole test by the number of clips, on a linear and on a logarithmic axis."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from vswin.report.drawing.canvas import INK, OURS, SOFT, WIDTH, inches, titled, widest
from vswin.report.pictures.inference import Inference, Line

ROW, AXIS, LEGEND, GAP = 0.5, 0.6, 0.35, 0.35
"""Inches of a model, below an axis, of the legend, and between the two axes."""


def draw(inference: Inference) -> Figure:
    """Draws a row for each model: linear at the left, logarithmic at the right."""
    lines = inference.lines
    height = ROW * len(lines)
    body = height + AXIS + LEGEND
    left = 0.25 + widest([line.label for line in lines])
    width = max(2.8, (WIDTH - left - GAP - 0.3) / 2)
    total = left + 2 * width + GAP + 0.3
    figure = titled(inference.title, inference.notes, body, total)
    for place, scale in enumerate(("linear", "log")):
        axis = inches(figure, left + place * (width + GAP), AXIS, width, height)
        axis.set_xscale(scale)
        for number, line in enumerate(lines):
            _line(axis, line, number)
        axis.set_ylim(len(lines) - 0.5, -0.6)
        labels = [] if place else [line.label for line in lines]
        axis.set_yticks(range(len(lines)) if labels else [], labels, fontsize=9.5)
        axis.tick_params(axis="y", length=0)
        axis.spines["left"].set_visible(False)
        axis.grid(axis="x", color="#eeeeee", linewidth=0.7)
        if scale == "linear":
            axis.set_xlim(left=0)
        else:
            ticks = [0.05, 0.1, 0.2, 0.5, 1, 2, 5]
            axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axis.minorticks_off()
        axis.margins(x=0.12)
        axis.set_xlabel(
            f"TFLOPs (10¹² multiply-accumulates) of a video, {scale}", fontsize=9, color=SOFT
        )
    handles = [
        Line2D([], [], marker="o", color=OURS, label="counted; numbers are those of clips"),
        Line2D([], [], marker="D", linestyle="none", color=INK, label="printed top-1"),
    ]
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.0, (body + 0.02) / figure.get_figheight()),
        ncols=2,
        frameon=False,
        fontsize=8.5,
    )
    return figure


def _line(axis: Axes, line: Line, number: int) -> None:
    """A model's tests, and the one whose accuracy is printed."""
    axis.plot(
        [point.tera for point in line.points],
        [number] * len(line.points),
        "o-",
        color=OURS,
        ms=5,
        linewidth=1,
    )
    crowded = axis.get_xscale() == "linear"
    for point in line.points[-1:] if crowded else line.points:
        _above(axis, point.tera, number, str(point.clips))
    if line.printed is not None:
        axis.plot([line.printed.tera], [number], "D", color=INK, ms=7, zorder=3)
        clips = "" if line.points else f", {line.printed.clips} clips"
        _below(axis, line.printed.tera, number, f"{line.top1} %{clips}")


def _above(axis: Axes, x: float, y: float, text: str) -> None:
    axis.annotate(
        text, (x, y), (0, 6), textcoords="offset points", ha="center", fontsize=8, color=OURS
    )


def _below(axis: Axes, x: float, y: float, text: str) -> None:
    axis.annotate(
        text,
        (x, y),
        (0, -7),
        textcoords="offset points",
        ha="center",
        va="top",
        fontsize=8.5,
        color=INK,
        fontweight="bold",
    )
