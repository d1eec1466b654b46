"""Links of the audit's page: to claims, tables, models of other works, files and addresses.

In a text, `code` is in backticks, and `[title](page)` leads to another page of the reports.
"""

from __future__ import annotations

import dataclasses
import os
import re
from pathlib import Path
from typing import Literal

import markupsafe

from vswin.paper.claims import paper_claims
from vswin.paper.peers import FILE as PEERS
from vswin.paper.peers import read_peers
from vswin.paper.text import papers
from vswin.project import project_root
from vswin.report.overview.page import NAME as OVERVIEW

TOKEN = re.compile(
    r"`(?P<code>[^`]*)`"
    r"|\[(?P<title>[^\]]+)\]\((?P<page>\w+)\)"
    r"|(?P<address>https?://[^\s,;()]+)"
    r"|(?P<file>(?:experiments|vswin|results)/[\w./-]+\.(?:yaml|csv|json))"
    r"|arXiv (?P<arxiv>\d{4}\.\d{5})"
)
"""What may be a link, or code."""
ISSUE = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+)/(?:issues|pull)/(\d+)")


@dataclasses.dataclass(frozen=True)
class Links:
    """Where the words of a page lead to."""

    suffix: Literal["html", "md"]
    """Of all pages."""
    project: str
    """From the page's folder to the project's; empty if that is no part of it."""
    tables: frozenset[str]
    """Those that the page has a part for."""
    claims: frozenset[str]
    models: frozenset[str]
    """Of other works."""

    def linked(self, text: str) -> str:
        """A text as the page has it."""
        parts, end = [], 0
        for found in TOKEN.finditer(text):
            parts += [self._plain(text[end : found.start()]), self._shown(found)]
            end = found.end()
        return "".join([*parts, self._plain(text[end:])])

    def _plain(self, text: str) -> str:
        return str(markupsafe.escape(text)) if self.suffix == "html" else text

    def _shown(self, found: re.Match[str]) -> str:
        code, title = found["code"], found["title"]
        text = self._plain(found[0])
        if code is not None and self.suffix == "html":
            text = f"<code>{self._plain(code)}</code>"
        elif title is not None:
            text = self._plain(title)
        elif issue := ISSUE.fullmatch(found[0]):
            text = f"{issue[1]}#{issue[2]}"
        if not (target := self._target(found)):
            return text
        if self.suffix == "html":
            return f'<a href="{self._plain(target)}">{text}</a>'
        return f"[{text}]({target})"

    def _target(self, found: re.Match[str]) -> str:
        """Where it leads to; empty if nowhere."""
        if page := found["page"]:
            return f"{page}.{self.suffix}"
        if number := found["arxiv"]:
            return f"https://arxiv.org/abs/{number}"
        if code := found["code"]:
            return self._of_code(code)
        return found["address"] or self._of_file(found["file"] or "")

    def _of_code(self, code: str) -> str:
        if code in self.claims:
            return f"{OVERVIEW}.{self.suffix}#{code}"
        if code in self.models:
            return self._of_file(str(PEERS.relative_to(project_root())))
        table, *rest = code.split(".")
        if table in self.tables and len(rest) >= 2 and " " not in code:
            return f"#{table}"
        return self._of_file(code)

    def _of_file(self, path: str) -> str:
        is_there = self.project and TOKEN.fullmatch(path) and (project_root() / path).is_file()
        return f"{self.project}/{path}" if is_there else ""


def links_of(suffix: Literal["html", "md"], root: Path, tables: frozenset[str]) -> Links:
    """Of a page below a results folder that has parts for some tables."""
    project, folder = project_root(), root / "reports"
    inside = folder.is_relative_to(project)
    return Links(
        suffix,
        Path(os.path.relpath(project, folder)).as_posix() if inside else "",
        tables,
        frozenset(claim.id for paper in papers() for claim in paper_claims(paper)),
        frozenset(model.id for model in read_peers().models),
    )
