"""A part of the overview's page, and how texts in it name things.

In a text, `code` is in backticks, `[title](table)` leads to the report of that table, and
`[name](#claim)` to the claim's line.
"""

from __future__ import annotations

import dataclasses
import re

from vswin.paper.claims import Claim
from vswin.report.overview.data import Overview
from vswin.report.page import page_of
from vswin.report.study import Study

LINK = re.compile(r"\[([^\]]+)\]\((#?)([\w.]+)\)")
"""In a text: what is shown, and the page that it leads to, without a suffix, or a place in this."""


@dataclasses.dataclass(frozen=True)
class Block:
    """A part of the page: a table or a list, between words."""

    title: str
    header: list[str] = dataclasses.field(default_factory=list)
    lines: list[list[str]] = dataclasses.field(default_factory=list)
    items: list[str] = dataclasses.field(default_factory=list)
    before: str = ""
    note: str = ""
    ids: list[str] = dataclasses.field(default_factory=list)
    """Of its lines, to which other pages can link; empty if none can."""
    tone: str = ""
    """The verdict whose colour it has."""

    def __repr__(self) -> str:
        return f"<Block {self.title}: {len(self.lines) + len(self.items)} lines>"


def place_of(overview: Overview, claim: Claim) -> str:
    """Where a claim's sentence stands, and its name."""
    study = overview.study(claim.table)
    table = f"[{number_of(study)}]({page_of(study)}), " if study else ""
    return f"{table}{claim.where}, `{claim.id}`"


def plain(text: str) -> str:
    """A text without its links."""
    return LINK.sub(r"\1", text)


def number_of(study: Study) -> str:
    """As "Table 5"."""
    return study.printed.title if study.printed else study.name
