"""Sections of a page, as texts; the templates and notebooks show them as they are."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Iterator

from vswin.report import systems
from vswin.report.compare import COSTS, Match, within
from vswin.report.data import Row, Section, listing
from vswin.report.doubts.finding import Finding
from vswin.report.registration import registration_line
from vswin.report.study import Study
from vswin.runs.record import RunRecord
from vswin.runs.result import VideosDetails
from vswin.tasks import title as title_of
from vswin.wording import signed


def costs_apart(study: Study) -> Section:
    """Printed costs that ours are not equal to, as a picture; nothing where all are."""
    apart = [cell for cell in study.cost_lines() if not cell["exact"]]
    words = f"{len(apart)} printed cost{'s' * (len(apart) > 1)} cannot be counted to the digit."
    return Section("Costs that differ", text=words if apart else "", picture="costs")


def accuracies(study: Study) -> Section:
    """Every printed accuracy beside ours, with the difference; only where they may be compared."""
    lines = [
        [
            row.label,
            study.terms.metrics[metric],
            printed,
            "–" if ours is None else f"{ours:.2f}",
            "–" if ours is None else signed(ours - float(printed)),
            match,
        ]
        for row, metric, printed, ours, match in compared(study)
    ]
    note = (
        f"Reproduced: at most {study.terms.tolerance:g} points from the printed one, fixed before "
        "anything was run. Ours is the mean over seeds; every listed video counts."
        if lines
        else ""
    )
    header = ["row", "", "printed", "ours", "difference", ""]
    return Section("Printed accuracies beside ours", header, lines, note=note)


def compared(study: Study) -> Iterator[tuple[Row, str, str, float | None, Match]]:
    """(row, metric, printed, ours or None, whether they match) of all that may be compared."""
    if not study.terms.comparable or study.terms.tolerance is None:
        return
    for row in study.rows:
        for metric in study.terms.metrics:
            if printed := study.number(row.id, metric):
                ours = study.mean(row.id, metric)
                yield row, metric, printed, ours, within(ours, printed, study.terms.tolerance)


def other_systems(study: Study) -> Section:
    """Printed rows of other systems, where the table of the page does not have them."""
    printed = study.printed
    if printed is None or systems.are_compared(study):
        return Section("Other systems, as the paper prints them")
    header = [column.label or column.name for column in printed.columns]
    lines = [[*row.cells.values()] for row in printed.rows if row.system == "other"]
    return Section("Other systems, as the paper prints them", header, lines)


def scope(study: Study) -> Section:
    """What is in the report and what is not."""
    rows, beside = ([row.label for row in found] for found in (study.distinct_rows, study.beside))
    items = [f"{len(rows)} row{'s' * (len(rows) > 1)}: {'; '.join(rows)}."]
    items += [f"Beside them, printed nowhere: {'; '.join(beside)}."] if beside else []
    checks = [
        row.label.removeprefix("control: ") for row in study.all_rows if row.control != "none"
    ]
    items += [f"Controls of the benchmark: {', '.join(checks)}."] if checks else []
    if study.printed and study.is_trainable and not study.terms.comparable:
        items.append(
            f"Not in it: accuracies on {study.dataset}. Printed ones say what the paper found; "
            "nothing of ours is set against them."
        )
    if not study.is_trainable:
        items.append("Not in it: accuracies.")
    return listing("Scope", items, level=2)


def shows(study: Study) -> str:
    """What its accuracies can and cannot say."""
    if study.printed is None or study.terms.comparable:
        return study.terms.shows
    return f"{study.terms.shows} They are never subtracted from printed accuracies."


def differences(study: Study) -> Section:
    """In what the training and testing is not the paper's."""
    terms = study.terms
    texts = [*terms.deviations] if study.is_trainable else []
    texts += [f"Chosen: {choice}" for choice in study.choices if not study.printed]
    if study.is_trainable and terms.calibration:
        texts.append(f"Calibration: {terms.calibration}")
    if study.printed:
        return listing("What differs from the paper", texts)
    title = f"What protocol {terms.protocol} trains and tests where a row says nothing else"
    return listing(title, texts)


def decisions(study: Study) -> Section:
    """How seeds become verdicts."""
    if not study.is_trainable:
        return Section("How seeds become verdicts")
    texts = [
        "A seed sets the initial weights and the order of the training clips; the test clips are "
        "the same for all. Rows are compared in pairs with the same seed: the same clips in the "
        "same order, and equal initial weights wherever name and shape are equal.",
        "Interval: two-sided, 95 %, of the mean difference over seeds (Student's t). Fewer than "
        "three seeds give no verdict.",
        "Greater, trend, interaction: holds if the whole interval is above 0 (a trend: at every "
        "step), contradicted if it is below 0 (a trend: at one step, Bonferroni), no effect if it "
        "lies within the margin. Within: holds if it is above minus the margin. Equal: holds if it "
        "lies within the margin either way, contradicted if it lies outside.",
        "Counted: exact, and needs no run. Built in: the benchmark is made so that it shows, a "
        "check of the benchmark more than of the paper. Open test: could come out either way.",
    ]
    if registration_line(study):
        texts.append(
            "Preregistered are the rows, kinds, margins and seeds of the claims and the level of "
            "95 %. Their words are not; where they changed after the runs, the claim says so."
        )
    found = listing("How seeds become verdicts", texts)
    return dataclasses.replace(found, is_folded=True)


