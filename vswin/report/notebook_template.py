"""The notebook of a table or of an ablation of one's own: one template for all of them."""

from __future__ import annotations

import jinja2

from vswin.experiments.embedded import EmbeddedProtocol
from vswin.experiments.library import Library
from vswin.paper.printed import printed_table
from vswin.report.collect import title_of

PREFERRED = ("proxy", "paper")
"""Protocols that a notebook starts with where its experiment names none."""


def notebook_of(table: str, library: Library) -> str:
    """The notebook of an experiment, as JSON.

    Raises:
        UsageError: if there is no such experiment.
        ExperimentError: if its file is broken.
    """
    experiment, printed = library.experiment(table), printed_table(table)
    possible = library.protocols_of(experiment)
    wanted = [name for name in experiment.protocols or PREFERRED if name in possible]
    protocol = (wanted or possible or [*PREFERRED])[0]
    text = _template("notebook.py.j2").render(
        table=table,
        title=title_of(experiment, printed),
        printed=printed,
        awaits=experiment.awaits,
        distances=experiment.distances,
        protocol=protocol,
        small=isinstance(library.protocol(protocol), EmbeddedProtocol),
    )
    return _as_json(text)


def overview_notebook() -> str:
    """The notebook of the overview, as JSON."""
    return _as_json(_template("overview.py.j2").render())


def _template(name: str) -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vswin.report", "templates"),
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(name)


def _as_json(text: str) -> str:
    """A notebook of the cells in `text`, each below its line of `%% kind tag tag ...`."""
    import nbformat  # slow, and a notebook that is there does without

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
    return f"{nbformat.writes(content, version=4)}\n"
