"""The table of a page: what is printed beside what was measured and counted, as texts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from vswin.report import published, systems
from vswin.report.compare import COSTS, UNITS
from vswin.report.data import Row, Section
from vswin.wording import bracketed

if TYPE_CHECKING:  # a study shows its table itself
    from vswin.report.study import Study

Column = tuple[str, list[str]]
"""Its heading, and a text for each row."""


def the_table(study: Study) -> Section:
    """What a paper prints of the rows beside our numbers; where it compares systems, all its rows.

    Of rows of other systems that is what is printed, and what a test of them costs.
    """
    rows = systems.shown(study)
    columns = [*_labels(study, rows), *_accuracies(study, rows), *_costs(study, rows)]
    notes = []
    if study.printed is None:
        what = "the rows' models as the experiment states them,"
    else:
        what = "the paper's own model"
        if any(map(study.prints, COSTS)):
            notes.append("✓ equal to the printed digit, ✗ not.")
    notes.append(f"FLOPs are multiply-accumulates of {what} under counting rule `{study.rule}`.")
    notes += rounded_twice(study)
    if study.doubts:
        mark = systems.IN_DOUBT.strip()
        notes.append(f"{mark} behind a printed cell: in doubt; “What was hard” has the evidence.")
    notes += systems.notes(study)
    if study.evaluated:
        notes.append(
            "Brackets of a published checkpoint: 95 % Wilson interval over its test videos."
        )
    return Section(
        "The table",
        [heading for heading, _ in columns],
        [list(line) for line in zip(*(texts for _, texts in columns), strict=True)],
        note=f"{' '.join(notes)} {_interval_note(study)}".strip(),
        picture="levels",
    )


def rounded_twice(study: Study) -> list[str]:
    """Why a count may be equal to the printed digit and not round to it; empty if none is so."""
    found = [line for line in study.cost_lines() if line["logged"]]
    if not found:
        return []
    first = found[0]
    return [
        f"Rounded twice: {', '.join(line['row'] for line in found)}. The paper's code logs two "
        f"decimals, and the table rounds those: {first['counted']:.3f}, {first['logged']}, "
        f"{first['ours']}."
    ]


def beside(study: Study) -> Section:
    """Rows of the embedded benchmark alone; what each is, the table of what was trained says."""
    terms = study.terms
    metrics = [m for m in terms.metrics if _is_shown(study, m)]
    is_titled = _have_titles(study.beside)
    header = ["row", *(["what it is"] if is_titled else [])]
    header += [f"{terms.metrics[metric]}, {terms.protocol}" for metric in metrics]
    lines = []
    for row in study.beside:
        names = [row.id, *(row.labels.values() if is_titled else ())]
        lines.append([*names, *(_measured(study, row, m) for m in metrics), _seeds(study, row)])
    return Section("Rows that the paper does not print", [*header, _seeds_title(study)], lines)


def _labels(study: Study, rows: list[str]) -> Iterator[Column]:
    """What a row is; a row that is only printed has no id to run it by."""
    ours = {row.id: row for row in study.all_rows}
    columns = study.printed.labels if study.printed else []
    is_titled = _have_titles(study.rows)
    titles = [column.label or column.name for column in columns]
    titles = titles or ["what it is" if is_titled else "row"]
    if is_titled:
        yield "row", [row if row in ours else "" for row in rows]
    for place, title in enumerate(titles):
        yield (
            title,
            [
                systems.cell(study, row, columns[place].id)
                if columns and study.printed and study.printed.row(row)
                else [*ours[row].labels.values()][place]
                for row in rows
            ],
        )


def _have_titles(rows: Sequence[Row]) -> bool:
    """Whether they are called anything but their ids."""
    return any(row.id not in row.labels.values() for row in rows)


def _accuracies(study: Study, rows: list[str]) -> Iterator[Column]:
    """What is printed, where anything is, and what was measured here, where any could be."""
    ours = {row.id: row for row in study.rows}
    if published.are_named(study):
        yield from _apart(study, rows)
    else:
        yield from _metric_by_metric(study, rows)
    if any(study.is_done(row) for row in ours):
        yield _seeds_title(study), [_seeds(study, ours[r]) if r in ours else "–" for r in rows]


def _metric_by_metric(study: Study, rows: list[str]) -> Iterator[Column]:
    terms, ours = study.terms, {row.id: row for row in study.rows}
    for metric, title in terms.metrics.items():
        if study.prints(metric):
            yield f"{title} printed", [systems.number(study, row, metric) or "–" for row in rows]
        if _is_shown(study, metric) and study.is_trainable:
            whose = "ours" if study.printed else "(%)"
            yield (
                f"{title} {whose}, {terms.protocol}",
                [_measured(study, ours[r], metric) if r in ours else "–" for r in rows],
            )


def _apart(study: Study, rows: list[str]) -> Iterator[Column]:
    """All metrics in a cell: as printed, of the published checkpoint, and of our own runs."""
    metrics, ours = study.terms.metrics, {row.id: row for row in study.rows}
    titles = " / ".join(metrics.values())
    if any(map(study.prints, metrics)):
        found = ([systems.number(study, row, m) or "–" for m in metrics] for row in rows)
        printed = [" / ".join(numbers) for numbers in found]
        yield f"{titles} printed", printed
    tested = [published.cell(study, ours[row]) if row in ours else "–" for row in rows]
    yield f"{titles}, published checkpoint tested here", tested
    trained = [_trained(study, ours[row]) if row in ours else "–" for row in rows]
    yield f"{titles}, trained here", trained


def _trained(study: Study, row: Row) -> str:
    """All that a row's own runs have measured, in a cell."""
    found = dict.fromkeys(_measured(study, row, metric) for metric in study.terms.metrics)
    return " / ".join(found)


