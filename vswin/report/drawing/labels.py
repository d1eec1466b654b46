"""Labels of points, placed so that none covers another, a point, or the edge of the axis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

RINGS = (8, 12, 17, 23, 31, 41, 53, 67)
"""Distances from a point that are tried, nearest first; in 1/72 inch, as all sizes here."""
SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
"""Directions in which a label may lie, the preferred first."""
LEADER = 8
"""Distance beyond which a line leads from the label to its point."""
MARKER = 6
"""Half the side of a marker, and a little room."""
NEAR = 90
"""Within what distance another point makes it crowded."""


class Place(NamedTuple):
    """Where a label lies, seen from its point."""

    side: tuple[int, int]
    ring: int

    @property
    def offset(self) -> tuple[float, float]:
        """Of its nearest corner or side; on the diagonal as far as elsewhere."""
        length = self.ring * (0.75 if all(self.side) else 1)
        return self.side[0] * length, self.side[1] * length

    def box(self, at: tuple[float, float], width: float, height: float, scale: float) -> Bbox:
        """In pixels, of a label of that size, `scale` pixels being 1/72 inch."""
        x, y = (a + scale * o for a, o in zip(at, self.offset, strict=True))
        left = x - width * (1 - self.side[0]) / 2
        low = y - height * (1 - self.side[1]) / 2
        return Bbox.from_bounds(left, low, width, height)


def label_points(
    axis: Axes, points: Sequence[tuple[float, float]], labels: Sequence[Annotation]
) -> None:
    """Moves each label to the nearest free place beside its point.

    The size of the figure and the limits of the axis must be final. Where nothing is free, a label
    stays at the right of its point.

    Args:
        axis: in which they are.
        points: in its data.
        labels: one for each, with `textcoords="offset points"` and an arrow, which is hidden where
            the label is beside its point anyway.
    """
    figure = axis.figure
    assert isinstance(figure, Figure)  # no part of another
    renderer, scale = FigureCanvasAgg(figure).get_renderer(), figure.dpi / 72
    at = [(float(x), float(y)) for x, y in (axis.transData.transform(p) for p in points)]
    taken = [_square(x, y, MARKER * scale) for x, y in at]
    inside = axis.get_window_extent(renderer)
    for k in sorted(range(len(at)), key=lambda k: -_neighbours(at, k, NEAR * scale)):
        size = Text.get_window_extent(labels[k], renderer)  # of the letters, without the arrow
        for place in _places():
            box = place.box(at[k], size.width, size.height, scale)
            is_inside = inside.x0 <= box.x0 and box.x1 <= inside.x1 and box.y1 <= inside.y1
            if is_inside and box.y0 >= inside.y0 and not box.count_overlaps(taken):
                break
        else:
            place = Place(SIDES[0], RINGS[0])
        _put(labels[k], place)
        taken.append(place.box(at[k], size.width, size.height, scale).padded(scale))


def _places() -> Iterator[Place]:
    for ring in RINGS:
        for side in SIDES:
            yield Place(side, ring)


def _put(label: Annotation, place: Place) -> None:
    label.set_position(place.offset)
    label.set_horizontalalignment(("right", "center", "left")[place.side[0] + 1])
    label.set_verticalalignment(("top", "center", "bottom")[place.side[1] + 1])
    if label.arrow_patch is not None:
        label.arrow_patch.set_visible(place.ring > LEADER)


def _square(x: float, y: float, half: float) -> Bbox:
    return Bbox.from_extents(x - half, y - half, x + half, y + half)


def _neighbours(at: Sequence[tuple[float, float]], k: int, distance: float) -> int:
    """How many other points are near; such a point's label has little choice and comes first."""
    x, y = at[k]
    return sum((x - a) ** 2 + (y - b) ** 2 < distance**2 for a, b in at) - 1
