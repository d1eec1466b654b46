"""The numbers of the running text: `vswin/paper/<paper>/text/*.yaml`, sentence by sentence.

Every number of text, captions and footnotes that states a result, a gain, a ratio, a size or a
setting, as it is printed. A number that follows from others says how (`is`), one that stands in a
table, too, says where (`cell`), and one that a claim is about names it (`claims`). What none of
that can tell has a status by hand, with its evidence.
"""

from __future__ import annotations

import functools
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from vswin.paper.arithmetic import names_in
from vswin.paper.claims import paper_claims
from vswin.paper.printed import FOLDER, Id, Text
from vswin.reading import Strict, read_strictly, require_named

Status = Literal["exact", "within", "tested", "needs data", "printed elsewhere", "suspicious"]
STATUSES: tuple[Status, ...] = (
    "exact",
    "within",
    "tested",
    "needs data",
    "printed elsewhere",
    "suspicious",
)
"""exact: recomputed here to the printed digit. within: within a tolerance fixed beforehand. tested:
a claim about it has a verdict. needs data: only data that is not here can tell. printed elsewhere:
of another work. suspicious: there is evidence against it."""


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


Listed = Annotated[tuple[str, ...], BeforeValidator(_listed)]
"""One text or a list of texts."""


class Number(Strict):
    """A number in a sentence."""

    number: Text
    """As printed, with its sign and its unit: ~2×, +1.0%, half."""
    of: str
    """What it is the number of, in a few words."""
    kind: Literal["result", "gain", "ratio", "size", "setting"]
    unit: str = ""
    id: Id | None = None
    """What formulas call it, as `text.shift_gain`; unique over all papers."""
    cell: Listed = ()
    """The cells that hold the same number, as `table1.swin_b.top1`."""
    is_: Listed = Field(default=(), alias="is")
    """The formula that it follows from. Of several numbers in one, a formula for each; of one
    number, all of them must come to it."""
    relation: Literal["equals", "over"] = "equals"
    """over: it is a bound that the formula is above."""
    about: bool = False
    """Whether the sentence says "about" or "~"; then closing zeros are no digits."""
    claims: tuple[Id, ...] = ()
    """Claims that are about it."""
    status: Status | None = None
    """By hand, where nothing else can tell."""
    evidence: str = ""
    """Of that status; or what there is to add."""
    confidence: Literal["high", "medium", "low"] | None = None
    """In the evidence against a suspicious number."""

    @model_validator(mode="after")
    def _check(self) -> Number:
        if self.status and not self.evidence:
            raise ValueError(f"{self.number}: a status by hand needs evidence")
        if not (self.cell or self.is_ or self.claims or self.status):
            raise ValueError(f"{self.number}: wanted a cell, a formula, a claim or a status")
        for formula in self.is_:
            names_in(formula)
        return self


class Sentence(Strict):
    """A sentence with its numbers, in the order in which they stand there."""

    where: str
    """Section, or caption: 4.3, abstract, caption of Table 5."""
    sentence: Annotated[str, Field(min_length=1)]
    """Verbatim, formulas included."""
    numbers: Annotated[tuple[Number, ...], Field(min_length=1)]


class TextFile(Strict):
    """The sentences of a part of a paper."""

    part: str
    """The name of the file."""
    sentences: Annotated[tuple[Sentence, ...], Field(min_length=1)]


@functools.cache
def paper_text(paper: str) -> tuple[Sentence, ...]:
    """All sentences of a paper with numbers, part by part in the order of the files.

    Raises:
        ExperimentError: if a file is broken; names file, line and key.
        ValueError: if a number names a claim that the paper does not have, or two have one id.
    """
    folder = FOLDER / paper / "text"
    found: list[Sentence] = []
    for path in sorted(folder.glob("*.yaml")):
        found += require_named(path, "part", read_strictly(path, TextFile)).sentences
    known = {claim.id for claim in paper_claims(paper)}
    ids: set[str] = set()
    for number in (number for sentence in found for number in sentence.numbers):
        if missing := [claim for claim in number.claims if claim not in known]:
            raise ValueError(f"{folder}: {number.number} names {missing[0]}, which is no claim")
        if number.id in ids:
            raise ValueError(f"{folder}: two numbers are called {number.id}")
        ids |= {number.id} if number.id else set()
    return tuple(found)


def papers() -> list[str]:
    """Every paper that is audited, by its folder; in the order of their tables."""
    found = [path.parent for path in FOLDER.glob("*/audit")]
    first = {p.name: min(table.stem for table in p.glob("table*.yaml")) for p in found}
    return sorted(first, key=first.__getitem__)
