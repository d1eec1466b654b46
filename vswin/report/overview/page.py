"""The overview's page: HTML, Markdown and PNG, written atomically below results/reports."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import shlex
from pathlib import Path

import jinja2
import markupsafe

from vswin.files import atomic_write, require_writable, write_text
from vswin.project import in_project
from vswin.report.claims import VERDICTS
from vswin.report.overview.block import LINK, Block
from vswin.report.overview.blocks import blocks
from vswin.report.overview.data import Overview
from vswin.report.overview.headline import headline
from vswin.report.overview.picture import Picture, picture_of
from vswin.report.page import as_address
from vswin.report.pictures.kept import digest_in

NAME = "overview"
DEFAULT_PROTOCOL = "proxy"


@dataclasses.dataclass(frozen=True)
class Page:
    """Everything that the overview says, as texts; all files and the notebook show the same."""

    title: str
    headline: list[str]
    papers: int
    """How many of its first lines are of a paper each."""
    blocks: list[Block]
    command: str

    def __repr__(self) -> str:
        return f"<Page {self.title}: {', '.join(block.title for block in self.blocks)}>"


@dataclasses.dataclass(frozen=True)
class OverviewFiles:
    """Where an overview was written."""

    html: Path
    markdown: Path
    png: Path
    narrow: Path
    """The same picture, for a narrow page."""


def write_overview(overview: Overview) -> OverviewFiles:
    """Writes the picture and the pages; the same results give the same bytes.

    Raises:
        NotWritableError: if the results folder cannot be written.
    """
    suffix = "" if overview.protocol == DEFAULT_PROTOCOL else f".{overview.protocol}"
    folder = require_writable(overview.results_dir / "reports")
    html, markdown, png, narrow = (
        folder / f"{NAME}{suffix}.{kind}" for kind in ("html", "md", "png", "narrow.png")
    )
    page, picture = make_page(overview), picture_of(overview)
    for path in (png, narrow):
        content = drawn(picture, path, is_narrow=path == narrow)
        with atomic_write(path) as file:
            file.write(content)
    write_text(markdown, _render("overview.md.j2", page, png.name))
    inside = [as_address(path.read_bytes()) for path in (png, narrow)]
    write_text(html, _render("overview.html.j2", page, *inside))
    return OverviewFiles(html, markdown, png, narrow)


def make_page(overview: Overview) -> Page:
    """What the overview says."""
    where = in_project(overview.results_dir)
    results = "" if where == Path("results") else f" --results-dir {shlex.quote(str(where))}"
    return Page(
        title="The papers, claim by claim",
        headline=headline(overview),
        papers=len(overview.papers),
        blocks=blocks(overview),
        command=f"vswin report overview --protocol {overview.protocol}{results}",
    )


def drawn(picture: Picture, before: Path, *, is_narrow: bool = False) -> bytes:
    """The picture as a PNG; the one that is there, if it shows the same."""
    with contextlib.suppress(FileNotFoundError):
        png = before.read_bytes()
        if digest_in(png) == picture.digest():
            return png
    from vswin.report.overview import narrow, plots  # matplotlib, which takes a while

    return narrow.png(picture) if is_narrow else plots.png(picture)


def first_lines(page: Page) -> str:
    """The first lines as Markdown, for a notebook."""
    return _template("headline.md.j2").render(page=page)


def as_markdown(block: Block) -> str:
    """A part of the page likewise."""
    return _template("block.md.j2").render(block=block)


def _render(template: str, page: Page, picture: str, narrow: str = "") -> str:
    return _template(template).render(page=page, picture=picture, narrow=narrow)


def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vswin.report", "templates"),
        autoescape=name.endswith(".html.j2"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["rich"] = _as_html
    environment.filters["linked"] = _as_markdown
    environment.globals["tones"] = [verdict.replace(" ", "-") for verdict in VERDICTS]
    return environment.get_template(name)


def _address(link: re.Match[str], suffix: str) -> str:
    """Where a link leads to: a report's page, or a place in this one."""
    return f"#{link[3]}" if link[2] else f"{link[3]}.{suffix}"


def _as_markdown(text: str) -> str:
    return LINK.sub(lambda link: f"[{link[1]}]({_address(link, 'md')})", text)


def _as_html(text: str) -> markupsafe.Markup:
    """Text for HTML: what is in backticks is code, links lead to the pages of reports."""
    escaped = str(markupsafe.escape(text))  # a plain string, or what is put in is escaped, too
    linked = LINK.sub(lambda link: f'<a href="{_address(link, "html")}">{link[1]}</a>', escaped)
    return markupsafe.Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", linked))
