"""The figure of a table: the paper's trend beside ours, accuracy above cost."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, PngImagePlugin

from vswin.report.picture import DIGEST_KEY, Column, Picture, picture_of
from vswin.report.study import Study

PAPER, OURS, GRAY = "#9a9a9a", "#0b6e8a", "#c9c9c9"
DPI = 130
COLOURS = 64


def figure(study: Study) -> Figure:
    """Draws a study: printed results, ours, and costs that differ, a column for each quantity.

    Printed and reproduced results are in separate panels with axes of their own, because they
    are results of different things; costs are the same quantity and share one.
    """
    return draw(picture_of(study))


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
    """Draws what there is to show, and knows nothing else of a study."""
    columns = picture.columns
    ratios = [1, 1.25, 1] if picture.has_costs else [1, 1.25]
    figure = Figure(figsize=(max(5.2 * len(columns), 6.6), 2.5 * sum(ratios)), layout="constrained")
    axes = figure.subplots(
        len(ratios),
        len(columns),
        squeeze=False,
        sharey="row",
        gridspec_kw={"height_ratios": ratios},
    )
    for place, column in enumerate(columns):
        _paper_accuracy(axes[0, place], column)
        _our_accuracy(axes[1, place], column, picture.chance)
        if picture.has_costs:
            _cost(axes[2, place], column)
        axes[0, place].set_title(column.title, fontsize=11, loc="left", pad=10)
        for axis in axes[:, place]:
            axis.set_xticks(range(len(column.points)), column.ticks)
            axis.set_xlim(-0.5, len(column.points) - 0.5)
            axis.spines[["top", "right"]].set_visible(False)
            axis.grid(axis="y", color="#eeeeee")
            axis.set_axisbelow(True)
        axes[1, place].set_xticks(range(len(column.points)), column.our_ticks)
        axes[-1, place].set_xlabel(column.xlabel)
    axes[1, 0].set_ylim(bottom=0)  # shared by the row
    axes[0, 0].set_ylabel(f"{picture.metric}, %\n{picture.paper_label}", color="#555555")
    axes[1, 0].set_ylabel(f"{picture.metric}, %\n{picture.our_label}", color=OURS)
    if picture.has_costs:
        axes[2, 0].set_ylabel("cost of the paper's model,\nG multiply-accumulates")
    figure.suptitle(
        picture.title + "\n" * (1 + len(picture.notes)),
        fontsize=13,
        fontweight="bold",
        x=0.01,
        ha="left",
    )
    below_title = 1 - 0.38 / figure.get_figheight()  # inches
    figure.text(0.01, below_title, "\n".join(picture.notes), fontsize=9, color="#555555", va="top")
    return figure


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
            (-2, 3),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            fontsize=8,
            color=PAPER,
        )


def _cost(axis: Axes, column: Column) -> None:
    places = list(range(len(column.points)))
    ours = [point.cost for point in column.points]
    axis.bar(places, ours, width=0.5, color=OURS, alpha=0.85, label="ours, counted")
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
    axis.legend(frameon=False, fontsize=8, loc="upper left", markerscale=0.35, ncols=2)


def _annotate(axis: Axes, values: Sequence[float], color: str, form: str) -> None:
    for place, value in enumerate(values):
        if not math.isnan(value):
            axis.annotate(
                f"{value:{form}}",
                (place, value),
                (10, -13),
                textcoords="offset points",
                color=color,
                fontsize=9,
            )
