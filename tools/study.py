"""Runs what is registered and not recorded yet: `python tools/study.py --results-dir DIR`.

Rows and seeds are those of experiments/preregistration.yaml, no fewer and no more; what the record
or DIR has already is left out, so that the same command goes on after a kill. All runs of a study
have one commit. Where later ones have changed the code since, run the code of that one:

    git worktree add ../study COMMIT
    python tools/study.py --results-dir ../runs --code ../study

`vswin record TABLE --results-dir DIR --output results/reference` takes the runs into the record,
and `--list` says what is missing.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from vswin.errors import UsageError, VswinError
from vswin.experiments.library import Library
from vswin.experiments.planning import first_runs
from vswin.experiments.preregistration import Preregistration, read_preregistration
from vswin.experiments.registered_runs import runs_of_row
from vswin.project import experiments_dir, preregistration_file, project_root, results_path
from vswin.runs.record import read_records
from vswin.runs.store import Store


@dataclasses.dataclass(frozen=True)
class Missing:
    """Rows of a table of which the same seeds are missing: one call of `vswin run`."""

    protocol: str
    table: str
    rows: tuple[str, ...]
    seeds: tuple[int, ...]

    def __str__(self) -> str:
        numbers = ", ".join(map(str, self.seeds))
        return f"{self.protocol} {self.table}: {', '.join(self.rows)}; seeds {numbers}"

    def words(self, results_dir: Path) -> list[str]:
        """The command."""
        words = [sys.executable, "-m", "vswin", "run", self.table, "--protocol", self.protocol]
        words += ["--results-dir", str(results_dir)]
        for row in self.rows:
            words += ["--row", row]
        for seed in self.seeds:
            words += ["--seed", str(seed)]
        return words


def missing(registered: Preregistration, record: Path, results_dir: Path) -> Iterator[Missing]:
    """What is registered and neither recorded nor complete, in the order of the file.

    Args:
        registered: whose rows and seeds.
        record: results folder with the record.
        results_dir: where runs are made.

    Raises:
        UsageError: if a row would be another run now than the registered one.
        StoreError: if what is recorded is not of this code's versions.
        DamagedFileError: if it cannot be read.
    """
    library = Library(experiments_dir())
    for study in registered.studies:
        protocol = library.protocol(study.protocol)
        known = {*read_records(Store(record, study.protocol)).runs}
        known |= {r.run_id for r in Store(results_dir, study.protocol) if r.result() is not None}
        for table, rows in study.tables.items():
            firsts = first_runs(library.experiment(table), protocol)
            by_seeds: dict[tuple[int, ...], list[str]] = {}
            for row, wanted in rows.items():
                runs = runs_of_row(f"{table}.{row}", wanted, firsts.get(row))
                if seeds := tuple(seed for seed, run in runs if run.run_id not in known):
                    by_seeds.setdefault(seeds, []).append(row)
                known.update(run.run_id for _, run in runs)  # another row's is not run twice
            for seeds, names in by_seeds.items():
                yield Missing(study.protocol, table, tuple(names), seeds)


def main(argv: Sequence[str] | None = None) -> int:
    """Reads the command line and runs what is missing; the exit code of the first that fails."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results-dir", type=Path, required=True, help="where runs are made")
    parser.add_argument("--record", default="results/reference", help="default: %(default)s")
    parser.add_argument("--code", type=Path, help="the clone whose code runs; default: this one")
    parser.add_argument("--list", action="store_true", help="say what is missing, and run nothing")
    args = parser.parse_args(argv)
    try:
        if (registered := read_preregistration(preregistration_file())) is None:
            raise UsageError(f"there is no {preregistration_file()}: nothing is registered")
        code = (args.code or project_root()).absolute()
        if not (code / "vswin").is_dir():
            raise UsageError(f"--code: {code} is no clone of vswin")
        results_dir = args.results_dir.absolute()
        calls = list(missing(registered, results_path(args.record), results_dir))
    except VswinError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    runs = sum(len(call.rows) * len(call.seeds) for call in calls)
    print(f"{runs} registered runs are missing", flush=True)
    for call in calls:
        print(call, flush=True)
        if not args.list:
            words, environment = call.words(results_dir), os.environ | {"PYTHONPATH": str(code)}
            try:
                done = subprocess.run(words, cwd=code, env=environment, check=False)
            except KeyboardInterrupt:  # the command has said how to go on
                return 130
            if done.returncode:
                return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
