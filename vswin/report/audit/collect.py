"""Putting the audit together."""

from __future__ import annotations

from pathlib import Path

from vswin.paper.auditing import paper_differences
from vswin.paper.printed import FOLDER, PrintedTable, printed_table
from vswin.paper.text import papers
from vswin.project import in_project, results_path
from vswin.report.audit.basis import RECORD, Basis, load_basis
from vswin.report.audit.cells import cells_of
from vswin.report.audit.checks import checks_of
from vswin.report.audit.data import Audit, CheckResult, TextNumber
from vswin.report.audit.texts import text_of


def load_audit(results_dir: str | Path = RECORD, basis: Basis | None = None) -> Audit:
    """Every printed number with its status, and every check.

    Args:
        results_dir: whose counts and verdicts; a relative one counts from the project's root.
        basis: those, if they are known already.

    Raises:
        DamagedFileError: if a result is damaged.
    """
    found = basis or load_basis(results_dir)
    tables = {paper: tables_of(paper) for paper in papers()}
    cells = [cell for paper in tables for t in tables[paper] for cell in cells_of(t, found)]
    by_name = {cell.name: cell for cell in cells}
    text: list[TextNumber] = []
    checks: list[CheckResult] = []
    for paper, printed in tables.items():
        checks += checks_of(paper, printed, found.memory)
        numbers, of_text = text_of(paper, by_name, found)
        text += numbers
        checks += of_text
    differences = [(paper, each) for paper in tables for each in paper_differences(paper)]
    return Audit(
        tuple(cells),
        tuple(text),
        tuple(checks),
        tuple(differences),
        str(in_project(results_path(results_dir))),
    )


def tables_of(paper: str) -> list[PrintedTable]:
    """The printed tables of a paper, in order."""
    names = sorted(path.stem for path in (FOLDER / paper).glob("table*.yaml"))
    return [found for name in names if (found := printed_table(name))]
