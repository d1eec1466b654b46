"""Draws the picture of the overview: verdicts counted, and the forest of all tested differences."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from vswin.report.drawing.canvas import LETTER, LINEAR, TONES, as_png, logarithmic
from vswin.report.overview.picture import MARKS, Bar, Group, Line, Picture, reach

COLOURS = TONES | {"not run": "#b5b5b5"}
"""By verdict, in the order in which they are counted."""
TRUE, BAND, INK, PALE = "#e3f2e8", "#d5d5d5", "#222222", "#666666"
WIDTH, NAMES, RIGHT = 11.1, 3.55, 3.85
"""Inches: of the figure, of the names to the left of the forest, of the words to the right."""
SMALL = 10
"""Points: of all letters but titles'; on a narrow page they are a fifth smaller."""
COLUMN = 0.4
"""Inches: of a sensitivity study's column."""
MARK: dict[str, Any] = {"color": INK, "weight": "bold", "fontsize": 11}
"""How a mark in it looks: it is no verdict, and has the colour of none."""
KEY_LINE = 0.25
"""Inches: of a line of the key."""
ROW, BAR = 0.3, 0.34
"""Inches: heights of a line of the forest and of a bar."""


def draw(picture: Picture) -> Figure:
    """Bars of counted verdicts above the forest of claims, all named."""
    is_run = any(group.lines for group in picture.groups)
    rows = sum(1 + len(group.lines) for group in picture.groups) if is_run else 0
    top, between, bottom = 1.05, 0.85 if picture.elsewhere else 0.4, 1.2
    bars, forest = BAR * len(picture.bars), ROW * rows
    height = top + bars + (between + forest + bottom if rows else 0.3)
    width = WIDTH + COLUMN * len(picture.elsewhere) + (0.4 if picture.elsewhere else 0)
    figure = Figure(figsize=(width, height))
    figure.text(0.15 / width, 1 - 0.32 / height, picture.title, fontsize=15, weight="bold")
    looks: dict[str, Any] = {"fontsize": SMALL, "color": PALE, "va": "top"}
    figure.text(0.15 / width, 1 - 0.44 / height, picture.note, **looks)
    upper = figure.add_axes(
        (NAMES / width, 1 - (top + bars) / height, (WIDTH - NAMES - RIGHT) / width, bars / height)
    )
    _bars(upper, picture)
    if rows:
        share = (WIDTH - NAMES - RIGHT) / width
        lower = figure.add_axes((NAMES / width, bottom / height, share, forest / height))
        _forest(lower, picture, rows)
        key(figure, 0.08 + KEY_LINE, len(COLOURS) + 2)
        figure.text(0.15 / width, 0.3 / height, marks_in_words(picture), **looks)
    return figure


def _bars(axis: Axes, picture: Picture) -> None:
    """A bar for each class of evidence, with its counts in it."""
    most = max((sum(bar.counts.values()) for bar in picture.bars), default=1)
    axis.set(xlim=(0, most), ylim=(len(picture.bars) - 0.5, -0.5))
    axis.axis("off")
    for place, bar in enumerate(picture.bars):
        axis.text(
            -0.01, place, bar.label, transform=axis.get_yaxis_transform(), ha="right", va="center"
        )
        stacked(axis, place, bar, 0.74)
        start = sum(bar.counts.values())
        room = (RIGHT + (1 - start / most) * (WIDTH - NAMES - RIGHT)) / LETTER
        parts = bar.text.replace(" ", "\u00a0").replace(",\u00a0", ", ")  # no part is broken
        words = textwrap.fill(parts, int(room))
        axis.text(start + 0.02 * most, place, words, va="center", fontsize=SMALL, color=PALE)


def stacked(axis: Axes, place: float, bar: Bar, thickness: float) -> None:
    """The counts of a class of evidence, one behind the other."""
    start = 0
    for verdict, colour in COLOURS.items():
        if count := bar.counts.get(verdict, 0):
            axis.barh(place, count, thickness, left=start, color=colour)
            axis.text(
                start + count / 2,
                place,
                str(count),
                color="white",
                ha="center",
                va="center",
                weight="bold",
            )
            start += count


def scaled(axis: Axes, picture: Picture, width: float) -> tuple[float, float]:
    """Gives an axis of so many inches its scale and its labels; returns its ends."""
    low, high = reach(picture)
    low, high = min(1.25 * low, -LINEAR), max(1.25 * high, LINEAR)
    logarithmic(axis, low, high, width)
    axis.set_yticks([])
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.set_xlabel(picture.axis, fontsize=SMALL)
    return low, high


