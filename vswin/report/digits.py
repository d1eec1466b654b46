"""What the embedded benchmark says of itself: its controls, checks of every run, difficulty.

All of it is read from the details of results of kind `moving_digits`; where a study has none, there
is nothing to say.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from vswin.data.moving_digits import UNORDERED_FRAMES_BOUND, UNORDERED_PHASES_BOUND, Task
from vswin.evaluation.cells import Cell
from vswin.report.data import Row, Runs, Section, percent
from vswin.report.statistics import Interval, t_interval, wilson_interval
from vswin.runs.record import RunRecord
from vswin.runs.result import DigitsDetails, Stills
from vswin.wording import bracketed

TOP1 = "top1"
"""What its task is measured by."""
ORDER_LEARNT = 95.0
"""Order accuracy in % from which a run counts as having learnt to tell order."""
MOTION_LEARNT = 90.0
"""Likewise motion accuracy, of a task in which there is no order to tell."""
LEARNT: dict[Task, str] = {"temporal": "order", "appearance": "motion"}
"""The part of a class that only training on clips can teach, by task."""
CONTROLS = {
    "single_frame": "one frame in place of all",
    "shuffled_frames": "frames in random order",
    "no_pretraining": "the same clips, from random weights",
}
DIGIT_NOTE = (
    "One frame, or frames in random order, show the digit but not where it moves: at most 50 % in "
    "expectation."
)

UNORDERED_FRAMES = 100 * UNORDERED_FRAMES_BOUND
"""Top-1 in % that a bag of frames allows at most."""
DIGIT_ALONE = 50.0
"""Top-1 in % of a model that sees which digits they are and not where they move."""
MOTION_ALONE = 10.0
"""Top-1 in % of a model that sees where digits move and not which they are."""


def without_order(best: float) -> float:
    """Top-1 in % that is left of the best row's if the order of events cannot be told."""
    return UNORDERED_PHASES_BOUND * best


def _runs(rows: Iterable[Row], runs: Runs) -> Iterator[tuple[Row, RunRecord, DigitsDetails]]:
    """The runs on Moving Digits, row by row, and what only they have to say."""
    for row in rows:
        for run in runs.get(row.id, {}).values():
            if isinstance(run.result.details, DigitsDetails):
                yield row, run, run.result.details


def halves(rows: Sequence[Row], runs: Runs) -> list[str]:
    """What is told apart of a class: digit and motion where clips differ in both, else order."""
    shown = (details.easiest.digit_accuracy for *_, details in _runs(rows, runs))
    return ["digit", "motion"] if any(share is not None for share in shown) else ["order"]


def check_lines(rows: Sequence[Row], runs: Runs) -> list[dict[str, Any]]:
    """Every run on the grid and at the easiest difficulty, in %; see `Study.checks`."""
    told_apart = halves(rows, runs)
    lines = []
    for row, run, details in _runs(rows, runs):
        easy = details.easiest
        lines.append(
            {
                "row": row.id,
                "seed": run.config.seed,
                "grid": 100 * run.result.metrics[TOP1],
                TOP1: 100 * easy.metrics[TOP1],
                **{half: percent(getattr(easy, f"{half}_accuracy")) for half in told_apart},
                **{control: 100 * share for control, share in details.tested_on.items()},
            }
        )
    return lines


def difficulty_lines(rows: Sequence[Row], runs: Runs) -> list[dict[str, Any]]:
    """Top-1 and order accuracy in % for each row, coherence and noise, mean over seeds."""
    found: dict[tuple[str, float, float], list[Any]] = {}
    for row, _, details in _runs(rows, runs):
        for cell in details.cells:
            found.setdefault((row.id, cell.coherence, cell.noise), []).append(cell)
    return [
        {
            "row": row,
            "coherence": coherence,
            "noise": noise,
            TOP1: _mean([100 * cell.metrics[TOP1] for cell in cells]),
            "order": _mean([percent(cell.order_accuracy) for cell in cells]),
        }
        for (row, coherence, noise), cells in found.items()
    ]


