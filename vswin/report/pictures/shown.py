"""What there is to show of a study: nothing where nothing could be seen."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from vswin.paper.placeholders import decimals
from vswin.report import digits
from vswin.report.compare import COSTS
from vswin.report.data import Row
from vswin.report.pictures.costs import Cost, Costs
from vswin.report.pictures.curves import LOOKS, Curves, RowCurves
from vswin.report.pictures.levels import Bound, Levels, Strip

if TYPE_CHECKING:  # a study shows its levels itself
    from vswin.report.study import Study

LONG = 30
"""Letters of a label that takes too much of a picture."""


def levels_of(study: Study) -> Levels:
    """The results of every row and control; rows that were not run are shown as that."""
    terms = study.terms
    headline = terms.metrics[terms.headline]
    rows = [*study.distinct_rows, *study.beside]
    labels = _labels([*rows, *study.controls_run])
    return Levels(
        title=study.title,
        notes=tuple(_notes(study)),
        metric=f"{headline}{place(study)}, %",
        rows=tuple(_strip(study, row, labels[row.id]) for row in rows),
        bounds=tuple(bounds(study)),
        controls=tuple(_strip(study, row, labels[row.id]) for row in study.controls_run),
        control_bounds=tuple(_control_bounds(study)),
    )


def place(study: Study) -> str:
    """Where accuracies are measured, if that is not what a paper measures them on."""
    return " on Moving Digits" if study.is_embedded else ""


def _labels(rows: Sequence[Row]) -> dict[str, str]:
    """What rows are called in a picture, by id: as on the page, without ids where that is long."""
    if max(len(row.label) for row in rows) <= LONG:
        return {row.id: row.label for row in rows}
    names = {row.id: ", ".join(row.names) for row in rows if row.control == "none"}
    once = {row for row, name in names.items() if list(names.values()).count(name) == 1}
    return {row.id: names[row.id] if row.id in once else row.label for row in rows}


def _notes(study: Study) -> Iterator[str]:
    seeds = max((len(by_seed) for by_seed in study.runs.values()), default=0)
    if not seeds:
        yield f"{study.terms.title}: nothing was run."
        return
    over = "the mean with its 95 % interval over seeds (Student's t)"
    if seeds == 1:
        over = "its 95 % interval is over test clips (Wilson) and says nothing of other seeds"
    yield (
        f"{study.terms.title}. A point is a seed"
        f"{', a diamond ' if seeds > 1 else '; '}{over}. The axis does not start at zero."
    )
    if study.printed and study.terms.comparable:
        yield "A black bar is the printed number."
    elif study.printed:
        yield "Not comparable with printed accuracies."


def _strip(study: Study, row: Row, label: str) -> Strip:
    values = study.by_seed(row.id)
    interval = study.interval(row.id)
    printed = study.number(row.id, study.terms.headline) if study.terms.comparable else None
    return Strip(
        label=label.removeprefix("control: "),
        by_seed=tuple(values.values()),
        mean=interval.mean if interval else math.nan,
        low=interval.low if interval else math.nan,
        high=interval.high if interval else math.nan,
        aside=digits.learnt_in_words(study.runs.get(row.id, {}).values()),
        printed=float(printed) if printed else None,
    )


def bounds(study: Study) -> Iterator[Bound]:
    """What guessing reaches, and what the best row would without telling the order of events."""
    if not study.is_trainable:
        return
    yield Bound(study.chance, "chance")
    means = [study.mean(row.id, study.terms.headline) for row in study.rows]
    best = max((mean for mean in means if mean is not None), default=0.0)
    if best and digits.tells_order(study.runs):
        yield Bound(digits.without_order(best), "order not told: 2/3 of the best row in the test")
    elif study.is_embedded and best:
        yield Bound(digits.DIGIT_ALONE, "digit told, motion not")


def _control_bounds(study: Study) -> Iterator[Bound]:
    yield Bound(study.chance, "chance")
    if digits.tells_order(study.runs):
        yield Bound(digits.UNORDERED_FRAMES, "most without frames' order")
    elif study.is_embedded:
        yield Bound(digits.MOTION_ALONE, "motion alone")


def curves_of(study: Study) -> Curves | None:
    """How each row learnt; None where nothing was logged."""
    rows = [
        row
        for row in (*study.distinct_rows, *study.beside, *study.controls_run)
        if _curves(study, row)
    ]
    if not rows:
        return None
    labels = _labels(rows)
    found = [_row_curves(study, row, labels[row.id]) for row in rows]
    lines = [
        f"{look.capitalize()}: {bound.label} ({bound.value:.1f})."
        for look, bound in zip(LOOKS, bounds(study), strict=False)
    ]
    return Curves(
        title=f"{study.title}: learning curves",
        notes=(
            "Top-1 on the clips of each epoch while training; thin lines are seeds, the thick one "
            f"is their mean. {' '.join(lines)}",
        ),
        metric="training top-1, %",
        rows=tuple(found),
        bounds=tuple(bounds(study)),
    )


def _curves(study: Study, row: Row) -> dict[int, list[dict[str, float]]]:
    """The epochs that each seed logged; only of seeds that logged the most."""
    runs = study.runs.get(row.id, {})
    logged = {seed: list(study.curves.get(run.run_id, ())) for seed, run in runs.items()}
    most = max(map(len, logged.values()), default=0)
    return {seed: lines for seed, lines in logged.items() if lines and len(lines) == most}


def _row_curves(study: Study, row: Row, label: str) -> RowCurves:
    by_seed = _curves(study, row)
    first = next(iter(by_seed.values()))
    return RowCurves(
        label=label,
        steps=tuple(int(line["step"]) for line in first),
        by_seed=tuple(
            tuple(100 * float(f"{line['top1']:.6g}") for line in lines)  # as a record has it
            for lines in by_seed.values()
        ),
    )


def costs_of(study: Study) -> Costs | None:
    """Printed costs beside ours; None where all are as printed, which a table says better."""
    cells = study.cost_lines()
    if all(cell["exact"] for cell in cells):
        return None
    costs = tuple(
        Cost(
            label=", ".join([*study.row(cell["row"]).names, COSTS[cell["metric"]]]),
            percent=100 * (cell["counted"] / float(cell["printed"]) - 1),
            rounding=50 * 10.0 ** -decimals(cell["printed"]) / float(cell["printed"]),
            exact=cell["exact"],
        )
        for cell in cells
    )
    return Costs(
        title=f"{study.title}: costs",
        notes=(f"Counted on the paper's own models with counting rule {study.rule}.",),
        costs=costs,
    )
