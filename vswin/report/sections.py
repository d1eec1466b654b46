"""The parts of a page, as texts; the templates and notebooks show them as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from vswin.report import digits
from vswin.report.claims import Judgement
from vswin.report.compare import Match, within
from vswin.report.data import Item, Row, Section, listing
from vswin.report.registration import registration_line
from vswin.report.study import Study
from vswin.report.table import beside, the_table
from vswin.report.trained import trained
from vswin.runs.record import RunRecord
from vswin.runs.result import VideosDetails

EQUALITY = (
    "What is equal: on the same kind of processor, with the same versions and number of threads, a "
    "run in one process on the CPU gives the same bits again, also after it was killed and "
    "resumed. What is not: another kind of processor, a GPU or several processes round otherwise, "
    "and training amplifies that, so that the same seed can end at another accuracy, as another "
    "seed does. What to compare: distributions over seeds with their intervals, never single runs."
)
"""Said wherever it is said which machine a run was executed on."""
MIXED = "Not all of these runs were executed on the same kind of processor."


def all_sections(study: Study, judgements: list[Judgement]) -> list[Section]:
    """What a page shows of a study, in order; sections without anything in them are left out."""
    found = [
        the_table(study),
        beside(study),
        trained(study.all_rows),
        accuracies(study),
        other_systems(study),
        claims(study, judgements),
        digits.controls(study.control_intervals(), study.chance, study.all_rows, study.runs),
        digits.checks(study.rows, study.runs),
        digits.difficulty(study.all_rows, study.runs),
        differences(study),
        recipe(study),
        resources(study),
        videos(study),
        initialisations(study),
        provenance(study),
    ]
    return [section for section in found if not section.is_empty]


def accuracies(study: Study) -> Section:
    """Every printed accuracy beside ours, with the difference; only where they may be compared."""
    lines = [
        [
            row.label,
            study.terms.metrics[metric],
            printed,
            "–" if ours is None else f"{ours:.2f}",
            "–" if ours is None else f"{ours - float(printed):+.2f}",
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
    """Printed rows of other systems: nothing here runs them."""
    printed = study.printed
    rows = [row for row in printed.rows if row.system == "other"] if printed else []
    columns = printed.columns if printed else ()
    header = [column.label or column.name for column in columns]
    lines = [[row.cells[column.id] for column in columns] for row in rows]
    return Section("Other systems, as the paper prints them", header, lines)


def claims(study: Study, judgements: Iterable[Judgement]) -> Section:
    """The paper's sentences with a verdict each."""
    title = "The paper's claims"
    if study.is_trainable and study.terms.tests_claims:
        title += f", tested under protocol {study.terms.protocol}"
    return Section(title, items=[Item(j.says, j.verdict, j.reason) for j in judgements])


def differences(study: Study) -> Section:
    """In what ours is not the paper's, and what in the paper does not look right."""
    terms = study.terms
    texts = [*terms.deviations] if study.is_trainable else []
    texts += [f"Left open by the paper: {choice}" for choice in study.choices if study.printed]
    texts += [f"Chosen: {choice}" for choice in study.choices if not study.printed]
    texts += list(_suspicious(study))
    if study.is_trainable and terms.calibration:
        texts.append(f"Calibration: {terms.calibration}")
    if study.printed:
        return listing("What differs from the paper", texts)
    title = f"What protocol {terms.protocol} trains and tests where a row says nothing else"
    return listing(title, texts)


def _suspicious(study: Study) -> Iterator[str]:
    """Printed cells that ours are not equal to, or that do not follow from the paper."""
    costs = {(line["row"], line["metric"]): line for line in study.cost_lines()}
    for line in costs.values():
        if not line["exact"] or line["evidence"]:
            yield (
                f"Printed {line['metric']} of {line['row']} is {line['printed']}, ours "
                f"{line['ours']}. {line['evidence']}".rstrip()
            )
    for s in study.printed.suspicious if study.printed else ():
        row = study.printed.row(s.row) if study.printed else None
        if row is not None and (s.row, s.column) not in costs:
            yield f"Printed {s.column} of {s.row} is {row.cells[s.column]}. {s.evidence}"


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
    return Section(title, header, lines, note=account.about)


def resources(study: Study) -> Section:
    """Cost of the models that were trained, and how long that took."""
    lines = []
    for row in study.all_rows:
        if results := [run.result for run in study.runs.get(row.id, {}).values()]:
            cost = results[0].cost
            seconds = sum(result.seconds.train for result in results) / len(results)
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
    return Section("What the runs cost", header, lines)


def _rate(rates: list[float]) -> str:
    """Clips per second; a dash where nothing was trained."""
    if not rates:
        return "–"
    mean = sum(rates) / len(rates)
    return f"{mean:,.0f}" if mean >= 100 else f"{mean:.3g}"


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
    return (
        f"{row.id}, seed {seed}: tested on {details.present} present of {result.n} listed videos "
        f"(list {test.digest[:12]}) in {details.views} views; trained on {train.listed} listed "
        f"(list {train.digest[:12]}), {replaced}; {result.execution.processes} processes"
    )


def present_lines(study: Study) -> list[str]:
    """One line for each test list: how many videos of it could be read."""
    found = {(details.present, run.result.n) for _, run, details in _on_videos(study)}
    return [f"Tested on {p} videos present of {n} listed." for p, n in sorted(found)]


def initialisations(study: Study) -> Section:
    """What each run's weights started from, where they were loaded."""
    texts = [
        f"{', '.join(row.labels.values())}, seed {seed}: {_origin(study, run.result.loaded)}"
        for row in study.all_rows
        for seed, run in study.runs.get(row.id, {}).items()
        if run.result.loaded
    ]
    return listing("What the runs started from", texts)


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
    """Code, versions and machine of every run, and of those that they started from."""
    runs = {run.run_id: run for by_seed in study.runs.values() for run in by_seed.values()}
    found: dict[str, list[str]] = {}
    for run_id, run in sorted((runs | study.sources).items()):
        found.setdefault(_made_by(run.provenance if run else {}), []).append(run_id)
    texts = [f"{text}: {', '.join(ids)}" for text, ids in found.items()]
    if texts and (line := registration_line(study)):
        texts.insert(0, line)
    devices = {run.provenance.get("device") for run in runs.values() if run.provenance}
    note = f"{MIXED} {EQUALITY}" if len(devices) > 1 else EQUALITY
    return listing("Provenance", texts, note if texts else "")


def _made_by(origin: dict[str, Any]) -> str:
    if not origin:
        return "not known"
    commit = origin["commit"][:12] if origin["commit"] else "unknown commit"
    edited = " with uncommitted changes" if origin["dirty"] else ""
    versions = ", ".join(f"{name} {version}" for name, version in origin["packages"].items())
    return (
        f"{commit}{edited}; Python {origin['python']}, {versions}; {origin['device']}, "
        f"{origin['threads']} thread(s) per run"
    )
