"""`make bench`, or `python -m benchmarks [models|profile|training|report]`.

Results are benchmarks/results/{cpu,cuda,profile,training,report}.csv. Measure on a machine that
does nothing else.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from benchmarks import models, profile, report, training
from benchmarks.machine import RESULTS, about, write_table
from vswin.errors import VswinError

WHAT = ["models", "profile", "training", "report"]
BEFORE = "83677f5"
"""The commit before the work on speed, for the ratio of the proxy's training step."""


def main() -> int:
    """Measures and writes the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Speed and memory: our model against torchvision's, training, reports.",
    )
    parser.add_argument(
        "what", nargs="*", choices=[*WHAT, []], help=f"{', '.join(WHAT)}; default: all"
    )
    parser.add_argument("--case", action="append", help="models: some cases only, by name")
    parser.add_argument("--pairs", type=int, help="models: turns of each model (default: by case)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu", help="models: where")
    parser.add_argument("--against", default=BEFORE, help="training: commit to compare with")
    parser.add_argument("--runs", type=int, default=1000, help="report: how many runs")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder for the tables")
    args = parser.parse_args()
    what = args.what or WHAT
    known = models.cases(args.device)
    unknown = [name for name in args.case or [] if name not in known]
    if unknown:
        parser.error(f"unknown case {unknown[0]}; known: {', '.join(known)}")
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch sees no GPU here")
    try:
        if "models" in what:
            device = torch.device(args.device)
            lines = models.run(args.case or list(known), args.pairs, args.device)
            write_table([about(device) | line for line in lines], args.device, args.output)
        if "profile" in what:
            _write(profile.run(), "profile", args.output)
        if "training" in what:
            _write(training.run(32, args.against), "training", args.output)
        if "report" in what:
            _write(report.run(args.runs, 5), "report", args.output)
    except (VswinError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _write(lines: list[dict[str, object]], name: str, folder: Path) -> None:
    write_table([about(torch.device("cpu")) | line for line in lines], name, folder)


if __name__ == "__main__":
    sys.exit(main())
