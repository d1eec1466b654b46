"""`vswin list`: tables, protocols, rows; what is done, what is missing, what it would cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Column, Table

from vswin.project import experiments_dir

if TYPE_CHECKING:  # `vswin --help` does without
    from vswin.runs.config import RunConfig

HOURS_NOTE = (
    "GPU-hours: {basis}; training and one test, decoding not counted. Another GPU: --peak-tflops "
    "and --share. A run that is done says what it took."
)


def list_all(console: Console) -> None:
    """All tables and protocols."""
    from vswin.experiments.library import Library

    library = Library(experiments_dir())
    protocols = {name: library.protocol(name) for name in library.protocols()}
    grid = Table("table", "title", "rows", "protocols", title="Tables", title_justify="left")
    for name in library.tables():
        experiment = library.experiment(name)
        grid.add_row(
            name,
            experiment.title,
            str(len(experiment.rows)),
            ", ".join(n for n, p in protocols.items() if p.can_run(experiment)) or "costs only",
        )
    console.print(grid)
    grid = Table("protocol", "title", "what it shows", title="Protocols", title_justify="left")
    for name, found in protocols.items():
        grid.add_row(name, found.title, found.shows)
    console.print(grid)


def list_rows(console: Console, table: str, protocol: str, results_dir: str) -> None:
    """The rows of a table, and where each stands under a protocol."""
    from vswin.data.data_file import load_sources
    from vswin.experiments.library import Library
    from vswin.experiments.planning import plan_study
    from vswin.experiments.trained import trained_lines
    from vswin.models.registry import family_of
    from vswin.paper.printed import printed_table
    from vswin.runs.requirements import missing_inputs

    library = Library(experiments_dir())
    experiment, printed = library.experiment(table), printed_table(table)
    states: dict[str, str] = {}
    lacking: dict[str, list[str]] = {}
    configs: dict[str, RunConfig] = {}
    if library.protocol(protocol).can_run(experiment):
        plan = plan_study(table, protocol, results_dir=results_dir)
        first = [p for p in plan.runs if p.seed == 0]
        configs = {p.row.id: p.config for p in first}
        states = {p.row.id: plan.folder(p).state() for p in first}
        if any(p.config.data.kind == "videos" for p in first):
            sources = load_sources()
            for p in first:
                for item in missing_inputs(p.config, plan.store, sources):
                    lacking.setdefault(item, []).append(p.row.id)
    grid = Table(
        Column("row", no_wrap=True),
        "printed as",
        "preset",
        "frames",
        "model",
        "data, test and start",
        f"{protocol}, seed 0",
        title=f"{table}: {experiment.title}",
        title_justify="left",
    )
    for row in experiment.rows:
        name = f"control: {row.control}" if row.is_control else "not printed"
        if printed and (line := printed.row(row.id)):
            name = ", ".join(line.cells[column.id] for column in printed.labels)
        model = experiment.paper_model(row)
        words = " ".join(family_of(model).slug(model, row.frames))
        about = _in_words(configs[row.id]) if row.id in configs else []
        state = states.get(row.id, f"not under {protocol}")
        if state == "missing" and any(row.id in rows for rows in lacking.values()):
            state = "lacks data or weights"
        grid.add_row(row.id, name, row.preset, str(row.frames), words, "; ".join(about), state)
    console.print(grid)
    for words in trained_lines(experiment, configs):
        console.print(words, soft_wrap=True, highlight=False)
    if lacking:
        console.print(f"Missing on this machine, as far as {load_sources().file} says:")
        for item, rows in lacking.items():
            which = "" if len(rows) == len(states) else f" ({', '.join(rows)})"
            console.print(f"  {item}{which}", soft_wrap=True, highlight=False)


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
    console: Console,
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
    grid = Table(
        Column("row", no_wrap=True),
        "dataset",
        "10⁹ MACs",
        "epochs",
        "views",
        "train, h",
        "test, h",
        "from",
    )
    speed = speed_in(plan.store, peak_tflops, share)
    total, seen = 0.0, set[str]()
    for p in plan.runs:
        cost = study.cost(p.row.id)
        found = estimate(p.config, cost, plan.store, speed)
        once = p.config.run_id not in seen
        seen.add(p.config.run_id)
        total += found.total if once else 0.0
        grid.add_row(
            p.row.id,
            p.config.data.dataset,  # type: ignore[union-attr]
            f"{cost.gflops:.0f}",
            str(p.config.recipe.epochs),
            str(p.config.test),
            f"{found.train:.3g}" if once else "(the same run)",
            f"{found.test:.2g}" if once else "",
            found.basis,
        )
    console.print(grid)
    console.print(f"One seed: {total:.3g} GPU-hours.", highlight=False)
    basis = f"{100 * share:g} % of a GPU's {peak_tflops:g} TFLOP/s, as declared, not measured"
    console.print(HOURS_NOTE.format(basis=basis), highlight=False, soft_wrap=True)
