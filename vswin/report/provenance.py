"""Where the numbers are from: code, versions and machine, and what the runs started from."""

from __future__ import annotations

import dataclasses
from typing import Any

from vswin.report.data import Section, listing
from vswin.report.study import Study

EQUALITY = (
    "What is equal: on the same kind of processor, with the same versions and number of threads, a "
    "run in one process on the CPU gives the same bits again, also after it was killed and "
    "resumed. What is not: another kind of processor, a GPU or several processes round otherwise, "
    "and training amplifies that, so that the same seed can end at another accuracy, as another "
    "seed does. What to compare: distributions over seeds with their intervals, never single runs."
)
"""Said wherever it is said which machine a run was executed on."""
MIXED = "Not all of these runs were executed on the same kind of processor."


def initialisations(study: Study) -> Section:
    """What each run's weights started from, where they were loaded."""
    found: dict[tuple[str, int], list[str]] = {}
    for row in study.all_rows:
        for seed, run in study.runs.get(row.id, {}).items():
            if run.result.loaded:
                found.setdefault((_origin(study, run.result.loaded), seed), []).append(row.id)
    texts = [f"{', '.join(rows)}, seed {seed}: {text}" for (text, seed), rows in found.items()]
    section = listing("What the runs started from", texts)
    return dataclasses.replace(section, is_folded=True)


def _origin(study: Study, loaded: Any) -> str:
    """A run's or a published file's weights, and what was done to them."""
    words = [f"{loaded.source} ({loaded.layout})"]
    if loaded.kind == "run":
        where = "still images" if loaded.inflation else "its videos"
        name, share = next(iter(loaded.source_metrics.items()))
        title = study.terms.metrics.get(name, name)
        words = [f"{loaded.source} ({title} on {where} {100 * share:.1f} %)"]
    words += [f"{what} {choice}" for what, choice in loaded.inflation.items()]
    words += [f"weights {loaded.digest[:12]}"]
    if not loaded.is_verified:
        words += ["not compared with a known digest"]
    return ", ".join(words)


def mixed_sources(study: Study) -> list[str]:
    """A warning for each run of which others have started from different weights."""
    found: dict[str, set[str]] = {}
    for by_seed in study.runs.values():
        for run in by_seed.values():
            if run.result.loaded and run.result.loaded.kind == "run":
                found.setdefault(run.result.loaded.source, set()).add(run.result.loaded.digest)
    return [
        f"Not comparable with each other: runs that start from {run_id} have started from "
        f"{len(digests)} different weights; remove them and run again."
        for run_id, digests in found.items()
        if len(digests) > 1
    ]


def provenance(study: Study) -> Section:
    """One line: commits, machines, and when."""
    runs = [run for by_seed in study.runs.values() for run in by_seed.values()]
    if not runs:
        return Section("Provenance", level=2)
    known = [run.provenance for run in runs if run.provenance]
    commits = sorted({_commit(origin) for origin in known}) or ["not known"]
    devices = sorted({origin["device"] for origin in known}) or ["not known"]
    threads = sorted({str(origin["threads"]) for origin in known})
    when = sorted(origin["finished"][:10] for origin in known if origin.get("finished"))
    ids = {run.run_id for run in runs}
    line = f"{len(ids)} runs; code {', '.join(commits)}; {', '.join(devices)}"
    line += f"; {' or '.join(threads)} thread(s) per run" if threads else ""
    line += f"; {when[0]} to {when[-1]}" if when else ""
    note = MIXED if len(devices) > 1 else ""
    return Section("Provenance", text=f"{line}.", note=note, level=2)


def origins(study: Study) -> Section:
    """Code, versions and machine of every run, and of those that they started from."""
    runs = {run.run_id: run for by_seed in study.runs.values() for run in by_seed.values()}
    found: dict[str, list[str]] = {}
    for run_id, run in sorted((runs | study.sources).items()):
        found.setdefault(_made_by(run.provenance if run else {}), []).append(run_id)
    texts = [f"{text}: {', '.join(ids)}" for text, ids in found.items()]
    section = listing("Every run, and what is equal when it is run again", texts)
    return dataclasses.replace(section, note=EQUALITY if texts else "", is_folded=True)


def _commit(origin: dict[str, Any]) -> str:
    commit = origin["commit"][:12] if origin["commit"] else "unknown commit"
    return f"{commit} with uncommitted changes" if origin["dirty"] else commit


def _made_by(origin: dict[str, Any]) -> str:
    if not origin:
        return "not known"
    versions = ", ".join(f"{name} {version}" for name, version in origin["packages"].items())
    return (
        f"{_commit(origin)}; Python {origin['python']}, {versions}; {origin['device']}, "
        f"{origin['threads']} thread(s) per run"
    )
