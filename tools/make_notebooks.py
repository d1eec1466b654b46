"""Writes notebooks/<table>.ipynb for every printed table with an experiment, and overview.ipynb.

python tools/make_notebooks.py            writes what differs
python tools/make_notebooks.py --check    only says what differs; exit code 1 if anything does

`vswin notebook` makes the notebook of an experiment that has none here, from the same template.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from vswin.experiments.library import Library
from vswin.files import write_text
from vswin.paper.printed import printed_table
from vswin.project import experiments_dir, notebooks_dir
from vswin.report.notebook_template import notebook_of, overview_notebook


def notebooks() -> dict[Path, str]:
    """Every notebook's path and what belongs in it."""
    library = Library(experiments_dir())
    found = {
        notebooks_dir() / f"{table}.ipynb": notebook_of(table, library)
        for table in library.tables()
        if printed_table(table)
    }
    return found | {notebooks_dir() / "overview.ipynb": overview_notebook()}


def main() -> None:
    """Writes or checks; says which notebooks differed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    made = notebooks()
    differing = [p for p, text in made.items() if not p.exists() or p.read_text() != text]
    for path in differing:
        if not check:
            write_text(path, made[path])
        print(f"{'differs' if check else 'written'}: {path}")
    sys.exit(bool(check and differing))


if __name__ == "__main__":
    main()
