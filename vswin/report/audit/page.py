"""The audit's page as HTML and Markdown, and what it rests on, below a results folder."""

from __future__ import annotations

import csv
import dataclasses
import io
import shlex
from pathlib import Path
from typing import Literal

import jinja2
import markupsafe

from vswin.files import require_writable, write_text
from vswin.project import in_project, results_path
from vswin.report.audit.basis import FILE, Basis, as_text, make_basis
from vswin.report.audit.collect import load_audit
from vswin.report.audit.data import Audit
from vswin.report.audit.links import links_of
from vswin.report.audit.parts import checks_in_words, headline, parts
from vswin.report.doubts.finding import LABELS

NAME = "audit"
STATUSES_FILE = "audit.csv"


@dataclasses.dataclass(frozen=True)
class AuditFiles:
    """Where an audit was written."""

    html: Path
    markdown: Path
    statuses: Path
    """Every number with its status, a line each; small enough to see in git what changed."""
    basis: Path


def write_audit(results_dir: str | Path) -> tuple[Audit, AuditFiles]:
    """Counts and judges anew, and writes all that follows; the same results give the same bytes.

    Raises:
        NotWritableError: if the results folder cannot be written.
        DamagedFileError: if a result is damaged.
    """
    root = results_path(results_dir)
    basis = make_basis(root)
    audit = load_audit(root, basis)
    return audit, _write(audit, basis, root)


def _write(audit: Audit, basis: Basis, root: Path) -> AuditFiles:
    folder = require_writable(root / "reports")
    files = AuditFiles(
        folder / f"{NAME}.html", folder / f"{NAME}.md", root / STATUSES_FILE, root / FILE
    )
    write_text(files.basis, as_text(basis))
    write_text(files.statuses, statuses(audit))
    write_text(files.markdown, render("md", audit, root))
    write_text(files.html, render("html", audit, root))
    return files


def statuses(audit: Audit) -> str:
    """Every number with its status, as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["paper", "where", "row", "column", "printed", "status"])
    for cell in audit.cells:
        place = (cell.paper, cell.table, cell.row, cell.column)
        writer.writerow([*place, cell.printed, cell.finding.label])
    for number in audit.text:
        place = (number.paper, number.where, f"number {number.place}", number.kind)
        writer.writerow([*place, number.printed, number.finding.label])
    for check in audit.checks:
        place = (check.paper, "check", check.id, check.about)
        writer.writerow([*place, check.printed, "passes" if check.passes else "fails"])
    return text.getvalue()


def command(root: Path) -> str:
    """What makes the page."""
    where = in_project(root)
    results = "" if where == Path("results") else f" --results-dir {shlex.quote(str(where))}"
    return f"vswin report audit{results}"


def render(suffix: Literal["html", "md"], audit: Audit, root: Path) -> str:
    """Fills a template of vswin/report/templates."""
    links = links_of(suffix, root, frozenset(cell.table for cell in audit.cells))
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vswin.report", "templates"),
        autoescape=suffix == "html",
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters["rich"] = lambda text: markupsafe.Markup(links.linked(text))
    environment.filters["cell"] = lambda text: text.replace("|", "\\|")
    return environment.get_template(f"audit.{suffix}.j2").render(
        title="Every printed number",
        headline=[headline(audit), checks_in_words(audit)],
        parts=parts(audit),
        labels=LABELS,
        command=command(root),
    )
