"""`vswin new` and `vswin data split`: an experiment and a dataset of one's own."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from vswin.cli.options import DataFileOption, say_project, use_data_file
from vswin.errors import UsageError
from vswin.extras import require_extra


def new(
    name: Annotated[str, typer.Argument(help="What it is called: letters, digits and _.")],
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Fine-tune a published model on this dataset (default: an ablation on Moving "
            "Digits)."
        ),
    ] = None,
    preset: Annotated[str, typer.Option(help="The model of its rows.")] = "swin_t",
    data_file: DataFileOption = None,
) -> None:
    """Write an experiment of your own and its notebook; both are there to be changed."""
    from vswin.data.data_file import load_sources
    from vswin.errors import unknown
    from vswin.experiments.library import Library
    from vswin.experiments.new import experiment_text
    from vswin.files import write_text
    from vswin.models.registry import presets
    from vswin.project import notebooks_dir, project_root
    from vswin.report.notebook_template import notebook_of

    say_project()
    require_extra("notebooks")
    use_data_file(data_file)
    if not re.fullmatch(r"[A-Za-z0-9_]+", name):
        raise UsageError(f"{name!r} is no name of an experiment; wanted letters, digits and _")
    if preset not in presets():
        raise unknown("preset", preset, presets())
    experiments = project_root() / "experiments"  # never those of the package
    written = (experiments / f"{name}.yaml", notebooks_dir() / f"{name}.ipynb")
    for path in written:
        if path.exists():
            raise UsageError(f"{path} is there; choose another name, or remove it")
    library = Library(experiments)
    write_text(written[0], experiment_text(name, dataset, preset, load_sources(), library))
    write_text(written[1], notebook_of(name, library))
    protocol = "smoke" if dataset is None else "finetune"
    print(f"{written[0]}\n{written[1]}\nnext: vswin list {name} --protocol {protocol}")


def split(
    dataset: Annotated[str, typer.Argument(help="A dataset of your own with `all` in data.yaml.")],
    test: Annotated[float, typer.Option(help="Share of each class's clips to test on.")] = 0.2,
    validation: Annotated[
        float, typer.Option(help="Likewise for early stopping; 0: no such split.")
    ] = 0.1,
    seed: Annotated[int, typer.Option(min=0, help="Of the order of the clips.")] = 0,
    together: Annotated[
        str | None,
        typer.Option(
            help="Pattern with one group, such as '(person\\d+)': clips in whose names it finds "
            "the same come into one split."
        ),
    ] = None,
    data_file: DataFileOption = None,
) -> None:
    """Draw a dataset's splits once and write them to a file, which is read from then on."""
    from collections import Counter

    from vswin.cli.terminal import print_table
    from vswin.data.data_file import SPLITS, load_sources
    from vswin.data.datasets import class_names
    from vswin.data.listed import listed_whole
    from vswin.data.splitting import split_videos, write_split

    say_project()
    use_data_file(data_file)
    sources = load_sources()
    whole = listed_whole(sources, dataset)
    splits = split_videos(whole, test, validation, seed, together)
    path = sources.split_file(dataset)
    words = f"Drawn by: vswin data split {dataset} --test {test:g} --validation {validation:g}"
    words += f" --seed {seed}" + (f" --together {together!r}" if together else "")
    write_split(path, whole, splits, sources.root(dataset), words)
    counts = Counter(zip((video.label for video in whole.videos), splits, strict=True))
    lines = [
        (name, *(f"{counts[label, split]:,}" for split in SPLITS))
        for label, name in enumerate(class_names(dataset))
    ]
    lines.append(("all", *(f"{splits.count(split):,}" for split in SPLITS)))
    print_table(f"{dataset}: clips", ("class", *SPLITS), lines)
    print(f"{path}\nnext: vswin data check {dataset}")
