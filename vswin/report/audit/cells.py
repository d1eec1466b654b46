"""The status of every printed cell, from what the project counts, judges, measures and knows."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from vswin.data.datasets import DATASETS
from vswin.experiments.tables import Experiment
from vswin.experiments.tables import Row as ExperimentRow
from vswin.experiments.videos import SPAN
from vswin.paper.auditing import known_cells, training_of
from vswin.paper.peers import read_peers
from vswin.paper.printed import DASHES, Column, PrintedTable, Row
from vswin.report.audit.basis import VIDEOS, Basis, PublishedTest
from vswin.report.audit.data import Cell
from vswin.report.compare import COSTS, UNITS, compare
from vswin.report.doubts.cells import known_of, with_remark
from vswin.report.doubts.finding import Finding
from vswin.report.doubts.quantities import row_of, video_protocol
from vswin.wording import signed

SETTLED = ("holds", "contradicted", "no effect")
"""Verdicts that say something of a claim."""
ACCURACIES = ("top1", "top5")
ENOUGH = 0.95
"""Of a public list of videos, for an accuracy to count: no copy has all of them any more."""
SETTINGS = (
    "pretrain",
    "views",
    "temporal_dimension",
    "window_size",
    "ratio",
    "blocks",
    "sampling",
    "cube",
    "stride",
)
"""Columns that say how a row was made, in numbers or names of data sets. Digits in other columns
without a metric belong to names; such a cell is audited if there is evidence against it."""
ORIGINS = {
    "imagenet_1k": "ImageNet-1K",
    "imagenet_21k": "ImageNet-21K",
    "kinetics400": "Kinetics-400",
    "random": "-",
}


def cells_of(printed: PrintedTable, basis: Basis) -> Iterator[Cell]:
    """Every audited cell of a table with its status, row by row."""
    for row in printed.rows:
        for column in printed.columns:
            known = known_of(printed, row, column)
            if known or is_audited(row, column):
                finding = known or status_of(printed, row, column, basis)
                yield Cell(
                    paper=printed.paper,
                    table=printed.table,
                    row=row.id,
                    column=column.id,
                    printed=row.cells[column.id],
                    label=_label(printed, row),
                    heading=column.label or column.name,
                    finding=with_remark(finding, printed, row, column),
                )


def is_audited(row: Row, column: Column) -> bool:
    """Whether a cell states a number or a setting."""
    text = row.cells[column.id]
    is_stated = column.metric is not None or column.id in SETTINGS
    return is_stated and text not in DASHES and any(letter.isdigit() for letter in text)


def status_of(printed: PrintedTable, row: Row, column: Column, basis: Basis) -> Finding:
    """The status of a cell that there is no evidence against."""
    known = known_cells(printed.paper).of(f"{printed.table}.{row.id}.{column.id}")
    if column.metric in COSTS and row.id in basis.costs.get(printed.table, {}):
        return _counted(printed, row, column, basis)
    why_not = read_peers().why_not(f"{printed.table}.{row.id}") if column.metric in COSTS else ""
    if known:
        words = f"{known.evidence} {why_not}".rstrip()
        return Finding(known.status, words, confidence=known.confidence or "")
    if row.system == "other":
        words = f"{_source(row)}; not checked against it. {why_not}"
        return Finding("printed elsewhere", words.strip())
    if column.metric is None:
        return _setting(printed, row, column, basis)
    if column.metric in ACCURACIES:
        return _accuracy(printed, row, column, basis)
    return _memory(printed, row, basis)


def _counted(printed: PrintedTable, row: Row, column: Column, basis: Basis) -> Finding:
    """A cost beside the counted one."""
    metric = column.metric or ""
    text, ours = printed.number(row.id, metric) or "", basis.costs[printed.table][row.id][metric]
    found = compare(ours, text, printed.counted_as(row.id).logged.get(metric))
    counted = f"Counted: {ours:,.3f} {UNITS[metric]}"
    if found.logged:
        counted += f", which is logged as {found.logged} and rounded once more"
    if not found.exact:
        words = f"{counted}, {found.ours} to the printed digit."
        return Finding("suspicious", words, confidence="high")
    return Finding("exact", f"{counted}; `vswin cost {printed.table}`.", recomputed=True)


def _memory(printed: PrintedTable, row: Row, basis: Basis) -> Finding:
    """Memory of a training step, which one step on a GPU would tell, without data."""
    said = "One training step on a GPU with so much memory would tell, on any clips."
    ours = basis.memory.get(printed.table, {}).get(row.id)
    if ours is not None:
        said += (
            f" A model of it gives {ours:.1f} GiB, whose order and not digits counts: "
            f"`vswin cost {printed.table} --memory`."
        )
    return Finding("needs data", said)


def _setting(printed: PrintedTable, row: Row, column: Column, basis: Basis) -> Finding:
    """A setting beside what the row's model is built, or its run made, with."""
    found = row_of(printed.table, row.id)
    said = setting_of(*found, column) if found else None
    if said is None:
        return Finding("needs data", "No experiment of the project has this row.")
    text = row.cells[column.id]
    if not _same(said, text):
        words = f"experiments/{printed.table}.yaml has {said}."
        return Finding("suspicious", words, confidence="medium")
    if column.id in ("ratio", "pretrain", "views"):
        why = "the row is trained and tested with it"
    elif _costs_are_exact(printed, row, basis):
        why = "with it the model has the printed costs"
    else:
        why = "the model is built with it, but a printed cost of the row is in doubt"
    if column.id == "sampling":
        why += f". No cost tells the stride: frames × stride are the {SPAN} that a clip spans here"
    return Finding("exact", f"The same in experiments/{printed.table}.yaml; {why}.")


