"""Shows how the dials of protocol `proxy` were chosen: `python tools/calibrate_proxy.py temporal`.

Trains every row of Tables 4 to 6 (task temporal) or 7 to 9 (task appearance), controls included, on
the clips of generator seed 4000, which the benchmark never shows. A candidate is the protocol with
another number of steps in an epoch. Two tables are written for each task:

experiments/calibration_proxy*.csv       a line for each run
experiments/calibration_proxy*_rows.csv  a line for each row: mean and spread over seeds, how many
                                         learnt, and what they still gained at the end

The length to choose is the shortest at which every row that can learn gains less than a point of
training accuracy in the last fifth of the training, on the mean of its seeds: of a single run that
gain is known to about 0.75 points only, from six epochs of 1,920 clips. A run of the temporal
task has learnt if it tells the order of events at the easiest difficulty, as reports count it, one
of the appearance task if it tells the motion there in nine of ten clips.

Runs are kept in <results>/calibration: what is done is not done again.

    python tools/calibrate_proxy.py temporal --steps 30 60 120 --seeds 6
    python tools/calibrate_proxy.py temporal --steps 120 --rows table4.split table5.dim4 --only-show
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from vswin.data.moving_digits import MovingDigits
from vswin.errors import UsageError, VswinError
from vswin.experiments.embedded import EmbeddedProtocol
from vswin.experiments.library import Library
from vswin.experiments.planning import first_runs
from vswin.files import write_text
from vswin.launch.pool import available_cpus
from vswin.launch.progress import progress
from vswin.launch.study import run_configs
from vswin.project import experiments_dir, results_path
from vswin.report.digits import LEARNT, has_learnt
from vswin.report.statistics import wilson_interval
from vswin.runs.config import FromRun, RunConfig
from vswin.runs.record import Curve
from vswin.runs.result import DigitsDetails
from vswin.runs.store import RunFolder, Store

GENERATOR_SEED = 4000
TABLES = {
    "temporal": ("table4", "table5", "table6"),
    "appearance": ("table7", "table8", "table9"),
}


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A row with one seed and one length of training, on the calibration's clips."""

    row: str
    """Its table and id; of rows that are one run, the first."""
    config: RunConfig


def on_calibration_clips(config: RunConfig) -> RunConfig:
    """The run, and those that it starts from, on clips of the calibration's generator seed."""
    assert isinstance(config.data, MovingDigits)
    data = dataclasses.replace(config.data, generator_seed=GENERATOR_SEED)
    init = config.init
    if isinstance(init, FromRun):
        init = dataclasses.replace(init, run=on_calibration_clips(init.run))
    return dataclasses.replace(config, data=data, init=init)


def candidates(
    library: Library, tables: Sequence[str], steps: Sequence[int], seeds: int
) -> Iterator[Candidate]:
    """Every distinct row, seed by seed, and in each with every length of training.

    Args:
        library: experiments and protocols.
        tables: whose rows; all must be runnable under protocol proxy.
        steps: optimiser steps in an epoch; none means as many as the protocol says.
        seeds: how many, from 0 on.
    """
    protocol = library.protocol("proxy")
    assert isinstance(protocol, EmbeddedProtocol)
    rows: dict[str, tuple[str, RunConfig]] = {}
    for table in tables:
        library.require_possible(library.experiment(table), "proxy")
        for row, config in first_runs(library.experiment(table), protocol).items():
            rows.setdefault(config.run_id, (f"{table}.{row}", on_calibration_clips(config)))
    for seed in range(seeds):
        for length in steps or (None,):
            for name, config in rows.values():
                usual = config.recipe
                recipe = dataclasses.replace(usual, steps_per_epoch=length or usual.steps_per_epoch)
                yield Candidate(name, dataclasses.replace(config, recipe=recipe).with_seed(seed))


def late_gain(curve: Curve) -> float:
    """Points of training accuracy gained in the last fifth of the training.

    The mean of the last three epochs less that of the three before the last fifth; NaN of a
    training too short for that.
    """
    top1 = [100 * line["top1"] for line in curve]
    fifth = len(top1) // 5
    if fifth < 3 or len(top1) < fifth + 3:
        return math.nan
    return math.fsum(top1[-3:]) / 3 - math.fsum(top1[-fifth - 3 : -fifth]) / 3


