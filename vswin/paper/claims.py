"""The paper's testable sentences: `vswin/paper/<paper>/claims/*.yaml`.

A claim says which numbers would confirm or contradict a sentence. It says nothing of how they are
obtained: the same claim is tested on Moving Digits and on videos, with a margin for each; costs are
counted on the paper's own models. Rows are those of experiments; some of them (controls, steps of a
sweep) are printed nowhere.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from vswin.paper.placeholders import fill
from vswin.paper.printed import FOLDER, Id, printed_table
from vswin.reading import ExperimentError, Strict, read_strictly

Kind = Literal["greater", "within", "equal", "trend", "interaction", "ratio", "level", "bound"]
Evidence = Literal["counted", "built in", "open test", "at initialisation", "needs videos"]
TestedOn = Literal["clips", "videos"]

COUNTED = ("flops", "params", "test_flops", "views", "pretraining_images", "memory")
"""Metrics that need no run; see `vswin.paper.quantities`. Of memory (of a training step) there is
a model, `vswin.costs.memory`, and only its order counts."""
OF_DIGITS = ("easiest", "order", "stills")
"""What only runs on Moving Digits measure."""
TIMED = ("test_seconds",)
"""Measured, and not in points."""
ROWS: dict[Kind, tuple[int, int | None]] = {
    "greater": (2, 2),
    "within": (2, 2),
    "equal": (2, 2),
    "trend": (3, None),
    "interaction": (4, 4),
    "ratio": (2, 2),
    "level": (1, 1),
    "bound": (1, 1),
}
"""How many rows a claim of each kind has: at least and at most."""
BOUNDED = ("ratio", "bound")
"""Kinds that have bounds. The others have margins, in points, unless what they compare has none:
what is counted, and times."""
Ref = Annotated[str, Field(pattern=r"^([A-Za-z0-9_]+\.)?[a-z0-9_]+$")]
"""A row of the claim's own table, or `table8.center`."""
Points = Annotated[float, Field(gt=0, le=100)]


class Margins(Strict):
    """What counts as no difference, in points; fixed before anything was run."""

    clips: Points | None = None
    """On the embedded benchmark."""
    videos: Points | None = None
    """On the paper's datasets."""

    @model_validator(mode="after")
    def _check(self) -> Margins:
        if self.clips is None and self.videos is None:
            raise ValueError("margins need clips, videos or both")
        return self


class Bounds(Strict):
    """What a number may be: a ratio as it is, a share in percent."""

    low: float | None = None
    high: float | None = None

    @model_validator(mode="after")
    def _check(self) -> Bounds:
        if self.low is None and self.high is None:
            raise ValueError("bounds need low, high or both")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}")
        return self


class Counted(Strict):
    """A model that a sentence speaks of and no table has; its costs are counted, it is not run."""

    preset: Id
    frames: Annotated[int, Field(ge=1)] = 32
    image_size: Annotated[int, Field(ge=1)] = 224
    model: dict[str, Any] = Field(default_factory=dict)
    """In what it differs from the preset, by the keywords of `vswin.build_model`."""


