"""The numbers that a claim is about: measured for each seed, or counted."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable
from pathlib import Path

from vswin.costs.cache import cost_at, memory_at
from vswin.errors import UsageError, VswinError
from vswin.experiments.library import Library
from vswin.experiments.preregistration import (
    Preregistration,
    RegisteredStudy,
    read_preregistration,
    registered_form,
)
from vswin.models.registry import presets, resolve_config
from vswin.models.swin.config import BiasInit, own_frame_share
from vswin.paper.claims import OF_DIGITS, TIMED, Claim, Counted
from vswin.paper.printed import printed_table, read_paper
from vswin.paper.quantities import printed_quantity
from vswin.project import experiments_dir, preregistration_file, results_path
from vswin.report.collect import load_costs, load_study
from vswin.report.compare import COSTS
from vswin.report.doubts.cells import doubts_in
from vswin.report.statistics import t_interval
from vswin.report.study import Study
from vswin.runs.distances import DistanceRecord, Distances

CEILING = 99.0
"""In %; above it, a row cannot show that it is better than another."""
CHANCE = {"order": 50.0, "stills": 10.0}
"""In %, of metrics whose chance is not that of the classes."""


class ClaimError(VswinError):
    """A claim is about something that nothing measures or counts."""


class Studies:
    """Studies of a results folder under one protocol, each read when it is first asked for."""

    def __init__(
        self,
        protocol: str = "proxy",
        results_dir: str | Path = "results",
        seeds: int | None = None,
        known: Iterable[Study] = (),
    ) -> None:
        """Reads nothing yet.

        Args:
            protocol: by name.
            results_dir: the store's folder; a relative one counts from the project's root.
            seeds: only the first so many seeds; None takes every seed that was run.
            known: studies that were read already, under that protocol.
        """
        self.protocol, self.results_dir, self.seeds = protocol, results_dir, seeds
        self._studies = {study.name: study for study in known}
        self._costs = dict(self._studies)

    def study(self, table: str) -> Study:
        """The study of a table.

        Raises:
            UsageError: if the table is unknown, or cannot be run under the protocol.
        """
        if table not in self._studies:
            self._studies[table] = load_study(table, self.protocol, self.seeds, self.results_dir)
        return self._studies[table]

    def costs(self, table: str) -> Study:
        """A study of the table that knows what its rows cost; the protocol need not run it.

        Raises:
            UsageError: if the table is unknown.
        """
        if table not in self._costs:
            self._costs[table] = self._studies.get(table) or load_costs(table)
        return self._costs[table]

    def distances(self, table: str) -> Distances:
        """The attention distances that were measured of a table, of the seeds that count here."""
        found = DistanceRecord(results_path(self.results_dir), table).read()
        most = self.seeds
        return {m: heads for m, heads in found.items() if most is None or (m.seed or 0) < most}

    def that_count(self, study: Study, row: str, metric: str) -> dict[int, float]:
        """What a row measured (`measured`), of a registered run with the registered seeds alone.

        More seeds than were registered may have been run; whoever adds seeds until a verdict is
        reached would reach any.
        """
        found = measured(study, row, metric)
        registered = self._registered.tables.get(study.name, {}) if self._registered else {}
        first = study.runs.get(row, {}).get(0)
        if row not in registered or first is None or first.run_id != registered[row].first:
            return found
        return {seed: value for seed, value in found.items() if seed < registered[row].seeds}

    def is_registered(self, claim: Claim) -> bool | None:
        """Whether a claim is judged as it was registered; None if the protocol has no such study.

        The words of a claim are not registered; its rows, its kind and its margin are.
        """
        if self._preregistration is None or self._registered is None:
            return None
        return registered_form(claim) in self._preregistration.claims

    @functools.cached_property
    def _preregistration(self) -> Preregistration | None:
        return read_preregistration(preregistration_file())

    @functools.cached_property
    def _registered(self) -> RegisteredStudy | None:
        """What is registered under the protocol."""
        registered = self._preregistration
        return registered.study(self.protocol) if registered else None


def measured(study: Study, row: str, metric: str) -> dict[int, float]:
    """What a row's runs measured, in % or s, by seed; empty without a run that measured it.

    Where printed accuracies may be compared with, a row of another system is as printed for every
    seed of the study.

    Args:
        study: of the row's table.
        row: its id.
        metric: one of the task's (`top1`); what only runs on Moving Digits measure: `easiest`
            (top-1 at the least difficulty), `order` (there, too) or `stills` (still images under
            the pre-training's head); or `test_seconds`, which the test took.

    Raises:
        ClaimError: if there is no such metric.
    """
    if metric not in (known := (*study.terms.metrics, *OF_DIGITS, *TIMED)):
        raise ClaimError(f"nothing measures {metric}; known: {', '.join(known)}")
    if found := study.by_seed(row, metric):
        return found
    printed = study.number(row, metric)
    is_ours = any(ours.id == row and not ours.is_counted_only for ours in study.all_rows)
    if printed and study.terms.comparable and not is_ours:
        seeds = {value.seed for value in study.values if value.seed is not None}
        return dict.fromkeys(sorted(seeds), float(printed))
    if metric == "test_seconds":
        return {seed: run.result.seconds.test for seed, run in study.runs.get(row, {}).items()}
    return {}


def is_informative(study: Study, row: str, metric: str) -> bool:
    """Whether a row is surely above chance and below the ceiling."""
    values = list(measured(study, row, metric).values())
    found = t_interval(values)
    return CHANCE.get(metric, study.chance) < found.low and found.high < CEILING


def counted(claim: Claim, ref: str, studies: Studies) -> float:
    """What a claim compares of a row, counted on the paper's own model, or else as printed.

    Returns:
        It in the unit of its column: 10^9 multiply-accumulates, 10^6 weights or images, views,
        2^30 bytes of memory.

    Raises:
        ClaimError: if there is no such number.
    """
    found = _counted_here(claim, ref, studies)
    if found is None:
        found = _as_printed(claim, ref, claim.metric)
    if found is None:
        raise ClaimError(f"claim {claim.id}: {ref} has no {claim.metric}, counted or printed")
    return found


def is_printed(claim: Claim, ref: str, studies: Studies) -> bool:
    """Whether what a claim compares of a row is read from the paper, and nothing of it counted."""
    return _counted_here(claim, ref, studies) is None


def _counted_here(claim: Claim, ref: str, studies: Studies) -> float | None:
    """The number of a model that is built here; None where there is none."""
    if model := claim.models.get(ref):
        return _counted_of(model, claim)
    table, row = claim.table_of(ref) or "", ref.rpartition(".")[2]
    with contextlib.suppress(UsageError):  # tables of other systems alone have no experiment
        study = studies.costs(table)
        if any(known.id == row for known in study.all_rows):
            if claim.metric in COSTS:
                return study.counted(row, claim.metric)
            if claim.metric == "memory":
                known = study.row(row)
                return memory_at(known.model, known.input_size).gib
            views = _as_printed(claim, ref, "views")
            if claim.metric == "test_flops" and views is not None:
                return views * study.counted(row, "flops")
    return None


def _as_printed(claim: Claim, ref: str, metric: str) -> float | None:
    printed = printed_table(claim.table_of(ref) or "")
    return printed_quantity(printed, ref.rpartition(".")[2], metric) if printed else None


def in_doubt(claim: Claim, ref: str, studies: Studies) -> bool:
    """Whether what a claim compares of a row is only printed, and there is evidence against it."""
    table, row = claim.table_of(ref) or "", ref.rpartition(".")[2]
    printed = printed_table(table)
    metric = "flops" if claim.metric == "test_flops" else claim.metric
    column = printed.column(metric) if printed else None
    if ref in claim.models or printed is None or column is None:
        return False
    with contextlib.suppress(UsageError):
        if any(known.id == row for known in studies.costs(table).all_rows):
            return False
    return (row, column.id) in doubts_in(printed)


def own_frame(claim: Claim, ref: str) -> float:
    """What a token gives of its attention to its own frame before the first step, in %.

    Args:
        claim: of metric `own_frame`.
        ref: a row, whose window and initialisation of the biases count.
    """
    experiment = Library(experiments_dir()).experiment(claim.table_of(ref) or "")
    row = experiment.row(ref.rpartition(".")[2])
    frames = experiment.paper_model(row).window_size[0]
    inflation = presets()[row.preset].inflation_with(experiment.start_of(row).inflation)
    how: BiasInit = "center" if inflation["bias"] == "center" else "duplicate"
    return 100 * own_frame_share(frames, how)


def _counted_of(model: Counted, claim: Claim) -> float:
    """A cost of a model that no table has."""
    if claim.metric not in COSTS:
        raise ClaimError(f"claim {claim.id}: only {' and '.join(COSTS)} are counted of a model")
    size = (model.image_size, model.image_size)
    sized = presets()[model.preset].clip_options(model.frames, size[0])
    config = resolve_config(model.preset, **(sized | model.model))
    printed = printed_table(claim.table or "")
    rule = read_paper(printed.paper).rule if printed else "paper"
    cost = cost_at(config, (3, model.frames, *size), rule)
    return {"flops": cost.gflops, "params": cost.mparams}[claim.metric]
