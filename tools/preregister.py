"""Writes experiments/preregistration.yaml: `python tools/preregister.py --seeds 12`.

From the claims, the protocols and the experiments as they are. To be run, and its file committed,
before the first run of the record; from then on every run notes the file's digest. By default all
tables that protocol `proxy` can run are registered under it, and its sensitivity studies with the
tables of the temporal task (and those of the other task where they can run them):

    python tools/preregister.py --seeds 12 --more table5.win8=16 table5.win16=16 \
        --sensitivity proxy_speed2=4 proxy_half=4 --sensitivity-tables table4 table5 table6
"""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Sequence

from vswin.errors import UsageError, VswinError
from vswin.experiments.library import Library
from vswin.experiments.preregistration import Plan, as_yaml, register
from vswin.files import write_text
from vswin.project import experiments_dir, preregistration_file
from vswin.report.statistics import LEVEL


def main(argv: Sequence[str] | None = None) -> int:
    """Writes the file; 0 if it is there."""
    args = _arguments(argv)
    library = Library(experiments_dir())
    try:
        if preregistration_file().exists():
            raise UsageError(
                f"{preregistration_file()} is there; runs that carry its digest rest on it: remove "
                "it only if there are none"
            )
        variations = library.variations(args.protocol)
        varied = dict(args.sensitivity) or dict.fromkeys(variations, args.sensitivity_seeds)
        tables = args.tables or _possible(library, args.protocol, library.tables())
        plans = [Plan(args.protocol, tuple(tables), args.seeds, dict(args.more))]
        for name, seeds in varied.items():
            of_it = _possible(library, name, args.sensitivity_tables or tables)
            plans.append(Plan(name, tuple(of_it), seeds))
        now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)
        found = register(library, plans, now, LEVEL)
    except VswinError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    write_text(preregistration_file(), as_yaml(found))
    for study in found.studies:
        runs = {row.first: row.seeds for rows in study.tables.values() for row in rows.values()}
        print(f"{study.protocol}: {len(runs)} distinct rows, {sum(runs.values())} runs")
    print(f"{len(found.claims)} claims; written: {preregistration_file()}")
    print("commit it before the first run of the record")
    return 0


def _possible(library: Library, protocol: str, tables: list[str]) -> list[str]:
    return [t for t in tables if not library.why_not(library.experiment(t), protocol)]


def _counted(text: str) -> tuple[str, int]:
    """A name and a number, from `name=12`."""
    name, _, number = text.partition("=")
    return name, _seeds(number)


def _seeds(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: wanted a number of seeds, 1 or more")
    return int(text)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--protocol", default="proxy", help="it decides (default: %(default)s)")
    parser.add_argument("--tables", nargs="+", help="default: all that the protocol can run")
    parser.add_argument(
        "--seeds", type=_seeds, default=12, help="of every row (default: %(default)s)"
    )
    parser.add_argument(
        "--more",
        nargs="+",
        type=_counted,
        default=[],
        metavar="ROW=N",
        help="rows with more, as table5.win8=16",
    )
    parser.add_argument(
        "--sensitivity",
        nargs="+",
        type=_counted,
        default=[],
        metavar="PROTOCOL=N",
        help="sensitivity studies and their seeds (default: all that vary the protocol)",
    )
    parser.add_argument(
        "--sensitivity-seeds",
        type=_seeds,
        default=4,
        help="where they are not said (default: %(default)s)",
    )
    parser.add_argument(
        "--sensitivity-tables", nargs="+", help="their tables (default: all that they can run)"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
