"""`make bench`, or `python -m benchmarks [models|ways|profile|training|report]`.

Results are benchmarks/results/{cpu,cuda,ways,profile,training,report}.csv. Measure on a machine
that does nothing else.
"""

from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path

import torch

from benchmarks import models, profile, report, training, ways
from benchmarks.machine import RESULTS, about, write_table
from vswin.errors import VswinError

WHAT = ["models", "ways", "profile", "training", "report"]
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
    if args.case and args.output == RESULTS:
        parser.error("--case measures a part of the table; say where to with --output FOLDER")
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda: torch sees no GPU here")
    on = about(torch.device(args.device))  # before: what is measured is the code as it is now
    write = functools.partial(_write, on, args.output)
    try:
        if "ways" in what:
            write("ways", ways.run())
        if "profile" in what:
            write("profile", profile.run())
        if "training" in what:
            write("training", training.run(32, args.against))
        if "report" in what:
            write("report", report.run(args.runs, 5))
        if "models" in what:
            lines = models.run(args.case or list(known), args.pairs, args.device)
            write(args.device, lines)
    except (VswinError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _write(on: dict[str, object], folder: Path, name: str, lines: list[dict[str, object]]) -> None:
    write_table([on | line for line in lines], name, folder)


if __name__ == "__main__":
    sys.exit(main())
