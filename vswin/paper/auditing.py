"""What is checked of a paper's numbers, and what is known of them: `vswin/paper/<paper>/audit/`.

`checks.yaml`: what must agree, table against table. `cells.yaml`: statuses by hand, where nothing
in the project can tell. `differences.yaml`: where the released configurations differ from the text.
"""

from __future__ import annotations

import fnmatch
import functools
from typing import Annotated, Literal

from pydantic import Field, model_validator

from vswin.paper.arithmetic import names_in
from vswin.paper.printed import FOLDER, Id
from vswin.paper.text import Listed, Status
from vswin.reading import Strict, read_strictly

Relation = Literal["equals", "at most"]


class Check(Strict):
    """Two formulas that should come to the same, given the printed digits."""

    id: Id
    about: Literal["heads", "views", "views × FLOPs", "sums", "sizes", "order"]
    """What kind of check it is: classes against parameters, views, what a whole test costs, sums
    and roundings, sizes, which is the best."""
    says: str
    """What is compared, in a sentence."""
    left: str
    right: str
    relation: Relation = "equals"
    why: str = ""
    """One line for who meets it failed."""
    doubts: Listed = ()
    """The cells that are in doubt if it fails, as `table2.vivit_h.params`."""

    @model_validator(mode="after")
    def _check(self) -> Check:
        for formula in (self.left, self.right):
            names_in(formula)
        return self


class System(Strict):
    """Rows that are one trained model with one test, so that their cells must be the same."""

    id: Id
    says: str
    rows: Annotated[tuple[str, ...], Field(min_length=2)]
    """As `table5.win8`."""
    columns: tuple[Id, ...] = ("top1", "top5", "flops", "params")
    """Those that must agree, as far as the tables have them."""
    why: str = ""


class Known(Strict):
    """What is known of some cells, by hand."""

    cells: Listed
    """As `table1.x3d_xxl.flops`; `*` is anything."""
    status: Status
    evidence: str
    confidence: Literal["high", "medium", "low"] | None = None


class Remark(Strict):
    """What there is to add to the evidence of some cells, whatever their status."""

    cells: Listed
    """As `tableA2.kv_pool.flops`; `*` is anything."""
    says: str


class Difference(Strict):
    """A setting that the released configurations or code have otherwise than the text says."""

    id: Id
    where: str
    """Of the text."""
    says: str
    """What the text says."""
    released: str
    """What the released configurations or code do."""
    changes: str
    """What it changes."""
    source: str
    """Where that stands."""


class Training(Strict):
    """How long a training takes by the text, where no protocol of the project can run it yet."""

    tables: Annotated[tuple[str, ...], Field(min_length=1)]
    epochs: Annotated[float, Field(gt=0)]
    """Times that each video or image is seen, repetitions of its augmentation included."""
    samples: Annotated[int, Field(gt=0)]
    """Videos or images of the training set."""
    source: str
    """Where that stands."""


class Trainings(Strict):
    """The file `trainings.yaml`, which a paper need not have."""

    trainings: tuple[Training, ...]


class Checks(Strict):
    """The file `checks.yaml`."""

    checks: tuple[Check, ...] = ()
    systems: tuple[System, ...] = ()


class Cells(Strict):
    """The file `cells.yaml`; of several entries for a cell the first counts."""

    cells: tuple[Known, ...]
    remarks: tuple[Remark, ...] = ()

    def of(self, cell: str) -> Known | None:
        """What is known of a cell, as `table1.i3d.params`."""
        return next((known for known in self.cells if _is_among(cell, known.cells)), None)

    def remarks_on(self, cell: str) -> str:
        """All that there is to add to its evidence; empty if nothing."""
        return " ".join(each.says for each in self.remarks if _is_among(cell, each.cells))


def _is_among(cell: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(cell, pattern) for pattern in patterns)


class Differences(Strict):
    """The file `differences.yaml`."""

    differences: tuple[Difference, ...]


@functools.cache
def paper_checks(paper: str) -> Checks:
    """What must agree in a paper.

    Raises:
        ExperimentError: if the file is broken; names file, line and key.
    """
    found: Checks = read_strictly(FOLDER / paper / "audit" / "checks.yaml", Checks)
    return found


@functools.cache
def known_cells(paper: str) -> Cells:
    """What is known of a paper's cells by hand.

    Raises:
        ExperimentError: likewise.
    """
    found: Cells = read_strictly(FOLDER / paper / "audit" / "cells.yaml", Cells)
    return found


@functools.cache
def training_of(table: str, paper: str) -> Training | None:
    """How long a training of a table's rows takes by the text; None where nothing is said.

    Raises:
        ExperimentError: likewise.
    """
    path = FOLDER / paper / "audit" / "trainings.yaml"
    if not path.exists():
        return None
    found: Trainings = read_strictly(path, Trainings)
    return next((each for each in found.trainings if table in each.tables), None)


@functools.cache
def paper_differences(paper: str) -> tuple[Difference, ...]:
    """Where the released configurations of a paper differ from its text.

    Raises:
        ExperimentError: likewise.
    """
    path = FOLDER / paper / "audit" / "differences.yaml"
    found: Differences = read_strictly(path, Differences)
    return found.differences
