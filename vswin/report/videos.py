"""What a page says about runs on videos: accuracies beside printed ones, recipe, data."""

from __future__ import annotations

from typing import Literal

from vswin.experiments.videos import VideoProtocol
from vswin.report.benchmark import NOTHING, Section
from vswin.report.study import Study
from vswin.runs.result import VideosDetails

Match = Literal["reproduced", "not reproduced", "not run"]


def accuracies(study: Study) -> Section:
    """Every printed accuracy beside ours, with the difference; only where they may be compared."""
    protocol = study.protocol
    if not isinstance(protocol, VideoProtocol) or not protocol.comparable:
        return NOTHING
    lines = [
        [
            ", ".join(study.labels(study.experiment.row(row)).values()),
            metric.replace("top", "top-"),
            printed,
            "–" if ours is None else f"{ours:.2f}",
            "–" if ours is None else f"{ours - float(printed):+.2f}",
            match,
        ]
        for row, metric, printed, ours, match in _cells(study, protocol)
    ]
    note = (
        f"Reproduced: at most {protocol.tolerance:g} points from the printed one, fixed before "
        "anything was run. Ours is the mean over seeds; every listed video counts."
    )
    return Section(["row", "", "printed", "ours", "difference", ""], lines, note)


def verdict_lines(study: Study) -> list[str]:
    """How many printed accuracies were reproduced, and which recipe and videos they rest on."""
    protocol = study.protocol
    if not isinstance(protocol, VideoProtocol) or not study.is_trainable:
        return []
    assert protocol.book is not None
    lines = [f"Recipe: {protocol.recipe} ({protocol.book.title})."]
    if protocol.comparable:
        found = [match for *_, match in _cells(study, protocol)]
        kinds: tuple[Match, ...] = ("reproduced", "not reproduced", "not run")
        counts = ", ".join(f"{found.count(k)} {k}" for k in kinds if found.count(k))
        lines.append(
            f"Printed accuracies, within {protocol.tolerance:g} points: {counts or 'none'}."
        )
    return lines + [f"{line}." for line in _videos(study)]


def recipe(study: Study) -> Section:
    """Every setting of the training with its source; settings that differ between rows by row."""
    protocol = study.protocol
    if not isinstance(protocol, VideoProtocol) or not study.is_trainable:
        return NOTHING
    found: dict[tuple[str, str, str], list[str]] = {}
    for row in study.rows:
        for name, setting in protocol.settings(study.experiment, row).items():
            found.setdefault((name, str(setting.value), setting.source), []).append(row.id)
    by_name: dict[str, list[list[str]]] = {}
    for (name, value, source), rows in found.items():
        which = "all" if len(rows) == len(study.rows) else ", ".join(rows)
        by_name.setdefault(name, []).append([name, value, which, source])
    lines = [line for lines in by_name.values() for line in lines]
    assert protocol.book is not None
    note = " ".join(protocol.book.about.split())
    return Section(["setting", "value", "rows", "source"], lines, note)


def data(study: Study) -> list[str]:
    """Which videos were listed and read, and how many clips stood for unreadable ones."""
    if not study.on_videos:
        return []
    lines = []
    for row in study.rows:
        for seed, result in study.results.get(row.id, {}).items():
            assert isinstance(result.details, VideosDetails)
            inputs = result.details.inputs
            replaced = (
                f"{result.details.replaced} of {result.train_clips} training clips stood for a "
                "video that could not be read"
                if result.train_clips
                else "nothing was trained"
            )
            lines.append(
                f"{row.id}, seed {seed}: tested on {result.details.present} present of {result.n} "
                f"listed videos (list {inputs.test.digest[:12]}) in {result.details.views} views; "
                f"trained on {inputs.train.listed} listed (list {inputs.train.digest[:12]}), "
                f"{replaced}; {result.execution.processes} processes"
            )
    return lines


def _videos(study: Study) -> list[str]:
    """One line for each test list: n present of n listed."""
    found = {
        (result.details.present, result.n)
        for results in study.results.values()
        for result in results.values()
        if isinstance(result.details, VideosDetails)
    }
    return [f"Tested on {p} videos present of {n} listed" for p, n in sorted(found)]


def _cells(
    study: Study, protocol: VideoProtocol
) -> list[tuple[str, Literal["top1", "top5"], str, float | None, Match]]:
    """(row, metric, printed, ours or None, whether they match) for every printed accuracy."""
    assert protocol.tolerance is not None
    found = []
    for row in study.rows:
        printed = study.printed.row(row.id) if study.printed else None
        results = list(study.results.get(row.id, {}).values())
        for metric in ("top1", "top5"):
            if printed is None or (cell := printed.cell(metric)) is None:
                continue
            ours = 100 * sum(r.metrics[metric] for r in results) / len(results) if results else None
            match: Match = "not run"
            if ours is not None:
                near = abs(ours - float(cell)) <= protocol.tolerance + 1e-9
                match = "reproduced" if near else "not reproduced"
            found.append((row.id, metric, cell, ours, match))
    return found
