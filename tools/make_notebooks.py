"""Writes notebooks/<table>.ipynb for every table that can be run, all from one template.

python tools/make_notebooks.py            writes what differs
python tools/make_notebooks.py --check    only says what differs; exit code 1 if anything does
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import nbformat

from vswin.experiments.library import Library
from vswin.files import write_text
from vswin.project import experiments_dir, notebooks_dir
from vswin.report import load_study

TEMPLATE = """\
%% markdown
# {title}

{section} of *Video Swin Transformer* (arXiv 2106.13230), the printed cells beside reproduced ones.
{note}
%% code parameters
protocol: str = "{protocol}"  # how rows are trained and tested, see `vswin list`
seeds: int = 1  # how many seeds, from 0 on
results_dir: str = "results"  # where runs are kept; a relative path counts from the project's root
jobs: int = 0  # runs at a time; 0 is one for each CPU core
run_missing: bool = {run_missing}  # train what is not on disk yet
%% code
import vswin

vswin.check_parameters(globals())
plan = vswin.plan_study("{table}", protocol, seeds, results_dir)
print(f"{{len(plan.runs)}} rows x seeds under protocol {{protocol}}: {{plan.protocol.title}}")
%% markdown
## Runs

Complete runs are read from disk; what is missing is trained {when}.
%% code
if run_missing:
    with vswin.progress() as show:
        vswin.run_study(plan, jobs, on_poll=show)
study = vswin.load_study("{table}", protocol, seeds, results_dir)
%% markdown
## The table
%% code
from vswin.report.page import display_table, make_page, markdown

page = make_page(study)
print("\\n".join(page.verdict))
display_table(study)
%% code
from IPython.display import Image, Markdown, display

files = vswin.write_report(study)
Image(str(files.png), width=900)
%% markdown
The rest of the report: the paper's claims, details of the runs, what differs from the paper, and
where the numbers come from.
%% code
for _section in page.sections[1:]:
    display(Markdown(markdown(_section)))
print(page.command)
%% code
print("written to", results_dir, *(path.name for path in vars(files).values()))
"""
"""Cells, each below a line that says its kind and its tags; with `str.format`'s placeholders."""

SMALL = {
    "protocol": "proxy",
    "run_missing": True,
    "when": "now",
    "note": """\
Costs are those of the paper's own model. Accuracies are what the protocol below trained; under the
embedded protocols they are not comparable with the printed ones.""",
}
"""What the template says for a table of the embedded benchmark."""
LARGE = {
    "protocol": "paper",
    "run_missing": False,
    "when": "only if `run_missing` says so",
    "note": """\
Accuracies need the paper's videos and GPUs: first `vswin run {table} --protocol paper`.
What was not run is shown as not run; costs are counted either way.""",
}
"""What it says for one that takes the paper's videos."""


def notebooks() -> dict[Path, str]:
    """Every notebook's path and what belongs in it."""
    library = Library(experiments_dir())
    return {
        notebooks_dir() / f"{table}.ipynb": notebook(table, library)
        for table in library.tables()
        if library.protocols_of(library.experiment(table))
    }


def notebook(table: str, library: Library) -> str:
    """A table's notebook as JSON."""
    experiment = library.experiment(table)
    words = SMALL if "proxy" in library.protocols_of(experiment) else LARGE
    words = words | {
        "table": table,
        "title": load_study(table).title,
        "section": f"Section {experiment.section}",
        "note": str(words["note"]).format(table=table),
    }
    return as_json(TEMPLATE.format(**words))


def as_json(text: str) -> str:
    """A notebook of the cells in `text`, each below its line of `%% kind tag tag ...`."""
    content = nbformat.v4.new_notebook(
        metadata={
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for number, cell in enumerate(text.removeprefix("%% ").split("\n%% ")):
        head, _, source = cell.partition("\n")
        kind, *tags = head.split()
        make = nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell
        metadata = {"tags": tags} if tags else {}
        made = make(source.rstrip("\n"), metadata=metadata, id=f"cell-{number:02}")
        content.cells.append(made)
    nbformat.validate(content)
    return nbformat.writes(content, version=4) + "\n"


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