def _costs_are_exact(printed: PrintedTable, row: Row, basis: Basis) -> bool:
    """Whether a row's model has every cost that is printed for it."""
    costs = [c for c in printed.columns if c.metric in COSTS and printed.number(row.id, c.metric)]
    found = [known_of(printed, row, c) or status_of(printed, row, c, basis) for c in costs]
    return all(finding.status == "exact" for finding in found)


def _same(said: str, text: str) -> bool:
    """Whether a setting is the printed one; spaces do not count, and images have no time."""
    ours, printed = said.replace(" ", ""), text.replace(" ", "")
    return printed in (ours, ours.removeprefix("1×"))


def setting_of(experiment: Experiment, row: ExperimentRow, column: Column) -> str | None:
    """What an experiment says for a column that is no metric, as a table would print it.

    None if it has nothing to say of that.
    """
    said, model = experiment.says(row), experiment.paper_model(row)
    trained = experiment.row(row.tests) if row.tests else row
    found: dict[str, Callable[[], str | None]] = {
        "pretrain": lambda: ORIGINS.get(experiment.says(trained)["start.from"]),
        "views": lambda: str(said["videos.views"]).replace("x", "×"),
        "window_size": lambda: _times(model.window_size),
        "temporal_dimension": lambda: str(said["frames"] // model.patch_size[0]),
        "ratio": lambda: f"{row.recipe.get('backbone_lr_ratio')}×",
        "cube": lambda: _times(model.patch_kernel),
        "stride": lambda: _times(
            model.kv_stride if column.label == "stride s" else model.patch_stride
        ),
        "sampling": lambda: _times((said["frames"], SPAN // said["frames"])),
        "blocks": lambda: _blocks(model),
    }
    return found[column.id]() if column.id in found else None


def _times(numbers: Sequence[int]) -> str:
    return "×".join(map(str, numbers))


def _blocks(model: Any) -> str:
    """Blocks before and behind each pooling of queries; of one stage, of what two would have."""
    if len(model.depths) > 1:
        return str(list(model.depths))
    (total,) = model.depths
    first = model.q_pool_blocks[0] if model.q_pool_blocks else total
    return str([first, total - first])


def _accuracy(printed: PrintedTable, row: Row, column: Column, basis: Basis) -> Finding:
    """An accuracy of the paper's own models: measured, or tested by claims, or awaiting data."""
    metric, place = column.metric or "", f"{printed.table}.{row.id}"
    claims = {
        name: found
        for name, found in basis.verdicts.items()
        if found.metric == metric and place in found.rows
    }
    ours = basis.measured.get(printed.table, {}).get(row.id, {}).get(metric)
    if ours is not None:
        return _measured(printed, row, metric, ours, tuple(claims))
    published = basis.published.get(printed.table, {}).get(row.id)
    if published and published.videos >= ENOUGH * published.public:
        return _published(printed, row, metric, published, tuple(claims))
    settled = {n: c for n, c in claims.items() if c.verdict in SETTLED}
    awaited = awaited_of(printed, row, basis)
    if published:
        awaited += (
            f" The published {published.file}, tested here on {_videos(published)}: "
            f"{published.metrics[metric]:.2f}."
        )
    if settled:
        named = "; ".join(f"`{name}` {found.verdict}" for name, found in settled.items())
        return Finding(
            "tested", f"Claims about it: {named}. The number itself: {awaited}", tuple(settled)
        )
    return Finding("needs data", awaited, tuple(claims))


def _measured(
    printed: PrintedTable, row: Row, metric: str, ours: float, claims: tuple[str, ...]
) -> Finding:
    near, said = _apart(printed, row, metric, ours)
    words = f"Trained here: {said}"
    return Finding("within" if near else "suspicious", words, claims, "" if near else "medium")


def _published(
    printed: PrintedTable, row: Row, metric: str, test: PublishedTest, claims: tuple[str, ...]
) -> Finding:
    """Of a released file; one that is far off may come from another training than the printed."""
    near, said = _apart(printed, row, metric, test.metrics[metric])
    words = f"The published {test.file}, tested here on {_videos(test)}: {said}"
    return Finding("within" if near else "suspicious", words, claims, "" if near else "low")


def _videos(test: PublishedTest) -> str:
    return f"{test.videos:,} of {test.public:,} videos"


def _apart(printed: PrintedTable, row: Row, metric: str, ours: float) -> tuple[bool, str]:
    """Whether an accuracy is within the tolerance, and how far it is from the printed one."""
    tolerance = video_protocol(VIDEOS).tolerance
    apart = ours - float(printed.number(row.id, metric) or "nan")
    near = tolerance is not None and abs(apart) <= tolerance + 1e-9
    return near, f"{ours:.2f}, {signed(apart)} points; tolerance {tolerance}."


def awaited_of(printed: PrintedTable, row: Row, basis: Basis, protocol: str = VIDEOS) -> str:
    """What would settle an accuracy: the data, the weights, the command and its GPU-hours."""
    found = row_of(printed.table, row.id)
    data = DATASETS[printed.dataset].title if printed.dataset in DATASETS else "ImageNet-1K"
    hours = basis.hours.get(printed.table, {}).get(row.id)
    if found is None or hours is None:
        return f"{data}, and a training that cannot be run here yet."
    if found[0].awaits:
        training = training_of(printed.table, printed.paper)
        source = f" by {training.source}" if training else ""
        return (
            f"{data}; no weights to start from, no command yet, as no protocol has the recipe; "
            f"about {hours:,.0f} GPU-hours{source}."
        )
    weights = weights_of(*found)
    command = f"vswin run {printed.table} --row {row.id} --protocol {protocol}"
    said = f"{data}{f', {weights}' if weights else ''}; `{command}`, about {hours:,.0f} GPU-hours"
    if trained := found[1].tests:
        before = basis.hours[printed.table].get(trained, 0)
        said += f" of tests, after the training of `{trained}`, about {before:,.0f}"
    return f"{said}."


def weights_of(experiment: Experiment, row: ExperimentRow) -> str:
    """The file that a row, or the row that it tests, starts from; empty for random numbers."""
    row = experiment.row(row.tests) if row.tests else row
    start = experiment.start_of(row)
    if start.pretrained is None:
        return ""
    usual = video_protocol(VIDEOS).weights.get(start.pretrained, {})
    return start.checkpoint or usual.get(row.preset, "")


def _label(printed: PrintedTable, row: Row) -> str:
    texts = [row.cells[column.id] for column in printed.labels]
    names = [text for text in texts if text not in DASHES]
    return f"{printed.title}: {', '.join(names[:2])}"


def _source(row: Row) -> str:
    """The reference that a row of another system carries."""
    texts = " ".join(row.cells.values())
    found = re.search(r"\[\d+\]", texts)
    return f"Copied from reference {found[0]}" if found else "Copied from another work"