def _seeds_title(study: Study) -> str:
    return f"seeds × test {study.terms.tested_on}"


def _is_shown(study: Study, metric: str) -> bool:
    """Whether ours is shown: where it is not comparable, the headline alone.

    Five guesses among a few classes say nothing beside five among hundreds.
    """
    return study.terms.comparable or metric == study.terms.headline


def _measured(study: Study, row: Row, metric: str) -> str:
    mean = study.mean(row.id, metric)
    if mean is None:
        if any(run.row == row.id for run in study.failed):
            return "failed"
        few = f" (in studies of {row.min_seeds} seeds or more)" if row.min_seeds > 1 else ""
        return f"not run{few}"
    if row.repeats:
        return "as above"
    interval = study.interval(row.id) if metric == study.terms.headline else None
    return f"{mean:.1f}{f' {bracketed(interval.low, interval.high)}' if interval else ''}"


def _seeds(study: Study, row: Row) -> str:
    """How many seeds, and clips or videos."""
    if row.repeats or not study.is_done(row.id):
        return "–"
    return f"{len(study.by_seed(row.id))} × {_tested(study, row)}"


def _tested(study: Study, row: Row) -> str:
    """How many clips or videos."""
    return f"{next(iter(study.by_seed(row.id, 'n').values()), 0):.0f}"


def _costs(study: Study, rows: list[str]) -> Iterator[Column]:
    """Costs at the paper's own size, beside the printed ones where there are any."""
    counted = {row.id: row for row in study.all_rows}
    for metric, title in COSTS.items():
        is_printed, column = study.prints(metric), systems.column_of(study, metric)
        what = " printed / ours" if is_printed else " ours" if study.printed else ""
        yield (
            f"{title}{what} ({UNITS[metric]})",
            [
                _cost(study, counted[row], metric, is_printed)
                if row in counted
                else systems.cell(study, row, column)
                if study.number(row, metric)
                else "–"
                for row in rows
            ],
        )
    if systems.are_compared(study):
        yield systems.HEADING, [systems.total_in_words(study, row) for row in rows]


def _cost(study: Study, row: Row, metric: str, is_printed: bool) -> str:
    found, ours = study.comparison(row.id, metric), study.counted(row.id, metric)
    if not is_printed:
        return f"{ours:.3f}"
    mark = "" if found is None else " ✓" if found.exact else " ✗"
    printed = systems.cell(study, row.id, systems.column_of(study, metric)) if found else "–"
    return f"{printed} / {ours:.3f}{mark}"


def _interval_note(study: Study) -> str:
    most, what = _most_seeds(study), study.terms.tested_on
    if most == 0:
        return ""
    if most == 1:
        return (
            f"Brackets: 95 % Wilson interval over the test {what} of the one trained model; "
            "another seed may differ by more, and so may the same one on another kind of processor."
        )
    return f"Brackets: 95 % Student t interval of the mean over seeds (test {what} are the same)."


def _most_seeds(study: Study) -> int:
    return max((len(by_seed) for by_seed in study.runs.values()), default=0)
