"""`vswin cost TABLE`: counted costs, beside the printed ones where there are any."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from vswin.costs.counting import Rule
from vswin.experiments.library import Library
from vswin.report import Study, load_study
from vswin.report.compare import COSTS, UNITS


def print_table_cost(console: Console, table: str, library: Library, rule: Rule) -> None:
    """Every printed cost of a table beside the counted one; where none is printed, those of ours.

    Raises:
        UsageError: if there is no such rule.
        ExperimentError: if the table's file is broken.
    """
    protocols = library.experiment(table).protocols or ("proxy",)  # costs are the same under all
    study = load_study(table, protocols[0])
    console.print(_beside_printed(study, rule) if study.cost_lines(rule) else _counted(study, rule))


def _beside_printed(study: Study, rule: Rule) -> Table:
    grid = _grid(study, "row", "metric", "printed", "ours", "", "evidence")
    for cell in study.cost_lines(rule):
        mark = "✓" if cell["exact"] else "✗"
        texts = (cell[name] for name in ("row", "metric", "printed", "ours"))
        grid.add_row(*texts, mark, cell["evidence"])
    return grid


def _counted(study: Study, rule: Rule) -> Table:
    grid = _grid(study, "row", *(f"{title}, {UNITS[metric]}" for metric, title in COSTS.items()))
    for row in study.rows:
        grid.add_row(row.id, *(f"{study.counted(row.id, metric, rule):.3f}" for metric in COSTS))
    return grid


def _grid(study: Study, *header: str) -> Table:
    return Table(*header, title=study.name, title_justify="left")
