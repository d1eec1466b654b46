"""`vswin data …`: the videos of this machine."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vswin.cli.options import DataFileOption, say_project, use_data_file
from vswin.cli.terminal import print_line, print_table
from vswin.errors import UsageError
from vswin.place import cache_folder

if TYPE_CHECKING:  # imported by the commands themselves: `vswin --help` has no use for decoders
    from vswin.data.annotations import AnnotationError, VideoList
    from vswin.data.check import CheckReport, OnProgress, Spread

app = typer.Typer(help="Videos: whether they are all there and can be read.", no_args_is_help=True)

SHOWN = 10
"""Problems of a split that are printed; --json has all."""
LINE_S = 15.0
"""Seconds between two lines about progress, where there is no bar."""


@app.callback()
def _root() -> None:
    """Keeps `check` a command of its own while it is the only one."""


@app.command()
def check(
    dataset: Annotated[str, typer.Argument(help="kinetics400, kinetics600, kinetics700, ssv2 …")],
    annotations: Annotated[
        Path | None,
        typer.Option(help="The list of videos (default: the splits of this machine's data file)."),
    ] = None,
    videos: Annotated[
        Path | None, typer.Option(help="Folder of the files (default: where the list is).")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="train, val or test (default: train; without a list, all).")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="The dataset's own file of classes, to be compared.")
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Examine only so many files, drawn by --seed.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Draws the --sample.")] = 0,
    deep: Annotated[
        bool,
        typer.Option(
            "--deep",
            help="Decode every frame, not only the first and last, and compare what is listed, "
            "stored and decoded.",
        ),
    ] = False,
    frames: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Fewer are too short (default: 2, a still has no motion). Shorter than a clip is "
            "no error: clips loop.",
        ),
    ] = None,
    state: Annotated[
        Path | None, typer.Option(help="File that remembers results (default: in ~/.cache/vswin).")
    ] = None,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=0, help="Processes (0: one for each CPU core).")
    ] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    data_file: DataFileOption = None,
) -> None:
    """Examine every listed video: missing, unreadable, damaged, short. Goes on where it stopped.

    Results are kept by a file's size and time of change, so a second check is quick. The exit code
    is 1 if anything is wrong.
    """
    if annotations is None:  # else nothing is asked of the project
        say_project(quiet=as_json)
    use_data_file(data_file)
    from vswin.data.check import MIN_FRAMES, check_videos
    from vswin.data.datasets import dataset as known_dataset

    reports: list[CheckReport] = []
    lists: list[VideoList] = []
    for found in _lists(dataset, annotations, videos, split, labels):
        memory = state or default_state(found)
        with _resumable(memory), _progress(f"{dataset} {found.split}") as show:
            report = check_videos(
                found,
                memory.expanduser(),
                workers=jobs or os.cpu_count() or 1,
                sample=sample,
                seed=seed,
                deep=deep,
                min_frames=frames or MIN_FRAMES,
                on_progress=show,
            )
        reports.append(report)
        lists.append(found)
    shared = _shared(lists) if known_dataset(dataset).is_own else None  # others are as published
    if as_json:
        ok = shared is None and all(report.ok for report in reports)
        content = {report.split: report.as_dict() for report in reports}
        print(json.dumps({"ok": ok, "shared": shared and str(shared), "splits": content}, indent=2))
    else:
        _print(reports)
    if shared:
        raise shared
    if not all(report.ok for report in reports):
        if not as_json:
            print(f"next: {_next(reports)}")
        raise typer.Exit(1)


def _shared(lists: list[VideoList]) -> AnnotationError | None:
    """What is wrong where a video is in two splits."""
    from vswin.data.annotations import AnnotationError
    from vswin.data.listed import require_apart

    try:
        require_apart(*lists)
    except AnnotationError as error:
        return error
    return None


def default_state(videos: VideoList) -> Path:
    """Where the results of a list's check are kept: in the user's cache, by the list's digest."""
    name = f"{videos.dataset}-{videos.split}-{videos.digest[:16]}.jsonl"
    return cache_folder() / "check" / name


def _lists(
    dataset: str,
    annotations: Path | None,
    videos: Path | None,
    split: str | None,
    labels: Path | None,
) -> Iterator[VideoList]:
    """The list that was given, or those of the machine's data file."""
    from vswin.data.annotations import read_annotations

    if annotations is not None:
        if videos is not None and not videos.expanduser().is_dir():
            raise UsageError(f"--videos {videos}: there is no such folder")
        yield read_annotations(dataset, annotations, videos, split or "train", labels)
        return
    for option, value in (("--videos", videos), ("--labels", labels)):
        if value is not None:
            raise UsageError(f"{option} needs --annotations; without, the data file says both")
    from vswin.data.data_file import load_sources, sources_file
    from vswin.data.datasets import dataset as known_dataset
    from vswin.data.listed import listed

    sources = load_sources()
    chosen = [n for n in sources.splits(known_dataset(dataset).name) if split in (None, n)]
    if not chosen and sources.whole(dataset) is not None:
        raise UsageError(f"the splits of {dataset} are {sources.absence(dataset)}")
    if not chosen:
        what = dataset if split is None else f"split {split} of {dataset}"
        raise UsageError(
            f"{sources_file()} does not say where {what} is; give --annotations and --videos"
        )
    for name in chosen:
        yield listed(sources, dataset, name)


