"""The figure of a table: the paper's trend beside ours, accuracy above cost."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vswin.data.datasets import dataset
from vswin.report.study import Study

PAPER, OURS, GRAY = "#9a9a9a", "#0b6e8a", "#c9c9c9"


@dataclasses.dataclass(frozen=True)
class Panel:
    """One column of the figure: some rows of a table along one quantity."""

    title: str
    rows: tuple[str, ...]
    ticks: tuple[str, ...]
    xlabel: str
    scaled: Literal["window", "tokens", None] = None
    """What a tick says that the embedded protocols scale down: a window, or tokens in time."""


PANELS: dict[str, tuple[Panel, ...]] = {
    "table5": (
        Panel(
            "Longer clips (window as long as the clip)",
            ("dim4", "dim8", "dim16"),
            ("4", "8", "16"),
            "temporal dimension of 3D tokens",
            "tokens",
        ),
        Panel(
            "Longer windows (temporal dimension 16)",
            ("win4", "win8", "win16"),
            ("4×7×7", "8×7×7", "16×7×7"),
            "window size",
            "window",
        ),
    ),
    "table4": (
        Panel("", ("joint", "split", "factorized"), ("joint", "split", "factorized"), "design"),
    ),
    "table6": (
        Panel(
            "",
            ("shift_none", "shift_spatial", "shift_3d"),
            ("w/o 3D shifting", "w/o temporal shifting", "w. 3D shifting"),
            "shifted windows",
        ),
    ),
    "table8": (
        Panel("", ("inflate", "center"), ("inflate", "center"), "linear embedding begins as"),
    ),
    "table9": (
        Panel(
            "", ("duplicate", "center"), ("duplicate", "center"), "relative position bias begins as"
        ),
    ),
}
"""How a table is laid out as a figure; one without an entry shows its rows in printed order."""


def figure(study: Study) -> Figure:
    """Draws a study: the paper's top-1, ours, and costs that differ, a column for each quantity.

    Printed and reproduced accuracies are in separate panels with axes of their own, because they
    are accuracies of different things; costs are the same quantity and share one.
    """
    table = study.table().set_index("row")
    protocol = study.protocol
    panels = PANELS.get(study.experiment.table) or (_whole_table(study),)
    has_costs = table["paper_flops"].notna().any() or table["flops"].nunique() > 1
    ratios = [1, 1.25, 1] if has_costs else [1, 1.25]
    figure = Figure(figsize=(max(5.2 * len(panels), 6.6), 2.5 * sum(ratios)), layout="constrained")
    axes = figure.subplots(
        len(ratios),
        len(panels),
        squeeze=False,
        sharey="row",
        gridspec_kw={"height_ratios": ratios},
    )
    for column, panel in enumerate(panels):
        rows = table.loc[list(panel.rows)]
        line = "-" if panel.scaled else "none"  # designs and initialisations have no order
        _paper_accuracy(axes[0, column], rows, line)
        _our_accuracy(axes[1, column], rows, study, line)
        if has_costs:
            _cost(axes[2, column], rows)
        axes[0, column].set_title(panel.title, fontsize=11, loc="left", pad=10)
        for axis in axes[:, column]:
            axis.set_xticks(range(len(rows)), panel.ticks)
            axis.set_xlim(-0.5, len(rows) - 0.5)
            axis.spines[["top", "right"]].set_visible(False)
            axis.grid(axis="y", color="#eeeeee")
            axis.set_axisbelow(True)
        if study.is_trainable and panel.scaled and not protocol.comparable:
            axes[1, column].set_xticks(range(len(rows)), _scaled_ticks(study, panel))
        axes[-1, column].set_xlabel(panel.xlabel)
    axes[1, 0].set_ylim(bottom=0)  # shared by the row
    axes[0, 0].set_ylabel(f"top-1, %\nprinted ({_dataset(study)})", color="#555555")
    axes[1, 0].set_ylabel(f"top-1, %\nours (protocol {protocol.protocol})", color=OURS)
    if has_costs:
        axes[2, 0].set_ylabel("cost of the paper's model,\nG multiply-accumulates")
    seeds = max((len(s) for s in study.results.values()), default=0)
    bars = "over seeds (Student t)" if seeds > 1 else "over test clips (Wilson)"
    title = study.stage.title if study.is_trainable else protocol.title
    lines = [f"ours: {title}, {seeds} seed{'s' * (seeds != 1)}; bars: 95 % {bars}"]
    if not protocol.comparable:
        lines.append("not comparable with printed accuracies")
    figure.suptitle(
        study.title + "\n" * (1 + len(lines)), fontsize=13, fontweight="bold", x=0.01, ha="left"
    )
    below_title = 1 - 0.38 / figure.get_figheight()  # inches
    figure.text(0.01, below_title, "\n".join(lines), fontsize=9, color="#555555", va="top")
    return figure


def _dataset(study: Study) -> str:
    """What the printed accuracies are about; an ablation of one's own may not say."""
    on_videos = study.experiment.videos
    return dataset(on_videos.dataset).title if on_videos else "the paper"


