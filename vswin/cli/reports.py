"""Making reports: `vswin report` and `vswin notebook`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vswin.cli.options import (
    OptionalResultsOption,
    ResultsOption,
    TableArgument,
    absolute,
    resumable,
    say_absent,
    say_project,
)
from vswin.cli.terminal import print_line, print_table
from vswin.errors import UsageError
from vswin.extras import require_extra

if TYPE_CHECKING:
    from vswin.report import Study


def report(
    table: Annotated[
        str,
        typer.Argument(
            help="A table; `sectionC`: complexity formulas; `overview`: all claims on one page; "
            "`audit`: every printed number; `all`: these, and whatever was run or recorded."
        ),
    ],
    protocol: Annotated[
        str | None,
        typer.Option(
            "--protocol", "-p", help="See `vswin list` (default: proxy; for `all`, every one)."
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            "--seeds", "-s", help="Only the first so many seeds (default: all there are)."
        ),
    ] = None,
    results_dir: ResultsOption = "results",
) -> None:
    """Set what is on disk beside the printed numbers: CSV, HTML, Markdown, PNG. Trains nothing."""
    from vswin.report import load_study, reports_in, write_report
    from vswin.report.complexity import write_complexity

    say_project()
    say_absent(results_dir)
    require_extra("studies")
    asked = [(table, protocol or "proxy")]
    if table in ("overview", "audit", "sectionC"):
        asked = []
    if table == "all":
        asked = reports_in(results_dir, protocol)
        if not asked:
            raise UsageError(f"nothing was run or recorded in {results_dir}; name a table")
    for name, how in asked:
        study = load_study(name, how, seeds, results_dir)
        files = write_report(study)
        _print_study(study)
        _print_files([files.csv, files.html, files.markdown, *files.pictures.values()])
    if table == "sectionC" or (table == "all" and protocol is None):
        _print_files(write_complexity(results_dir))
    if table == "overview" or (table == "all" and protocol in (None, "proxy")):
        _write_overview(protocol or "proxy", results_dir)
    if table == "audit" or (table == "all" and protocol is None):
        _write_audit(results_dir)


def _write_overview(protocol: str, results_dir: str) -> None:
    from vswin.report.overview.block import plain
    from vswin.report.overview.collect import load_overview
    from vswin.report.overview.headline import headline
    from vswin.report.overview.page import write_overview

    overview = load_overview(protocol, results_dir)
    files = write_overview(overview)
    for line in headline(overview):
        print_line(plain(line))
    _print_files([files.html, files.markdown, files.png])


def _write_audit(results_dir: str) -> None:
    from vswin.report.audit.page import write_audit
    from vswin.report.audit.parts import checks_in_words, headline

    audit, files = write_audit(results_dir)
    for line in (headline(audit), checks_in_words(audit)):
        print_line(line)
    _print_files([files.html, files.markdown, files.statuses, files.basis])


def notebook(
    table: TableArgument,
    protocol: Annotated[
        str | None, typer.Option("--protocol", "-p", help="See `vswin list`.")
    ] = None,
    seeds: Annotated[int | None, typer.Option("--seeds", "-s", help="Seeds from 0 on.")] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", "-j", min=0, help="Runs at a time.")] = None,
    results_dir: OptionalResultsOption = None,
    run_missing: Annotated[
        bool | None, typer.Option("--run-missing/--no-run-missing", help="Train first?")
    ] = None,
    parameter: Annotated[
        list[str] | None, typer.Option(help="Any notebook parameter, as name=value.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="Executed notebook (default: <results>/reports/TABLE.ipynb)."
        ),
    ] = None,
) -> None:
    """Execute a table's notebook: runs what is missing, then writes the report. Or `overview`.

    What is not given keeps the notebook's own default.
    """
    for extra in ("notebooks", "studies"):
        require_extra(extra)
    from vswin.report import load_study
    from vswin.report.notebooks import OVERVIEW, execute_notebook, parse_parameters
    from vswin.report.page import report_path

    say_project()
    given = {
        "protocol": protocol,
        "seeds": seeds,
        "jobs": jobs,
        "results_dir": results_dir,
        "run_missing": run_missing,
    }
    parameters = {k: v for k, v in given.items() if v is not None}
    parameters |= parse_parameters(parameter or [])
    if "results_dir" in parameters:  # typed here, and the notebook counts from the project's root
        parameters["results_dir"] = absolute(str(parameters["results_dir"]))
    with resumable():
        executed, final = execute_notebook(table, parameters, output)
    if table == OVERVIEW:
        print_line(f"written: {executed}")
        return
    study = load_study(table, final["protocol"], final["seeds"], final["results_dir"])
    _print_study(study)
    root = study.results_dir
    reports = [report_path(root, table, final["protocol"], s) for s in ("html", "md", "png")]
    written = [path for path in reports if path.exists()]  # a picture, where there is one
    _print_files([root / final["protocol"] / "tables" / f"{table}.csv", *written, executed])


def _print_study(study: Study) -> None:
    from vswin.report.page import verdict_lines
    from vswin.report.table import the_table

    shown = the_table(study)
    print_table(study.title, shown.header, shown.lines, len(study.rows[0].labels))
    for verdict in verdict_lines(study):
        print_line(verdict)


def _print_files(paths: list[Path]) -> None:
    print("written:")
    for path in paths:
        print(f"  {path}")
