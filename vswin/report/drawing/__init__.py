"""Drawing the pictures of a page with matplotlib, which is loaded for this alone."""

from __future__ import annotations

from matplotlib.figure import Figure

from vswin.report.drawing import (
    costs,
    curves,
    distances,
    forest,
    formulas,
    inference,
    levels,
    sweep,
    tradeoff,
)
from vswin.report.drawing.canvas import as_png
from vswin.report.pictures.costs import Costs
from vswin.report.pictures.curves import Curves
from vswin.report.pictures.distances import DistancesPicture
from vswin.report.pictures.forest import Forest
from vswin.report.pictures.formulas import Formulas
from vswin.report.pictures.inference import Inference
from vswin.report.pictures.kept import Picture
from vswin.report.pictures.levels import Levels
from vswin.report.pictures.sweep import Sweep
from vswin.report.pictures.tradeoff import Tradeoff

__all__ = ["as_png", "draw"]


def draw(picture: Picture) -> Figure:  # noqa: PLR0911 - one for each kind
    """The figure of a picture."""
    match picture:
        case Forest():
            return forest.draw(picture)
        case Levels():
            return levels.draw(picture)
        case Curves():
            return curves.draw(picture)
        case Costs():
            return costs.draw(picture)
        case Formulas():
            return formulas.draw(picture)
        case Inference():
            return inference.draw(picture)
        case DistancesPicture():
            return distances.draw(picture)
        case Sweep():
            return sweep.draw(picture)
        case Tradeoff():
            return tradeoff.draw(picture)
