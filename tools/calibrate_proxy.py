"""Chooses the dials of protocol `proxy`: `python tools/calibrate_proxy.py temporal`.

Trains candidates on generator seed 1000, whose clips the benchmark never shows, and writes
experiments/calibration_proxy*.csv. A candidate is the protocol with a few dials changed. What is
asked of the chosen one:

temporal    every row that is tried learns the order of events with every seed (its accuracy at the
            training difficulty is well above the bound of a model that cannot tell order).
appearance  pre-training decides (the row without it is far below), and both halves of a class,
            digit and motion, are learnt with every seed.
both        the difficulty grid lies clearly between chance and ceiling with little spread over
            seeds, and a row trains in at most two minutes on one core of a quiet machine.

Takes about twenty minutes (temporal) or ten (appearance) on two cores; what is done is kept in
results/calibration, so it can be resumed.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import pandas as pd

from vswin.experiments.library import Library
from vswin.files import write_text
from vswin.launch.pool import available_cpus
from vswin.launch.progress import progress
from vswin.launch.study import run_configs
from vswin.project import experiments_dir, results_path
from vswin.runs.config import FromRun, RunConfig
from vswin.runs.result import DigitsDetails, Result
from vswin.runs.store import Store

GENERATOR_SEED = 1000
Dials = dict[str, float]


@dataclasses.dataclass(frozen=True)
class Calibration:
    """What is tried for one task."""

    table: str
    rows: tuple[str, ...]
    candidates: dict[str, Dials]
    output: str


CALIBRATIONS = {
    "temporal": Calibration(
        "table5",
        # The baseline, the longest window, the shortest clip.
        ("win8", "win16", "dim4"),
        {
            "as the protocol says": {},
            "cleaner training": {"noise": 0.3},
            "cleaner training, bias tables near zero": {"noise": 0.3, "bias_std": 0.02},
            "cleaner training, higher learning rate": {"noise": 0.3, "lr": 8e-3},
        },
        "calibration_proxy.csv",
    ),
    "appearance": Calibration(
        "table8",
        ("inflate", "center", "no_pretraining"),
        {
            "as the protocol says": {},
            "backbone ratio as printed": {"backbone_lr_ratio": 0.1},
            "lower learning rate": {"lr": 2e-3},
        },
        "calibration_proxy_appearance.csv",
    ),
}


def candidate(table: str, row_id: str, dials: Dials, seed: int) -> RunConfig:
    """A row under the protocol with `dials` changed, on the calibration's clips."""
    library = Library(experiments_dir())
    experiment = library.experiment(table)
    row = experiment.row(row_id)
    base = library.protocol("proxy").configure(experiment, row, seed)
    recipe = {k: v for k, v in dials.items() if hasattr(base.recipe, k)}
    data = {k: v for k, v in dials.items() if hasattr(base.data, k)}
    assert not dials.keys() - recipe.keys() - data.keys(), dials
    init = base.init
    if isinstance(init, FromRun):
        images = dataclasses.replace(init.run.data, generator_seed=GENERATOR_SEED)
        init = dataclasses.replace(init, run=dataclasses.replace(init.run, data=images))
    return dataclasses.replace(
        base,
        recipe=dataclasses.replace(base.recipe, **recipe),
        data=dataclasses.replace(base.data, generator_seed=GENERATOR_SEED, **data),
        init=init,
    )


def line(name: str, dials: Dials, config: RunConfig, result: Result) -> dict[str, Any]:
    """What the table says of one run."""
    assert isinstance(result.details, DigitsDetails)
    easy = result.details.easiest
    halves = {k: getattr(easy, f"{k}_accuracy") for k in ("order", "digit", "motion")}
    source = result.loaded.source_metrics if result.loaded else {}
    return {
        "candidate": name,
        "dials": " ".join(f"{k}={v:g}" for k, v in dials.items()),
        "seed": config.seed,
        "grid_top1": 100 * result.metrics["top1"],
        "easiest_top1": 100 * easy.metrics["top1"],
        **{f"{k}_accuracy": 100 * value for k, value in halves.items() if value is not None},
        **({"pretraining_top1": 100 * source["top1"]} if source else {}),
        "train_seconds": result.seconds.train,
    }


def main() -> None:
    """Runs what is missing and writes the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("task", choices=sorted(CALIBRATIONS))
    parser.add_argument("--seeds", type=int, default=2, help="seeds for each (default: 2)")
    parser.add_argument("--jobs", type=int, default=available_cpus(), help="runs at a time")
    parser.add_argument("--output", type=Path, help="default: experiments/calibration_proxy*.csv")
    args = parser.parse_args()
    plan = CALIBRATIONS[args.task]
    output = args.output or experiments_dir() / plan.output
    planned = [
        (name, dials, row, candidate(plan.table, row, dials, seed))
        for seed in range(args.seeds)
        for name, dials in plan.candidates.items()
        for row in plan.rows
    ]
    store = Store(results_path("results"), "calibration")
    with progress() as show:
        run_configs([config for *_, config in planned], store, args.jobs, on_poll=show)
    lines = [
        {"row": row, **line(name, dials, config, result)}
        for name, dials, row, config in planned
        if (result := store.run(config.run_id).result()) is not None
    ]
    table = pd.DataFrame(lines)
    table.insert(2, "row", table.pop("row"))
    write_text(output, table.to_csv(index=False, float_format="%.1f"))
    means = table.drop(columns="seed").groupby(["candidate", "row"], sort=False)
    print(means.mean(numeric_only=True).round(1).to_string())
    print(f"written: {output}")


if __name__ == "__main__":
    main()