@contextlib.contextmanager
def _resumable(state: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        print(
            f"interrupted; the same command goes on where it stopped (results in {state})",
            file=sys.stderr,
        )
        raise typer.Exit(130) from None


@contextlib.contextmanager
def _progress(what: str) -> Iterator[OnProgress]:
    """A bar with rate and remaining time on a terminal, else a line now and then; on stderr."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines(what)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
    )
    with Progress(*columns, console=console, refresh_per_second=4) as bars:
        task, pace = bars.add_task(what, total=None, pace=""), _Pace()

        def show(done: int, total: int) -> None:
            bars.update(task, completed=done, total=total, pace=pace.text(done, total))

        yield show


def _lines(what: str) -> Callable[[int, int], None]:
    pace, last = _Pace(), time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal last
        text = pace.text(done, total)
        if time.monotonic() - last >= LINE_S:
            last = time.monotonic()
            print(f"{what}: {done:,} of {total:,}, {text}", file=sys.stderr, flush=True)

    return show


class _Pace:
    """Videos per second since the first call; what was known before that took no time."""

    def __init__(self) -> None:
        self.start: tuple[float, int] | None = None

    def text(self, done: int, total: int) -> str:
        now = time.monotonic()
        if self.start is None:
            self.start = (now, done)
        since, before = self.start
        if done == before or now == since:
            return ""
        rate = (done - before) / (now - since)
        left = round((total - done) / rate)
        hours, minutes, seconds = left // 3600, left // 60 % 60, left % 60
        return f"{rate:,.1f} videos/s, {hours}:{minutes:02}:{seconds:02} left"


def _print(reports: list[CheckReport]) -> None:
    _print_table(reports)
    for report in reports:
        lines = [f"{p.kind}: {p.path}: {p.reason}" for p in report.problems]
        lines += [f"duplicate: {entry}" for entry in report.duplicates]
        lines += [f"unknown: {entry}" for entry in report.unknown]
        for line in lines[:SHOWN]:
            print_line(f"{report.split}: {line}")
        if len(lines) > SHOWN:
            print(f"{report.split}: … and {len(lines) - SHOWN:,} more; --json has all")


def _next(reports: list[CheckReport]) -> str:
    """What runs make of such a list and of such files, and what there is to do."""
    from vswin.runs.resources import ExecutionSettings

    if any(report.duplicates or report.unknown for report in reports):
        return (
            "mend the list; nothing is trained or tested on one with duplicate or unknown entries"
        )
    lost = {r.split: r.count("missing") + r.count("unreadable") for r in reports}
    if not any(lost.values()):
        return (
            "runs can go on: of a damaged video they take the frames that can be decoded, and a "
            "short one begins again; mend the files, or take them off the list, if you would "
            "rather not"
        )
    examined = sum(report.examined for report in reports if report.split == "train")
    limit = ExecutionSettings.max_replaced
    if lost.get("train", 0) > limit * examined:
        return (
            f"mend these files, or take them off the list; {lost['train']} of {examined:,} "
            f"training videos cannot be read, and training stops where more than {100 * limit:g} % "
            "of an epoch's clips stand for such ones (vswin run --max-replaced SHARE allows more)"
        )
    return (
        "mend these files, or take them off the list, or go on: a training video that cannot be "
        "read is replaced by another, a test video that cannot be read counts as wrong"
    )


def _print_table(reports: list[CheckReport]) -> None:
    from vswin.data.datasets import dataset

    known = dataset(reports[0].dataset)
    rows: list[tuple[str, ...]] = []

    def row(name: str, cell: Callable[[CheckReport], str]) -> None:
        rows.append((name, *(cell(report) for report in reports)))

    def counted(kind: str) -> Callable[[CheckReport], str]:
        return lambda r: f"{r.count(kind):,}"

    public = {"train": known.train_videos, "val": known.test_videos, "test": known.test_videos}
    row("listed", lambda r: f"{r.listed:,}")
    if any(public.get(report.split) for report in reports):
        row("in the public list", lambda r: f"{n:,}" if (n := public.get(r.split)) else "")
    row("classes", lambda r: f"{r.classes} of {known.num_classes}")
    row("present", lambda r: f"{r.present:,} of {r.examined:,} examined")
    row("of these read now", lambda r: f"{r.fresh:,}")
    row("decoded", lambda r: "every frame" if r.deep else "first and last frame")
    for kind in ("missing", "unreadable", "damaged", "short"):
        row(kind, counted(kind))
    row("duplicate entries", lambda r: f"{len(r.duplicates):,}")
    row("unknown entries", lambda r: f"{len(r.unknown):,}")
    row("codecs", lambda r: ", ".join(f"{name} {n:,}" for name, n in r.codecs.items()))
    row("short side, pixels", lambda r: _range(r.short_side))
    row("frames per second", lambda r: _range(r.fps))
    row("frames", lambda r: _range(r.frames))
    row("seconds", lambda r: _range(r.seconds))
    row("file size, kB", lambda r: _range(r.bytes, 1e-3))
    row("all files, GB", lambda r: f"{r.total_bytes / 1e9:,.4g}")
    row("digest of the list", lambda r: r.digest[:16])
    print_table(f"{known.title}: files", ("", *(report.split for report in reports)), rows)


def _range(spread: Spread | None, factor: float = 1.0) -> str:
    """Median and, in parentheses, the range."""
    if spread is None:
        return ""
    low, median, high = (
        f"{value * factor:,.4g}" if value * factor < 1000 else f"{value * factor:,.0f}"
        for value in (spread.low, spread.median, spread.high)
    )
    return f"{median} ({low} to {high})"
