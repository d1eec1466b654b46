"""Report pages: Markdown, HTML, CSV and PNG of a study, written atomically below results/."""

from __future__ import annotations

import base64
import contextlib
import csv as csv_format
import dataclasses
import io
import math
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import markupsafe

from vswin.files import atomic_write, require_writable, write_text
from vswin.project import in_project
from vswin.report import digits
from vswin.report.claims import VERDICTS, Judgement, judge_claims
from vswin.report.data import Section
from vswin.report.picture import digest_in, picture_of
from vswin.report.sections import (
    all_sections,
    compared,
    mixed_sources,
    present_lines,
)
from vswin.report.study import Study

DEFAULT_PROTOCOL = "proxy"
"""Its reports are called after the table alone; others have the protocol in their name."""


@dataclasses.dataclass(frozen=True)
class Page:
    """Everything that a report says, as texts; Markdown, HTML and notebooks show the same."""

    title: str
    verdict: list[str]
    """What was reproduced, what was not."""
    source: str
    shows: str
    """What the accuracies can and cannot say; empty where there are none."""
    sections: list[Section]
    command: str
    """What makes the report."""
    training: str
    """What trains the runs that it lacks; empty where it can train none."""

    def __repr__(self) -> str:
        return f"<Page {self.title}: {', '.join(section.title for section in self.sections)}>"


@dataclasses.dataclass(frozen=True)
class ReportFiles:
    """Where a report was written."""

    csv: Path
    html: Path
    markdown: Path
    png: Path


def report_path(results_dir: Path, table: str, protocol: str, suffix: str) -> Path:
    """<results>/reports/<table>[.<protocol>].<suffix>."""
    name = table if protocol == DEFAULT_PROTOCOL else f"{table}.{protocol}"
    return results_dir / "reports" / f"{name}.{suffix}"


def write_report(study: Study) -> ReportFiles:
    """Writes a study's table, plot and pages.

    Returns:
        The four files: the table as CSV under <results>/<protocol>/tables, the page as HTML (one
        file, picture included) and Markdown, and the picture as PNG, under <results>/reports.

    Raises:
        NotWritableError: if the results folder cannot be written.
    """
    root, protocol = study.results_dir, study.terms.protocol
    csv = require_writable(root / protocol / "tables") / f"{study.name}.csv"
    html, markdown, png = (
        report_path(root, study.name, protocol, suffix) for suffix in ("html", "md", "png")
    )
    require_writable(html.parent)
    picture = _picture(study, png)
    page = make_page(study)
    write_text(csv, _as_csv(study.lines()))
    with atomic_write(png) as file:
        file.write(picture)
    encoded = base64.b64encode(picture).decode()
    write_text(markdown, render("report.md.j2", page, picture=png.name))
    write_text(html, render("report.html.j2", page, picture=f"data:image/png;base64,{encoded}"))
    return ReportFiles(csv, html, markdown, png)


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


def _picture(study: Study, before: Path) -> bytes:
    """The study's figure as a PNG; the one that is there, if it shows the same."""
    picture = picture_of(study)
    with contextlib.suppress(FileNotFoundError):
        png = before.read_bytes()
        if digest_in(png) == picture.digest():
            return png
    from vswin.report import plots  # matplotlib, which takes a while, for this alone

    return plots.png(picture)


def render(template: str, page: Page, picture: str) -> str:
    """Fills a template of vswin/report/templates."""
    return _template(template).render(page=page, picture=picture)


def markdown(section: Section) -> str:
    """A part of a page as Markdown, for a notebook."""
    return _template("section.md.j2").render(section=section, picture="")


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
    judgements = judge_claims(study)
    source = f"Not in a paper; `experiments/{study.name}.yaml` says what its rows are."
    if study.printed:
        source = f"{study.printed.source}; discussed in section {study.printed.section}."
    if study.is_trainable:
        source += f" Protocol `{terms.protocol}`: {terms.title}."
    return Page(
        title=study.title,
        verdict=verdict_lines(study, judgements),
        source=source,
        shows=_shows(study) if study.is_trainable else "",
        sections=all_sections(study, judgements),
        command=command(study),
        training=training(study),
    )


def _shows(study: Study) -> str:
    """What its accuracies can and cannot say."""
    if study.printed is None or study.terms.comparable:
        return study.terms.shows
    return f"{study.terms.shows} They are never subtracted from printed accuracies."


def verdict_lines(study: Study, judgements: list[Judgement] | None = None) -> list[str]:
    """The first lines of a report: what was reproduced, what was not."""
    terms = study.terms
    lines = _cost_verdict(study)
    if not study.is_trainable:
        return [*lines, f"Accuracies: not run. {study.why_not_run}."]
    done = [row for row in study.rows if study.is_done(row.id)]
    runs = {run.run_id for row in done for run in study.runs.get(row.id, {}).values()}
    words = ""
    if study.printed:
        words = ", comparable" if terms.comparable else ", not comparable with the printed ones"
    lines.append(
        f"Accuracies: {len(done)} of {len(study.rows)} rows trained under protocol "
        f"{terms.protocol} ({len(runs)} distinct runs){words}."
    )
    lines += [f"Recipe: {terms.recipe.title}."] if terms.recipe else []
    if study.printed and terms.comparable and terms.tolerance is not None:
        counts = _counts([match for *_, match in compared(study)], "not reproduced", "not run")
        lines.append(f"Printed accuracies, within {terms.tolerance:g} points: {counts or 'none'}.")
    lines += present_lines(study)
    lines += digits.order_line(study.rows, study.runs)
    lines += mixed_sources(study)
    verdicts = [j.verdict for j in (judge_claims(study) if judgements is None else judgements)]
    if verdicts:
        found = [f"{verdicts.count(kind)} {kind}" for kind in VERDICTS if kind in verdicts]
        lines.append(f"Claims: {', '.join(found)}.")
    return lines


def _cost_verdict(study: Study) -> list[str]:
    cells = study.cost_lines()
    if not cells:
        return []
    exact = sum(cell["exact"] for cell in cells)
    lines = [f"Costs: {exact} of {len(cells)} printed cells reproduced to the digit."]
    for cell in (cell for cell in cells if not cell["exact"]):
        why = f" {cell['evidence']}" if cell["evidence"] else ""
        lines.append(
            f"Not as printed: {cell['metric']} of {cell['row']}, printed {cell['printed']}, ours "
            f"{cell['ours']}.{why}"
        )
    return lines


def _counts(found: Sequence[str], *others: str) -> str:
    """How many were reproduced, and how many of the others there are, as far as there are any."""
    kinds = ("reproduced", *others)
    return ", ".join(f"{found.count(kind)} {kind}" for kind in kinds if kind in found)


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
