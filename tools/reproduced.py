"""Whether runs that were made again are the recorded ones: `python tools/reproduced.py DIR`.

Train and record some rows again, with the environment of another machine or processor if you like:

    vswin run table4 --row joint --row split --protocol proxy --seeds 3 --results-dir again
    vswin record table4 --protocol proxy --results-dir again --output again/record
    python tools/reproduced.py again/record --called "a fresh clone, the same machine"

Prints a line for each run that is in both records: whether the training curve is the same to the
six digits that a record keeps, how many of the test clips are ranked differently, and how far top-1
is off. `--keep` adds the lines to `reproduced.csv` of the record, in place of those of that name.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from vswin.errors import UsageError, VswinError
from vswin.files import write_text
from vswin.project import results_path
from vswin.report.overview.repeated import FILE
from vswin.runs.record import RunRecord, read_curves, read_predictions, read_records, read_runs
from vswin.runs.store import Store

TIMES = ("clips_per_second", "train_seconds")
"""Columns of a curve that are another each time."""


def compared(record: Path, again: Path, called: str) -> Iterator[dict[str, object]]:
    """A line for each run that two records have, by protocol, table and id.

    Raises:
        DamagedFileError: if a record's files cannot be read or do not belong together.
        StoreError: if a run is not of this code's versions.
    """
    for folder in sorted(again.glob("*/record/*")):
        there = read_records(Store(record, folder.parents[1].name))
        first, curves, ranks = there.runs, there.curves, there.predictions
        second, curves_again = read_runs(folder), read_curves(folder)
        ranks_again = read_predictions(folder)
        for run_id in sorted(first.keys() & second.keys()):
            names = sorted(ranks[run_id].keys() & ranks_again[run_id].keys())
            differ = [ranks[run_id][name] != ranks_again[run_id][name] for name in names]
            yield {
                "called": called,
                "protocol": folder.parents[1].name,
                "table": folder.name,
                "run": run_id,
                "same_curve": _figures(curves[run_id]) == _figures(curves_again[run_id]),
                "clips": len(differ[0]),
                "clips_that_differ": int(np.any(differ, axis=0).sum()),
                "top1": f"{_top1(first[run_id]):.4f}",
                "top1_again": f"{_top1(second[run_id]):.4f}",
                "difference": f"{_top1(second[run_id]) - _top1(first[run_id]):+.4f}",
                "commit": _said(first[run_id], "commit")[:12],
                "commit_again": _said(second[run_id], "commit")[:12],
                "processor": _said(first[run_id], "device"),
                "processor_again": _said(second[run_id], "device"),
            }


def _figures(curve: Sequence[dict[str, object]]) -> list[dict[str, object]]:
    """What was learnt, without how fast."""
    return [{n: v for n, v in entry.items() if n not in TIMES} for entry in curve]


def _top1(run: RunRecord) -> float:
    """In %."""
    return 100 * run.result.metrics["top1"]


def _said(run: RunRecord, name: str) -> str:
    return str(run.provenance.get(name, ""))


def main(argv: Sequence[str] | None = None) -> int:
    """Reads the command line, prints the comparison; 1 if a run differs, 0 if all are the same."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("again", type=Path, help="a folder that `vswin record --output` wrote")
    parser.add_argument("--record", default="results/reference", help="default: %(default)s")
    parser.add_argument("--called", required=True, help="what was other the second time")
    parser.add_argument("--keep", action="store_true", help=f"add the lines to the record's {FILE}")
    args = parser.parse_args(argv)
    record = results_path(args.record)
    try:
        lines = pd.DataFrame([*compared(record, args.again, args.called)])
        if lines.empty:
            raise UsageError(f"no run of {args.again} is in {record}, too; `vswin record` both")
        if args.keep:
            keep(record / FILE, lines)
    except VswinError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(lines.drop(columns=["called", "protocol"]).to_string(index=False))
    same = lines["same_curve"] & (lines["clips_that_differ"] == 0)
    apart = lines["difference"].astype(float)
    print(
        f"{same.sum()} of {len(lines)} runs are the same; top-1 at most {apart.abs().max():.2f} "
        f"points apart, root mean square {np.sqrt((apart**2).mean()):.2f}"
    )
    return 0 if same.all() else 1


def keep(path: Path, lines: pd.DataFrame) -> None:
    """Writes the lines to a table, in place of those that are called the same.

    Raises:
        NotWritableError: if that cannot be done.
    """
    before = pd.read_csv(path, dtype=str) if path.exists() else pd.DataFrame()
    if not before.empty:
        before = before[~before["called"].isin(lines["called"])]
    write_text(path, pd.concat([before, lines.astype(str)]).to_csv(index=False))


if __name__ == "__main__":
    sys.exit(main())
