"""What `vswin eval` says of what it found."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vswin.cli.keeping import Kept
from vswin.data.annotations import VideoList
from vswin.data.video_data import ViewsTest
from vswin.evaluation.public import CheckpointEvaluation
from vswin.evaluation.views import VideoEvaluation
from vswin.files import atomic_write
from vswin.report.statistics import wilson_interval
from vswin.tasks import title

SHOWN = 10
"""Unreadable videos that are printed; --json and --output have all."""
Found = Mapping[ViewsTest, VideoEvaluation]
"""What each test of the same videos found."""


def tell(
    weights: Path,
    evaluated: CheckpointEvaluation,
    listed: VideoList,
    output: Path | None,
    as_json: bool,
    kept: Sequence[Kept],
) -> None:
    """Prints what was found, and writes the predictions.

    Args:
        weights: the checkpoint's file.
        evaluated: what was tested, and what came out.
        listed: on which videos.
        output: where predictions go; None is nowhere.
        as_json: print JSON; of several tests, each is an entry of `tests`.
        kept: what was put into a results folder.
    """
    checkpoint, found = evaluated.checkpoint, evaluated.found
    unreadable = _unreadable(found)
    n = len(listed.videos)
    about = {
        "weights": str(weights),
        "layout": checkpoint.layout,
        "digest": checkpoint.digest,
        "dataset": listed.dataset,
        "split": listed.split,
        "list_digest": listed.digest,
    }
    seen = {
        "n": n,
        "n_present": n - len(unreadable),
        "unreadable": [
            {"id": listed.videos[place].id, "path": str(listed.videos[place].path), "reason": why}
            for place, why in unreadable.items()
        ],
    }
    tests = {str(test): _shares(evaluation) for test, evaluation in found.items()}
    if output is not None:
        _write_predictions(output, listed, found)
    if as_json:
        facts = _facts(about, seen, tests)
        facts |= {"kept": [str(each.folder) for each in kept]} if kept else {}
        print(json.dumps(facts, indent=2))
        return
    print(f"{weights.name}: {checkpoint.found.size()}, digest {checkpoint.digest[:12]}")
    read = f"{seen['n_present']} of {n} videos read"
    print(f"{listed.dataset}, {listed.split}, {', '.join(tests)} views: {read}")
    for place, reason in list(unreadable.items())[:SHOWN]:
        print(f"  counted as wrong: {listed.videos[place].path}: {reason}")
    if len(unreadable) > SHOWN:
        print(f"  … and {len(unreadable) - SHOWN:,} more; --json has all")
    metrics = next(iter(found.values())).metrics
    for views, shares in tests.items():
        if len(tests) > 1:
            print(f"{views} views")
        for name in metrics:
            share, low, high = (100 * shares[f"{name}{end}"] for end in ("", "_low", "_high"))
            interval = f"(95 % interval over videos: {low:.2f} to {high:.2f})"
            print(f"{title(name)} {share:.2f} % {interval}")
    for each in kept:
        print(f"kept in {each.folder}")
        for table, protocol, row in each.shown_in:
            print(f"  `vswin report {table} --protocol {protocol}` shows it in row {row}")


def _unreadable(found: Found) -> dict[int, str]:
    """By place in the list. Only where one test was begun before can the tests differ in it."""
    pairs = {place: why for each in found.values() for place, why in each.unreadable.items()}
    return dict(sorted(pairs.items()))


def _facts(
    about: dict[str, Any], seen: dict[str, Any], tests: dict[str, dict[str, float]]
) -> dict[str, Any]:
    if len(tests) > 1:
        return about | seen | {"tests": [{"views": v, **shares} for v, shares in tests.items()]}
    ((views, shares),) = tests.items()
    return about | {"views": views} | seen | shares


def _shares(evaluation: VideoEvaluation) -> dict[str, float]:
    """Each metric with the ends of its interval."""
    facts: dict[str, float] = {}
    for name, share in evaluation.metrics.items():
        interval = wilson_interval(share, evaluation.listed)
        facts |= {name: share, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return facts


def _write_predictions(output: Path, listed: VideoList, found: Found) -> None:
    """What is kept of each video; of several tests under names that begin with the views, 3x1_."""
    unreadable = _unreadable(found)
    arrays: dict[str, Any] = {}
    for test, evaluation in found.items():
        begins = f"{test.clips}x{test.crops}_" if len(found) > 1 else ""
        arrays |= {f"{begins}{name}": kept for name, kept in evaluation.predictions.items()}
    arrays["id"] = np.asarray([video.id for video in listed.videos])
    arrays["unreadable"] = np.asarray([unreadable.get(k, "") for k in range(len(listed.videos))])
    with atomic_write(output) as file:
        np.savez_compressed(file, **arrays)
