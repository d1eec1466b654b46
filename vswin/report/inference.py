"""What a whole test of a video costs, by the number of clips (Figure A.4)."""

from __future__ import annotations

import dataclasses

from vswin.costs.counting import Rule
from vswin.paper.quantities import WHOLE, printed_quantity
from vswin.report.compare import compare
from vswin.report.data import Section
from vswin.report.pictures.inference import Inference, Line, Point
from vswin.report.study import Study

TITLE = "What a whole test of a video costs"


@dataclasses.dataclass(frozen=True)
class PrintedTest:
    """A test of a video that a paper prints."""

    views: str
    """As printed: 5×1."""
    clips: int
    """Views, all crops counted."""
    tera: float
    """What follows from the printed cost of a clip, in 10^12 multiply-accumulates."""
    text: str
    """The same as printed."""
    top1: str
    """In %, as printed."""


def header(study: Study) -> list[str]:
    """Of `lines`."""
    clips = [f"{k} clip{'s' * (k > 1)} (T)" for k in study.test_clips]
    return ["row", *clips, "printed"]


def lines(study: Study, rule: Rule | None = None) -> list[list[str]]:
    """For each row that can be counted, the cost of a test in 10^12, and what is printed of one."""
    return [
        [
            row.id,
            *(f"{k * study.counted(row.id, 'flops', rule) / 1000:.3f}" for k in study.test_clips),
            _printed_in_words(study, row.id, rule),
        ]
        for row in study.counted_rows
    ]


def inference(study: Study) -> Section:
    """The cost of a test, row by row; nothing where an experiment names no numbers of clips."""
    if not study.test_clips:
        return Section(TITLE)
    note = (
        "T: 10^12 multiply-accumulates. Clips, of one centre crop each, times the cost of one, by "
        f"rule `{study.rules_in_words}`. ✓ equal to the printed digit, ✗ not. The accuracies of a "
        f"checkpoint: `vswin eval --views {','.join(f'{k}x1' for k in study.test_clips)}`."
    )
    return Section(TITLE, header(study), lines(study), note=note, picture="inference")


def inference_of(study: Study) -> Inference | None:
    """The picture of that."""
    if not study.test_clips:
        return None
    found = []
    for row in study.counted_rows:
        tera = study.counted(row.id, "flops") / 1000
        points = tuple(Point(k, round(k * tera, 6)) for k in study.test_clips)
        printed = printed_test(study, row.id)
        mark = Point(printed.clips, round(printed.clips * tera, 6)) if printed else None
        found.append(Line(row.id, points, mark, printed.top1 if printed else ""))
    ours = {row.id for row in study.counted_rows}
    for other in study.printed.rows if study.printed else ():
        printed = printed_test(study, other.id)
        if printed and other.id not in ours:
            mark = Point(printed.clips, round(printed.tera, 6))
            found.append(Line(f"{other.id} (as printed)", (), mark, printed.top1))
    return Inference(
        title=study.title,
        notes=(
            f"Each clip is a centre crop. Counted by rule {study.rules_in_words}. Only of tests in "
            "black is the accuracy printed in numbers.",
        ),
        lines=tuple(found),
    )


def printed_test(study: Study, row_id: str) -> PrintedTest | None:
    """What a paper prints of a row's whole test; None where it prints no such thing."""
    printed = study.printed
    line = printed.row(row_id) if printed else None
    if printed is None or line is None:
        return None
    clips, cost = (printed_quantity(printed, row_id, m) for m in ("views", "test_flops"))
    text, top1 = (printed.number(row_id, metric) or "" for metric in (WHOLE, "top1"))
    if clips is None or cost is None:
        return None
    return PrintedTest(line.cells["views"], int(clips), cost / 1000, text, top1)


def _printed_in_words(study: Study, row_id: str, rule: Rule | None) -> str:
    printed = printed_test(study, row_id)
    if printed is None:
        return "–"
    ours = printed.clips * study.counted(row_id, "flops", rule) / 1000
    mark = "✓" if compare(ours, printed.text).exact else "✗"
    return f"{printed.views}: {printed.text} T {mark}, top-1 {printed.top1}"