def suspicious(study: Study) -> Iterator[str]:
    """Printed cells that ours are not equal to, or that do not follow from the paper."""
    for words, evidence in costs_that_differ(study):
        yield f"Not as printed: {words}. {evidence}".rstrip()
    yield from unfounded(study)


def costs_that_differ(study: Study) -> list[tuple[str, str]]:
    """Printed costs that ours are not equal to, with the evidence; those of one reason together."""
    found: dict[tuple[str, str, str, str], list[str]] = {}
    for line in study.cost_lines():
        if not line["exact"] or line["evidence"]:
            reason = (line["metric"], line["printed"], line["ours"], line["evidence"])
            found.setdefault(reason, []).append(line["row"])
    return [
        (f"{COSTS[metric]} of {', '.join(rows)}, printed {printed}, ours {ours}", evidence)
        for (metric, printed, ours, evidence), rows in found.items()
    ]


def unfounded(study: Study) -> Iterator[str]:
    """What a table prints that there is evidence against and is no cost of a row of ours."""
    if study.printed is None:
        return
    costs = {(line["row"], line["metric"]) for line in study.cost_lines()}
    found: dict[tuple[str, str, Finding], list[str]] = {}
    for (row_id, column), doubt in study.doubts.items():
        row = study.printed.row(row_id)
        if row is not None and (row_id, column) not in costs:
            found.setdefault((column, row.cells[column], doubt), []).append(row_id)
    for (column, text, doubt), rows in found.items():
        what = COSTS.get(column) or title_of(column)
        yield (
            f"In doubt (confidence {doubt.confidence}): {what} of {', '.join(rows)}, printed "
            f"{text}. {doubt.evidence}"
        )
    yield from study.printed.remarks


def recipe(study: Study) -> Section:
    """Every setting of the training with its source; settings that differ between rows by row."""
    title = "The recipe, setting by setting"
    account = study.terms.recipe
    if account is None:
        return Section(title)
    rows: dict[tuple[str, str, str], list[str]] = {}
    for setting in account.settings:
        key = (setting.name, setting.value, setting.source)
        rows.setdefault(key, []).append(setting.row)
    names = list(dict.fromkeys(name for name, *_ in rows))
    lines = [
        [name, value, "all" if len(which) == len(study.rows) else ", ".join(which), source]
        for wanted in names
        for (name, value, source), which in rows.items()
        if name == wanted
    ]
    header = ["setting", "value", "rows", "source"]
    return Section(title, header, lines, note=account.about, is_folded=True)


def resources(study: Study) -> Section:
    """Cost of the models that were trained, and how long that took."""
    lines = []
    for row in study.all_rows:
        if results := [run.result for run in study.runs.get(row.id, {}).values()]:
            cost = results[0].cost
            seconds = statistics.median(result.seconds.train for result in results)
            rates = [r.clips_per_second for r in results if r.clips_per_second is not None]
            lines.append(
                [
                    row.id,
                    f"{cost.flops / 1e6:.2f}",
                    f"{cost.params:,}",
                    f"{seconds:.0f}" if seconds >= 1 else f"{seconds:.1g}",
                    _rate(rates),
                ]
            )
    model = "cost of the trained model, M multiply-accumulates"
    header = ["row", model, "weights", "training, s", "clips/s"]
    note = "Medians over seeds; what else the machine did while a run was trained is in them."
    return Section("What the runs cost", header, lines, note=note if lines else "", is_folded=True)


def _rate(rates: list[float]) -> str:
    """Clips per second; a dash where nothing was trained."""
    if not rates:
        return "–"
    rate = statistics.median(rates)
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def videos(study: Study) -> Section:
    """Which videos were listed and read, and how many clips stood for unreadable ones."""
    return listing("Videos", [_read(row, run, details) for row, run, details in _on_videos(study)])


def _on_videos(study: Study) -> Iterator[tuple[Row, RunRecord, VideosDetails]]:
    for row in study.rows:
        for run in study.runs.get(row.id, {}).values():
            if isinstance(run.result.details, VideosDetails):
                yield row, run, run.result.details


def _read(row: Row, run: RunRecord, details: VideosDetails) -> str:
    """What one run has read."""
    seed, result = run.config.seed, run.result
    train, test = details.inputs.train, details.inputs.test
    replaced = "nothing was trained"
    if result.train_clips:
        replaced = (
            f"{details.replaced} of {result.train_clips} training clips stood for a video that "
            "could not be read"
        )
    stopped = ""
    if details.best_epoch is not None and details.inputs.validation is not None:
        seen = details.inputs.validation
        stopped = (
            f"weights of epoch {details.best_epoch}, the best on {seen.listed} listed validation "
            f"videos (list {seen.digest[:12]}); "
        )
    return (
        f"{row.id}, seed {seed}: {stopped}tested on {details.present} present of {result.n} "
        f"listed videos (list {test.digest[:12]}) in {details.views} views; trained on "
        f"{train.listed} listed (list {train.digest[:12]}), {replaced}; "
        f"{result.execution.processes} processes"
    )


def present_lines(study: Study) -> list[str]:
    """One line for each test list: how many videos of it could be read."""
    found = {(details.present, run.result.n) for _, run, details in _on_videos(study)}
    return [f"Tested on {p} videos present of {n} listed." for p, n in sorted(found)]
