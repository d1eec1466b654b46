"""What a page says about the embedded benchmark: its controls, checks of every run, difficulty."""

from __future__ import annotations

import dataclasses
import math

from vswin.data.moving_digits import UNORDERED_FRAMES_BOUND, UNORDERED_PHASES_BOUND
from vswin.report.study import Study
from vswin.runs.result import DigitsDetails, Loaded

ORDER_LEARNT = 95.0
"""Order accuracy in % from which a run counts as having learnt to tell order."""


@dataclasses.dataclass(frozen=True)
class Section:
    """A table of texts and what to say below it; without lines, there is nothing to show."""

    header: list[str]
    lines: list[list[str]]
    note: str = ""


NOTHING = Section([], [])


def controls(study: Study) -> Section:
    """Models that were trained and tested without the evidence, or without what they start from."""
    names = {
        "single_frame": "one frame in place of all",
        "shuffled_frames": "frames in random order",
        "no_pretraining": "the same clips, from random weights",
    }
    lines = [
        [
            names[line["control"]],
            f"{line['top1']:.1f} [{line['low']:.1f}, {line['high']:.1f}]",
            str(line["seeds"]),
        ]
        for line in study.control_lines()
    ]
    chance = f"Chance is {100 / study.num_classes:.1f} %"
    if not lines:
        return NOTHING
    if study.experiment.task == "temporal":
        note = (
            f"{chance}, which a single frame should not exceed. Without their order, frames are "
            "the same for a class and its time reversal, but tell it from the others: at most "
            f"{100 * UNORDERED_FRAMES_BOUND:.0f} %."
        )
    else:
        note = f"{chance}; a model that sees the motion and no digit reaches 10 %. {_DIGIT_NOTE}"
    return Section(["trained and tested on", "top-1, %", "seeds"], lines, note)


_DIGIT_NOTE = (
    "One frame, or frames in random order, show the digit but not where it moves: at most 50 % in "
    "expectation."
)


def checks(study: Study) -> Section:
    """One line for each run at the difficulty of training; shared runs are shown once."""
    if study.on_videos:
        return NOTHING
    lines = {}
    for line in study.check_lines():
        label = ", ".join(study.labels(study.experiment.row(line.pop("row"))).values())
        seed = str(line.pop("seed"))
        lines[label, seed] = [label, seed, *(f"{value:.1f}" for value in line.values())]
    header = ["row", "seed", "top-1 on the grid, %", "top-1, %"]
    if study.experiment.task == "temporal":
        header += ["order, %"]
        note = (
            "Order: of the two-phase clips whose pair of directions is recognised, the share with "
            "the right order. A model that cannot tell order reaches at most "
            f"{100 * UNORDERED_PHASES_BOUND:.1f} % top-1 and 50 % order in expectation."
        )
    else:
        header += ["digit, %", "motion, %"]
        note = f"Digit, motion: the share for which that half of the class is right. {_DIGIT_NOTE}"
    header += ["tested on one frame, %", "tested on shuffled frames, %"]
    return Section(header, list(lines.values()), note)


def difficulty(study: Study) -> Section:
    """Top-1 by coherence and noise, one line for each row of the table."""
    if study.on_videos or not (found := study.difficulty_lines()):
        return NOTHING
    names = {row.id: ", ".join(study.labels(row).values()) for row in study.rows}
    names |= {row.id: f"control: {row.control.replace('_', ' ')}" for row in study.control_rows}
    cells = list(dict.fromkeys((line["coherence"], line["noise"]) for line in found))
    header = ["row", *[f"{coherence:g} / {noise:g}" for coherence, noise in cells]]
    top1 = {(line["row"], line["coherence"], line["noise"]): line["top1"] for line in found}
    # A run that is printed as two rows is shown once.
    lines = {
        names[row]: [f"{top1.get((row, *cell), math.nan):.0f}" for cell in cells]
        for row in dict.fromkeys(line["row"] for line in found)
    }
    return Section(header, [[name, *texts] for name, texts in lines.items()])


def order_line(study: Study) -> str | None:
    """How many runs learnt to tell the order of events; None where there is none to tell."""
    if study.on_videos:
        return None
    order = {
        study.folders[row.id][seed].run_id: result.details.in_distribution.order_accuracy
        for row in study.rows
        for seed, result in study.results.get(row.id, {}).items()
        if isinstance(result.details, DigitsDetails)
    }
    known = [100 * value for value in order.values() if value is not None]
    if not known:
        return None
    learnt = sum(value >= ORDER_LEARNT for value in known)
    return (
        f"The order of events was learnt (order accuracy of {ORDER_LEARNT:g} % or more) in "
        f"{learnt} of {len(order)} runs."
    )


def initialisations(study: Study) -> list[str]:
    """What each run's weights started from, where they were loaded."""
    lines = []
    for row in study.experiment.rows:
        for seed, result in study.results.get(row.id, {}).items():
            if loaded := result.loaded:
                label = ", ".join(study.labels(row).values())
                lines.append(f"{label}, seed {seed}: {_origin(loaded)}")
    return lines


def _origin(loaded: Loaded) -> str:
    """A run's or a published file's weights, and what was done to them."""
    if loaded.kind == "file":
        words = [f"{loaded.source} ({loaded.layout})"]
    else:
        where = "still images" if loaded.inflation else "its videos"
        top1 = 100 * loaded.source_metrics["top1"]
        words = [f"{loaded.source} (top-1 on {where} {top1:.1f} %)"]
    words += [f"{what} {choice}" for what, choice in loaded.inflation.items()]
    words += [f"weights {loaded.digest[:12]}"]
    if not loaded.is_verified:
        words += ["not compared with a known digest"]
    return ", ".join(words)


def pretrainings(study: Study) -> dict[str, set[str]]:
    """The digests of the weights that runs started from, by the pre-training that they name."""
    found: dict[str, set[str]] = {}
    for results in study.results.values():
        for result in results.values():
            loaded = result.loaded
            if loaded and loaded.kind == "run":
                found.setdefault(loaded.source, set()).add(loaded.digest)
    return found


def mixed_pretrainings(study: Study) -> list[str]:
    """A warning for each pre-training of which runs have started from different weights."""
    return [
        f"Not comparable with each other: runs that start from {run_id} have started from "
        f"{len(digests)} different weights; remove them and run again."
        for run_id, digests in pretrainings(study).items()
        if len(digests) > 1
    ]
