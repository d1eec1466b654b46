"""Accuracy over the cost of a whole test, for all systems that a table prints."""

from __future__ import annotations

import re

from vswin.paper.printed import DASHES, Row
from vswin.report import systems
from vswin.report.data import Section
from vswin.report.pictures.tradeoff import System, Tradeoff
from vswin.report.study import Study

TITLE = "Accuracy over what a whole test costs"
REFERENCE = re.compile(r"\s*\[\d+\]$")
"""At the end of a system's name as printed."""


def tradeoff(study: Study) -> Section:
    """The picture, and which rows are not in it; nothing where a paper compares no systems."""
    if not systems.are_compared(study) or study.printed is None:
        return Section(TITLE)
    left_out = [_name(row) for row in study.printed.rows if _system(study, row) is None]
    text = "Accuracies, views and FLOPs are as printed; their product is taken here."
    if left_out:
        text += f" Not in the picture, as one of them is not printed: {', '.join(left_out)}."
    return Section(TITLE, text=text, picture="tradeoff")


def tradeoff_of(study: Study) -> Tradeoff | None:
    """The picture of that."""
    if not systems.are_compared(study) or study.printed is None:
        return None
    found = tuple(s for row in study.printed.rows if (s := _system(study, row)) is not None)
    hollow = " Hollow: accuracy or FLOPs are in doubt." * any(s.in_doubt for s in found)
    return Tradeoff(
        title=study.title,
        notes=(
            "Accuracies, views and FLOPs as printed. Marker: family; colour: data of the "
            f"pre-training; ringed and bold: the paper's own.{hollow}",
        ),
        metric=f"{study.terms.metrics[study.terms.headline]}, %",
        systems=found,
    )


def _system(study: Study, row: Row) -> System | None:
    """A point of the picture; None where its accuracy or cost is not printed."""
    tera, top1 = systems.total(study, row.id), study.number(row.id, study.terms.headline)
    if tera is None or top1 is None or study.printed is None:
        return None
    alike = [other for other in study.printed.rows if _twin(other) == _twin(row)]
    views = f", {row.cells['views']}" if len(alike) > 1 and "views" in row.cells else ""
    data = row.cells.get("pretrain", "")
    return System(
        label=f"{_name(row)}{views}",
        family=row.family or "other",
        data="none printed" if data in DASHES else data,
        tera=float(tera),
        top1=float(top1),
        is_ours=row.system == "ours",
        in_doubt=systems.is_total_in_doubt(study, row.id)
        or (row.id, systems.column_of(study, study.terms.headline)) in study.doubts,
    )


def _twin(row: Row) -> tuple[str, str]:
    """Rows that have it in common would have the same label and colour."""
    return _name(row), row.cells.get("pretrain", "")


def _name(row: Row) -> str:
    """Of a system, without the reference: what the first column says."""
    return REFERENCE.sub("", next(iter(row.cells.values())))
