"""`vswin list`: tables, protocols, rows; what is done, what is missing, what it would cost."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from vswin.cli.terminal import print_line, print_table
from vswin.errors import UsageError
from vswin.project import experiments_dir

if TYPE_CHECKING:  # `vswin --help` does without
    from vswin.experiments.tables import Experiment, Row
    from vswin.paper.printed import PrintedTable
    from vswin.runs.config import RunConfig

HOURS_NOTE = (
    "GPU-hours: {basis}; training and one test, decoding not counted. Another GPU: --peak-tflops "
    "and --share. A run that is done says what it took."
)


def list_all() -> None:
    """All tables and protocols."""
    from vswin.experiments.library import Library
    from vswin.experiments.planning import first_runs

    library = Library(experiments_dir())
    protocols = {name: library.protocol(name) for name in library.protocols()}
    varied = {name for base in protocols for name in library.variations(base)}
    lines, refusals = [], []
    for name in library.tables():
        experiment = library.experiment(name)
        possible = []
        for protocol, found in protocols.items():
            if found.why_not(experiment):
                continue
            if protocol in varied:
                continue
            try:
                first_runs(experiment, found)
                possible.append(protocol)
            except UsageError as error:
                refusals.append(str(error))
        runnable = ", ".join(possible) or "costs only"
        lines.append((name, experiment.title, str(len(experiment.rows)), runnable))
    print_table("Tables", ("table", "title", "rows", "protocols"), lines)
    for refusal in refusals:
        print_line(f"{refusal}.")
    usual = [(name, p.title, p.shows) for name, p in protocols.items() if name not in varied]
    print_table("Protocols", ("protocol", "title", "what it shows"), usual)
    studies = [
        (name, base, protocols[name].varies)  # type: ignore[union-attr]  # these have it
        for base in protocols
        for name in library.variations(base)
    ]
    if studies:
        print_table("Sensitivity studies", ("protocol", "of", "what differs"), studies)


@dataclasses.dataclass(frozen=True)
class _Standing:
    """How far the rows of a table are under a protocol, seed 0."""

    configs: dict[str, RunConfig]
    """By row; empty where the protocol cannot run the table."""
    states: dict[str, str]
    """By row."""
    lacking: dict[str, list[str]]
    """What is not on this machine, and the rows that need it."""

    def state(self, row: str, otherwise: str) -> str:
        """A row's; where it cannot begin, why."""
        state = self.states.get(row, otherwise)
        lacks = any(row in rows for rows in self.lacking.values())
        return "lacks data or weights" if lacks and state == "missing" else state


def list_rows(table: str, protocol: str, results_dir: str) -> None:
    """The rows of a table, and where each stands under a protocol."""
    from vswin.data.data_file import load_sources
    from vswin.experiments.library import Library
    from vswin.experiments.trained import trained_lines
    from vswin.paper.printed import printed_table

    library = Library(experiments_dir())
    experiment, printed = library.experiment(table), printed_table(table)
    reason = library.why_not(experiment, protocol)
    standing = _Standing({}, {}, {}) if reason else _standing(table, protocol, results_dir)
    kind = library.protocol(protocol).kind
    lines = [
        _line(row, experiment, printed, standing, f"not under {protocol}")
        for row in experiment.rows
        if row.only_on in (None, kind, "costs")
    ]
    columns = ("row", "printed as", "preset", "frames", "model", "data, test and start")
    print_table(f"{table}: {experiment.title}", (*columns, f"{protocol}, seed 0"), lines)
    if reason:
        print_line(f"{reason}.")
    for words in (
        *_only_printed(experiment, printed),
        *trained_lines(experiment, standing.configs),
    ):
        print_line(words)
    if standing.lacking:
        print_line(f"Missing on this machine, as far as {load_sources().file} says:")
    for item, rows in standing.lacking.items():
        which = "" if len(rows) == len(standing.states) else f" ({', '.join(rows)})"
        print_line(f"  {item}{which}")