def _scaled_ticks(study: Study, panel: Panel) -> list[str]:
    """The paper's size, and below it the one that stands for it under the study's protocol."""
    labels = []
    for row_id, tick in zip(panel.rows, panel.ticks, strict=True):
        config = study.run_config(study.experiment.row(row_id))
        tokens = str(config.data.frames // config.model.patch_size[0])
        window = "×".join(map(str, config.model.window_size))
        labels.append(f"{tick}\n(here {window if panel.scaled == 'window' else tokens})")
    return labels


def _whole_table(study: Study) -> Panel:
    rows = tuple(row.id for row in study.rows)
    return Panel("", rows, rows, "row")


def _paper_accuracy(axis: Axes, rows: pd.DataFrame, line: str) -> None:
    places = range(len(rows))
    axis.plot(
        places,
        rows["paper_top1"],
        linestyle=line,
        color=PAPER,
        marker="D",
        markersize=7,
        linewidth=1.5,
    )
    _annotate(axis, rows["paper_top1"], "#555555", ".1f")
    axis.margins(y=0.35)


def _our_accuracy(axis: Axes, rows: pd.DataFrame, study: Study, line: str) -> None:
    done = rows["top1"].notna().to_numpy()
    places = pd.Series(range(len(rows)), index=rows.index)
    if done.any():
        kept = rows[done]
        spread = [kept["top1"] - kept["top1_low"], kept["top1_high"] - kept["top1"]]
        axis.errorbar(
            places[done],
            kept["top1"],
            yerr=spread,
            linestyle=line,
            color=OURS,
            marker="o",
            markersize=7,
            linewidth=1.5,
            elinewidth=1.2,
            capsize=4,
        )
        for row_id in kept.index:
            values = list(study.top1(row_id).values())
            if len(values) > 1:
                axis.plot(
                    [places[row_id]] * len(values),
                    values,
                    ".",
                    color=OURS,
                    alpha=0.45,
                    markersize=6,
                )
        _annotate(axis, rows["top1"], OURS, ".1f")
    for place in places[~done]:
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
    if study.is_trainable:
        chance = 100 / study.num_classes
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


def _cost(axis: Axes, rows: pd.DataFrame) -> None:
    places = list(range(len(rows)))
    axis.bar(places, rows["flops"], width=0.5, color=OURS, alpha=0.85, label="ours, counted")
    axis.plot(
        places,
        rows["paper_flops"],
        linestyle="none",
        marker="_",
        markersize=42,
        markeredgewidth=2,
        color="black",
        label="printed",
    )
    for place, ours in zip(places, rows["flops"], strict=True):
        axis.annotate(
            f"{ours:.1f}",
            (place, ours),
            (0, 5),
            textcoords="offset points",
            ha="center",
            fontsize=9,
        )
    axis.margins(y=0.35)
    axis.legend(frameon=False, fontsize=8, loc="upper left", markerscale=0.35, ncols=2)


def _annotate(axis: Axes, values: pd.Series[Any], color: str, form: str) -> None:
    for place, value in enumerate(values):
        if pd.notna(value):
            axis.annotate(
                f"{value:{form}}",
                (place, value),
                (10, -13),
                textcoords="offset points",
                color=color,
                fontsize=9,
            )
