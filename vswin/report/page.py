"""Report pages: Markdown, HTML, CSV and PNG of a study, written atomically below results/."""

from __future__ import annotations

import base64
import contextlib
import csv as csv_format
import dataclasses
import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from vswin.files import atomic_write, require_writable, write_text
from vswin.project import project_root
from vswin.report import benchmark, videos
from vswin.report.claims import Judgement, judge_claims
from vswin.report.picture import digest_in, picture_of
from vswin.report.study import Study

if TYPE_CHECKING:  # notebooks want tables; a report is quicker without
    import pandas as pd

DEFAULT_PROTOCOL = "proxy"
"""Its reports are called after the table alone; others have the protocol in their name."""


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
    table, protocol = study.experiment.table, study.protocol.protocol
    root = study.store.results_dir
    csv = require_writable(study.store.tables_dir) / f"{table}.csv"
    require_writable(study.store.reports_dir)
    html, markdown, png = (
        report_path(root, table, protocol, suffix) for suffix in ("html", "md", "png")
    )
    picture = _picture(study, png)
    content = page_content(study)
    write_text(csv, _as_csv(study.lines()))
    with atomic_write(png) as file:
        file.write(picture)
    encoded = base64.b64encode(picture).decode()
    write_text(markdown, render("report.md.j2", content, picture=png.name))
    write_text(html, render("report.html.j2", content, picture=f"data:image/png;base64,{encoded}"))
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