def _forest(axis: Axes, picture: Picture, rows: int) -> None:
    ends = scaled(axis, picture, WIDTH - NAMES - RIGHT)
    axis.set_ylim(rows - 0.5, -0.5)
    for place, found in _rows(picture):
        if isinstance(found, Group):
            left = (0.15 - NAMES) / (WIDTH - NAMES - RIGHT)
            _beside(axis, left, place + 0.1, found.title, ha="left", weight="bold", fontsize=10)
            if found.waiting:
                words = f"{found.waiting} not run"
                _beside(axis, 1.02, place + 0.1, words, ha="left", color=PALE, fontsize=SMALL)
        else:
            _line(axis, place, found, ends)
    if picture.elsewhere:
        looks = {"ha": "right", "va": "bottom", "fontsize": SMALL, "color": PALE}
        _beside(axis, _column(0) - 0.06, -0.6, "sensitivity studies:", **looks)
    for place, title in enumerate(picture.elsewhere):
        _beside(
            axis,
            _column(place),
            -0.6,
            title,
            ha="left",
            va="bottom",
            rotation=35,
            rotation_mode="anchor",
            fontsize=SMALL,
            color=PALE,
        )


def _rows(picture: Picture) -> Iterator[tuple[int, Group | Line]]:
    """What stands in each row of the forest: a table's title, then its claims."""
    found = [each for group in picture.groups for each in (group, *group.lines)]
    yield from enumerate(found)


def _line(axis: Axes, place: int, line: Line, ends: tuple[float, float]) -> None:
    """One claim, with its name and what was found in words."""
    colour = COLOURS[line.verdict]
    _beside(axis, -0.02, place, named(line), ha="right", fontsize=SMALL)
    drawn(axis, place, line, ends, 0.42)
    _beside(axis, 1.02, place, line.verdict, ha="left", color=colour, weight="bold", fontsize=SMALL)
    _beside(axis, 1.31, place, line.text, ha="left", fontsize=SMALL, color=PALE)
    for number, mark in enumerate(line.elsewhere):
        _beside(axis, _column(number) + 0.02, place, mark, ha="center", **MARK)


def named(line: Line) -> str:
    """A claim's name with its note."""
    return f"{line.name} ({line.note})" if line.note else line.name


def drawn(axis: Axes, place: float, line: Line, ends: tuple[float, float], half: float) -> None:
    """Where a claim would be true, what counts as no difference, and what was found.

    Args:
        axis: whose ends are given, too.
        place: of the claim's line, from top to bottom.
        line: the claim.
        ends: what is beyond is cut off.
        half: of the line's height.
    """
    colour, (mean, low, high) = COLOURS[line.verdict], line.estimate
    start, end = max(line.zone[0], ends[0]), min(line.zone[1], ends[1])
    axis.add_patch(Rectangle((start, place - half), end - start, 2 * half, color=TRUE, zorder=0))
    axis.vlines(0, place - half, place + half, color=PALE, linewidth=0.8, zorder=2)
    for edge in (-line.margin, line.margin):
        axis.vlines(edge, place - half, place + half, color=BAND, linewidth=1.4, zorder=1)
    axis.plot([max(low, ends[0]), min(high, ends[1])], [place] * 2, color=colour, linewidth=2)
    axis.plot(mean, place, "o", color=colour, markersize=4.5, zorder=3)


def _column(number: int) -> float:
    """Where a sensitivity study's column stands, as a share of the forest's width."""
    forest = WIDTH - NAMES - RIGHT
    return (forest + RIGHT + 0.1 + COLUMN * number) / forest


def _beside(axis: Axes, x: float, place: float, text: str, **looks: object) -> None:
    """Text beside the forest; x as a share of its width, place in its rows."""
    looks = {"va": "center", "color": INK} | looks
    axis.text(x, place, text, transform=axis.get_yaxis_transform(), **looks)  # type: ignore[arg-type]


def marks_in_words(picture: Picture) -> str:
    """What the marks of sensitivity studies mean; empty where there is none."""
    if not picture.elsewhere:
        return ""
    marks = "; ".join(f"{mark} {words}" for mark, words in MARKS.items())
    return f"Sensitivity studies, beside the answer here: {marks}; blank: not tested there."


def key(figure: Figure, bottom: float, columns: int) -> None:
    """What the colours mean, so many inches above the lower edge."""
    handles = [Patch(color=colour, label=verdict) for verdict, colour in COLOURS.items()] + [
        Patch(color=TRUE, label="where the claim is true"),
        Patch(color=BAND, label="± margin"),
    ]
    figure.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0.01, bottom / figure.get_figheight()),
        ncols=columns,
        frameon=False,
        fontsize=SMALL,
        handlelength=1.2,
        columnspacing=1.3,
    )


def png(picture: Picture) -> bytes:
    """The picture as a file, which says of what it is one."""
    return as_png(draw(picture), picture.digest())