def controls(
    intervals: dict[str, Interval], chance: float, rows: Sequence[Row], runs: Runs
) -> Section:
    """Models that were trained and tested without the evidence, or without what they start from.

    Args:
        intervals: top-1 in % by control.
        chance: in %.
        rows: all rows of the study.
        runs: its runs.
    """
    lines = [
        [CONTROLS[control], f"{i.mean:.1f} {bracketed(i.low, i.high)}", str(i.n)]
        for control, i in intervals.items()
    ]
    note = f"Chance is {chance:.1f} %"
    if halves(rows, runs) == ["order"]:
        note += (
            ", which a single frame should not exceed. Without their order, frames are the same "
            "for a class of one direction and its time reversal, and tell it from all others. Of "
            "two directions the second is followed for a step more than the first, which tells "
            f"such a class from its reversal, too: at most {UNORDERED_FRAMES:.1f} % in expectation."
        )
    else:
        note += f"; a model that sees the motion and no digit reaches 10 %. {DIGIT_NOTE}"
    header = ["trained and tested on", "top-1, %", "seeds"]
    return Section("Controls of the benchmark", header, lines, note=note)


def stills(rows: Sequence[Row], runs: Runs) -> Section:
    """What backbones still know of the images that they were pre-trained on (section 4.3)."""
    labels, found = {row.id: row.label for row in rows}, stills_of(rows, runs)
    return Section(
        "What is left of the pre-training",
        ["row", "before, %", "after the training, %", "weights moved by", "seeds"],
        [[labels[row], *_kept(of_row), str(len(of_row))] for row, of_row in found.items()],
        note=(
            "Top-1 on still images that were held out of the pre-training, each as a clip in which "
            "nothing moves, under the pre-training's own head; the mean over seeds, and its 95 % "
            "Student t interval. Weights: how far those of the backbone have moved, all together, "
            "relative to their length at the start. Among them are the tables of position biases, "
            "which learn at the head's rate in every row, so this need not follow the ratio."
        ),
    )


def stills_of(rows: Sequence[Row], runs: Runs) -> dict[str, list[Stills]]:
    """That of each run that started from a model of images, by row."""
    found: dict[str, list[Stills]] = {}
    for row, _, details in _runs(rows, runs):
        if details.stills:
            found.setdefault(row.id, []).append(details.stills)
    return found


def _kept(of_row: Sequence[Stills]) -> Iterator[str]:
    yield f"{_mean([100 * each.before for each in of_row]):.1f}"
    after = t_interval([100 * each.after for each in of_row])
    brackets = f" {bracketed(after.low, after.high)}" if after.n > 1 else ""
    yield f"{after.mean:.1f}{brackets}"
    yield f"{_mean([each.moved for each in of_row]):.2f}"


def checks(rows: Sequence[Row], runs: Runs) -> Section:
    """One line for each run; shared runs are shown once."""
    labels = {row.id: row.label for row in rows}
    lines = {}
    for line in check_lines(rows, runs):
        label, seed = labels[line.pop("row")], str(line.pop("seed"))
        lines[label, seed] = [label, seed, *(_text(value) for value in line.values())]
    told_apart = halves(rows, runs)
    if told_apart == ["order"]:
        note = (
            "Order: of the two-phase clips whose pair of directions is recognised, the share with "
            "the right order. A model that cannot tell order reaches at most "
            f"{100 * UNORDERED_PHASES_BOUND:.1f} % top-1 and 50 % order in expectation."
        )
    else:
        note = f"Digit, motion: the share for which that half of the class is right. {DIGIT_NOTE}"
    easiest = [f"{what}, easiest, %" for what in ("top-1", *told_apart)]
    header = ["row", "seed", "top-1 on the grid, %", *easiest]
    header += ["tested on one frame, %", "tested on shuffled frames, %"]
    note += " Columns named easiest are of the easiest difficulty, the others of all."
    title = "Every run, on the grid and at the easiest difficulty"
    return Section(title, header, list(lines.values()), note=note)


def difficulty(rows: Sequence[Row], runs: Runs) -> Section:
    """Top-1 by coherence and noise, one line for each row of the table."""
    found = difficulty_lines(rows, runs)
    names = {row.id: row.label for row in rows}
    cells = list(dict.fromkeys((line["coherence"], line["noise"]) for line in found))
    top1 = {(line["row"], line["coherence"], line["noise"]): line[TOP1] for line in found}
    # A run that is printed as two rows is shown once.
    lines = {
        names[row]: [f"{top1.get((row, *cell), math.nan):.0f}" for cell in cells]
        for row in dict.fromkeys(line["row"] for line in found)
    }
    header = ["row", *[f"{coherence:g} / {noise:g}" for coherence, noise in cells]]
    return Section(
        "Top-1 by difficulty",
        header,
        [[name, *texts] for name, texts in lines.items()],
        before="Columns: coherence / noise.",
    )


def tells_order(runs: Runs) -> bool:
    """Whether the task is one in which the order of events is to be told."""
    return any(order_of(run) is not None for by_seed in runs.values() for run in by_seed.values())