def render(template: str, content: dict[str, Any], picture: str) -> str:
    """Fills a template of vswin/report/templates."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vswin.report", "templates"),
        autoescape=template.endswith(".html.j2"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template(template).render(content, picture=picture)


def page_content(study: Study) -> dict[str, Any]:
    """Everything a page says, as text; both templates are filled from this."""
    judgements = judge_claims(study)
    return {
        "title": study.title,
        "source": study.printed.source if study.printed else "not in the paper",
        "section": study.experiment.section,
        "protocol": study.protocol if study.is_trainable else None,
        "protocol_title": study.stage.title if study.is_trainable else "",
        "verdict": verdict_lines(study, judgements),
        "header": _header(study),
        "lines": [_table_line(study, row) for row in study.lines()],
        "interval_note": _interval_note(study),
        "suspicious": [
            line for line in study.cost_lines() if not line["exact"] or line["evidence"]
        ],
        "judgements": [
            {"says": j.claim.says, "verdict": j.verdict, "evidence": j.evidence} for j in judgements
        ],
        "controls": benchmark.controls(study),
        "checks": benchmark.checks(study),
        "difficulty": benchmark.difficulty(study),
        "initialisations": benchmark.initialisations(study),
        "accuracies": videos.accuracies(study),
        "recipe": videos.recipe(study),
        "data": videos.data(study),
        "choices": study.experiment.choices,
        "deviations": study.stage.deviations if study.is_trainable else (),
        "calibration": study.stage.calibration if study.is_trainable else "",
        "resources": _resources(study),
        "provenance": _provenance(study),
        "command": command(study),
    }


def verdict_lines(study: Study, judgements: list[Judgement] | None = None) -> list[str]:
    """The first lines of a report: what was reproduced, what was not."""
    judgements = judge_claims(study) if judgements is None else judgements
    cells = study.cost_lines()
    lines = []
    if cells:
        exact = sum(cell["exact"] for cell in cells)
        lines.append(f"Costs: {exact} of {len(cells)} printed cells reproduced to the digit.")
        for cell in (cell for cell in cells if not cell["exact"]):
            why = f" {cell['evidence']}" if cell["evidence"] else ""
            lines.append(
                f"Not as printed: {cell['metric']} of {cell['row']}, printed "
                f"{cell['printed']}, ours {cell['ours']}.{why}"
            )
    if not study.is_trainable:
        lines.append(f"Accuracies: not run; not a table of protocol {study.protocol.protocol}.")
        return lines
    done = [row for row in study.rows if study.results.get(row.id)]
    runs = {f.run_id for row in done for f in study.folders[row.id].values()}
    words = "comparable" if study.protocol.comparable else "not comparable with the printed ones"
    lines.append(
        f"Accuracies: {len(done)} of {len(study.rows)} rows trained under protocol "
        f"{study.protocol.protocol} ({len(runs)} distinct runs), {words}."
    )
    lines += videos.verdict_lines(study)
    if order := benchmark.order_line(study):
        lines.append(order)
    lines += benchmark.mixed_pretrainings(study)
    if judgements:
        counts = [
            (v, sum(j.verdict == v for j in judgements))
            for v in ("reproduced", "contradicted", "inconclusive", "not run")
        ]
        lines.append("Claims: " + ", ".join(f"{n} {v}" for v, n in counts if n) + ".")
    return lines


def command(study: Study) -> str:
    """The command that runs what is missing, if anything can be run, and writes this report."""
    table, root = study.experiment.table, study.store.results_dir
    where = root.relative_to(project_root()) if root.is_relative_to(project_root()) else root
    results = "" if where == Path("results") else f" --results-dir {where}"
    if not study.is_trainable:
        return f"vswin report {table}{results}"
    seeds = max((1 + max(s) for s in study.results.values()), default=study.protocol.seeds)
    protocol = study.protocol.protocol
    if study.on_videos:
        which = f"{table} --protocol {protocol}"
        return f"vswin run {which} --seeds {seeds}{results}; vswin report {which}{results}"
    return f"vswin notebook {table} --protocol {protocol} --seeds {seeds}{results}"


def _header(study: Study) -> list[str]:
    labels = list(study.labels(study.rows[0]))
    ours = f"ours, {study.protocol.protocol}"
    return [
        *labels,
        "top-1 printed",
        f"top-1 {ours}",
        "top-5 printed",
        f"top-5 {ours}",
        f"seeds × test {'videos' if study.on_videos else 'clips'}",
        "FLOPs printed / ours (G)",
        "params printed / ours (M)",
    ]


def _table_line(study: Study, row: dict[str, Any]) -> list[str]:
    labels = study.labels(study.experiment.row(row["row"]))
    printed = study.printed.row(row["row"]) if study.printed else None
    interval = study.top1_interval(row["row"])
    top1 = "not run"
    if interval:
        top1 = f"{interval.mean:.1f} [{interval.low:.1f}, {interval.high:.1f}]"
    cells = {c["metric"]: c for c in study.cost_lines() if c["row"] == row["row"]}
    costs = []
    for metric in ("flops", "params"):
        if metric in cells:
            mark = "✓" if cells[metric]["exact"] else "✗"
            costs.append(f"{cells[metric]['printed']} / {row[metric]:.3f} {mark}")
        else:
            costs.append(f"– / {row[metric]:.3f}")
    return [
        *labels.values(),
        (printed and printed.top1) or "–",
        top1,
        (printed and printed.top5) or "–",
        f"{row['top5']:.1f}" if row["seeds"] else "not run",
        f"{row['seeds']} × {row['n']:.0f}" if row["seeds"] else "–",
        *costs,
    ]


def _interval_note(study: Study) -> str:
    most = max((len(s) for s in study.results.values()), default=0)
    what = "videos" if study.on_videos else "clips"
    if most == 0:
        return ""
    if most == 1:
        return (
            f"Brackets: 95 % Wilson interval over the test {what} of the one trained model; "
            "another seed may differ by more."
        )
    return f"Brackets: 95 % Student t interval of the mean over seeds (test {what} are the same)."


def _resources(study: Study) -> list[list[str]]:
    lines = []
    for row in study.experiment.rows:
        results = list(study.results.get(row.id, {}).values())
        if results:
            cost = results[0].cost
            lines.append(
                [
                    row.id,
                    f"{cost.flops / 1e6:.2f}",
                    f"{cost.params:,}",
                    f"{sum(r.seconds.train for r in results) / len(results):.0f}",
                    _mean_rate([r.clips_per_second for r in results]),
                ]
            )
    return lines


def _mean_rate(rates: list[float | None]) -> str:
    """Clips per second; a dash where nothing was trained."""
    known = [rate for rate in rates if rate is not None]
    if not known:
        return "–"
    mean = sum(known) / len(known)
    return f"{mean:,.0f}" if mean >= 100 else f"{mean:.3g}"


def _provenance(study: Study) -> list[str]:
    found: dict[str, list[str]] = {}
    folders = {f.run_id: f for seeds in study.folders.values() for f in seeds.values()}
    for run_id in benchmark.pretrainings(study):
        folders[run_id] = study.store.run(run_id)
    for run_id, folder in sorted(folders.items()):
        origin = folder.provenance()
        if origin is None:
            text = "no provenance.json"
        else:
            commit = (origin["commit"] or "unknown commit")[:12] + (
                " with uncommitted changes" if origin["dirty"] else ""
            )
            versions = ", ".join(f"{k} {v}" for k, v in origin["packages"].items())
            text = (
                f"{commit}; Python {origin['python']}, {versions}; {origin['device']}, "
                f"{origin['threads']} thread(s) per run"
            )
        found.setdefault(text, []).append(run_id)
    return [f"{text}: {', '.join(runs)}" for text, runs in found.items()]


DETAILS = {
    "accuracies": "Printed accuracies beside ours",
    "controls": "Controls of the benchmark",
    "checks": "Every run, at the difficulty of training",
    "difficulty": "Top-1 by difficulty (coherence / noise)",
    "recipe": "The recipe, setting by setting",
}


def details(content: dict[str, Any]) -> Iterator[tuple[str, pd.DataFrame, str]]:
    """The further tables of a page that have something in them: title, texts, note."""
    import pandas as pd

    for name, title in DETAILS.items():
        section = content[name]
        if section.lines:
            yield title, pd.DataFrame(section.lines, columns=section.header), section.note


def display_lines(study: Study) -> tuple[list[str], list[list[str]]]:
    """The report's table as texts: its header and its lines."""
    return _header(study), [_table_line(study, row) for row in study.lines()]


def display_table(study: Study) -> pd.DataFrame:
    """The report's table as a DataFrame of texts, for a notebook."""
    import pandas as pd

    header, lines = display_lines(study)
    return pd.DataFrame(lines, columns=header)