def _standing(table: str, protocol: str, results_dir: str) -> _Standing:
    """Reads the store, the record and, for videos, this machine's data file."""
    from vswin.data.data_file import load_sources
    from vswin.experiments.planning import plan_study
    from vswin.runs.record import read_records
    from vswin.runs.requirements import missing_inputs

    plan = plan_study(table, protocol, results_dir=results_dir, only_seeds=[0])
    recorded = read_records(plan.store).runs
    states: dict[str, str] = {}
    lacking: dict[str, list[str]] = {}
    for p in plan.runs:
        state = str(plan.folder(p).state())
        is_known = state == "missing" and p.config.run_id in recorded
        states[p.row.id] = "recorded" if is_known else state
    if any(p.config.data.kind == "videos" for p in plan.runs):
        sources = load_sources()
        for p in plan.runs:
            for item in missing_inputs(p.config, plan.store, sources):
                lacking.setdefault(item, []).append(p.row.id)
    return _Standing({p.row.id: p.config for p in plan.runs}, states, lacking)


def _line(
    row: Row, experiment: Experiment, printed: PrintedTable | None, standing: _Standing, none: str
) -> tuple[str, ...]:
    """A row's cells; `none` is its state where the protocol has no run for it."""
    from vswin.models.registry import family_of

    name = "not printed" if printed else ""
    name = f"control: {row.control}" if row.is_control else name
    if printed and (found := printed.row(row.id)):
        name = ", ".join(found.cells[column.id] for column in printed.labels)
    model = experiment.paper_model(row)
    words = " ".join(family_of(model).slug(model, row.frames))
    config = standing.configs.get(row.id)
    about = "; ".join(_in_words(config)) if config else ""
    counted = row.only_on == "costs" or experiment.awaits
    state = "costs only" if counted else standing.state(row.id, none)
    return row.id, name, row.preset, str(row.frames), words, about, state


def _only_printed(experiment: Experiment, printed: PrintedTable | None) -> list[str]:
    """A line that names the rows of other systems that this project does not have."""
    ours = {row.id for row in experiment.rows}
    others = [row.id for row in (printed.rows if printed else ()) if row.id not in ours]
    words = f"Printed of other systems, and not counted or run here: {', '.join(others)}."
    return [words] if others else []


def _in_words(config: RunConfig) -> list[str]:
    """What a run is trained on, tested with and starts from, in words."""
    data, init = config.data, config.init
    words = [f"{data.dataset}, {config.test} views"] if data.kind == "videos" else []
    match init.kind:
        case "checkpoint":
            words += [f"from {init.file}"]
        case "run":
            words += [f"from {init.run.run_id}"]
        case "test_only":
            return [*words, f"tests {init.run.run_id}"]
        case "random":
            return words
    return words + [f"{name} {choice}" for name, choice in init.inflation.items()]


def list_costs(
    table: str,
    protocol: str,
    results_dir: str,
    peak_tflops: float,
    share: float,
) -> None:
    """GPU-hours of each row under a protocol on videos, one seed."""
    from vswin.experiments.planning import plan_study
    from vswin.launch.estimate import estimate, speed_in
    from vswin.report import load_study

    plan = plan_study(table, protocol, 1, results_dir)
    study = load_study(table, protocol, 1, results_dir)
    lines = []
    speed = speed_in(plan.store, peak_tflops, share)
    total, seen = 0.0, set[str]()
    for p in plan.runs:
        cost = study.cost(p.row.id)
        found = estimate(p.config, cost, plan.store, speed)
        once = p.config.run_id not in seen
        seen.add(p.config.run_id)
        total += found.total if once else 0.0
        lines.append(
            (
                p.row.id,
                p.config.data.dataset,  # type: ignore[union-attr]
                f"{cost.gflops:.0f}",
                str(p.config.recipe.epochs),
                str(p.config.test),
                f"{found.train:.3g}" if once else "(the same run)",
                f"{found.test:.2g}" if once else "",
                found.basis,
            )
        )
    columns = ("row", "dataset", "10⁹ MACs", "epochs", "views", "train, h", "test, h", "from")
    print_table("", columns, lines)
    print_line(f"One seed: {total:.3g} GPU-hours.")
    basis = f"{100 * share:g} % of a GPU's {peak_tflops:g} TFLOP/s, as declared, not measured"
    print_line(HOURS_NOTE.format(basis=basis))
