"""Checking every listed video: is it there, can it be decoded, is it whole, is it long enough.

Results are appended to a file as they come, so that a check that is stopped goes on where it was,
and one that is repeated examines only what is new, has changed or could not be read.
"""

from __future__ import annotations

import dataclasses
import random
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from vswin.data.annotations import Video, VideoList
from vswin.data.check_files import (
    CheckError,
    Examined,
    Stat,
    appending,
    examine_all,
    read_state,
    stat_files,
    task_for,
)

__all__ = ["CheckError", "CheckReport", "Problem", "Spread", "check_videos"]

MIN_FRAMES = 2
"""Fewer show no motion. Videos shorter than a clip are no error: clips begin again from the first
frame (Kinetics) or repeat frames (Something-Something)."""

OnProgress = Callable[[int, int], None]
"""Called with how many videos are done, and of how many."""


Kind = Literal["missing", "unreadable", "damaged", "short"]


@dataclasses.dataclass(frozen=True)
class Problem:
    """A listed video that cannot be used, or not all of it."""

    kind: Kind
    id: str
    path: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Spread:
    """Smallest, median and largest of something."""

    low: float
    median: float
    high: float


@dataclasses.dataclass(frozen=True)
class CheckReport:
    """What a check of one split found."""

    dataset: str
    split: str
    source: str
    digest: str
    """Of the list, see `VideoList.digest`."""
    deep: bool
    listed: int
    examined: int
    """All that are listed, or the sample."""
    present: int
    """Of the examined: whose file is there, readable or not."""
    fresh: int
    """Of the examined: read this time; the others were good and have not changed since."""
    classes: int
    """Classes with at least one listed video."""
    problems: tuple[Problem, ...]
    duplicates: tuple[str, ...]
    unknown: tuple[str, ...]
    codecs: dict[str, int]
    frames: Spread | None
    seconds: Spread | None
    fps: Spread | None
    short_side: Spread | None
    """In pixels."""
    bytes: Spread | None
    """Of a file; all spreads are over the readable ones and None where there is none."""

    def __repr__(self) -> str:
        counts = f"{self.listed} listed, {self.examined} examined, {len(self.problems)} problems"
        return f"<CheckReport {self.dataset}, {self.split}: {counts}>"

    total_bytes: int

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong with the list and the examined files."""
        return not (self.problems or self.duplicates or self.unknown)

    def count(self, kind: str) -> int:
        """How many problems there are of a kind."""
        return sum(problem.kind == kind for problem in self.problems)

    def as_dict(self) -> dict[str, Any]:
        """Everything, for JSON."""
        return {"ok": self.ok, **dataclasses.asdict(self)}


def check_videos(
    videos: VideoList,
    state: Path,
    workers: int = 0,
    sample: int | None = None,
    seed: int = 0,
    deep: bool = False,
    min_frames: int = MIN_FRAMES,
    on_progress: OnProgress | None = None,
) -> CheckReport:
    """Examines the files of a list, or a sample of them.

    Args:
        videos: from `read_annotations`.
        state: JSON lines of what was examined before, by id, size and time of change; appended to.
        workers: processes; 0 for none but this one, which a file that crashes its decoder ends.
        sample: how many videos, drawn by `seed`; None for all.
        seed: the same one draws the same videos from the same list.
        deep: decode every frame, and compare what is listed, stored and decoded; else decode the
            first and the last.
        min_frames: files with fewer are a problem.
        on_progress: called now and then.

    Raises:
        CheckError: if `state` is another file or cannot be written.
    """
    chosen = list(videos.videos)
    if sample is not None and sample < len(chosen):
        places = sorted(random.Random(seed).sample(range(len(chosen)), sample))
        chosen = [chosen[place] for place in places]
    found = read_state(state)
    stats = stat_files(chosen)
    todo = [
        task
        for video, at in zip(chosen, stats, strict=True)
        if isinstance(at, Stat) and (task := task_for(video, at, found.get(video.id), deep))
    ]
    done = len(chosen) - len(todo)
    show = on_progress or (lambda *_: None)
    show(done, len(chosen))
    with appending(state) as append:
        for result in examine_all(todo, workers):
            found[result.id] = result
            append(result)
            done += 1
            show(done, len(chosen))
    return _report(videos, chosen, stats, found, deep, min_frames, len(todo))


def _report(
    videos: VideoList,
    chosen: Sequence[Video],
    stats: Sequence[Stat | str | None],
    found: Mapping[str, Examined],
    deep: bool,
    min_frames: int,
    fresh: int,
) -> CheckReport:
    pairs = list(zip(chosen, stats, strict=True))
    problems = [
        Problem(kind, video.id, str(video.path), reason)
        for video, at in pairs
        for kind, reason in _problem(at, found.get(video.id), min_frames)
    ]
    there = [found[video.id] for video, at in pairs if isinstance(at, Stat)]
    good = [result for result in there if result.error is None]
    return CheckReport(
        dataset=videos.dataset,
        split=videos.split,
        source=str(videos.source),
        digest=videos.digest,
        deep=deep,
        listed=len(videos.videos),
        examined=len(chosen),
        present=sum(at is not None for at in stats),
        fresh=fresh,
        classes=len({video.label for video in videos.videos} - {-1}),
        problems=tuple(problems),
        duplicates=videos.duplicates,
        unknown=videos.unknown,
        codecs=dict(Counter(result.codec for result in good).most_common()),
        frames=_spread(result.frames for result in good),
        seconds=_spread(result.seconds for result in good),
        fps=_spread(result.fps for result in good),
        short_side=_spread(min(result.width, result.height) for result in good),
        bytes=_spread(result.size for result in good),
        total_bytes=sum(result.size for result in there),
    )


def _problem(
    at: Stat | str | None, result: Examined | None, min_frames: int
) -> Iterator[tuple[Kind, str]]:
    """What is wrong with a video, if anything."""
    if at is None:
        yield "missing", "there is no such file"
    elif isinstance(at, str):
        yield "unreadable", at
    elif result is not None and result.error is not None:
        yield "unreadable", result.error
    elif result is not None:
        if result.faults:
            yield "damaged", "; ".join(result.faults)
        if result.frames < min_frames:
            yield "short", f"{result.frames} of at least {min_frames} frames"


def _spread(values: Iterable[float]) -> Spread | None:
    ordered = sorted(values)
    return Spread(ordered[0], statistics.median(ordered), ordered[-1]) if ordered else None
