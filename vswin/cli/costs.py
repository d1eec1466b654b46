"""`vswin cost TABLE`: counted costs, beside the printed ones where there are any."""

from __future__ import annotations

from vswin.cli.terminal import print_table
from vswin.costs.counting import Rule
from vswin.report import Study, load_costs
from vswin.report.compare import COSTS, UNITS


def print_table_cost(table: str, rule: Rule) -> None:
    """Every printed cost of a table beside the counted one; where none is printed, those of ours.

    Raises:
        UsageError: if there is no such rule.
        ExperimentError: if the table's file is broken.
    """
    study = load_costs(table)
    if study.cost_lines(rule):
        _print_beside_printed(study, rule)
    else:
        _print_counted(study, rule)


def _print_beside_printed(study: Study, rule: Rule) -> None:
    lines = []
    for cell in study.cost_lines(rule):
        texts = (cell[name] for name in ("row", "metric", "printed", "ours"))
        lines.append((*texts, "✓" if cell["exact"] else "✗", cell["evidence"]))
    header = ("row", "metric", "printed", "ours", "exact", "evidence")
    print_table(study.name, header, lines, names=2)


def _print_counted(study: Study, rule: Rule) -> None:
    header = ("row", *(f"{title}, {UNITS[metric]}" for metric, title in COSTS.items()))
    lines = [
        (row.id, *(f"{study.counted(row.id, metric, rule):.3f}" for metric in COSTS))
        for row in study.rows
    ]
    print_table(study.name, header, lines)
