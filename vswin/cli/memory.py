"""`vswin cost --memory`: what a training step takes; of a table, beside the printed memory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from vswin.cli.costs import in_memory, model_and_clip
from vswin.cli.terminal import print_line, print_table
from vswin.costs.cache import memory_at
from vswin.costs.memory import ASSUMPTIONS, BYTES_PER_PARAMETER, TrainingMemory
from vswin.models.registry import presets
from vswin.report import Study, load_costs
from vswin.report.memory import METRIC
from vswin.report.order import order_in_words

GIB = 2**30


class Line(NamedTuple):
    """A row of a table, or a preset."""

    name: str
    input_size: tuple[int, int, int, int]
    memory: TrainingMemory
    printed: str | None
    suspicion: str = ""
    """The evidence against what is printed, if there is any."""


def print_memory(
    names: Sequence[str],
    batch: int | None,
    as_json: bool,
    frames: int | None,
    size: int | None,
    options: dict[str, Any],
) -> None:
    """Memory of a training step of presets and of the rows of tables.

    Args:
        names: of presets and tables.
        batch: clips in a step; None is what the papers train on at a time on one GPU.
        as_json: a list of objects in bytes, for programs.
        frames: of the clip, for presets; None is what the preset is meant for.
        size: its height and width in pixels; likewise.
        options: of `vswin.build_model`, for presets.

    Raises:
        UsageError: if a model computes activations again.
        ModelError: if there is no such model.
        ExperimentError: if a table's file is broken.
    """
    found: list[dict[str, Any]] = []
    for name in names:
        if name in presets():
            lines = [_of_preset(name, batch, frames, size, options)]
        else:
            lines = list(_of_table(load_costs(name), batch))
        if as_json:
            found += [_as_object(name, line) for line in lines]
        else:
            _print(name, lines)
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        print_line(ASSUMPTIONS)


def _of_preset(
    preset: str, batch: int | None, frames: int | None, size: int | None, options: dict[str, Any]
) -> Line:
    config, clip = model_and_clip(preset, frames, size, options)
    with in_memory(clip):
        return Line(preset, clip, memory_at(config, clip, batch), None)


def _of_table(study: Study, batch: int | None) -> Iterator[Line]:
    for row in [*study.distinct_rows, *study.counted_only]:
        memory = memory_at(row.model, row.input_size, batch)
        printed, suspicion = study.number(row.id, METRIC), study.suspicion(row.id, METRIC)
        yield Line(row.id, row.input_size, memory, printed, suspicion)


def _print(title: str, lines: Sequence[Line]) -> None:
    header = ("", "input", "n", "S", "A", f"{BYTES_PER_PARAMETER} P", "GiB", "printed")
    cells = [
        (
            line.name,
            "×".join(map(str, line.input_size[1:])),
            str(line.memory.batch),
            *(f"{b / GIB:.3f}" for b in (line.memory.saved, line.memory.scores)),
            f"{line.memory.parameters / GIB:.3f}",
            f"{line.memory.gib:.1f}",
            line.printed or "",
        )
        for line in lines
    ]
    print_table(f"{title}: memory of a training step, GiB", header, cells)
    printed = {line.name: float(line.printed) for line in lines if line.printed}
    if printed:
        ours = {line.name: line.memory.gib for line in lines}
        doubted = [line for line in lines if line.suspicion]
        order = order_in_words(printed, ours, [line.name for line in doubted])
        print_line(f"{order} Digits are not compared.")
        for line in doubted:
            print_line(f"Printed memory of {line.name} is {line.printed}. {line.suspicion}")


def _as_object(name: str, line: Line) -> dict[str, Any]:
    memory = line.memory
    return {
        "name": name,
        "row": None if name == line.name else line.name,
        "input_size": list(line.input_size),
        "batch": memory.batch,
        "saved_bytes_per_clip": memory.saved,
        "scores_bytes_per_clip": memory.scores,
        "params": memory.params,
        "parameters_bytes": memory.parameters,
        "total_bytes": memory.total,
        "gib": memory.gib,
        "printed": None if line.printed is None else float(line.printed),
    }