class Claim(Strict):
    """A sentence, and what would confirm or contradict it.

    A sentence that says several things is several claims, with the same quote.
    """

    id: Id
    """Unique over the paper."""
    table: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")] | None
    """Whose report shows it; None: it is about the paper as a whole."""
    where: str = ""
    """Where the sentence stands: section 4.3. Empty in an ablation of one's own."""
    quote: str = ""
    """The sentence, verbatim. Empty in an ablation of one's own, and in what the benchmark predicts
    of itself."""
    name: str = ""
    """What it is called in lists and pictures, where its id does not say it; with placeholders."""
    says: Annotated[str, Field(min_length=1)]
    """What is tested, in our words; its numbers are placeholders, see `vswin.paper.placeholders`"""
    kind: Kind
    """greater: the metric of the first row is above that of the second. within: it is at most a
    margin below. equal: it is at most a margin away. trend: the metric rises from row to row.
    interaction: the first row is further above the second than the third above the fourth. ratio:
    the first row's metric divided by the second's is within bounds. level: the row's metric is at
    most a margin from the printed one. bound: the row's metric is within bounds."""
    metric: Id
    """What is compared: a column's metric, one of COUNTED or TIMED, or what only Moving Digits
    tell (`order`: share of clips whose two motions are told apart in order, at the least
    difficulty; `stills`: top-1 of the fine-tuned backbone on images, under the pre-training's own
    head), or what is known before training (`own_frame`: share of a token's attention that stays
    in its frame), or of attention distances, in `vswin.report.claims.distances`."""
    rows: tuple[Ref, ...]
    margins: Margins | None = None
    """What is no difference (within, equal, level), or no effect (greater, trend, interaction)."""
    bounds: Bounds | None = None
    evidence: Evidence
    """counted: exact, no run is needed. built in: the benchmark is made so that it shows, a
    positive control. open test: could have come out either way. at initialisation: a property of
    the weights before the first step. needs videos: only the paper's datasets can tell."""
    why: str = ""
    """One line for a reader who doubts the evidence, the margin or the bounds."""
    withdrawn: str = ""
    """Why it tests nothing: what was fixed beforehand was wrong. What is registered is not edited,
    so the claim stays, with this in place of a verdict."""
    models: dict[Id, Counted] = Field(default_factory=dict)
    """Models among `rows` that no table has, by what `rows` calls them."""

    @model_validator(mode="after")
    def _check(self) -> Claim:
        for problem in (self._rows_problem(), self._numbers_problem(), self._evidence_problem()):
            if problem:
                raise ValueError(f"claim {self.id}: {problem}")
        return self

    def _rows_problem(self) -> str:
        least, most = ROWS[self.kind]
        if not least <= len(self.rows) <= (most or len(self.rows)):
            wanted = f"{least} row{'s' * (least > 1)}{' or more' * (most is None)}"
            return f"kind {self.kind} takes {wanted}, not {len(self.rows)}"
        if len(set(self.rows)) < len(self.rows):
            return "a row is named twice"
        if unused := [name for name in self.models if name not in self.rows]:
            return f"model {unused[0]} is not among the rows"
        if self.models and not self.is_counted:
            return f"models are counted, but {self.metric} must be measured"
        bare = [r for r in self.rows if r not in self.models and not self.table_of(r)]
        if bare:
            return f"row {bare[0]} must say its table, as in table5.dim16: the claim has none"
        return ""

    def _numbers_problem(self) -> str:
        if (self.bounds is None) == (self.kind in BOUNDED):
            verb = "needs" if self.kind in BOUNDED else "takes no"
            return f"kind {self.kind} {verb} bounds (low, high or both)"
        takes_margins = self.kind not in BOUNDED and self.metric not in (*COUNTED, *TIMED)
        if takes_margins and self.margins is None:
            return f"kind {self.kind} needs margins for {self.metric}"
        if not takes_margins and self.margins is not None:
            return f"margins have no meaning for {self.metric} in kind {self.kind}"
        if self.is_counted and self.kind not in ("greater", "trend", "ratio"):
            return f"{self.metric} is counted; it can be greater, a trend or a ratio"
        if self.metric == "memory" and self.kind == "ratio":
            return "only the order of memory can be told; it can be greater or a trend"
        return ""

    def _evidence_problem(self) -> str:
        if (self.evidence == "counted") != self.is_counted:
            return f"evidence {self.evidence} does not fit {self.metric}"
        if self.evidence == "needs videos" and self.margins and self.margins.clips is not None:
            return "it needs videos, and yet has a margin for clips"
        if self.evidence == "built in" and not self.why:
            return "what is built in must say why"
        return ""

    @property
    def is_counted(self) -> bool:
        """Whether its numbers need no run."""
        return self.metric in COUNTED

    def margin(self, tested_on: TestedOn) -> float | None:
        """The margin in points for what a protocol tests on; None if it cannot be tested there."""
        return getattr(self.margins, tested_on) if self.margins else None

    def table_of(self, row: str) -> str | None:
        """The table of one of its rows; None for one of its own `models`."""
        table, dot, _ = row.rpartition(".")
        return None if row in self.models else table if dot else self.table

    def filled(self) -> str:
        """What it says, with its numbers.

        Raises:
            ValueError: if a placeholder is no printed cell.
        """
        return fill(self.says, self._cell)

    def short_name(self) -> str:
        """Its name in a few words."""
        return fill(self.name, self._cell) or self.id.replace("_", " ")

    def _cell(self, place: str) -> str:
        *table, name, column = place.split(".") if "." in place else ("", place)
        printed = printed_table(table[0] if table else self.table or "")
        row = printed.row(name) if printed else None
        if printed is None or row is None or column not in row.cells:
            raise ValueError(f"claim {self.id}: {{{place}}} is no cell of a printed table")
        metric = next(each.metric for each in printed.columns if each.id == column)
        return (metric and printed.number(name, metric)) or row.cells[column]


class ClaimsFile(Strict):
    """Some claims of a paper."""

    claims: Annotated[tuple[Claim, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _check(self) -> ClaimsFile:
        for claim in self.claims:
            is_prediction = (claim.kind, claim.evidence) == ("bound", "built in")
            if not claim.where or not (claim.quote or is_prediction):
                raise ValueError(f"claim {claim.id}: a claim of a paper needs where and quote")
            tables = [claim.table, *(claim.table_of(row) for row in claim.rows)]
            if missing := [t for t in tables if t is not None and printed_table(t) is None]:
                raise ValueError(f"claim {claim.id}: {missing[0]} is no printed table")
            if claim.kind == "level":
                _require_printed(claim)
            claim.filled()
            claim.short_name()
        return self


def _require_printed(claim: Claim) -> None:
    (ref,) = claim.rows
    printed = printed_table(claim.table_of(ref) or "")
    if printed is None or printed.number(ref.rpartition(".")[2], claim.metric) is None:
        raise ValueError(f"claim {claim.id}: no {claim.metric} is printed for {ref}")


@functools.cache
def paper_claims(paper: str) -> tuple[Claim, ...]:
    """All claims of a paper, file by file; none if it has no such folder.

    Raises:
        ExperimentError: if a file is broken, or two claims have the same id.
    """
    return read_claims(FOLDER / paper / "claims")


def claims_of(table: str) -> tuple[Claim, ...]:
    """The claims that the report of a table shows; none where the table is printed nowhere."""
    printed = printed_table(table)
    found = paper_claims(printed.paper) if printed else ()
    return tuple(claim for claim in found if claim.table == table)


def read_claims(folder: Path) -> tuple[Claim, ...]:
    """Reads the files of a folder, in the order of their names.

    Raises:
        ExperimentError: if one is broken, or two claims have the same id.
    """
    found: dict[str, tuple[Claim, Path]] = {}
    for path in sorted(folder.glob("*.yaml")):
        for claim in read_strictly(path, ClaimsFile).claims:
            if claim.id in found:
                first = found[claim.id][1]
                raise ExperimentError(f"{path}: claim {claim.id} is in {first}, too; rename one")
            found[claim.id] = claim, path
    return tuple(claim for claim, _ in found.values())
