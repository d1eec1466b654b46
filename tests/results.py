"""Results as complete runs write them, made by hand."""

import dataclasses

from vswin.evaluation.cells import Cell
from vswin.runs.result import (
    CountedCost,
    DigitsDetails,
    Execution,
    Inputs,
    ListOfVideos,
    Loaded,
    Result,
    Seconds,
    VideosDetails,
    write_result,
)

CELL = Cell(coherence=1.0, noise=0.2, n=24, metrics={"top1": 0.75, "top5": 1.0})
ON_DIGITS = Result(
    metrics={"top1": 0.75, "top5": 1.0},
    n=24,
    cost=CountedCost(flops=10**9, params=10**6, rule="paper"),
    seconds=Seconds(train=10.0, test=1.0),
    train_clips=1000,
    execution=Execution(),
    details=DigitsDetails(cells=(CELL,), easiest=CELL, tested_on={}),
)
ON_VIDEOS = Result(
    metrics={"top1": 0.788, "top5": 0.936},
    n=19_906,
    cost=CountedCost(flops=87_889_000_000, params=28_158_070, rule="paper"),
    seconds=Seconds(train=20_000.0, test=300.0),
    train_clips=7_200_000,
    execution=Execution(processes=8, micro_batch=8, device="cuda"),
    details=VideosDetails(
        present=19_900,
        views="4×3",
        inputs=Inputs(
            train=ListOfVideos(240_000, 400, "a" * 64),
            test=ListOfVideos(19_906, 400, "b" * 64),
            initial_weights="c" * 64,
        ),
        replaced=12,
    ),
    weights_digest="d" * 64,
    loaded=Loaded(
        kind="file",
        source="swin_tiny_patch4_window7_224.pth",
        layout="official_2d",
        digest="c" * 64,
        inflation={"embedding": "inflate", "bias": "duplicate"},
    ),
)


def complete(folder, result=ON_DIGITS, **changes):
    """Makes a run complete; `changes` are fields of the result."""
    write_result(folder.path / "result.json", dataclasses.replace(result, **changes))


def of_top1(percent, n=480):
    """A result with this top-1 in %."""
    return dataclasses.replace(ON_DIGITS, metrics={"top1": percent / 100, "top5": 1.0}, n=n)


def without_times(result):
    """A result as a dictionary, without what differs between two executions of the same run."""
    content = dataclasses.asdict(result)
    del content["seconds"]
    return content