def line_of(candidate: Candidate, run: RunFolder) -> dict[str, Any] | None:
    """What the table says of one run, in % and seconds; None if the run is not complete."""
    result = run.result()
    if result is None:
        return None
    assert isinstance(result.details, DigitsDetails)
    easy, stills = result.details.easiest, result.details.stills
    shares = {
        "order_accuracy": easy.order_accuracy,
        "digit_accuracy": easy.digit_accuracy,
        "motion_accuracy": easy.motion_accuracy,
        "stills_accuracy": stills.after if stills else None,
        "pretraining_top1": result.loaded.source_metrics["top1"] if result.loaded else None,
    }
    return {
        "row": candidate.row,
        "seed": candidate.config.seed,
        "steps": candidate.config.recipe.steps,
        "grid_top1": 100 * result.metrics["top1"],
        "easiest_top1": 100 * easy.metrics["top1"],
        **{name: math.nan if share is None else 100 * share for name, share in shares.items()},
        "learnt": has_learnt(easy),
        "late_gain": late_gain(run.metrics()),
        "train_seconds": result.seconds.train,
        "run": candidate.config.run_id,
    }


def summary(runs: pd.DataFrame, learnt: str) -> pd.DataFrame:
    """A line for each row and length: what its seeds have in common, and how much they differ.

    Args:
        runs: lines of `line_of`.
        learnt: what there was to learn, such as `order`.
    """
    groups = runs.groupby(["steps", "row"], sort=False)
    lines = [
        {"steps": steps, "row": row, **_of_seeds(group, learnt)} for (steps, row), group in groups
    ]
    return pd.DataFrame(lines)


def _of_seeds(runs: pd.DataFrame, learnt: str) -> dict[str, Any]:
    n = len(runs)
    k = int(runs["learnt"].sum())
    share = wilson_interval(k / n, n)
    return {
        "seeds": n,
        "grid_top1": runs["grid_top1"].mean(),
        "grid_sd": runs["grid_top1"].std(),
        "easiest_top1": runs["easiest_top1"].mean(),
        "learnt": f"{k} of {n} learnt {learnt}",
        "learnt_low": 100 * share.low,
        "learnt_high": 100 * share.high,
        "late_gain": runs["late_gain"].mean(),
        "late_gain_se": runs["late_gain"].sem(),
        "stills_accuracy": runs["stills_accuracy"].mean(),
        "train_seconds": runs["train_seconds"].mean(),
    }


def calibrate(args: argparse.Namespace) -> None:
    """Runs what is missing and writes both tables."""
    library = Library(experiments_dir())
    tables = args.tables or TABLES[args.task]
    planned = list(candidates(library, tables, args.steps, args.seeds))
    names = list(dict.fromkeys(c.row for c in planned))
    if unknown := [row for row in args.rows if row not in names]:
        raise UsageError(f"{unknown[0]} is none of {', '.join(names)}")
    planned = [c for c in planned if not args.rows or c.row in args.rows]
    store = Store(results_path(args.results_dir), "calibration")
    if not args.only_show:
        with progress() as show:
            run_configs([c.config for c in planned], store, args.jobs, on_poll=show)
    lines = [line for c in planned if (line := line_of(c, store.run(c.config.run_id)))]
    if not lines:
        raise UsageError(f"{store.runs_dir} has none of these runs yet")
    runs = pd.DataFrame(lines)
    rows = summary(runs, LEARNT[args.task])
    print(rows.dropna(axis=1, how="all").round(1).to_string(index=False))
    if not args.only_show:
        suffix = "" if args.task == "temporal" else f"_{args.task}"
        for name, table in (("", runs), ("_rows", rows)):
            path = args.output / f"calibration_proxy{suffix}{name}.csv"
            kept = table.dropna(axis=1, how="all")
            write_text(path, kept.to_csv(index=False, float_format="%.2f"))
            print(f"written: {path}")


def main(argv: Sequence[str] | None = None) -> int:
    """Reads the command line; 0 if all is done."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=sorted(TABLES))
    parser.add_argument(
        "--steps", type=int, nargs="+", default=[], help="steps in an epoch (default: protocol's)"
    )
    parser.add_argument("--seeds", type=int, default=6, help="of each (default: %(default)s)")
    parser.add_argument("--tables", nargs="+", help="default: those of the task")
    parser.add_argument(
        "--rows", nargs="+", default=[], metavar="ROW", help="such as table4.split (default: all)"
    )
    parser.add_argument("--jobs", type=int, default=available_cpus(), help="runs at a time")
    parser.add_argument("--results-dir", default="results", help="default: %(default)s")
    parser.add_argument("--output", type=Path, default=experiments_dir(), help="folder of tables")
    parser.add_argument(
        "--only-show", action="store_true", help="run and write nothing; show what is there"
    )
    try:
        calibrate(parser.parse_args(argv))
    except VswinError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
