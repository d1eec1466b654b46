"""The power that a study would have: `python tools/power.py experiments/calibration_proxy*.csv`.

Reads tables of pilot runs, as tools/calibrate_proxy.py writes them: a line for each run with its
`row` (such as table4.split), `seed` and `grid_top1`, and `easiest_top1`, `order_accuracy` or
`stills_accuracy` where a claim is about those. Prints, for each claim that the embedded benchmark
tests, each step's mean difference in the pilot, its spread over paired seeds, and the verdict that
is likeliest if both are the truth, with its chance at each number of seeds. From that the numbers
of seeds in the preregistration are chosen, before any run of the record.

    python tools/power.py experiments/calibration_proxy.csv --steps 1800 --seeds 12 16 20

A pilot's spread is itself known badly: that of six seeds may be less than half of the true one.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from vswin.errors import UsageError, VswinError
from vswin.experiments.library import Library
from vswin.experiments.planning import first_runs
from vswin.experiments.preregistration import is_tested_on_clips
from vswin.paper.claims import Claim
from vswin.project import experiments_dir
from vswin.report.claims.deciding import chances, rule_of
from vswin.report.claims.judging import all_claims, steps_of
from vswin.report.statistics import standard_deviation

COLUMNS = {
    "top1": "grid_top1",
    "easiest": "easiest_top1",
    "order": "order_accuracy",
    "stills": "stills_accuracy",
}
"""By what a claim compares."""


def read_pilot(paths: Sequence[Path], steps: int | None) -> pd.DataFrame:
    """The lines of all tables, of one length of training.

    Raises:
        UsageError: if a table cannot be read, lacks a column, or has several lengths.
    """
    try:
        pilot = pd.concat([pd.read_csv(path) for path in paths], ignore_index=True)
    except (OSError, ValueError) as error:
        raise UsageError(f"a table cannot be read: {error}") from error
    if missing := [name for name in ("row", "seed", "grid_top1") if name not in pilot]:
        raise UsageError(f"{', '.join(map(str, paths))}: no column {missing[0]}")
    if "steps" in pilot:
        known = sorted({int(n) for n in pilot["steps"]})
        if steps is None and len(known) > 1:
            raise UsageError(f"several lengths of training; say --steps, one of {known}")
        pilot = pilot if steps is None else pilot[pilot["steps"] == steps]
    if pilot.empty:
        raise UsageError(f"no runs of {steps} steps" if steps else "no runs")
    return pilot


def same_runs(library: Library, protocol: str) -> dict[str, list[str]]:
    """The names under which a row's runs may stand: its own, and those of rows that share them."""
    by_run: dict[str, list[str]] = {}
    for table in library.tables():
        if not library.why_not(library.experiment(table), protocol):
            runs = first_runs(library.experiment(table), library.protocol(protocol))
            for row, run in runs.items():
                by_run.setdefault(run.run_id, []).append(f"{table}.{row}")
    return {name: names for names in by_run.values() for name in names}


def measured(
    claim: Claim, pilot: pd.DataFrame, names: Mapping[str, list[str]]
) -> dict[str, dict[int, float]]:
    """What the pilot measured for a claim, by row and seed; empty where it did not."""
    found = {}
    for ref in claim.rows:
        name = f"{claim.table_of(ref)}.{ref.rpartition('.')[2]}"
        lines = pilot[pilot["row"].isin(names.get(name, [name]))]
        column = COLUMNS[claim.metric]
        found[ref] = {
            int(seed): float(value)
            for seed, value in zip(lines["seed"], lines.get(column, ()), strict=False)
            if not math.isnan(value)
        }
    return found


def lines_of(
    claims: Sequence[Claim], pilot: pd.DataFrame, names: Mapping[str, list[str]], seeds: list[int]
) -> Iterator[dict[str, object]]:
    """What is printed: a line for each step of each claim; the chances are those of the claim."""
    for claim in claims:
        if claim.metric not in COLUMNS or not is_tested_on_clips(claim):
            continue
        values = measured(claim, pilot, names)
        common = sorted(set.intersection(*(set(by_seed) for by_seed in values.values())))
        if len(common) < 2:
            yield {"claim": claim.id, "step": "fewer than two paired seeds in the pilot"}
            continue
        steps = steps_of(claim, values, tuple(common))
        truth = [(s.interval.mean, standard_deviation([*s.by_seed.values()])) for s in steps]
        rule = rule_of(claim.kind, claim.margin("clips"), claim.bounds)
        verdicts = chances(rule, truth, max(seeds))
        likeliest = max(verdicts, key=lambda verdict: verdicts[verdict])
        at = {f"n={n}": f"{chances(rule, truth, n)[likeliest]:.2f}" for n in seeds}
        for number, (step, (mean, sd)) in enumerate(zip(steps, truth, strict=True)):
            line: dict[str, object] = {
                "claim": claim.id if number == 0 else "",
                "step": step.label,
                "difference": f"{mean:+.2f}" if step.second else f"{mean:.2f}",
                "sd": f"{sd:.2f}",
                "pairs": str(len(common)),
            }
            yield line | ({"likeliest": likeliest, **at} if number == 0 else {})


def main(argv: Sequence[str] | None = None) -> int:
    """Reads the command line and prints the table; 0 if all is done."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pilot", type=Path, nargs="+", help="tables of runs, as CSV")
    parser.add_argument("--steps", type=int, help="only runs of that many steps")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[12, 16, 20], help="default: 12 16 20"
    )
    parser.add_argument("--protocol", default="proxy", help="default: %(default)s")
    args = parser.parse_args(argv)
    library = Library(experiments_dir())
    try:
        pilot, names = read_pilot(args.pilot, args.steps), same_runs(library, args.protocol)
        claims = [claim for _, claim in all_claims(library)]
        table = pd.DataFrame([*lines_of(claims, pilot, names, args.seeds)])
    except VswinError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(table.fillna("").to_string(index=False))
    return 0


if __name__ == "__main__":
    sys.exit(main())
