"""All runs of a table under one protocol, as far as they are there, as tidy tables."""

from __future__ import annotations

import dataclasses
import functools
import html
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vswin.costs.cache import cost_at
from vswin.costs.counting import Cost, Rule
from vswin.models.registry import family_of
from vswin.paper.printed import PrintedTable, read_paper
from vswin.report import digits
from vswin.report.compare import COSTS, Comparison, compare, status
from vswin.report.data import FailedRun, Row, Runs, Terms, Value
from vswin.report.doubts.cells import doubts_in
from vswin.report.doubts.finding import Finding
from vswin.report.pictures.shown import levels_of
from vswin.report.statistics import Interval, t_interval, wilson_interval
from vswin.report.table import the_table
from vswin.runs.distances import Distances
from vswin.runs.evaluated import Evaluated
from vswin.runs.record import Curve, RunRecord

if TYPE_CHECKING:  # a report can do without, and is quicker then
    import pandas as pd
    from matplotlib.figure import Figure


@dataclasses.dataclass(frozen=True)
class Study:
    """A table, the protocol it is run under, and what came out."""

    name: str
    """The id of the table or ablation."""
    title: str
    """Its number and what it is about."""
    choices: tuple[str, ...]
    """What was chosen about the rows; for a table of a paper, what that leaves open."""
    dataset: str
    """What the printed numbers were measured on."""
    terms: Terms
    why_not_run: str
    """Why the table cannot be run under the protocol, and only its costs are compared; or empty."""
    printed: PrintedTable | None
    """None for an ablation that is not in a paper."""
    all_rows: tuple[Row, ...]
    """With the checks of the benchmark."""
    values: tuple[Value, ...]
    """What the runs measured."""
    runs: Runs
    """The complete runs behind it."""
    curves: Mapping[str, Curve]
    """What they logged while they trained, by id."""
    sources: dict[str, RunRecord | None]
    """Runs that those have started from, by id."""
    is_recorded: bool
    """Whether some of the runs have no folder any more, but are known from their record."""
    results_dir: Path
    test_clips: tuple[int, ...] = ()
    """Numbers of clips that the cost of a whole test is shown for (Figure A.4)."""
    seeds: int | None = None
    """Only the first so many seeds are in it, and there are more; None is all."""
    failed: tuple[FailedRun, ...] = ()
    """Runs that failed: they are in no mean."""
    distances: Distances = dataclasses.field(default_factory=dict)
    """Attention distances that were measured of its rows."""
    evaluated: Mapping[str, tuple[Evaluated, ...]] = dataclasses.field(default_factory=dict)
    """By row, tests of its published checkpoint on this machine; the first is shown. None where
    accuracies are not comparable with printed ones."""

    def __repr__(self) -> str:
        done = sum(self.is_done(row.id) for row in self.rows)
        runs = {run.run_id for by_seed in self.runs.values() for run in by_seed.values()}
        return (
            f"<Study {self.title}; protocol {self.terms.protocol}, {done} of {len(self.rows)} rows "
            f"done, {len(runs)} runs>"
        )

    def _repr_html_(self) -> str:
        """What a notebook shows of it: the table of its report."""
        import pandas as pd

        section = the_table(self)
        table = pd.DataFrame(section.lines, columns=section.header).to_html(index=False)
        about = f"{self.title}. Protocol {self.terms.protocol}: {self.terms.title}."
        return f"<p>{html.escape(about)}</p>{table}"

    @property
    def is_trainable(self) -> bool:
        """Whether the table can be run under the protocol; if not, only its costs are compared."""
        return not self.why_not_run

    @property
    def rows(self) -> list[Row]:
        """The rows of the table, without controls and without those that are not printed."""
        return [
            row
            for row in self.all_rows
            if row.control == "none" and not row.is_beside and not row.is_counted_only
        ]

    @property
    def counted_only(self) -> list[Row]:
        """Rows of other systems, whose costs are counted and which nothing runs."""
        return [row for row in self.all_rows if row.is_counted_only]

    @property
    def counted_rows(self) -> list[Row]:
        """All rows whose costs are counted at the paper's own size, in the experiment's order."""
        return [row for row in self.all_rows if row.control == "none" and not row.is_beside]

    @property
    def beside(self) -> list[Row]:
        """Rows of the embedded benchmark alone, which the paper does not print."""
        return [row for row in self.all_rows if row.is_beside]

    @property
    def distinct_rows(self) -> list[Row]:
        """Those rows; what is printed twice is there once."""
        return [row for row in self.rows if not row.repeats]

    @property
    def controls_run(self) -> list[Row]:
        """The controls of which there are results."""
        return [row for row in self.all_rows if row.control != "none" and self.is_done(row.id)]

    @property
    def is_embedded(self) -> bool:
        """Whether accuracies are measured on Moving Digits."""
        return self.is_trainable and self.terms.tested_on == "clips"

    @property
    def chance(self) -> float:
        """Top-1 in % that guessing reaches."""
        return 100 / self.terms.num_classes

    def row(self, row_id: str) -> Row:
        """The row of that id; it must exist."""
        return next(row for row in self.all_rows if row.id == row_id)

    @property
    def rule(self) -> Rule:
        """The rule by which the costs of its rows are counted: its paper's, else its models'."""
        if self.printed:
            return read_paper(self.printed.paper).rule
        return family_of(self.all_rows[0].model).rule

    def rule_of(self, row_id: str) -> Rule:
        """That of a row; where its cells are from another paper, that one's."""
        if self.printed:
            return self.printed.counted_as(row_id).rule
        return family_of(self.row(row_id).model).rule

    @property
    def rules_in_words(self) -> str:
        """As "paper", or "paper, macs for mvit_b_32x3"."""
        others: dict[str, list[str]] = {}
        for row in self.counted_only:
            if (rule := self.rule_of(row.id)) != self.rule:
                others.setdefault(rule, []).append(row.id)
        words = [f"{rule} for {' and '.join(rows)}" for rule, rows in others.items()]
        return ", ".join([self.rule, *words])

    def cost(self, row_id: str, rule: Rule | None = None) -> Cost:
        """Cost of the row at the paper's own size, by its paper's rule if none is given."""
        row = self.row(row_id)
        return cost_at(row.model, row.input_size, rule or self.rule_of(row_id))

    def counted(self, row_id: str, metric: str, rule: Rule | None = None) -> float:
        """That cost in the unit of its column: `flops` in 10^9, `params` in 10^6."""
        found = self.cost(row_id, rule)
        return {"flops": found.gflops, "params": found.mparams}[metric]

    def is_done(self, row_id: str) -> bool:
        """Whether there is a number of ours."""
        return bool(self.by_seed(row_id))

    def by_seed(self, row_id: str, column: str | None = None) -> dict[int, float]:
        """What a row's runs measured, by default the headline: in %, but `n` is a number."""
        return self._by_seed.get((row_id, column or self.terms.headline), {})

    @functools.cached_property
    def _by_seed(self) -> dict[tuple[str, str], dict[int, float]]:
        found: dict[tuple[str, str], dict[int, float]] = {}
        for value in self.values:
            if value.seed is not None:
                found.setdefault((value.row, value.column), {})[value.seed] = value.value
        return found

    def mean(self, row_id: str, column: str) -> float | None:
        """Mean over seeds, None without a run."""
        values = self.by_seed(row_id, column).values()
        return math.fsum(values) / len(values) if values else None

    def interval(self, row_id: str, column: str | None = None) -> Interval | None:
        """Mean in %, by default of the headline, with its 95 % interval, None without a run.

        Over seeds where there are several (Student's t); with one, over its test clips (Wilson),
        which says nothing about another training. An end of Student's t may lie below 0 or above
        100, where no accuracy can: seeds are then too few, or fall into two groups.
        """
        values = self.by_seed(row_id, column)
        if len(values) > 1:
            return t_interval(list(values.values()))
        if not values:
            return None
        ((seed, value),) = values.items()
        found = wilson_interval(value / 100, round(self.by_seed(row_id, "n")[seed]))
        return Interval(value, 100 * found.low, 100 * found.high, 1)

    def number(self, row_id: str, metric: str) -> str | None:
        """The printed number, with its digits; None where there is none."""
        return self.printed.number(row_id, metric) if self.printed else None

    def prints(self, metric: str) -> bool:
        """Whether a paper prints that number for any of the rows."""
        return any(self.number(row.id, metric) for row in self.rows)

    def frame(self) -> pd.DataFrame:
        """Every number of ours in a line of its own; costs have no seed.

        Columns: paper, table, row, column, seed, value, comparable.
        """
        paper = self.printed.paper if self.printed else ""
        costs = [
            Value(paper, self.name, row.id, metric, None, self.counted(row.id, metric), True)
            for row in self.rows
            for metric in COSTS
        ]
        return _frame([value._asdict() for value in (*self.values, *costs)], [*Value._fields])

    def table(self) -> pd.DataFrame:
        """One line for each row: the paper's cells and ours.

        Columns: `row`, the printed columns that name it (or its `title`, if it has one), then for
        each metric (in %) `paper_*` and our mean over `seeds` seeds, for the first one `*_low` and
        `*_high` (95 %), `n` test clips, `state`, `comparable` (whether ours may be set against the
        paper's; never under the embedded protocols), then for flops (10^9 multiply-accumulates) and
        params (10^6) `paper_*`, ours and `*_exact`. What is missing is NaN. An ablation that is not
        in a paper has no `comparable`, `paper_*` and `*_exact`.
        """
        return _frame(self.lines())

    def lines(self) -> list[dict[str, Any]]:
        """What `table` says, row by row."""
        return [self._line(row) for row in self.rows]

    def _line(self, row: Row) -> dict[str, Any]:
        interval = self.interval(row.id)
        line: dict[str, Any] = {"row": row.id, **row.labels}
        for metric in self.terms.metrics:
            line[f"paper_{metric}"] = _number(self.number(row.id, metric))
            line[metric] = _number(self.mean(row.id, metric))
            if metric == self.terms.headline:
                line[f"{metric}_low"] = interval.low if interval else math.nan
                line[f"{metric}_high"] = interval.high if interval else math.nan
        line |= {
            "seeds": len(self.by_seed(row.id)),
            "n": next(iter(self.by_seed(row.id, "n").values()), math.nan),
            "protocol": self.terms.protocol,
            "comparable": self.terms.comparable,
            "state": "done" if self.is_done(row.id) else "not run",
        }
        for metric in COSTS:
            found = self.comparison(row.id, metric)
            line |= {
                f"paper_{metric}": _number(self.number(row.id, metric)),
                metric: self.counted(row.id, metric),
                f"{metric}_exact": found.exact if found else None,
            }
        if self.printed is None:
            beside = [f"paper_{metric}" for metric in (*self.terms.metrics, *COSTS)]
            for name in (*beside, *(f"{metric}_exact" for metric in COSTS), "comparable"):
                del line[name]
        return line

    def comparison(self, row_id: str, metric: str, rule: Rule | None = None) -> Comparison | None:
        """A printed cost beside ours, rounded as its paper does; None where none is printed."""
        printed = self.number(row_id, metric)
        if self.printed is None or printed is None:
            return None
        logged = self.printed.counted_as(row_id).logged.get(metric)
        return compare(self.counted(row_id, metric, rule), printed, logged)

    def cost_lines(self, rule: Rule | None = None) -> list[dict[str, Any]]:
        """Every printed cost beside ours: row, metric, printed, counted, ours, exact, ...

        `ours` has as many digits as `printed`; `logged` is what it was rounded to before, if that
        is what makes it equal; `evidence` speaks against the printed one, and `status` sums up. A
        row that is printed twice is there once.
        """
        lines = []
        for row in [*self.distinct_rows, *self.counted_only]:
            for metric in COSTS:
                if found := self.comparison(row.id, metric, rule):
                    evidence = self.suspicion(row.id, metric)
                    lines.append(
                        {
                            "row": row.id,
                            "metric": metric,
                            "printed": found.printed,
                            "counted": self.counted(row.id, metric, rule),
                            "ours": found.ours,
                            "exact": found.exact,
                            "logged": found.logged,
                            "evidence": evidence,
                            "status": status(found, evidence),
                        }
                    )
        return lines

    @functools.cached_property
    def doubts(self) -> Mapping[tuple[str, str], Finding]:
        """The evidence against printed cells, as the audit has it, by row and column."""
        return doubts_in(self.printed) if self.printed else {}

    def suspicion(self, row_id: str, metric: str) -> str:
        """The evidence against a printed number, empty if there is none."""
        column = self.printed.column(metric) if self.printed else None
        found = self.doubts.get((row_id, column.id)) if column else None
        return found.evidence if found else ""

    def plot(self) -> Figure:
        """Draws every seed of every row, and the controls, with what bounds them.

        Returns:
            A matplotlib figure, to be shown, changed or saved with `savefig`.
        """
        from vswin.report.drawing.levels import draw  # matplotlib, which takes a while

        return draw(levels_of(self))

    def controls(self) -> pd.DataFrame:
        """Checks of the benchmark: models trained on clips without the evidence, beside chance."""
        lines = [
            {"control": c, digits.TOP1: i.mean, "low": i.low, "high": i.high, "seeds": i.n}
            for c, i in self.control_intervals().items()
        ]
        return _frame(lines, ["control", digits.TOP1, "low", "high", "seeds"])

    def control_intervals(self) -> dict[str, Interval]:
        """What `controls` says, by control."""
        checks = [row for row in self.all_rows if row.control != "none"]
        return {row.control: found for row in checks if (found := self.interval(row.id))}

    def checks(self) -> pd.DataFrame:
        """Every run on Moving Digits, on the grid and at the easiest difficulty, in %.

        `grid` is the headline top-1; top-1 and what follows are of the easiest difficulty, but for
        the last two, which are of all. Task temporal: `order`, of the two-phase clips whose pair of
        directions was recognised, the share with the right order (50 is a coin flip). Task
        appearance: `digit` and `motion`, the share for which that half of the class was right.
        `single_frame`, `shuffled_frames`: the same model, tested (not trained) on clips without
        the evidence.
        """
        columns = ["row", "seed", "grid", digits.TOP1, *digits.halves(self.rows, self.runs)]
        lines = digits.check_lines(self.rows, self.runs)
        return _frame(lines, [*columns, "single_frame", "shuffled_frames"])

    def difficulty(self) -> pd.DataFrame:
        """Top-1 and order accuracy in % for each row, coherence and noise, mean over seeds."""
        lines = digits.difficulty_lines(self.all_rows, self.runs)
        return _frame(lines, ["row", "coherence", "noise", digits.TOP1, "order"])


def _frame(lines: list[dict[str, Any]], columns: list[str] | None = None) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(lines, columns=columns)


def _number(value: str | float | None) -> float:
    return math.nan if value is None else float(value)
