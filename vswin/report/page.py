"""Report pages: Markdown, HTML, CSV and PNG of a study, written atomically below results/."""

from __future__ import annotations

import base64
import csv as csv_format
import dataclasses
import io
import math
import re
import shlex
from pathlib import Path
from typing import Any

import jinja2
import markupsafe

from vswin.files import require_writable, write_text
from vswin.project import in_project
from vswin.report.claims import judge_claims
from vswin.report.data import Section
from vswin.report.headline import verdict_lines
from vswin.report.outline import all_sections
from vswin.report.pictures.written import Pictures, pictures_of, write_pictures
from vswin.report.registration import registration_line
from vswin.report.sections import shows
from vswin.report.sensitivity import sensitivities
from vswin.report.study import Study

DEFAULT_PROTOCOL = "proxy"
"""Its reports are called after the table alone; others have the protocol in their name."""


@dataclasses.dataclass(frozen=True)
class Page:
    """Everything that a report says, as texts; Markdown, HTML and notebooks show the same."""

    title: str
    verdict: list[str]
    """What was reproduced, what holds, what does not."""
    source: str
    shows: str
    """What the accuracies can and cannot say; empty where there are none."""
    registration: str
    """What was fixed beforehand; empty if nothing was."""
    sections: list[Section]
    command: str
    """What makes the report."""
    training: str
    """What trains the runs that it lacks; empty where it can train none."""
    pictures: Pictures
    """What its pictures show, by name."""
    audited: str = ""
    """Where on the audit's page its printed numbers are; empty where none are printed."""

    def __repr__(self) -> str:
        parts = [section.title for section in self.sections if section.level == 2]
        return f"<Page {self.title}: {', '.join(parts)}>"


@dataclasses.dataclass(frozen=True)
class ReportFiles:
    """Where a report was written."""

    csv: Path
    html: Path
    markdown: Path
    pictures: dict[str, Path]
    """By name: those of `vswin.report.pictures.written.NAMES` that there are."""


def report_path(results_dir: Path, table: str, protocol: str, suffix: str) -> Path:
    """<results>/reports/<table>[.<protocol>].<suffix>."""
    name = table if protocol == DEFAULT_PROTOCOL else f"{table}.{protocol}"
    return results_dir / "reports" / f"{name}.{suffix}"


def page_of(study: Study) -> str:
    """The name of its page, for links from beside it: of what was not run, that of the costs."""
    protocol = study.terms.protocol if study.runs else DEFAULT_PROTOCOL
    return report_path(study.results_dir, study.name, protocol, "md").stem


def write_report(study: Study) -> ReportFiles:
    """Writes a study's table, pictures and pages.

    Returns:
        The files: the table as CSV under <results>/<protocol>/tables, the page as HTML (one file,
        pictures included) and Markdown, and the pictures as PNG, under <results>/reports.

    Raises:
        NotWritableError: if the results folder cannot be written.
    """
    root, protocol = study.results_dir, study.terms.protocol
    csv = require_writable(root / protocol / "tables") / f"{study.name}.csv"
    html, markdown, png = (
        report_path(root, study.name, protocol, suffix) for suffix in ("html", "md", "png")
    )
    require_writable(html.parent)
    page = make_page(study)
    written = write_pictures(page.pictures, png)
    write_text(csv, _as_csv(study.lines()))
    names = {name: path.name for name, path in written.items()}
    write_text(markdown, render("report.md.j2", page, names))
    inside = {name: as_address(path.read_bytes()) for name, path in written.items()}
    write_text(html, render("report.html.j2", page, inside))
    return ReportFiles(csv, html, markdown, written)


def as_address(png: bytes) -> str:
    """A picture as an address that holds it."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _as_csv(lines: list[dict[str, Any]]) -> str:
    """Lines with the same keys as CSV, numbers with six digits; what is missing is empty."""
    text = io.StringIO()
    writer = csv_format.writer(text, lineterminator="\n")
    writer.writerow(lines[0])
    for line in lines:
        writer.writerow([_as_cell(value) for value in line.values()])
    return text.getvalue()


def _as_cell(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return "" if math.isnan(value) else f"{value:.6g}"


def render(template: str, page: Page, pictures: dict[str, str] | None = None) -> str:
    """Fills a template of vswin/report/templates; `pictures` are addresses, by name."""
    return _template(template).render(page=page, pictures=pictures or {})


def markdown(section: Section) -> str:
    """A part of a page as Markdown, for a notebook."""
    return _template("section.md.j2").render(section=section, pictures={})


def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vswin.report", "templates"),
        autoescape=name.endswith(".html.j2"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["code"] = _code
    return environment.get_template(name)


def _code(text: str) -> markupsafe.Markup:
    """Text for HTML; what is in backticks is code."""
    escaped = str(markupsafe.escape(text))  # a plain string, or what is put in is escaped, too
    return markupsafe.Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", escaped))


def make_page(study: Study) -> Page:
    """What a report says of a study."""
    terms = study.terms
    judgements, variations = judge_claims(study), sensitivities(study)
    source = f"Not in a paper; `experiments/{study.name}.yaml` says what its rows are."
    if study.printed:
        source = f"{study.printed.source}; discussed in section {study.printed.section}."
    if study.is_trainable:
        source += f" Protocol `{terms.protocol}`: {terms.title}."
    return Page(
        title=study.title,
        verdict=verdict_lines(study, judgements),
        source=source,
        shows=shows(study) if study.is_trainable else "",
        registration=registration_line(study),
        sections=all_sections(study, judgements, variations),
        command=command(study),
        training=training(study),
        pictures=pictures_of(study, judgements, variations),
        audited=study.name if study.printed else "",
    )


def command(study: Study) -> str:
    """The command that writes this report; it trains nothing."""
    seeds = "" if study.seeds is None else f" --seeds {study.seeds}"
    return f"vswin report {_asked(study, seeds)}"


def training(study: Study) -> str:
    """The command that trains what the report lacks; empty where nothing can be trained.

    Where runs are recorded, the weights that others would start from are not there any more.
    """
    if not study.is_trainable or study.is_recorded:
        return ""
    most = max((1 + max(by_seed) for by_seed in study.runs.values()), default=study.terms.seeds)
    return f"vswin run {_asked(study, f' --seeds {study.seeds or most}')}"


def _asked(study: Study, seeds: str) -> str:
    """What commands are told: the table, the protocol, seeds, and where the results are."""
    where = in_project(study.results_dir)
    results = "" if where == Path("results") else f" --results-dir {shlex.quote(str(where))}"
    return f"{study.name} --protocol {study.terms.protocol}{seeds}{results}"
