"""Chooses the dials of protocol `proxy`: `python experiments/calibrate_proxy.py`.

Trains candidates on generator seed 1000, whose clips the benchmark never shows, and writes
experiments/calibration_proxy.csv. A candidate is the protocol with a few dials changed. What is
asked of the chosen one: every row that is tried learns the order of events with every seed (its
accuracy at the training difficulty is well above the bound of a model that cannot tell order), the
difficulty grid lies clearly between chance and ceiling with little spread over seeds, and a row
trains in at most two minutes on one core of a quiet machine.
Takes about twenty minutes on two cores; what is done is kept in results/calibration, so it can be
resumed.
"""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path

import pandas as pd

from vswin.files import write_text
from vswin.project import experiments_dir, results_path
from vswin.runs.experiments import Library
from vswin.runs.identity import RunConfig
from vswin.runs.launch import available_cpus, launch, prepare
from vswin.runs.progress import progress
from vswin.runs.store import Store

GENERATOR_SEED = 1000
OUTPUT = experiments_dir() / "calibration_proxy.csv"

Dials = dict[str, float]
CANDIDATES: dict[str, Dials] = {
    "as the protocol says": {},
    "cleaner training": {"noise": 0.3},
    "cleaner training, bias tables near zero": {"noise": 0.3, "bias_std": 0.02},
    "cleaner training, higher learning rate": {"noise": 0.3, "lr": 8e-3},
}
ROWS = ("win8", "win16", "dim4")
"""Each candidate is tried on these rows: the baseline, the longest window, the shortest clip."""


def candidate(row_id: str, dials: Dials, seed: int) -> RunConfig:
    """A row of Table 5 under the protocol with `dials` changed, on the calibration's clips."""
    library = Library(experiments_dir())
    base = library.protocol("proxy").run_config(library.experiment("table5").row(row_id), seed)
    recipe = {k: v for k, v in dials.items() if hasattr(base.recipe, k)}
    data = {k: v for k, v in dials.items() if hasattr(base.data, k)}
    assert not dials.keys() - recipe.keys() - data.keys(), dials
    return dataclasses.replace(
        base,
        recipe=dataclasses.replace(base.recipe, **recipe),
        data=dataclasses.replace(base.data, generator_seed=GENERATOR_SEED, **data),
    )


def main() -> None:
    """Runs what is missing and writes the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=2, help="seeds for each (default: 2)")
    parser.add_argument("--jobs", type=int, default=available_cpus(), help="runs at a time")
    parser.add_argument("--output", type=Path, default=OUTPUT, help=f"default: {OUTPUT}")
    args = parser.parse_args()
    planned = [
        (name, dials, row, seed, candidate(row, dials, seed))
        for seed in range(args.seeds)
        for name, dials in CANDIDATES.items()
        for row in ROWS
    ]
    store = Store(results_path("results"), "calibration")
    with progress() as show:
        launch(prepare([config for *_, config in planned], store), args.jobs, on_poll=show)
    lines = []
    for name, dials, row, seed, config in planned:
        result = store.run(config.run_id).result()
        if result is None:
            continue
        lines.append(
            {
                "candidate": name,
                "dials": " ".join(f"{k}={v:g}" for k, v in dials.items()),
                "row": row,
                "seed": seed,
                "grid_top1": 100 * result["top1"],
                "training_difficulty_top1": 100 * result["in_distribution"]["top1"],
                "order_accuracy": 100 * result["in_distribution"]["order_accuracy"],
                "train_seconds": result["seconds"]["train"],
            }
        )
    table = pd.DataFrame(lines)
    write_text(args.output, table.to_csv(index=False, float_format="%.1f"))
    means = table.drop(columns="seed").groupby(["candidate", "row"], sort=False)
    print(means.mean(numeric_only=True).round(1).to_string())
    print(f"written: {args.output}")


if __name__ == "__main__":
    main()
