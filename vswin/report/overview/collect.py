"""Collecting: all studies, judgements and costs that the overview shows."""

from __future__ import annotations

from pathlib import Path

from vswin.experiments.library import Library
from vswin.paper.printed import printed_table
from vswin.project import experiments_dir, results_path
from vswin.report.claims import Studies, judge_all
from vswin.report.claims.sources import is_printed
from vswin.report.collect import load_study, studies_in
from vswin.report.overview import awaited
from vswin.report.overview.data import Overview
from vswin.report.sensitivity import Sensitivity


def load_overview(protocol: str = "proxy", results_dir: str | Path = "results") -> Overview:
    """Reads what is on disk for all printed tables under a protocol. Trains nothing.

    Args:
        protocol: by name.
        results_dir: the store's folder; a relative one counts from the project's root.

    Raises:
        UsageError: if there is no such protocol.
        DamagedFileError: if a result is damaged.
    """
    library = Library(experiments_dir())
    chosen = library.protocol(protocol)
    possible = [
        t
        for t in sorted(library.tables(), key=_is_figure)
        if library.experiment(t).is_for(protocol)
    ]
    tables = [name for name in possible if printed_table(name)]
    own = [load_study(t, protocol, results_dir=results_dir) for t in possible if t not in tables]
    others = [*library.variations(protocol), awaited.PROTOCOL]
    elsewhere = [_elsewhere(library, name, results_dir) for name in others if name != protocol]
    judged = judge_all(results_dir, protocol)
    studies = tuple(load_study(table, protocol, results_dir=results_dir) for table in tables)
    papers = [study.printed.paper for study in studies if study.printed]
    of_papers = [j for j in judged if j.claim.table in (None, *tables)]
    counted = [j.claim for j in of_papers if j.evidence == "counted"]
    known = Studies(protocol, results_dir, known=studies)
    return Overview(
        protocol=protocol,
        title=chosen.title,
        studies=studies,
        judgements=tuple(sorted(of_papers, key=lambda j: papers.index(j.paper))),
        elsewhere=tuple(found for found in elsewhere if found.tested),
        not_run_yet=tuple(
            found.protocol
            for found in elsewhere
            if not found.tested and found.protocol != awaited.PROTOCOL
        ),
        own=tuple(
            (study, tuple(j for j in judged if j.claim.table == study.name))
            for study in own
            if study.runs
        ),
        printed=frozenset(
            claim.id for claim in counted if all(is_printed(claim, r, known) for r in claim.rows)
        ),
        bill=awaited.bill(tables, results_dir),
        results_dir=results_path(results_dir),
    )


def _elsewhere(library: Library, protocol: str, results_dir: str | Path) -> Sensitivity:
    """The papers' claims under another protocol; nothing is judged where nothing was run."""
    found = library.protocol(protocol)
    judged = judge_all(results_dir, protocol) if studies_in(results_dir, protocol) else []
    varies = getattr(found, "varies", "") or found.title
    return Sensitivity(protocol, varies, tuple(j for j in judged if j.paper))


def _is_figure(table: str) -> bool:
    return table.startswith("figure")
