"""Printed costs of other systems beside what was counted of their models.

Counting takes minutes, and libraries that nothing else needs. What `python tools/peers.py` has
counted is therefore kept in a small file of the record, on which the audit rests. A count is kept
with the model's configuration, and is none of a model whose configuration has changed.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import io
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from vswin.costs.peers.counting import PeerCost
from vswin.data.datasets import DATASETS
from vswin.errors import VswinError
from vswin.paper.peers import PeerModel, read_peers
from vswin.paper.printed import Column, PrintedTable, Row, printed_table
from vswin.paper.text import Status
from vswin.project import experiments_dir
from vswin.report.compare import COSTS, UNITS, compare
from vswin.report.doubts.finding import Finding
from vswin.wording import signed

FILE = "results/reference/peers.csv"
KINETICS_400 = DATASETS["kinetics400"].num_classes
"""With so many classes was mostly counted what then was copied from table to table."""


class DamagedPeersError(VswinError):
    """The file of counts is not what `python tools/peers.py` writes."""


class Question(NamedTuple):
    """What is counted: a model with so many classes."""

    model: str
    configuration: str
    classes: int

    @staticmethod
    def of(model: PeerModel, classes: int) -> Question:
        """About a model as it is described now."""
        return Question(model.id, model.configuration, classes)


Counts = Mapping[Question, PeerCost]


def classes_of(row: str) -> int:
    """The classes of the dataset of a row's table."""
    printed = printed_table(row.partition(".")[0])
    assert printed is not None
    return DATASETS[printed.dataset].num_classes


def questions(tables: tuple[str, ...] = ()) -> list[Question]:
    """What must be counted for the rows of some tables, or of all."""
    found = [
        Question.of(model, classes)
        for model in read_peers().models
        for row in model.rows
        if not tables or row.split(".")[0] in tables
        for classes in (classes_of(row), KINETICS_400)
    ]
    return list(dict.fromkeys(found))


def as_csv(counts: Counts) -> str:
    """As the counts are kept: the same counts give the same bytes."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    fields = [field.name for field in dataclasses.fields(PeerCost)]
    writer.writerow([*Question._fields, *fields])
    for question, cost in counts.items():
        writer.writerow([*question, *dataclasses.astuple(cost)])
    return text.getvalue()


def read_counts(path: Path | None = None) -> Counts:
    """The counts that are kept; none if there is no such file.

    Args:
        path: of the file; None is that of the project's record.

    Raises:
        DamagedPeersError: if the file is not what was written.
    """
    return _read_counts(path or experiments_dir().parent / FILE)


@functools.cache
def _read_counts(path: Path) -> Counts:
    if not path.exists():
        return {}
    lines = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    try:
        return {
            Question(line["model"], line["configuration"], int(line["classes"])): PeerCost(
                int(line["layers"]), int(line["macs"]), int(line["params"]), line["libraries"]
            )
            for line in lines
        }
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedPeersError(f"{path} is damaged; python tools/peers.py writes it") from error


def peer_finding(printed: PrintedTable, row: Row, column: Column, counts: Counts) -> Finding | None:
    """What the count of a row's model says of a printed cost; None where nothing was counted."""
    name, metric = f"{printed.table}.{row.id}", column.metric or ""
    model, text = read_peers().model_of(name), printed.number(row.id, metric)
    if model is None or text is None or metric not in COSTS:
        return None
    question = Question.of(model, classes_of(name))
    if question not in counts:
        return None
    ours = number(counts[question], model, metric)
    tolerance = getattr(read_peers().tolerance, metric)
    apart = 100 * (ours / float(text) - 1)
    said = f"{_counted(model, question, counts[question], metric)}."
    chosen = model.chosen if metric == "flops" else ""
    if compare(ours, text).exact and metric == "flops" and model.rule == "layers":
        words = f"{said} {chosen} Other rows of the column have products of attention in them."
        return Finding("suspicious", words, confidence=model.confidence)
    if compare(ours, text).exact:
        return Finding("exact", f"{said} {chosen}".rstrip(), recomputed=True)
    said = f"{said[:-1]}, {signed(apart, 1)} % (tolerance {tolerance:g} %). {chosen}".rstrip()
    if abs(apart) <= tolerance + 1e-9:
        return Finding("within", said)
    also = (_of_400(model, question, metric, text, counts), model.remarks.get(metric, ""))
    said = " ".join(filter(None, (said, *also)))
    status: Status = "suspicious" if model.documented else "printed elsewhere"
    if not model.documented:
        said += " Its source leaves something open, so this is no evidence against the print."
    return Finding(status, said, confidence=model.confidence if model.documented else "")


def number(cost: PeerCost, model: PeerModel, metric: str) -> float:
    """A count in the unit of the tables, under the model's rule."""
    return cost.flops(model.rule) / 1e9 if metric == "flops" else cost.params / 1e6


def _counted(model: PeerModel, question: Question, cost: PeerCost, metric: str) -> str:
    """What was counted, of what, and under which rule."""
    ours = f"{number(cost, model, metric):,.3f} {UNITS[metric]}"
    said = f"Counted as `{model.id}`, {model.says}, with {cost.libraries}: {ours}"
    if metric == "params":
        return f"{said} with {question.classes} classes"
    said += f" for {model.frames} frames of {model.size}×{model.size}"
    if model.rule == "layers":
        said += f", without products of attention; with them {cost.macs / 1e9:,.3f}"
    return said


def _of_400(model: PeerModel, question: Question, metric: str, text: str, counts: Counts) -> str:
    """Whether a number of parameters looks copied from the model with 400 classes."""
    usual = counts.get(Question.of(model, KINETICS_400))
    if metric != "params" or question.classes == KINETICS_400 or usual is None:
        return ""
    found = number(usual, model, metric)
    near = abs(found / float(text) - 1) * 100 <= read_peers().tolerance.params
    return f"With {KINETICS_400} classes it has {found:,.3f} M, which is near." if near else ""
