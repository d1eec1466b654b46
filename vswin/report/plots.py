"""The figure of a table: the paper's trend beside ours, accuracy above cost."""

from __future__ import annotations

import io
import math
import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, PngImagePlugin

from vswin.report.picture import DIGEST_KEY, Column, Picture

PAPER, OURS, GRAY = "#9a9a9a", "#0b6e8a", "#c9c9c9"
DPI = 130
COLOURS = 64
INCHES_OF_A_LETTER = 0.085
"""Of a row's name, at its size."""
INCHES_OF_A_ROW = 0.65
"""So that a value beside its point ends before the next row's point."""
INCHES_BESIDE = 1.0
"""What labels take of a column's width."""


class ShownFigure(Figure):
    """A figure that a notebook shows, too, if pyplot, which would see to that, is not in use."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()


def png(picture: Picture) -> bytes:
    """The figure as a file, which says of what it is a picture.

    It has a palette, which looks the same and makes it a third as large.
    """
    drawn, file = io.BytesIO(), io.BytesIO()
    draw(picture).savefig(drawn, format="png", dpi=DPI)
    about = PngImagePlugin.PngInfo()
    about.add_text(DIGEST_KEY, picture.digest())
    with Image.open(drawn) as image:
        few = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        few.save(file, "PNG", optimize=True, dpi=(DPI, DPI), pnginfo=about)
    return file.getvalue()


def draw(picture: Picture) -> Figure:
    """Draws printed results, ours, and costs, each where there are any; a column for each quantity.

    Printed and reproduced results are in separate panels with axes of their own, because they
    are results of different things; costs are the same quantity and share one.
    """
    columns = picture.columns
    heights = {
        "paper": 1.0 if picture.paper_label else 0.0,
        "ours": 1.25,
        "cost": 1.0 if picture.cost_label else 0.0,
    }
    panels = {name: height for name, height in heights.items() if height}
    rows = max(len(column.points) for column in columns)
    width = max(len(columns) * max(5.2, rows * INCHES_OF_A_ROW + INCHES_BESIDE), 6.6)
    is_slanted = any(_is_cramped(column, width / len(columns)) for column in columns)
    title = textwrap.wrap(picture.title, int(9.5 * width))
    notes = [line for note in picture.notes for line in textwrap.wrap(note, int(15 * width))]
    lines = len(title) + len(notes) - 3  # what is above the panels, beyond the usual
    height = 2.5 * sum(panels.values()) + 0.2 * max(lines, 0)
    figure = ShownFigure(figsize=(width, height + is_slanted), layout="constrained")
    grid = figure.subplots(
        len(panels),
        len(columns),
        squeeze=False,
        sharey="row",
        gridspec_kw={"height_ratios": [*panels.values()]},
    )
    axes = dict(zip(panels, grid, strict=True))
    for place, column in enumerate(columns):
        if "paper" in axes:
            _paper_accuracy(axes["paper"][place], column)
        _our_accuracy(axes["ours"][place], column, picture.chance)
        if "cost" in axes:
            _cost(axes["cost"][place], column)
        grid[0, place].set_title(column.title, fontsize=11, loc="left", pad=10)
        for name, of_columns in axes.items():
            axis = of_columns[place]
            axis.set_xlim(-0.5, len(column.points) - 0.5)
            ticks = column.our_ticks if name == "ours" else column.ticks
            axis.set_xticks(range(len(ticks)), ticks)
            axis.spines[["top", "right"]].set_visible(False)
            axis.grid(axis="y", color="#eeeeee")
            axis.set_axisbelow(True)
            if is_slanted:
                _slant(axis, is_lowest=axis is grid[-1, place])
        grid[-1, place].set_xlabel(column.xlabel)
    is_empty = not any(point.is_done for column in columns for point in column.points)
    axes["ours"][0].set_ylim(bottom=0, top=100 if is_empty else None)  # shared by the row
    axes["ours"][0].set_ylabel(f"{picture.metric}, %\n{picture.our_label}", color=OURS)
    if "paper" in axes:
        axes["paper"][0].set_ylabel(f"{picture.metric}, %\n{picture.paper_label}", color="#555555")
    if "cost" in axes:
        axes["cost"][0].set_ylabel(picture.cost_label)
    figure.suptitle(
        "\n".join(title) + "\n" * (1 + len(notes)),
        fontsize=13,
        fontweight="bold",
        x=0.01,
        ha="left",
    )
    below_title = 1 - (0.18 + 0.2 * len(title)) / figure.get_figheight()  # inches
    figure.text(0.01, below_title, "\n".join(notes), fontsize=9, color="#555555", va="top")
    return figure


def _is_cramped(column: Column, width: float) -> bool:
    """Whether the rows' names, side by side, are longer than a column of so many inches."""
    names = (*column.ticks, *column.our_ticks)
    longest = max(len(line) for name in names for line in name.splitlines())
    return longest * INCHES_OF_A_LETTER * len(column.ticks) > width - INCHES_BESIDE


