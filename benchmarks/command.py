"""`make bench`, or `python -m benchmarks [WHAT ...]`, with `--help` for the list.

Results are benchmarks/results/{cpu,mvit,kernels,profile,training,decoding,report}.csv, of MViT also
mvit_kernels.csv and mvit_profile.csv; `page` makes the text of them (`benchmarks.page`). On a GPU
it is `python -m benchmarks cuda` that measures (`benchmarks.cuda`).
Measure on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import functools
import sys
from pathlib import Path

import torch

from benchmarks import decoding, kernels, models, page, profile, report, training
from benchmarks.machine import RESULTS, BenchmarkError, about, write_table
from benchmarks.models import MVIT_CASES

WHAT = ["kernels", "profile", "training", "decoding", "report", "models", "mvit", "page"]
BEFORE = "83677f5"
"""The commit before the work on speed, for the ratio of the proxy's training step."""


def main(argv: list[str] | None = None) -> int:
    """Measures and writes the tables, and the text; `argv` is that of the command by default."""
    parser = _parser()
    args = parser.parse_args(argv)
    _check(parser, args)
    on = about(torch.device("cpu"))  # before: what is measured is the code as it is now
    write = functools.partial(_write, on, args.output)
    try:
        for name in args.what or _all(args):
            if name == "kernels":
                write(name, kernels.run())
            elif name == "profile":
                write(name, profile.run())
            elif name == "training":
                write(name, training.run(32, args.against))
            elif name == "decoding":
                write(name, decoding.run())
            elif name == "report":
                write(name, report.run(args.runs, 5))
            elif name == "mvit":
                write("mvit_kernels", kernels.run(MVIT_CASES, kernels.MVIT_VARIANTS))
                write("mvit_profile", profile.run(MVIT_CASES))
                write(name, models.run_cases({c.name: c for c in MVIT_CASES}, args.pairs))
            elif name == "models":
                write("cpu", models.run(args.case or list(models.CASES), args.pairs))
            else:
                print("written:", *page.write(), sep="\n")
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Speed and memory: our model against torchvision's, training, reports.",
        epilog="All of it takes some 25 minutes. On a GPU: python -m benchmarks cuda --help.",
    )
    parser.add_argument(
        "what", nargs="*", choices=[*WHAT, []], help=f"{', '.join(WHAT)}; default: all"
    )
    parser.add_argument("--case", action="append", help="models: some cases only, by name")
    parser.add_argument(
        "--pairs", type=_at_least_one, help="models, mvit: turns of each model (default: by case)"
    )
    parser.add_argument("--against", default=BEFORE, help="training: commit to compare with")
    parser.add_argument("--runs", type=_at_least_one, default=1000, help="report: how many runs")
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder for the tables")
    return parser


def _check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Ends the program with one line if the arguments do not go together."""
    unknown = [name for name in args.case or [] if name not in models.CASES]
    if unknown:
        parser.error(f"unknown case {unknown[0]}; known: {', '.join(models.CASES)}")
    if args.case and args.output == RESULTS:
        parser.error("--case measures a part of the table; say where to with --output FOLDER")
    if "page" in args.what and args.output != RESULTS:
        parser.error("page is made of the tables in benchmarks/results; leave --output out")


def _all(args: argparse.Namespace) -> list[str]:
    """What is done if nothing is named."""
    return WHAT if args.output == RESULTS else WHAT[:-1]


def _at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _write(on: dict[str, object], folder: Path, name: str, lines: list[dict[str, object]]) -> None:
    write_table([on | line for line in lines], name, folder)
