"""What all pictures share: colours, a title with notes, and how a figure becomes a file."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, PngImagePlugin

from vswin.report.pictures.kept import DIGEST_KEY

INK, SOFT, PALE = "#222222", "#666666", "#c9c9c9"
OURS = "#0b6e8a"
TONES = {
    "holds": "#1a7f37",
    "contradicted": "#b42318",
    "no effect": "#9a6700",
    "inconclusive": "#6a6a6a",
    "withdrawn": "#7a5195",
    "not run": "#6a6a6a",
}
"""The colour of a verdict."""
ALLOWED = "#dcf3e2"
"""Where a claim holds."""
DPI = 130
COLOURS = 160
"""Of a file's palette; with 96, pale points of one verdict took the colour of another."""
WIDTH = 9.2
"""Inches; a page shows it at about this size."""
LETTER = 0.078
"""Inches of a letter of a label, on average."""
LINE = 0.2
"""Inches of a line of notes."""
LINEAR = 2.0
"""Points around zero in which a logarithmic axis is linear."""
TICKS = (0, -1, 1, -2, 2, -5, 5, -10, 10, -20, 20, -50, 50, -3, 3, -30, 30, -4, 4)
"""What a logarithmic axis may be labelled with, the most wanted first."""
APART = 0.3
"""Inches between two labels of an axis, at least."""


class ShownFigure(Figure):
    """A figure that a notebook shows, too, if pyplot, which would see to that, is not in use."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        self.savefig(file, format="png")
        return file.getvalue()


def as_png(figure: Figure, digest: str) -> bytes:
    """The figure as a file, which says of what it is a picture.

    It has a palette, which looks the same and makes it a third as large.
    """
    drawn, file = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI)
    about = PngImagePlugin.PngInfo()
    about.add_text(DIGEST_KEY, digest)
    with Image.open(drawn) as image:
        few = image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        few.save(file, "PNG", optimize=True, dpi=(DPI, DPI), pnginfo=about)
    return file.getvalue()


def titled(title: str, notes: Sequence[str], body: float, width: float = WIDTH) -> ShownFigure:
    """An empty figure with a title and notes above a body of so many inches.

    What is drawn stays below the heading: see `body_of`.
    """
    titles = textwrap.wrap(title, int(9.5 * width))
    lines = [line for note in notes for line in textwrap.wrap(note, int(14 * width))]
    heading = 0.15 + 0.26 * len(titles) + LINE * len(lines)
    figure = ShownFigure(figsize=(width, heading + body))
    height = heading + body
    figure.text(
        0.1 / width,
        1 - 0.1 / height,
        "\n".join(titles),
        fontsize=13,
        fontweight="bold",
        va="top",
        color=INK,
    )
    figure.text(
        0.1 / width,
        1 - (0.12 + 0.26 * len(titles)) / height,
        "\n".join(lines),
        fontsize=9,
        va="top",
        color=SOFT,
    )
    return figure


def inches(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    """An axis at a place that is given in inches from the lower left corner."""
    wide, high = figure.get_figwidth(), figure.get_figheight()
    axis = figure.add_axes((left / wide, bottom / high, width / wide, height / high))
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=9)
    axis.set_axisbelow(True)
    return axis


def logarithmic(axis: Axes, low: float, high: float, width: float) -> None:
    """Gives an axis of so many inches a scale on which tenths and tens of points can be seen.

    It is linear around zero; its labels are as many as there is place for.
    """
    axis.set_xscale("symlog", linthresh=LINEAR, linscale=0.9)
    axis.set_xlim(low, high)
    found: dict[int, float] = {}
    for tick in TICKS:
        place = width * axis.transLimits.transform(axis.transScale.transform((tick, 0)))[0]
        if low <= tick <= high and all(abs(place - other) >= APART for other in found.values()):
            found[tick] = place
    axis.set_xticks(
        sorted(found), [f"{t:+d}".replace("-", "−") if t else "0" for t in sorted(found)]
    )
    axis.set_xticks([], minor=True)


def beside(axis: Axes, y: float, text: str, color: str = INK, *, bold: bool = False) -> None:
    """Text at the right of an axis, at a height in its data."""
    axis.annotate(
        text,
        (1, y),
        (8, 0),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        va="center",
        fontsize=9,
        color=color,
        fontweight="bold" if bold else "normal",
    )


def widest(texts: Sequence[str]) -> float:
    """Inches that the longest of some labels takes; a label may have lines."""
    lines = [line for text in texts for line in text.splitlines()]
    return LETTER * max(map(len, lines), default=0)
