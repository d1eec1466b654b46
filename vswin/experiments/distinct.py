"""Rows that say different things are different runs, under every protocol.

A protocol with a geometry of its own could map two rows of a table onto one run; the table would
then show two rows, with a cost each, and one accuracy. Rows that say the same (Table 5 prints one
twice) share their run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any, Protocol

from vswin.errors import UsageError
from vswin.experiments.geometry import in_words
from vswin.experiments.tables import Experiment, Row
from vswin.models.registry import family_of
from vswin.runs.config import RunConfig
from vswin.runs.identity import digest


class Says(Protocol):
    """What of a protocol is wanted here."""

    @property
    def protocol(self) -> str:
        """Its name."""

    def says(self, experiment: Experiment, row: Row) -> dict[str, Any]:
        """All that a row is at the paper's own size, by key."""


def require_distinct(
    experiment: Experiment, protocol: Says, wanted: Collection[str], runs: Mapping[str, RunConfig]
) -> None:
    """Refuses rows whose run would be that of another row which says something else.

    Args:
        experiment: whose rows.
        protocol: under which they are run.
        wanted: the ids of the rows that are asked for.
        runs: the runs of all rows of the table that the protocol can run, with one seed, by row.

    Raises:
        UsageError: if there are such rows; names both, and in what they differ.
    """
    trained: dict[str, list[str]] = {}
    for row_id, run in runs.items():
        trained.setdefault(_what_is_trained(run), []).append(row_id)
    starts: dict[str, list[str]] = {}
    for row_id, run in runs.items():
        if run.init.kind in ("random", "run"):  # not a file, which is named as it is
            starts.setdefault(_start(run), []).append(row_id)
    for shared in trained.values():
        first = experiment.row(shared[0])
        for other in map(experiment.row, shared[1:]):
            if first.id in wanted or other.id in wanted:
                _require_same(experiment, protocol, first, other)
    for shared in starts.values():
        first = experiment.row(shared[0])
        for other in map(experiment.row, shared[1:]):
            if first.id in wanted or other.id in wanted:
                _require_same_start(experiment, protocol, first, other)


def _start(run: RunConfig) -> str:
    """The same for runs that start from the same weights, or all from random ones."""
    if run.init.kind != "run":
        return run.init.kind
    return f"{_what_is_trained(run.init.run)} {sorted(run.init.inflation.items())}"


def _require_same_start(experiment: Experiment, protocol: Says, first: Row, other: Row) -> None:
    """Refuses rows that name different files where both would start from the same weights."""
    files = [experiment.start_of(row).checkpoint for row in (first, other)]
    if files[0] != files[1]:
        raise UsageError(
            f"{experiment.table}.yaml, rows {first.id} and {other.id}, cannot be run under "
            f"protocol {protocol.protocol}: start.checkpoint is {files[0]} in the one and "
            f"{files[1]} in the other, but here both would start alike; choose another protocol, "
            "or leave one of them out"
        )


def _require_same(experiment: Experiment, protocol: Says, first: Row, other: Row) -> None:
    one, two = (_said(experiment, protocol, row) for row in (first, other))
    for key, value in one.items():
        if value != two[key]:
            raise UsageError(
                f"{experiment.table}.yaml, rows {first.id} and {other.id}, cannot be run under "
                f"protocol {protocol.protocol}: {key} is {in_words(value)} in the one and "
                f"{in_words(two[key])} in the other, but here both would be the same run; choose "
                "other values, another protocol, or leave one of them out"
            )


def _said(experiment: Experiment, protocol: Says, row: Row) -> dict[str, Any]:
    """What a row says; of one that tests another's model, what that one says."""
    said = protocol.says(experiment, row)
    if row.tests is not None:
        tested = protocol.says(experiment, experiment.row(row.tests))
        said = tested | {key: said[key] for key in ("tests", "videos.views")}
    model = experiment.paper_model(row)
    simplest = family_of(model).simplest(model)
    for field in dataclasses.fields(model):
        if getattr(simplest, field.name) != getattr(model, field.name):
            said[f"model.{field.name}"] = getattr(simplest, field.name)
    return said


def _what_is_trained(run: RunConfig) -> str:
    """The same for runs that do the same, whatever they are called."""
    simplest = family_of(run.model).simplest(run.model)
    return digest(dataclasses.replace(run, model=simplest).identity())
