"""Collecting: what is on disk for a table under a protocol, as a tidy table."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vswin.costs.cache import cost_at
from vswin.costs.counting import Cost, Rule
from vswin.errors import UsageError
from vswin.evaluation.cells import Cell
from vswin.experiments.embedded import AppearanceTask, EmbeddedProtocol
from vswin.experiments.library import Library
from vswin.experiments.planning import PresentRuns, Protocol, study_runs
from vswin.experiments.tables import Experiment, Row
from vswin.experiments.videos import VideoProtocol
from vswin.paper.printed import PrintedTable, compare, printed_table
from vswin.project import experiments_dir, results_path
from vswin.report.statistics import Interval, t_interval, wilson_interval
from vswin.runs.config import RunConfig
from vswin.runs.result import DigitsDetails, Result
from vswin.runs.store import RunFolder, Store

if TYPE_CHECKING:  # a report can do without, and is quicker then
    import pandas as pd


@dataclasses.dataclass(frozen=True)
class Study:
    """All runs of a table under one protocol, as far as they are on disk."""

    experiment: Experiment
    protocol: Protocol
    store: Store
    printed: PrintedTable | None
    """None for an ablation that is not in the paper."""
    results: dict[str, dict[int, Result]]
    """The result of each complete run, by row id and seed."""
    folders: dict[str, dict[int, RunFolder]]
    """The same runs' folders."""

    @property
    def rows(self) -> list[Row]:
        """The rows of the table, without controls."""
        return [row for row in self.experiment.rows if not row.is_control]

    @property
    def control_rows(self) -> list[Row]:
        """The rows that check the benchmark."""
        rows = filter(self.protocol.includes, self.experiment.rows)
        return [row for row in rows if row.is_control]

    @property
    def title(self) -> str:
        """The table's number and what it is about."""
        number = re.sub(r"^table(\d+)$", r"Table \1", self.experiment.table)
        return f"{number}: {self.experiment.title}"

    @property
    def num_classes(self) -> int:
        """Classes of the dataset that the study's accuracies are about."""
        if not self.is_trainable:
            return self.experiment.num_classes
        return self.run_config(self.rows[0]).model.num_classes

    @property
    def on_videos(self) -> bool:
        """Whether the study's runs are on videos, not on Moving Digits."""
        return isinstance(self.protocol, VideoProtocol)

    @property
    def stage(self) -> EmbeddedProtocol | AppearanceTask | VideoProtocol:
        """What says how this table is trained and tested: of the protocol the part for its task."""
        if isinstance(self.protocol, VideoProtocol):
            return self.protocol
        return self.protocol.stage(self.experiment.task)

    def run_config(self, row: Row, seed: int = 0) -> RunConfig:
        """The run that stands for a row under the study's protocol."""
        return self.protocol.configure(self.experiment, row, seed)

    @property
    def is_trainable(self) -> bool:
        """Whether the table can be run under the protocol; if not, only its costs are compared."""
        return self.protocol.can_run(self.experiment)

    def labels(self, row: Row) -> dict[str, str]:
        """The printed columns that name a row; its id where nothing is printed."""
        found = self.printed.row(row.id) if self.printed else None
        return found.labels if found else {"row": row.id}

    def paper_cost(self, row: Row, rule: Rule = "paper") -> Cost:
        """Cost of the row at the paper's own size."""
        return cost_at(self.experiment.paper_model(row), self.experiment.paper_input(row), rule)

    def top1(self, row_id: str) -> dict[int, float]:
        """Top-1 in % by seed."""
        return {seed: 100 * r.metrics["top1"] for seed, r in self.results.get(row_id, {}).items()}

    def top1_interval(self, row_id: str) -> Interval | None:
        """Mean top-1 in % with its 95 % interval, None without a run.

        Over seeds where there are several (Student's t); with one, over its test clips (Wilson),
        which says nothing about another training.
        """
        values = self.top1(row_id)
        if len(values) > 1:
            found = t_interval(list(values.values()))
            return dataclasses.replace(found, low=max(0.0, found.low), high=min(100.0, found.high))
        if not values:
            return None
        ((seed, value),) = values.items()
        n = self.results[row_id][seed].n
        found = wilson_interval(value / 100, n)
        return Interval(value, 100 * found.low, 100 * found.high, 1)

    def table(self) -> pd.DataFrame:
        """One line for each printed row: the paper's cells and ours.

        Columns: `row`, the printed label columns, then for top1 and top5 (in %) `paper_*` and our
        mean over `seeds` seeds, `top1_low` and `top1_high` (95 %), `n` test clips, `state`,
        `comparable` (whether ours may be set against the paper's; never under the embedded
        protocols), then for flops (10^9 multiply-accumulates) and params (10^6) `paper_*`, ours
        and `*_exact`. What is missing is NaN.
        """
        return _frame(self.lines())

    def lines(self) -> list[dict[str, Any]]:
        """What `table` says, row by row."""
        return [self._line(row) for row in self.rows]

    def _line(self, row: Row) -> dict[str, Any]:
        results = self.results.get(row.id, {})
        interval = self.top1_interval(row.id)
        printed = self.printed.row(row.id) if self.printed else None
        counted = self.paper_cost(row)
        line: dict[str, Any] = {"row": row.id, **self.labels(row)}
        line |= {
            "paper_top1": _number(printed and printed.top1),
            "top1": interval.mean if interval else float("nan"),
            "top1_low": interval.low if interval else float("nan"),
            "top1_high": interval.high if interval else float("nan"),
            "paper_top5": _number(printed and printed.top5),
            "top5": _mean([100 * r.metrics["top5"] for r in results.values()]),
            "seeds": len(results),
            "n": next((r.n for r in results.values()), float("nan")),
            "protocol": self.protocol.protocol,
            "comparable": self.protocol.comparable,
            "state": "done" if results else "not run",
        }
        for metric, value in (("flops", counted.gflops), ("params", counted.mparams)):
            cell = printed.cell(metric) if printed else None
            line |= {
                f"paper_{metric}": _number(cell),
                metric: value,
                f"{metric}_exact": compare(value, cell).exact if cell else None,
            }
        return line

    def cost_cells(self, rule: Rule = "paper") -> pd.DataFrame:
        """Every printed cost cell beside ours: row, metric, printed, ours, exact, evidence."""
        columns = ["row", "metric", "printed", "ours", "exact", "evidence"]
        return _frame(self.cost_lines(rule), columns)

    def cost_lines(self, rule: Rule = "paper") -> list[dict[str, Any]]:
        """What `cost_cells` says, cell by cell."""
        lines = []
        for row in self.rows if self.printed else ():
            printed = self.printed.row(row.id)
            if printed is None:
                continue
            counted = self.paper_cost(row, rule)
            for metric, value in (("flops", counted.gflops), ("params", counted.mparams)):
                if cell := printed.cell(metric):
                    found = compare(value, cell)
                    lines.append(
                        {
                            "row": row.id,
                            "metric": metric,
                            "printed": cell,
                            "ours": found.ours,
                            "exact": found.exact,
                            "evidence": self.printed.suspicion(row.id, metric) or "",
                        }
                    )
        return lines

    def controls(self) -> pd.DataFrame:
        """Checks of the benchmark: models trained on clips without the evidence, beside chance."""
        return _frame(self.control_lines(), ["control", "top1", "low", "high", "seeds"])

    def control_lines(self) -> list[dict[str, Any]]:
        """What `controls` says, control by control."""
        return [
            {
                "control": row.control,
                "top1": interval.mean,
                "low": interval.low,
                "high": interval.high,
                "seeds": len(self.top1(row.id)),
            }
            for row in self.control_rows
            if (interval := self.top1_interval(row.id))
        ]

    def checks(self) -> pd.DataFrame:
        """Every run of the table at the difficulty it was trained at, in %.

        `grid` is the headline top-1. Task temporal: `order`, of the two-phase clips whose pair of
        directions was recognised, the share with the right order (50 is a coin flip). Task
        appearance: `digit` and `motion`, the share for which that half of the class was right.
        `single_frame`, `shuffled_frames`: the same model, tested (not trained) on clips without
        the evidence.
        """
        columns = ["row", "seed", "grid", "top1", *self._halves]
        return _frame(self.check_lines(), [*columns, "single_frame", "shuffled_frames"])

    def check_lines(self) -> list[dict[str, Any]]:
        """What `checks` says, run by run."""
        return [
            {
                "row": row.id,
                "seed": seed,
                "grid": 100 * result.metrics["top1"],
                "top1": 100 * easy.metrics["top1"],
                **{h: _percent(getattr(easy, f"{h}_accuracy")) for h in self._halves},
                **{control: 100 * value for control, value in result.details.tested_on.items()},
            }
            for row in self.rows
            for seed, result in self.results.get(row.id, {}).items()
            if isinstance(result.details, DigitsDetails)
            for easy in (result.details.in_distribution,)
        ]

    @property
    def _halves(self) -> list[str]:
        """What is told apart of a class in the checks."""
        return {"temporal": ["order"], "appearance": ["digit", "motion"]}[self.experiment.task]

    def difficulty(self) -> pd.DataFrame:
        """Top-1 and order accuracy in % for each row, coherence and noise, mean over seeds."""
        return _frame(self.difficulty_lines(), ["row", "coherence", "noise", "top1", "order"])

    def difficulty_lines(self) -> list[dict[str, Any]]:
        """What `difficulty` says, cell by cell."""
        found: dict[tuple[str, float, float], list[Cell]] = {}
        for row in self.experiment.rows:
            for result in self.results.get(row.id, {}).values():
                assert isinstance(result.details, DigitsDetails)
                for cell in result.details.cells:
                    found.setdefault((row.id, cell.coherence, cell.noise), []).append(cell)
        return [
            {
                "row": row,
                "coherence": coherence,
                "noise": noise,
                "top1": _mean([100 * cell.metrics["top1"] for cell in cells]),
                "order": _mean([_percent(cell.order_accuracy) for cell in cells]),
            }
            for (row, coherence, noise), cells in found.items()
        ]


