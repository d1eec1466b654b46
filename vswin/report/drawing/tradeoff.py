"""Accuracy over the cost of a whole test, on a logarithmic axis: families by marker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation

from vswin.report.drawing.canvas import INK, OURS, SOFT, WIDTH, inches, titled
from vswin.report.drawing.labels import label_points
from vswin.report.pictures.tradeoff import System, Tradeoff

HEIGHT, AXIS, LEGEND = 4.9, 0.65, 0.62
"""Inches of the axis, below it, and of the two lines of the legend."""
LEFT, RIGHT = 0.75, 0.2
TEXT = 10.5
"""Size of letters, which are still to be read where a page shows the picture at half its size."""
MARKERS = {"Video Swin": "o", "MViT": "D", "ViViT": "v", "other Transformer": "^", "ConvNet": "s"}
"""By family, the same in all pictures; of any other a cross."""
COLOURS = {
    "none printed": "#8c8c8c",
    "ImageNet-1K": "#c2571a",
    "ImageNet-21K": OURS,
    "Kinetics-400": "#b8860b",
    "Kinetics-600": "#c23b6b",
    "IG-65M": "#5b8c2a",
    "JFT-300M": "#7b4fa3",
}
"""By what a system was trained on before, likewise; of anything else black."""


def draw(tradeoff: Tradeoff) -> Figure:
    """Draws a point for each system, named beside it; the paper's own are bold."""
    body = HEIGHT + AXIS + LEGEND
    figure = titled(tradeoff.title, tradeoff.notes, body)
    axis = inches(figure, LEFT, AXIS, WIDTH - LEFT - RIGHT, HEIGHT)
    systems = tradeoff.systems
    _scale(axis, systems)
    for system in systems:
        axis.plot(
            [system.tera],
            [system.top1],
            MARKERS.get(system.family, "X"),
            color=COLOURS.get(system.data, INK),
            ms=9 if system.is_ours else 7.5,
            mfc="white" if system.in_doubt else COLOURS.get(system.data, INK),
            mec=_edge(system),
            mew=1.5 if system.in_doubt else 1.2 if system.is_ours else 0.6,
            zorder=3 if system.is_ours else 4,  # the larger ones below
        )
    points = [(system.tera, system.top1) for system in systems]
    label_points(axis, points, [_label(axis, system) for system in systems])
    axis.set_xlabel("FLOPs of a whole test, 10¹² multiply-accumulates for one video", fontsize=TEXT)
    axis.set_ylabel(tradeoff.metric, fontsize=TEXT)
    families = _ordered((s.family for s in systems), MARKERS)
    keys = [_key(name, MARKERS.get(name, "X"), SOFT) for name in families]
    _legend(figure, body, keys, 0.02)
    data = _ordered((s.data for s in systems), COLOURS)
    keys = [_key(name, "o", COLOURS.get(name, INK)) for name in data]
    _legend(figure, body, [_key("pre-training:", "", INK), *keys], 0.3)
    return figure


def _edge(system: System) -> str:
    """The colour around its point: of one in doubt its own, within which it is hollow."""
    if system.in_doubt:
        return COLOURS.get(system.data, INK)
    return INK if system.is_ours else "white"


def _ordered(names: Iterable[str], known: Mapping[str, str]) -> list[str]:
    """Each once, in the order of those that are known."""
    return sorted(set(names), key=lambda name: [*known, name].index(name))


def _scale(axis: Axes, systems: Sequence[System]) -> None:
    """Limits with room for labels at the right, and ticks at 1, 2, 5 of each power of ten."""
    costs, accuracies = ([getattr(s, name) for s in systems] for name in ("tera", "top1"))
    axis.set_xscale("log")
    low, high = min(costs) / 1.5, max(costs) * 1.9
    span = max(accuracies) - min(accuracies)
    axis.set_xlim(low, high)
    axis.set_ylim(min(accuracies) - 0.07 * span, max(accuracies) + 0.07 * span)
    ticks = [m * 10.0**e for e in range(-3, 5) for m in (1, 2, 5)]
    shown = [tick for tick in ticks if low <= tick <= high]
    axis.set_xticks(shown, [f"{tick:g}" for tick in shown])
    axis.minorticks_off()
    axis.tick_params(labelsize=TEXT)
    axis.grid(color="#eeeeee", linewidth=0.7)


def _label(axis: Axes, system: System) -> Annotation:
    return axis.annotate(
        system.label,
        (system.tera, system.top1),
        (0, 0),
        textcoords="offset points",
        fontsize=TEXT,
        color=INK,
        fontweight="bold" if system.is_ours else "normal",
        arrowprops={"arrowstyle": "-", "color": SOFT, "linewidth": 0.7, "shrinkA": 0, "shrinkB": 4},
        zorder=5,
    )


def _key(name: str, marker: str, colour: str) -> Line2D:
    return Line2D([], [], marker=marker, linestyle="none", color=colour, ms=8, label=name)


def _legend(figure: Figure, body: float, keys: list[Line2D], down: float) -> None:
    figure.legend(
        handles=keys,
        loc="upper left",
        bbox_to_anchor=(0.0, (body + 0.02 - down) / figure.get_figheight()),
        ncols=len(keys),
        frameon=False,
        fontsize=TEXT - 0.5,
        handletextpad=0.2,
        columnspacing=1.2,
    )
