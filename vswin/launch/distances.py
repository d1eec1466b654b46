"""Measuring the attention distances that a table (Figure A.6) lacks, model by model."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vswin.data.sample_videos import SAMPLE_KINDS, SampleKind, sample_clips
from vswin.errors import UsageError, unknown
from vswin.evaluation.public import model_of
from vswin.experiments.library import Library
from vswin.experiments.tables import Experiment
from vswin.models.attention_distance import MEASURES, attention_distances
from vswin.models.registry import build, family_of, initialise_, presets
from vswin.project import experiments_dir, results_path
from vswin.runs.distances import FORMAT, DistanceRecord, Head, Measured
from vswin.runs.provenance import provenance

CLIPS = 4
"""Clips of each kind that a distance is the mean over."""
FREE = (
    *("num_classes", "window_size", "kv_pool_last_stage", "pool_norm_eps"),
    *("drop_path", "head_dropout", "activation_checkpointing"),
)
"""In what trained weights may differ from a row's model and still be measured as it: published
files of MViT pool keys and values of the last stage, too, and Swin's have two sizes of windows."""


@dataclasses.dataclass(frozen=True)
class _Group:
    """A model to be measured on the clips of a kind."""

    measured: Measured
    make: Callable[[], Any]
    """The model with its weights."""

    @property
    def kind(self) -> SampleKind:
        return self.measured.clips  # type: ignore[return-value]


def measure_distances(
    table: str,
    seeds: int = 1,
    results_dir: str | Path = "results",
    kinds: Sequence[str] = SAMPLE_KINDS,
    weights: Sequence[Path] = (),
    clips: int = CLIPS,
    on_clip: Callable[[int, int], None] = lambda done, clips: None,
) -> DistanceRecord:
    """Measures what is not on disk yet; each model is written when it is done.

    Rows whose weights are random are measured with seeds from 0 on; rows with trained weights, with
    the files that are given.

    Args:
        table: an experiment.
        seeds: how many.
        results_dir: a relative one counts from the project's root.
        kinds: of clips, see `vswin.data.sample_videos`.
        weights: checkpoints in any public layout; each belongs to the row of its preset.
        clips: of each kind.
        on_clip: told how many clips are done, of how many.

    Raises:
        UsageError: if a name is unknown, the table is not about distances, no row is for a file, a
            file is of another model than its row, or what is on disk was measured with other
            settings.
        WeightsError: if a file is no checkpoint of a video model.
        NotWritableError: if the results folder cannot be written.
    """
    if seeds < 1 or clips < 1:
        raise UsageError(f"{seeds} seeds, {clips} clips: wanted at least one of each")
    for kind in kinds:
        if kind not in SAMPLE_KINDS:
            raise unknown("kind of clips", kind, SAMPLE_KINDS)
    experiment = Library(experiments_dir()).experiment(table)
    record = DistanceRecord(results_path(results_dir), table)
    if not experiment.distances:
        raise UsageError(
            f"{table} is not about attention distances; its file has no distances: true"
        )
    about = _about(record, experiment, clips)
    groups = [*_at_start(experiment, seeds, kinds), *_trained(experiment, weights, kinds)]
    present = record.read()
    missing = [group for group in groups if group.measured not in present]
    for number, group in enumerate(missing):

        def tell(done: int, before: int = number * clips) -> None:
            on_clip(before + done, len(missing) * clips)

        record.add(group.measured, measure(group.make(), group.kind, clips, tell), about)
    return record


def measure(
    model: nn.Module,
    kind: SampleKind,
    clips: int = CLIPS,
    on_clip: Callable[[int], None] = lambda done: None,
) -> list[Head]:
    """The distances of every head, mean over rendered clips.

    Args:
        model: from `vswin.build_model`.
        kind: of the clips.
        clips: how many.
        on_clip: told how many are done.

    Raises:
        ModelError: if the model has no attention.
    """
    natural = family_of(model).natural_clips(model.config)
    found = []  # for each clip: {measure: {layer: (heads,)}}
    for clip in sample_clips(kind, clips, natural):
        found.append(attention_distances(model, clip[None]))
        on_clip(len(found))
    heads = []
    for layer, name in enumerate(found[0]["grid"]):
        values = torch.stack(
            [torch.stack([by_measure[m][name] for m in MEASURES]) for by_measure in found]
        )  # (clips, measures, heads)
        for head, each in enumerate(values.unbind(2)):
            grid, frame, cube = each.mean(dim=0).tolist()
            heads.append(Head(layer, head, grid, frame, cube, tuple(each[:, 0].tolist())))
    return heads


def _at_start(experiment: Experiment, seeds: int, kinds: Sequence[str]) -> Iterator[_Group]:
    """Rows before the first step of training."""
    for seed in range(seeds):
        for kind in kinds:
            for row in experiment.rows:
                if experiment.start_of(row).pretrained is None:
                    make = functools.partial(initialised, experiment.paper_model(row), seed)
                    yield _Group(Measured(row.id, f"seed{seed}", kind), make)


def initialised(config: Any, seed: int) -> nn.Module:
    """A model before the first step; torch's own random numbers go on as if nothing had been."""
    with torch.random.fork_rng(devices=()):
        model = build(config)
        initialise_(model, seed=seed)
    return model


def _trained(
    experiment: Experiment, weights: Sequence[Path], kinds: Sequence[str]
) -> Iterator[_Group]:
    """Rows with trained weights, of which there are files."""
    rows = {row.preset: row for row in experiment.rows if experiment.start_of(row).pretrained}
    for path in weights:
        model, checkpoint = model_of(path)
        preset = checkpoint.found.base
        if preset not in rows:
            wanted = ", ".join(rows) or "none"
            raise UsageError(
                f"--weights {path} is of {preset}; {experiment.table} has rows for trained "
                f"weights of: {wanted}"
            )
        row = rows[preset]
        others = differences(model.config, experiment.paper_model(row))
        if said := [f"{name}={value!r}" for name, value in others.items() if name not in FREE]:
            raise UsageError(
                f"--weights {path} is of a model like {preset}, but with {', '.join(said)}, which "
                f"row {row.id} of {experiment.table} has not; wanted weights of the row's own model"
            )
        for kind in kinds:
            measured = Measured(row.id, checkpoint.digest[:16], kind)
            yield _Group(measured, functools.partial(_same, model))


def differences(found: Any, wanted: Any) -> dict[str, Any]:
    """The fields in which a configuration differs from another of its family, with its values."""
    names = [field.name for field in dataclasses.fields(found)]
    return {n: getattr(found, n) for n in names if getattr(found, n) != getattr(wanted, n)}


def _same(model: nn.Module) -> nn.Module:
    return model


def _about(record: DistanceRecord, experiment: Experiment, clips: int) -> dict[str, Any]:
    """What new numbers are measured with, which is what those on disk were.

    Raises:
        UsageError: if it is not.
    """
    used = (presets()[row.preset] for row in experiment.rows)
    versions = {family.name: family.version for family in used}
    settings = {"format": FORMAT, "clips": clips, "families": versions}
    before = record.about()
    if not before:
        made = provenance(torch.device("cpu"))
        made.pop("host")
        return {"settings": settings, "provenance": made}
    if before.get("settings") != settings:
        raise UsageError(
            f"{record.csv} was measured with {before.get('settings')}, not {settings}; remove it, "
            "or choose another --results-dir"
        )
    return before
