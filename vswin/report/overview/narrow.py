"""Draws the picture of the overview for a narrow page: each claim in two lines."""

from __future__ import annotations

import textwrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vswin.report.drawing.canvas import LETTER, as_png
from vswin.report.overview.picture import Group, Line, Picture
from vswin.report.overview.plots import (
    COLOURS,
    COLUMN,
    INK,
    KEY_LINE,
    MARK,
    PALE,
    SMALL,
    drawn,
    key,
    marks_in_words,
    named,
    scaled,
    stacked,
)

EDGE, WORDS, WIDTH = 0.15, 3.1, 5.75
"""Inches from the left: of all that begins there, of the words beside the forest, of their end."""
NAMES = 2.45
"""Inches from the left: of the bars."""
ROW, HEAD, TEXT = 0.5, 0.36, 0.19
"""Inches: heights of a claim, of a table's title, and of a line of text."""
BAR, AXIS = 0.3, 0.6
"""Inches: heights of a bar, and below the forest."""
KEY_COLUMNS = 3


def png(picture: Picture) -> bytes:
    """The picture as a file, which says of what it is one."""
    return as_png(draw(picture), picture.digest())


def draw(picture: Picture) -> Figure:
    """Bars above the forest, as in `plots.draw`, with words above and below, not beside them."""
    width = WIDTH + COLUMN * len(picture.elsewhere) + EDGE
    letters = int((width - 2 * EDGE) / LETTER)
    title = textwrap.wrap(picture.title, int(0.6 * letters))
    note = [line for part in picture.note.splitlines() for line in textwrap.wrap(part, letters)]
    words = [textwrap.wrap(bar.text, letters) for bar in picture.bars]
    marks = textwrap.wrap(marks_in_words(picture), letters)
    top = 0.2 + 0.27 * len(title) + TEXT * len(note)
    bars = sum(BAR + TEXT * len(lines) + 0.08 for lines in words)
    is_run = any(group.lines for group in picture.groups)
    forest = sum(HEAD + ROW * len(g.lines) for g in picture.groups) if is_run else 0.0
    below = AXIS + KEY_LINE * -(-(len(COLOURS) + 2) // KEY_COLUMNS) + TEXT * len(marks) + 0.2
    above = 0.5 if picture.elsewhere else 0.1
    figure = Figure(figsize=(width, top + bars + (above + forest + below if is_run else 0.2)))
    _say(figure, 0.1, title, fontsize=14, weight="bold", color=INK)
    _say(figure, 0.15 + 0.27 * len(title), note)
    _bars(_axis(figure, NAMES, top, width - NAMES - EDGE, bars), picture, words)
    if is_run:
        axis = _axis(figure, EDGE, top + bars + above, WORDS - 2 * EDGE, forest)
        _forest(axis, picture)
        key(figure, 0.1 + TEXT * len(marks), KEY_COLUMNS)
        _say(figure, figure.get_figheight() - 0.12 - TEXT * len(marks), marks)
    return figure


def _say(figure: Figure, top: float, lines: list[str], **looks: Any) -> None:
    """Lines of text, so many inches below the upper edge."""
    wide, high = figure.get_size_inches()
    looks = dict[str, Any](fontsize=SMALL, color=PALE, va="top") | looks
    figure.text(EDGE / wide, 1 - top / high, "\n".join(lines), **looks)


def _axis(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """An axis at a place in inches from the upper left corner, which counts inches from its top."""
    wide, high = figure.get_size_inches()
    axis = figure.add_axes((left / wide, 1 - (top + height) / high, width / wide, height / high))
    axis.set_ylim(height, 0)
    return axis


def _bars(axis: Axes, picture: Picture, words: list[list[str]]) -> None:
    """A bar for each class of evidence; its counts in words are below it."""
    axis.set_xlim(0, max((sum(bar.counts.values()) for bar in picture.bars), default=1))
    axis.axis("off")
    top = 0.0
    for bar, lines in zip(picture.bars, words, strict=True):
        _beside(axis, NAMES - 0.08, top + BAR / 2, bar.label, NAMES, ha="right", color=INK)
        stacked(axis, top + BAR / 2, bar, 0.8 * BAR)
        top += BAR
        _beside(axis, EDGE, top, "\n".join(lines), NAMES, va="top")
        top += TEXT * len(lines) + 0.08


def _forest(axis: Axes, picture: Picture) -> None:
    ends = scaled(axis, picture, WORDS - 2 * EDGE)
    axis.set_xlabel(picture.axis, fontsize=SMALL, loc="left")  # it is wider than the axis
    for number, title in enumerate(picture.elsewhere):
        turned: dict[str, Any] = {"rotation": 35, "rotation_mode": "anchor", "va": "bottom"}
        _beside(axis, WIDTH + COLUMN * number, 0.1, title, **turned)
    if picture.elsewhere:
        _beside(axis, WIDTH - 0.1, 0.1, "sensitivity studies:", va="bottom", ha="right")
    top = 0.0
    for group in picture.groups:
        _title(axis, top + 0.6 * HEAD, group)
        top += HEAD
        for line in group.lines:
            _line(axis, top, line, ends)
            top += ROW


def _title(axis: Axes, place: float, group: Group) -> None:
    waiting = f"{group.waiting} not run" if group.waiting else ""
    title = textwrap.shorten(group.title, 56 if waiting else 68, placeholder=" …")
    _beside(axis, EDGE, place, title, weight="bold", color=INK)
    _beside(axis, WIDTH, place, waiting, ha="right")


def _line(axis: Axes, top: float, line: Line, ends: tuple[float, float]) -> None:
    """One claim: its name and verdict, and below them the forest and what was found."""
    colour, place = COLOURS[line.verdict], top + 0.34
    _beside(axis, EDGE, top + 0.11, named(line), color=INK)
    _beside(axis, WIDTH, top + 0.11, line.verdict, ha="right", color=colour, weight="bold")
    drawn(axis, place, line, ends, 0.1)
    _beside(axis, WIDTH, place, line.text, ha="right")
    for number, mark in enumerate(line.elsewhere):
        at = WIDTH + COLUMN * (number + 0.4)
        _beside(axis, at, top + 0.22, mark, ha="center", **MARK)


def _beside(
    axis: Axes, x: float, place: float, text: str, left: float = EDGE, **looks: Any
) -> None:
    """Text beside an axis that begins at `left`; x in inches of the figure, place in its data."""
    looks = dict[str, Any](va="center", color=PALE, fontsize=SMALL) | looks
    axis.annotate(
        text,
        (0, place),
        (72 * (x - left), 0),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        **looks,
    )
