"""`vswin distance`: how far away what each head attends to is (Figure A.6)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vswin.cli.options import ResultsOption, resumable, say_project
from vswin.cli.terminal import print_line, print_table
from vswin.errors import UsageError, unknown

if TYPE_CHECKING:
    from vswin.runs.distances import Head


def distance(
    name: Annotated[str, typer.Argument(help="A table that is about it (figureA6), or a preset.")],
    seeds: Annotated[
        int, typer.Option("--seeds", "-s", min=1, help="Of random weights, from 0 on.")
    ] = 1,
    weights: Annotated[
        list[Path] | None,
        typer.Option(
            "--weights", "-w", help="Trained weights in any public layout (repeat for several)."
        ),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            help="Rendered clips: digits, photographs, noise (default: for a table all of them)."
        ),
    ] = None,
    clips: Annotated[int, typer.Option(min=1, help="Clips of each kind.")] = 4,
    results_dir: ResultsOption = "results",
    as_json: Annotated[
        bool, typer.Option("--json", help="Of a preset, print every head as JSON.")
    ] = False,
) -> None:
    """Mean attention distance of every head and layer, from 0 to 1, the longest there is.

    Of a table, what is not measured yet is, and kept in the results folder for `vswin report`. Of
    a preset, it is printed, at initialization (seed 0) or of trained weights.
    """
    from vswin.experiments.library import Library
    from vswin.models.registry import presets
    from vswin.project import experiments_dir

    say_project(quiet=as_json)
    files = [path.expanduser() for path in weights or ()]
    tables = Library(experiments_dir()).tables()
    if name in tables:
        if as_json:
            raise UsageError(f"--json is for presets; what is measured of {name} is in a CSV file")
        _of_table(name, seeds, results_dir, kind, files, clips)
    elif name in presets():
        kinds = kind or ["digits"]
        if seeds != 1 or len(kinds) > 1 or len(files) > 1:
            raise UsageError(f"{name} is a preset: one seed, one kind of clips, one --weights")
        _of_preset(name, kinds[0], files, clips, as_json)
    else:
        raise unknown("preset or table", name, [*presets(), *tables])


def _of_table(
    table: str,
    seeds: int,
    results_dir: str,
    kinds: list[str] | None,
    weights: list[Path],
    clips: int,
) -> None:
    from vswin.cli.videos import progress_bar
    from vswin.data.sample_videos import SAMPLE_KINDS
    from vswin.launch.distances import measure_distances
    from vswin.runs.distances import span

    with resumable(), progress_bar("clips", True) as show:
        record = measure_distances(
            table, seeds, results_dir, kinds or SAMPLE_KINDS, weights, clips, show
        )
    lines = [(*measured, *_texts(span(heads))) for measured, heads in record.read().items()]
    print_table(table, ("row", "weights", "clips", "lowest", "highest", "range"), lines, names=3)
    print_line(f"written: {record.csv}")


def _of_preset(preset: str, kind: str, weights: list[Path], clips: int, as_json: bool) -> None:
    from vswin.data.sample_videos import SAMPLE_KINDS
    from vswin.evaluation.public import model_of
    from vswin.launch.distances import differences, initialised, measure
    from vswin.models.registry import resolve_config
    from vswin.runs.distances import span

    if kind not in SAMPLE_KINDS:
        raise unknown("kind of clips", kind, SAMPLE_KINDS)
    title = preset
    if weights:
        model, checkpoint = model_of(weights[0])
        if checkpoint.found.base != preset:
            raise UsageError(f"--weights {weights[0]} is of {checkpoint.found.base}, not {preset}")
        others = differences(model.config, resolve_config(preset))
        said = [f"{name}={value!r}" for name, value in others.items() if name != "num_classes"]
        title += f", but with {', '.join(said)}" if said else ""
    else:
        model = initialised(resolve_config(preset), seed=0)
    heads = measure(model, kind, clips)
    if as_json:
        print(json.dumps([head._asdict() for head in heads]))
        return
    of_layer: dict[int, list[Head]] = {}
    for head in heads:
        of_layer.setdefault(head.layer, []).append(head)
    lines = [(str(layer), str(len(of)), *_texts(span(of))) for layer, of in of_layer.items()]
    print_table(title, ("layer", "heads", "lowest", "highest", "range"), lines)
    print_line("all: lowest {}, highest {}, range {}".format(*_texts(span(heads))))


def _texts(found: tuple[float, float]) -> Sequence[str]:
    low, high = found
    return [f"{value:.4f}" for value in (low, high, high - low)]