def load_study(
    table: str,
    protocol: str = "proxy",
    seeds: int | None = None,
    results_dir: str | Path = "results",
) -> Study:
    """Reads what is on disk for a table under a protocol. Trains nothing.

    Args:
        table: an experiment, by name.
        protocol: a protocol, by name.
        seeds: only the first so many seeds; None takes every seed that was run.
        results_dir: the store's folder; a relative one counts from the project's root.

    Raises:
        UsageError: if a name is unknown or the number of seeds is not positive.
        ExperimentError: if a file is broken.
    """
    if seeds is not None and (isinstance(seeds, bool) or not isinstance(seeds, int) or seeds < 1):
        raise UsageError(f"seeds={seeds!r}: wanted an integer >= 1, or nothing for all")
    library = Library(experiments_dir())
    experiment, chosen = library.experiment(table), library.protocol(protocol)
    store = Store(results_path(results_dir), protocol)
    results: dict[str, dict[int, Result]] = {}
    folders: dict[str, dict[int, RunFolder]] = {}
    present = PresentRuns(store.run_ids())
    wanted = None if seeds is None else range(seeds)
    for planned in study_runs(experiment, chosen, wanted, present=present):
        folder = store.run(planned.config.run_id)
        result = folder.result()
        if result is not None:
            results.setdefault(planned.row.id, {})[planned.seed] = result
            folders.setdefault(planned.row.id, {})[planned.seed] = folder
    return Study(experiment, chosen, store, printed_table(table), results, folders)


def _frame(lines: list[dict[str, Any]], columns: list[str] | None = None) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(lines, columns=columns)


def _number(cell: str | None) -> float:
    return float(cell) if cell else float("nan")


def _percent(share: float | None) -> float:
    return float("nan") if share is None else 100 * share


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values) if values else float("nan")