def _slant(axis: Axes, *, is_lowest: bool) -> None:
    """Slants the rows' names, which are then in the lowest panel alone."""
    axis.tick_params(axis="x", labelrotation=30, labelbottom=is_lowest)
    for text in axis.get_xticklabels():
        text.set(ha="right", rotation_mode="anchor")


def _paper_accuracy(axis: Axes, column: Column) -> None:
    values = [point.paper for point in column.points]
    axis.plot(
        range(len(values)),
        values,
        linestyle="-" if column.is_ordered else "none",
        color=PAPER,
        marker="D",
        markersize=7,
        linewidth=1.5,
    )
    _annotate(axis, values, "#555555", ".1f")
    axis.margins(y=0.35)


def _our_accuracy(axis: Axes, column: Column, chance: float | None) -> None:
    done = {place: point for place, point in enumerate(column.points) if point.is_done}
    if done:
        points = done.values()
        axis.errorbar(
            list(done),
            [p.ours for p in points],
            yerr=[[p.ours - p.low for p in points], [p.high - p.ours for p in points]],
            linestyle="-" if column.is_ordered else "none",
            color=OURS,
            marker="o",
            markersize=7,
            linewidth=1.5,
            elinewidth=1.2,
            capsize=4,
        )
        for place, point in done.items():
            if len(point.by_seed) > 1:
                axis.plot(
                    [place] * len(point.by_seed),
                    point.by_seed,
                    ".",
                    color=OURS,
                    alpha=0.45,
                    markersize=6,
                )
        _annotate(axis, [point.ours for point in column.points], OURS, ".1f")
    for place in range(len(column.points)):
        if place not in done:
            axis.text(
                place,
                0.5,
                "not run",
                rotation=90,
                ha="center",
                va="center",
                color=PAPER,
                transform=axis.get_xaxis_transform(),
            )
    axis.margins(y=0.25)
    if chance is not None:
        axis.axhline(chance, color=PAPER, linestyle=":", linewidth=1.2)
        axis.annotate(
            "chance",
            (1, chance),
            (3, 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=PAPER,
        )


def _cost(axis: Axes, column: Column) -> None:
    places = list(range(len(column.points)))
    ours = [point.cost for point in column.points]
    axis.bar(places, ours, width=0.5, color=OURS, alpha=0.85, label="ours, counted")
    is_printed = not all(math.isnan(point.paper_cost) for point in column.points)
    if is_printed:
        axis.plot(
            places,
            [point.paper_cost for point in column.points],
            linestyle="none",
            marker="_",
            markersize=42,
            markeredgewidth=2,
            color="black",
            label="printed",
        )
    for place, value in zip(places, ours, strict=True):
        axis.annotate(
            f"{value:.1f}",
            (place, value),
            (0, 5),
            textcoords="offset points",
            ha="center",
            fontsize=9,
        )
    axis.margins(y=0.35)
    if is_printed:
        axis.legend(frameon=False, fontsize=8, loc="upper left", markerscale=0.35, ncols=2)


def _annotate(axis: Axes, values: Sequence[float], color: str, form: str) -> None:
    low = 0.15 * max((value for value in values if not math.isnan(value)), default=0)
    for place, value in enumerate(values):
        if not math.isnan(value):
            axis.annotate(
                f"{value:{form}}",
                (place, value),
                (10, -13 if value > low else 5),  # above the axis
                textcoords="offset points",
                color=color,
                fontsize=9,
            )
