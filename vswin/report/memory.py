"""Printed memory beside that of a model of it, whose order counts and not its digits."""

from __future__ import annotations

from vswin.costs.cache import memory_at
from vswin.costs.memory import ASSUMPTIONS
from vswin.report.data import Section
from vswin.report.order import order_in_words
from vswin.report.study import Study

METRIC = "memory"


def memory(study: Study) -> Section:
    """Memory of a training step, row by row; nothing where a paper prints none.

    Rows whose printed memory is suspicious are shown, and counted in the order apart.
    """
    title = "Memory of a training step"
    printed = {row.id: study.number(row.id, METRIC) for row in study.distinct_rows}
    known = {row: float(text) for row, text in printed.items() if text}
    if not known:
        return Section(title)
    ours = {row.id: memory_at(row.model, row.input_size) for row in study.distinct_rows}
    gib = {row: found.gib for row, found in ours.items()}
    doubted = {row: study.suspicion(row, METRIC) for row in known}
    lines = [
        [
            study.row(row).label,
            printed[row] or "–",
            f"{gib[row]:.1f}",
            "suspicious" if doubted[row] else "",
        ]
        for row in known
    ]
    batch = next(iter(ours.values())).batch
    order = order_in_words(known, gib, [row for row in known if doubted[row]])
    header = ["row", "printed (G)", f"model, n = {batch} (GiB)", ""]
    note = f"Digits are not compared. {ASSUMPTIONS}"
    return Section(title, header, lines, before=order, note=note)
