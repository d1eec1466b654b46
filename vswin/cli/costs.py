"""`vswin cost`: counted costs of a preset; of a table, beside the printed ones if there are any."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from vswin.cli.terminal import print_line, print_table
from vswin.costs.cache import Size
from vswin.costs.counting import Rule
from vswin.errors import UsageError
from vswin.report import Study, inference, load_costs
from vswin.report.compare import COSTS, UNITS
from vswin.report.sections import unfounded

if TYPE_CHECKING:  # only --peers needs it
    from vswin.costs.peers.counting import PeerCost
    from vswin.report.doubts.peers import Counts, Question


def print_table_cost(table: str, rule: Rule | None) -> None:
    """Every printed cost of a table beside the counted one; where none is printed, those of ours.

    Without a rule, costs are counted by that of the table's paper.

    Raises:
        UsageError: if there is no such rule.
        ExperimentError: if the table's file is broken.
    """
    study = load_costs(table)
    if study.cost_lines(rule):
        _print_beside_printed(study, rule)
    else:
        _print_counted(study, rule)
    if study.test_clips:
        print_table(inference.TITLE, inference.header(study), inference.lines(study, rule))


def _print_beside_printed(study: Study, rule: Rule | None) -> None:
    lines = []
    for cell in study.cost_lines(rule):
        texts = (cell[name] for name in ("row", "metric", "printed"))
        counted, why = f"{cell['counted']:.3f}", cell["evidence"]
        if cell["logged"]:
            why = f"{counted}, {cell['logged']}, {cell['ours']}: rounded twice"
        lines.append((*texts, counted, cell["status"], why))
    header = ("row", "metric", "printed", "counted", "status", "evidence")
    print_table(f"{study.name}, rule {rule or study.rules_in_words}", header, lines, names=2)
    for words in unfounded(study):
        print_line(words)
    if study.prints("memory"):
        print_line(f"Printed memory beside a model of it: vswin cost {study.name} --memory")


def _print_counted(study: Study, rule: Rule | None) -> None:
    header = ("row", *(f"{title}, {UNITS[metric]}" for metric, title in COSTS.items()))
    lines = [
        (row.id, *(f"{study.counted(row.id, metric, rule):.3f}" for metric in COSTS))
        for row in study.rows
    ]
    print_table(f"{study.name}, rule {rule or study.rules_in_words}", header, lines)


def print_peer_costs(tables: list[str]) -> None:
    """Printed costs of tables' other systems beside counts of their models, made anew.

    A model whose library is not installed has the count that the project keeps, and a line on
    stderr says so.

    Raises:
        UsageError: if a table has no other system whose model can be built.
    """
    from vswin.paper.peers import read_peers
    from vswin.paper.printed import printed_table
    from vswin.report.doubts.cells import counted_peers
    from vswin.report.doubts.peers import questions

    known = sorted({row.split(".")[0] for model in read_peers().models for row in model.rows})
    for table in tables:  # all of them before the first is counted
        if table not in known:
            raise UsageError(f"{table} has no other system to count; tables: {', '.join(known)}")
    counts = _counts_of_peers(questions(tuple(tables)))
    for table in tables:
        printed = printed_table(table)
        assert printed is not None  # or no model would stand for its rows
        lines = [
            (row.id, column.id, row.cells[column.id], found.status, found.evidence)
            for row, column, found in counted_peers(printed, counts)
        ]
        header = ("row", "metric", "printed", "status", "evidence")
        print_table(f"{table}, other systems", header, lines, names=2)


def _counts_of_peers(questions: Iterable[Question]) -> Counts:
    """Counts anew, as far as libraries are installed; of the others those that are kept."""
    from vswin.costs.peers.counting import count_peer
    from vswin.costs.peers.libraries import MissingLibraryError
    from vswin.paper.peers import read_peers
    from vswin.report.doubts.peers import FILE, read_counts

    models, kept = {model.id: model for model in read_peers().models}, read_counts()
    found: dict[Question, PeerCost] = {}
    missing: dict[str, list[str]] = {}
    for each in questions:
        print(f"counting {each.model} with {each.classes} classes", file=sys.stderr)
        try:
            found[each] = count_peer(models[each.model], each.classes)
        except MissingLibraryError as error:
            missing.setdefault(str(error), []).append(each.model)
            if each in kept:
                found[each] = kept[each]
    for why, names in missing.items():
        said = ", ".join(dict.fromkeys(names))
        print(f"not counted anew, but as kept in {FILE}: {said}; {why}", file=sys.stderr)
    return found


def print_preset_cost(
    preset: str, rule: Rule | None, frames: int | None, size: int | None, options: dict[str, Any]
) -> None:
    """What a preset with some options costs for one clip, and by which operators.

    Args:
        preset: a name of `vswin.models.registry`.
        rule: what is counted; None is as its authors count.
        frames: of the clip; None is what the preset is meant for.
        size: its height and width in pixels; likewise.
        options: of `vswin.build_model`.

    Raises:
        UsageError: if there is no such rule, or the clip is none or too large to be counted.
        ModelError: if there is no such model.
    """
    import torch

    from vswin import cost as count
    from vswin.models.registry import build, presets

    family = presets()[preset]
    config, clip = model_and_clip(preset, frames, size, options)
    rule = rule or family.rule
    with in_memory(clip):
        with torch.device("meta"):
            model = build(config)
        found = count(model, clip, rule=rule)
    words = [" ".join(family.slug(config, clip[1]))]
    words += [f"{name}={getattr(config, name)}" for name in options]
    words += ["×".join(map(str, clip[1:])), f"rule {rule}"]
    print_line(
        f"{preset}, {', '.join(words)}: "
        f"{found.gflops:.3f} G multiply-accumulates, {found.params:,} parameters"
    )
    for operator, value in found.by_operator.items():
        if value:
            print_line(f"  {operator:<15} {value / 1e9:10.3f} G")


def model_and_clip(
    preset: str, frames: int | None, size: int | None, options: dict[str, Any]
) -> tuple[Any, Size]:
    """The configuration of a preset with some options, and the (C, T, H, W) of its clips.

    Args:
        preset: a name of `vswin.models.registry`.
        frames: of the clip; None is what the model is meant for.
        size: its height and width in pixels; likewise.
        options: of `vswin.build_model`.

    Raises:
        UsageError: if the options say other frames or pixels.
        ModelError: if there is no such model.
    """
    from vswin.models.registry import presets, resolve_config

    family = presets()[preset]
    usual = family.natural_clips(resolve_config(preset, **options))
    frames = usual.frames if frames is None else frames
    size = usual.size if size is None else size
    fitting = family.clip_options(frames, size)
    for name in options.keys() & fitting.keys():
        if options[name] != fitting[name]:
            raise UsageError(
                f"--set {name}={options[name]} contradicts --frames or --size, by which it is "
                f"{fitting[name]}"
            )
    config = resolve_config(preset, **options | fitting)
    return config, (config.in_channels, frames, size, size)


@contextlib.contextmanager
def in_memory(clip: Size) -> Iterator[None]:
    """Says that a model, or its clip of (C, T, H, W), was too large for what was done with it.

    Raises:
        UsageError: if memory was not enough.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        words = ("memory", "overflow")  # of a tensor that has more elements than can be numbered
        if not isinstance(error, MemoryError) and not any(w in str(error).lower() for w in words):
            raise
        frames, size = clip[1], "×".join(map(str, clip[2:]))
        raise UsageError(
            f"{frames} frames of {size}, or the model itself, are more than fits into this "
            "machine's memory"
        ) from error
