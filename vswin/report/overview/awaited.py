"""What awaits the paper's videos, and what it would cost: counted FLOPs × videos × epochs.

Nothing is typed in: `vswin.launch.estimate` has the formula, `vswin.costs` counts, and protocol
`paper` says how long each row trains.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from vswin.errors import UsageError
from vswin.experiments.planning import StudyPlan, plan_study
from vswin.launch.estimate import Speed, cost_of, estimate, speed_in
from vswin.launch.slurm.profile import Profile
from vswin.runs.record import read_records

PROTOCOL = "paper"


@dataclasses.dataclass(frozen=True)
class Awaited:
    """What protocol `paper` would take for a table, with one seed."""

    table: str
    rows: int
    done: int
    """Rows whose run is there."""
    gpu_hours: float
    """For all rows, if no other table had been run; some of them are rows of other tables, too."""


@dataclasses.dataclass(frozen=True)
class Bill:
    """What all tables would take."""

    tables: tuple[Awaited, ...]
    gpu_hours: float
    """Together; a run that several tables share is run once, and what is done is left out."""
    runs: int
    """How many distinct runs those are."""
    basis: str
    """What it was computed from."""

    @property
    def names(self) -> list[str]:
        """Of the tables that protocol `paper` runs."""
        return [line.table for line in self.tables]


def bill(tables: Sequence[str], results_dir: str | Path) -> Bill:
    """What it would take to run tables under protocol `paper` with one seed.

    Args:
        tables: experiments, by name; those that cannot be run on videos are left out.
        results_dir: where runs are; what they took tells how fast GPUs are.
    """
    plans: dict[str, StudyPlan] = {}
    for table in tables:
        try:
            plans[table] = plan_study(table, PROTOCOL, 1, results_dir)
        except UsageError:  # an ablation that no videos are stated for
            continue
    hours: dict[str, float] = {}
    missing: set[str] = set()
    bases: dict[str, None] = {}
    lines = []
    speed = _speed(plans)
    for table, plan in plans.items():
        recorded = read_records(plan.store).runs
        ids = list(dict.fromkeys(planned.config.run_id for planned in plan.runs))
        for planned in plan.runs:
            run_id = planned.config.run_id
            if run_id not in hours:
                found = estimate(planned.config, cost_of(planned.config), plan.store, speed)
                hours[run_id] = found.total
                bases[found.basis] = None
        lacking = [i for i in ids if i not in recorded and plan.store.run(i).result() is None]
        missing.update(lacking)
        total = sum(hours[run_id] for run_id in ids)
        lines.append(Awaited(table, len(ids), len(ids) - len(lacking), total))
    together = sum(hours[run_id] for run_id in sorted(missing))
    return Bill(tuple(lines), together, len(missing), "; ".join(bases))


def hours_of(table: str, results_dir: str | Path) -> dict[str, float]:
    """What each row of a table would take under protocol `paper` with one seed, in GPU-hours.

    Rows that share a run have the same; none if the table cannot be run on videos.
    """
    try:
        plan = plan_study(table, PROTOCOL, 1, results_dir)
    except UsageError:
        return {}
    speed = _speed({table: plan})
    return {
        planned.row.id: estimate(planned.config, cost_of(planned.config), plan.store, speed).total
        for planned in plan.runs
    }


def hours_to_train(gflops: float, clips: float) -> float:
    """GPU-hours to show a model so many clips, as `vswin.launch.estimate` computes them.

    Args:
        gflops: 10^9 multiply-accumulates of one clip.
        clips: or images, in all epochs together.
    """
    speed = _speed({})
    return 6 * gflops * 1e9 * clips / (speed.peak_tflops * 1e12 * speed.share) / 3600


def _speed(plans: dict[str, StudyPlan]) -> Speed:
    """How fast GPUs go: as complete runs say, or else as profiles of clusters assume."""
    fields = Profile.model_fields
    peak, share = fields["peak_tflops"].default, fields["share"].default
    stores = [plan.store for plan in plans.values()]
    return speed_in(stores[0], peak, share) if stores else Speed(peak, share)
