"""What was fixed before a study was run, in a line."""

from __future__ import annotations

from vswin.experiments.preregistration import read_preregistration
from vswin.project import PREREGISTRATION, preregistration_file
from vswin.report.study import Study
from vswin.runs.provenance import preregistration_digest


def registration_line(study: Study) -> str:
    """Which preregistration a study has, and whether its runs are those; empty if it has none.

    Raises:
        ExperimentError: if the file is broken.
    """
    file = preregistration_file()
    registered = read_preregistration(file)
    found = registered.study(study.terms.protocol) if registered else None
    if registered is None or found is None or study.name not in found.tables:
        return ""
    rows = found.tables[study.name].values()
    digest = preregistration_digest(file.parents[1])
    wanted = {(row.first, seed) for row in rows for seed in range(row.seeds)}
    there = {
        (run.config.with_seed(0).run_id, seed): run
        for by_seed in study.runs.values()
        for seed, run in by_seed.items()
    }
    complete = wanted & there.keys()
    noted = [key for key in complete if there[key].provenance.get("preregistration") == digest]
    parts = [f"{len(complete)} of {len(wanted)} registered runs are complete"]
    if not complete:
        parts = [f"none of {len(wanted)} registered runs is complete"]
    elif len(noted) == len(complete):
        parts.append("each made afterwards, and with the digest of the file")
    else:
        parts.append(f"{len(complete) - len(noted)} of them do not carry the file's digest")
    if others := len(there.keys() - complete):
        parts.append(f"{others} run{'s' * (others != 1)} beside them not registered")
    when = f"{registered.written:%Y-%m-%d %H:%M} UTC"
    return (
        f"Preregistered on {when}: `experiments/{PREREGISTRATION}`, "
        f"SHA-256 {(digest or '')[:12]}; {'; '.join(parts)}."
    )
