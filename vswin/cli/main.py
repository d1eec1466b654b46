"""The command line: `vswin …`. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from vswin.cli import audit as cli_audit
from vswin.cli import claims as cli_claims
from vswin.cli import data as cli_data
from vswin.cli import demo as cli_demo
from vswin.cli import distance as cli_distance
from vswin.cli import explain as cli_explain
from vswin.cli import export as cli_export
from vswin.cli import features as cli_features
from vswin.cli import init as cli_init
from vswin.cli import jobs as cli_jobs
from vswin.cli import own as cli_own
from vswin.cli import predict as cli_predict
from vswin.cli import record as cli_record
from vswin.cli import reports as cli_reports
from vswin.cli import submit as cli_submit
from vswin.cli import videos as cli_videos
from vswin.cli import weights as cli_weights
from vswin.cli.options import (
    DataFileOption,
    JobsOption,
    ProtocolOption,
    ResultsOption,
    RowOption,
    SeedsOption,
    SetOption,
    TableArgument,
    model_keywords,
    model_options,
    resumable,
    say_project,
    use_data_file,
)
from vswin.cli.terminal import discard_output, prepare_streams
from vswin.errors import UsageError, VswinError, unknown
from vswin.extras import explained, require_extra
from vswin.models.errors import ModelError
from vswin.version import VERSION

if TYPE_CHECKING:
    pass

EXIT_CODES = (
    "Exit codes: 0, done; 1, the work failed: a run, a damaged video, a full disk, data that this "
    "machine lacks; 2, what was asked for is wrong: an unknown name, an option, a file that is not "
    "there or not what it should be; 130, interrupted."
)
app = typer.Typer(
    help="The Video Swin Transformer paper, reproduced table by table.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(cli_weights.app, name="weights")
app.add_typer(cli_data.app, name="data")
cli_data.app.command("make-digits")(cli_videos.make_digits)
cli_data.app.command("split")(cli_own.split)


def main() -> None:
    """Entry point: what a user can cause is one line on stderr and one of the `EXIT_CODES`."""
    prepare_streams()
    try:
        try:
            app()
        finally:
            sys.stdout.flush()  # a full disk is said here, not when Python has ended
    except VswinError as error:
        _fail(str(error), error.exit_code)
    except ModelError as error:
        _fail(str(error), 2)
    except ModuleNotFoundError as error:
        if (words := explained(error)) is None:
            raise
        _fail(words, 1)
    except RuntimeError as error:
        if "home directory" not in str(error):  # what pathlib says of ~name
            raise
        _fail("a path begins with ~ and a name that no user of this machine has", 2)
    except BrokenPipeError:
        discard_output()
        sys.exit(1)
    except OSError as error:  # what no command expects: the file or folder is named at least
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}", 1)


def _fail(words: str, code: int) -> NoReturn:
    print(f"error: {words}", file=sys.stderr)
    sys.exit(code)


def _version(asked: bool) -> None:
    if asked:
        print(f"vswin {VERSION}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command("list")
def list_(
    table: Annotated[str | None, typer.Argument(help="Show the rows of one table.")] = None,
    protocol: ProtocolOption = "proxy",
    results_dir: ResultsOption = "results",
    cost: Annotated[
        bool, typer.Option("--cost", help="GPU-hours of each row instead, under a video protocol.")
    ] = False,
    peak_tflops: Annotated[
        float, typer.Option(min=0.1, help="A GPU's peak for --cost (312: A100, bf16 or fp16).")
    ] = 312.0,
    share: Annotated[
        float, typer.Option(min=0.001, max=1.0, help="Share of the peak that is reached.")
    ] = 0.15,
    data_file: DataFileOption = None,
) -> None:
    """Tables and protocols; or the rows of a table, what is done, and what is missing."""
    from vswin.cli import listing as cli_list

    say_project()
    use_data_file(data_file)
    if table is None:
        cli_list.list_all()
    elif cost:
        cli_list.list_costs(table, protocol, results_dir, peak_tflops, share)
    else:
        cli_list.list_rows(table, protocol, results_dir)


@app.command()
def run(
    table: TableArgument,
    row: RowOption = None,
    protocol: ProtocolOption = "proxy",
    seeds: SeedsOption = None,
    seed: Annotated[
        list[int] | None,
        typer.Option("--seed", help="Exactly this seed (repeat for several) instead of --seeds."),
    ] = None,
    jobs: JobsOption = 0,
    device: Annotated[
        str, typer.Option(help="cpu; cuda (each process has a GPU of its own); cuda:N.")
    ] = "cpu",
    results_dir: ResultsOption = "results",
    data_file: DataFileOption = None,
    processes: Annotated[
        int, typer.Option(help="Processes for each run: one for each GPU (videos).")
    ] = 1,
    micro_batch: Annotated[
        int, typer.Option(help="Most clips at a time for each process (videos).")
    ] = 8,
    workers: Annotated[
        int | None, typer.Option(help="Decoding processes for each process (default: by cores).")
    ] = None,
    checkpoint_minutes: Annotated[
        float, typer.Option(help="Time between two checkpoints within an epoch.")
    ] = 15.0,
    max_replaced: Annotated[
        float, typer.Option(help="Share of clips that may stand for unreadable videos.")
    ] = 0.01,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write TensorBoard's events, too.")
    ] = False,
) -> None:
    """Train and test the rows of a table that are not done yet; resumes what was interrupted."""
    from vswin.experiments.planning import plan_study
    from vswin.launch.pool import decoders, pool_size
    from vswin.launch.progress import progress
    from vswin.launch.study import run_study
    from vswin.runs.resources import ExecutionSettings
    from vswin.training.distributed import require_device

    say_project()
    require_device(device, processes)
    use_data_file(data_file)
    if tensorboard:
        require_extra("tensorboard")
    plan = plan_study(table, protocol, seeds, results_dir, row or (), seed or ())
    if not row and (left_out := plan.left_out):
        print(
            f"left to studies of more seeds: {', '.join(left_out)} (--seeds, or --row for one)",
            file=sys.stderr,
        )
    settings = ExecutionSettings(
        processes, micro_batch, workers or 0, checkpoint_minutes, max_replaced, tensorboard
    )
    jobs = pool_size(jobs, device, plan.protocol.threads, processes)
    if workers is None:
        settings = dataclasses.replace(settings, workers=decoders(device, jobs * processes))
    with resumable(), progress() as show:
        snapshots = run_study(plan, jobs, device, show, settings)
    where = "" if results_dir == "results" else f" --results-dir {shlex.quote(results_dir)}"
    print(
        f"{len(snapshots)} runs complete in {plan.store.runs_dir}\n"
        f"next: vswin report {table} --protocol {protocol}{where}"
    )


app.command()(cli_init.init)
app.command()(cli_own.new)
app.command()(cli_reports.report)
app.command()(cli_reports.notebook)


@app.command()
def cost(
    name: Annotated[
        list[str],
        typer.Argument(help="A preset (swin_t …) or a table (table1 …); several of either."),
    ],
    rule: Annotated[
        str | None,
        typer.Option(
            help="Counting rule: paper, macs or fvcore (default: of a table, that of its paper; of "
            "a preset, that of its authors)."
        ),
    ] = None,
    frames: Annotated[
        int | None, typer.Option(help="Input frames, for a preset (default: its own).")
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Input height and width, for a preset (default: 224).")
    ] = None,
    window: Annotated[
        str | None,
        typer.Option(help="Window PxMxM, for a Swin preset (default: 8x7x7; 1x7x7 for split)."),
    ] = None,
    classes: Annotated[
        int | None, typer.Option(help="Classes, for a preset (default: 400).")
    ] = None,
    design: Annotated[
        str | None,
        typer.Option(help="Table 4's design, for a Swin preset: joint, split, factorized."),
    ] = None,
    keywords: SetOption = None,
    memory: Annotated[
        bool, typer.Option("--memory", help="Memory of a training step instead.")
    ] = False,
    batch: Annotated[
        int | None,
        typer.Option(min=1, help="Clips in a step, for --memory (default: 4; 64 images)."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="For --memory: a list of objects, for programs.")
    ] = False,
    peers: Annotated[
        bool,
        typer.Option(
            "--peers",
            help="The other systems of a table instead, built by the libraries of the extra peers; "
            "takes minutes.",
        ),
    ] = False,
) -> None:
    """Multiply-accumulates and parameters, counted without weights or data."""
    from vswin.cli.costs import print_peer_costs, print_preset_cost, print_table_cost
    from vswin.cli.memory import print_memory
    from vswin.experiments.library import Library
    from vswin.models.registry import presets
    from vswin.project import experiments_dir

    say_project(quiet=as_json)
    tables = Library(experiments_dir()).tables()
    for each in name:
        if each not in presets() and each not in tables:
            raise unknown("preset or table", each, [*presets(), *tables])
    of_presets: dict[str, object] = {"frames": frames, "size": size, "classes": classes}
    of_presets |= {"window": window, "design": design, "set": keywords}
    given = [option for option, value in of_presets.items() if value is not None]
    if given and (named := [each for each in name if each in tables]):
        raise UsageError(f"--{given[0]} is for presets; {named[0]} says it itself, row by row")
    if peers:
        others = {"rule": rule, "memory": memory, "batch": batch, "json": as_json}
        if given := [option for option, value in others.items() if value]:
            raise UsageError(f"--{given[0]} does not go with --peers")
        print_peer_costs(name)
        return
    options = model_options(window=window, design=design)
    options |= {} if classes is None else {"num_classes": classes}
    said = model_keywords(keywords or (), [each for each in name if each in presets()])
    if twice := said.keys() & options.keys():
        raise UsageError(f"--set {min(twice)}: another option says that already")
    options |= said
    if memory:
        print_memory(name, batch, as_json, frames, size, options)
        return
    if batch is not None or as_json:
        raise UsageError(f"{'--json' if as_json else '--batch'} is for --memory; add it")
    for each in name:
        if each in tables:
            print_table_cost(each, rule)  # type: ignore[arg-type]
        else:
            print_preset_cost(each, rule, frames, size, options)  # type: ignore[arg-type]


app.command()(cli_distance.distance)
app.command()(cli_submit.submit)
app.command("retry", help=cli_submit.RETRY_HELP)(cli_submit.submit)
app.command()(cli_jobs.status)
app.command()(cli_jobs.logs)
app.command()(cli_jobs.cancel)
app.command()(cli_record.record)
app.command()(cli_claims.claims)
app.command()(cli_audit.audit)
app.command("eval")(cli_videos.evaluate)
app.command("predict")(cli_predict.predict)
app.command("export")(cli_export.export)
app.command("features")(cli_features.features)
app.command("demo")(cli_demo.demo)
app.command("explain")(cli_explain.explain)