def order_of(run: RunRecord) -> float | None:
    """Order accuracy in % at the easiest difficulty; None where there is none to tell."""
    details = run.result.details
    if not isinstance(details, DigitsDetails) or details.easiest.order_accuracy is None:
        return None
    return 100 * details.easiest.order_accuracy


def has_learnt_order(easiest: Cell) -> bool:
    """Whether a run of the temporal task learnt to tell order.

    Order accuracy alone is of the clips whose directions the model answers: near chance those are a
    handful or none, so top-1 must be above what can be had without order, too.
    """
    beyond = easiest.metrics[TOP1] > UNORDERED_PHASES_BOUND
    return beyond and 100 * (easiest.order_accuracy or 0.0) >= ORDER_LEARNT


def has_learnt(easiest: Cell) -> bool:
    """Whether a run learnt what only clips can teach: motion where there is no order to tell."""
    if easiest.motion_accuracy is not None:
        return 100 * easiest.motion_accuracy >= MOTION_LEARNT
    return has_learnt_order(easiest)


def learnt(runs: Iterable[RunRecord]) -> tuple[int, int]:
    """Of a row's runs, how many learnt to tell order or motion, and how many had it to learn."""
    has = [
        has_learnt(run.result.details.easiest)
        for run in runs
        if isinstance(run.result.details, DigitsDetails) and to_learn([run])
    ]
    return sum(has), len(has)


def to_learn(runs: Iterable[RunRecord]) -> str:
    """`order` or `motion`; empty where there is nothing of the kind."""
    tasks = (getattr(run.config.data, "task", "") for run in runs)
    return next((LEARNT[task] for task in tasks if task in LEARNT), "")


def learnt_in_words(runs: Iterable[RunRecord]) -> str:
    """As "11 of 12 learnt order"; empty where there is no order to learn."""
    found = list(runs)
    k, n = learnt(found)
    return f"{k} of {n} learnt {to_learn(found)}" if n else ""


def unlearnt(row: str, runs: Iterable[RunRecord]) -> list[str]:
    """As "7 of 12 runs of dim4 learnt order"; nothing where all did, or there is none to learn."""
    found = list(runs)
    k, n = learnt(found)
    return [f"{k} of {n} runs of {row} learnt {to_learn(found)}"] if k < n else []


def success(rows: Sequence[Row], runs: Runs) -> Section:
    """How many seeds of each row learnt to tell order or motion, with a Wilson interval."""
    lines = []
    for row in rows:
        k, n = learnt(runs.get(row.id, {}).values())
        if n:
            share = wilson_interval(k / n, n)
            interval = f"{100 * share.low:.0f} to {100 * share.high:.0f} %"
            lines.append([row.label, f"{k} of {n}", interval])
    what = to_learn(run for _, run, _ in _runs(rows, runs))
    header = ["row", f"learnt {what}", "95 % interval (Wilson)"]
    return Section(f"How many seeds learnt {what}", header, lines, note=_RULES.get(what, ""))


def success_line(rows: Sequence[Row], runs: Runs) -> list[str]:
    """How many runs learnt to tell order or motion; nothing where there is none to tell."""
    every = {run.run_id: run for _, run, _ in _runs(rows, runs)}.values()
    k, n = learnt(every)
    what = to_learn(every)
    least = ORDER_LEARNT if what == "order" else MOTION_LEARNT
    never = [
        f"{len(of_row)} of {row.id}"
        for row in rows
        if (of_row := runs.get(row.id, {})) and not row.repeats and not learnt(of_row.values())[0]
    ]
    failed = f"; none of the {' and the '.join(never)}" if never and k else ""
    line = f"{k} of {n} runs learnt {what} ({what} accuracy of {least:g} % or more{failed})."
    return [line] if n else []


_RULES = {
    "order": (
        "A run learnt the order of events if its order accuracy at the easiest difficulty is "
        f"{ORDER_LEARNT:g} % or more (50 % is a coin flip) and its top-1 there above "
        f"{100 * UNORDERED_PHASES_BOUND:.1f} %, the most without order. "
        "Runs that did not are part of every mean and interval."
    ),
    "motion": (
        "A run learnt motion if its motion accuracy at the easiest difficulty is "
        f"{MOTION_LEARNT:g} % or more (50 % is a coin flip). Runs that did not are part of every "
        "mean and interval."
    ),
}


def _text(value: float) -> str:
    """A share in %; a dash where there was nothing to take it of."""
    return "–" if math.isnan(value) else f"{value:.1f}"


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)
