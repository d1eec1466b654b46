"""What the picture of the overview shows, as plain data; `vswin.report.overview.plots` draws it."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import math
from collections.abc import Sequence
from pathlib import Path

from vswin.report.claims import Judgement
from vswin.report.claims.tally import counts, with_notes
from vswin.report.overview.blocks import in_points, name_of
from vswin.report.overview.data import EVIDENCE, Overview, by_evidence
from vswin.report.overview.headline import what_they_are
from vswin.report.sensitivity import agreement, is_of_another_size

Estimate = tuple[float, float, float]
"""A difference with the ends of its interval, in points; an unknown end is infinite."""
ZONES = ("greater", "trend", "interaction", "within", "equal")
"""Kinds of claims about differences in points."""
MARKS = {
    "=": "the same answer",
    "~": "the same answer, another size",
    "≠": "another answer",
    "?": "undecided here or there",
}
"""How a claim's answer in a sensitivity study compares with the answer here."""


@dataclasses.dataclass(frozen=True)
class Bar:
    """The claims of one class of evidence, counted by verdict."""

    label: str
    counts: dict[str, int]
    text: str
    """The same in words."""


@dataclasses.dataclass(frozen=True)
class Line:
    """A claim in the forest."""

    name: str
    note: str
    """Behind its name: that it is built into the benchmark."""
    verdict: str
    zone: tuple[float, float]
    """Where the claim is true, in points; an open end is infinite."""
    margin: float
    """What counts as no difference, in points."""
    estimate: Estimate
    """Of a claim in several steps, of the weakest, which decides."""
    text: str
    """What was found, in words."""
    elsewhere: tuple[str, ...]
    """A mark of `MARKS` for each sensitivity study; empty where the claim was not tested."""


@dataclasses.dataclass(frozen=True)
class Group:
    """The claims of a table."""

    title: str
    lines: tuple[Line, ...]
    waiting: int
    """Claims that nothing was run for; they have no line."""


@dataclasses.dataclass(frozen=True)
class Picture:
    """Everything that the picture shows; two that are equal look alike."""

    title: str
    note: str
    bars: tuple[Bar, ...]
    groups: tuple[Group, ...]
    elsewhere: tuple[str, ...]
    """Titles of the sensitivity studies."""
    axis: str
    """What is on the axis of the forest."""

    def __repr__(self) -> str:
        lines = sum(len(group.lines) for group in self.groups)
        return f"<Picture {self.title}: {lines} claims in the forest>"

    def digest(self) -> str:
        """SHA-256 of the content, of the code that draws it and of matplotlib's version."""
        found = hashlib.sha256(json.dumps(dataclasses.asdict(self)).encode())
        found.update(importlib.metadata.version("matplotlib").encode())
        for code in ("overview/plots.py", "overview/narrow.py", "drawing/canvas.py"):
            found.update((Path(__file__).parents[1] / code).read_bytes())
        return found.hexdigest()


def reach(picture: Picture) -> tuple[float, float]:
    """The least and the largest number of the forest, zero and all margins included."""
    lines = [line for group in picture.groups for line in group.lines]
    ends = [end for line in lines for end in line.estimate]
    ends += [end for line in lines for end in (-line.margin, line.margin)]
    known = [end for end in ends if math.isfinite(end)] or [0.0]
    return min(0.0, *known), max(0.0, *known)


def picture_of(overview: Overview) -> Picture:
    """What there is to show of an overview."""
    judged = overview.judgements
    shown = [j for j in judged if is_in_forest(j)]
    groups = {
        table: [j for j in shown if j.claim.table == table]
        for table in dict.fromkeys(j.claim.table for j in shown)
    }
    seeds = sorted({len(j.seeds) for j in shown if j.steps})
    many = f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else f"{seeds[0] if seeds else 0}"
    data = "Moving Digits" if overview.is_embedded else overview.title
    return Picture(
        title=f"What became of the papers' {what_they_are(judged)}",
        note=(
            f"Trained: protocol {overview.protocol} ({data}), {many} seeds. "
            "Whiskers: 95 % intervals of paired differences"
            f"{_in_steps(shown)}.{_left_out(judged)}"
        ),
        bars=tuple(
            Bar(
                EVIDENCE[name], {str(v): n for v, n in counts(members).items()}, with_notes(members)
            )
            for name, members in by_evidence(judged).items()
        ),
        groups=tuple(
            Group(
                study.title if (study := overview.study(table)) else "A paper as a whole",
                tuple(_line(j, overview) for j in found if j.steps),
                sum(not j.steps for j in found),
            )
            for table, found in groups.items()
        ),
        elsewhere=tuple(
            o.protocol.removeprefix(f"{overview.protocol}_") for o in overview.elsewhere
        ),
        axis="paired difference, points (logarithmic beyond ±2)",
    )


def is_in_forest(judgement: Judgement) -> bool:
    """Whether it is about a difference in points that training can show, run or not."""
    claim = judgement.claim
    is_possible = bool(judgement.steps) or judgement.evidence in ("open test", "built in")
    return is_possible and claim.kind in ZONES and claim.margins is not None


def _left_out(judged: Sequence[Judgement]) -> str:
    """How many trained claims the forest lacks, as they are about no difference in points."""
    trained = [j for j in judged if j.evidence in ("open test", "built in")]
    lacking = sum(not is_in_forest(j) for j in trained)
    return f"\n{lacking} claims of bounds or seconds: in the tables." if lacking else ""


def _in_steps(shown: Sequence[Judgement]) -> str:
    """Which step is drawn, if a claim has several."""
    has = any(len(judgement.steps) > 1 for judgement in shown)
    return "; of a claim in several steps, that of the weakest" if has else ""


def _line(judgement: Judgement, overview: Overview) -> Line:
    margin = judgement.margin or 0.0
    lowest = {"within": -margin, "equal": -margin}.get(judgement.claim.kind, 0.0)
    highest = margin if judgement.claim.kind == "equal" else math.inf
    found = [other.of(judgement.claim.id) for other in overview.elsewhere]
    steps = len(judgement.steps)
    weakest = f"weakest of {steps}: " if steps > 1 else ""
    text = in_points(judgement)
    # Where no seeds decide yet, the step that gains least is drawn.
    least = min(judgement.steps, key=lambda step: step.interval.mean)
    drawn = (judgement.decisive or least).interval
    return Line(
        name=name_of(judgement),
        note="built in" if judgement.evidence == "built in" else "",
        verdict=judgement.verdict,
        zone=(lowest, highest),
        margin=margin,
        estimate=(drawn.mean, drawn.low, drawn.high),
        text=f"{weakest}{text}" if text else "",
        elsewhere=tuple(_mark(judgement, there) if there else "" for there in found),
    )


def _mark(here: Judgement, there: Judgement) -> str:
    same = "~" if is_of_another_size(here, there) else "="
    marks = {"another answer": "≠", "the same answer": same}
    return marks.get(agreement(here, there), "?")
