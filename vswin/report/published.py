"""Published checkpoints that were tested here, beside what is printed; apart from our own runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vswin.data.published import DATASETS
from vswin.report.compare import within
from vswin.report.data import Item, Row, Section
from vswin.report.statistics import wilson_interval
from vswin.runs.evaluated import Evaluated
from vswin.wording import signed

if TYPE_CHECKING:  # a study shows its table itself
    from vswin.report.study import Study

TITLE = "Published checkpoints tested here"


def are_named(study: Study) -> bool:
    """Whether a row has a published checkpoint, whose test may be set beside printed numbers."""
    return study.terms.comparable and study.is_trainable and any(r.published for r in study.rows)


def cell(study: Study, row: Row) -> str:
    """All metrics of a row's checkpoint, the first with its interval, and on how many videos.

    Or why there are none.
    """
    if not row.published:
        return "none published"
    found = study.evaluated.get(row.id)
    if not found:
        return "not tested"
    texts = [f"{100 * found[0].metrics[metric]:.1f}" for metric in study.terms.metrics]
    shares = [f"{texts[0]} {_interval(found[0], study.terms.headline)}", *texts[1:]]
    return f"{' / '.join(shares)}, {_videos(found[0])}"


def section(study: Study) -> Section:
    """Every test's numbers beside the printed ones, then which file was tested on which videos.

    Of a file that was not tested, the command that does so.
    """
    if not are_named(study):
        return Section(TITLE)
    lines: list[list[str]] = []
    items: list[Item] = []
    for row in filter(lambda row: row.published, study.rows):
        found = study.evaluated.get(row.id, ())
        lines += _beside_print(study, row, found[0]) if found else []
        items += [
            Item(_about(row, each), "" if each is found[0] else "not in the table")
            for each in found
        ]
        items += [] if found else [Item(_to_do(study, row), "not tested")]
    note = (
        "Nothing is trained for these numbers: `vswin eval` tests the file that the authors have "
        "published. Every listed video counts, one that cannot be read as wrong. Of several tests "
        "of a file the table has the one with the most videos."
    )
    if lines:
        note += f" Reproduced: at most {study.terms.tolerance:g} points from the printed one."
    header = ["row", "", "printed", "tested here", "on", "95 % over videos", "difference", ""]
    return Section(TITLE, header if lines else [], lines, items, note=note)


def _beside_print(study: Study, row: Row, found: Evaluated) -> Iterator[list[str]]:
    for metric, title in study.terms.metrics.items():
        printed, tolerance = study.number(row.id, metric), study.terms.tolerance
        if printed is not None and tolerance is not None:
            ours = 100 * found.metrics[metric]
            values = [printed, f"{ours:.2f}", _videos(found), _interval(found, metric, 2)]
            apart = signed(ours - float(printed))
            yield [row.id, title, *values, apart, within(ours, printed, tolerance)]


def _to_do(study: Study, row: Row) -> str:
    """The file, and the command that tests it, where the dataset is a printed one."""
    data = f" --data {study.printed.dataset}" if study.printed else ""
    return f"{row.id}: `vswin eval --weights {row.published}{data}`"


def in_words(study: Study) -> list[str]:
    """A line on how many were tested, and what came out."""
    if not are_named(study):
        return []
    named = [row for row in study.rows if row.published]
    tested = [row for row in named if row.id in study.evaluated]
    line = f"{TITLE}, without training: {len(tested)} of {len(named)}"
    return [f"{line}; {_headlines(study, tested)}." if tested else f"{line}."]


def _headlines(study: Study, rows: list[Row]) -> str:
    metric = study.terms.headline
    texts = [
        f"{row.id} {100 * found.metrics[metric]:.1f} on {_videos(found)} "
        f"(printed {study.number(row.id, metric) or 'nothing'})"
        for row in rows
        for found in study.evaluated[row.id][:1]
    ]
    return f"{study.terms.metrics[metric]} {', '.join(texts)}"


def _interval(found: Evaluated, metric: str, digits: int = 1) -> str:
    interval = wilson_interval(found.metrics[metric], found.n)
    return f"[{100 * interval.low:.{digits}f}, {100 * interval.high:.{digits}f}]"


def _videos(found: Evaluated) -> str:
    """How many were tested; of how many, where the public list has more."""
    public = DATASETS[found.tested.dataset].test_videos or 0
    return f"{found.n:,}{f' of {public:,}' if public > found.n else ''} videos"


def _about(row: Row, found: Evaluated) -> str:
    """Which file, whose weights, which videos, in which views, and where."""
    tested, origin = found.tested, found.provenance
    clips = tested.clips
    stride = "" if clips["sampling"] == "segments" else f" at a stride of {clips['stride']}"
    commit = (origin.get("commit") or "unknown commit")[:12]
    edited = " with uncommitted changes" if origin.get("dirty") else ""
    return (
        f"{row.id}: `{tested.file}` ({found.size}, layout {found.layout}, SHA-256 of its weights "
        f"{tested.digest[:12]}), on {tested.dataset}, split {tested.split}: {found.present:,} of "
        f"{found.n:,} listed videos read (list {tested.list_digest[:12]}); {tested.views} views of "
        f"{clips['frames']} frames{stride}, {clips['size']} × {clips['size']} pixels, "
        f"{tested.precision}; on {origin.get('device', 'an unknown device')}, code {commit}"
        f"{edited}, {found.finished[:10] or 'unknown date'}"
    )
