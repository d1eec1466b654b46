"""`vswin submit` and `vswin retry`: whole tables on a Slurm cluster, or in a pool here."""

from __future__ import annotations

import dataclasses
import json
import shlex
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vswin.cli.options import DataFileOption, resumable, use_data_file
from vswin.errors import UsageError, VswinError

if TYPE_CHECKING:  # `vswin --help` does without
    from vswin.launch.estimate import Bill
    from vswin.launch.slurm.journal import Submission
    from vswin.launch.slurm.submit import Proposal, Request

HERE = "here"
SHOWN = 12
"""Jobs that are printed before the rest is only counted."""

TablesArgument = Annotated[list[str], typer.Argument(help="Tables, e.g. table5; or `all`.")]
ProfileOption = Annotated[
    str,
    typer.Option(
        "--profile",
        envvar="VSWIN_PROFILE",
        help="The cluster's file (see slurm/cluster.example.toml), or `here`: this machine.",
    ),
]
ProtocolOption = Annotated[
    str, typer.Option("--protocol", "-p", help="How rows are trained and tested: see `vswin list`.")
]
SeedsOption = Annotated[
    int | None, typer.Option("--seeds", "-s", help="Seeds from 0 on (default: the protocol's).")
]
RowOption = Annotated[
    list[str] | None, typer.Option("--row", "-r", help="Only this row (repeat for several).")
]
ResultsOption = Annotated[
    str,
    typer.Option("--results-dir", help="Folder of results; relative to the project's root."),
]
ParallelOption = Annotated[
    int | None, typer.Option(min=1, help="Runs at a time on the cluster (default: the profile's).")
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Print what would be submitted, and sbatch's scripts.")
]
CheckOption = Annotated[
    bool, typer.Option("--check", help="Ask the cluster whether it would take the jobs.")
]
HoursOption = Annotated[
    float | None, typer.Option(min=0, help="Refuse to submit more than so many GPU-hours.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before GPUs are used.")]
NotebookOption = Annotated[
    bool, typer.Option("--notebook/--no-notebook", help="Render the notebooks afterwards.")
]
JobsOption = Annotated[
    int,
    typer.Option(
        "--jobs", "-j", min=0, help="With --profile here: runs at a time (0: all that fit)."
    ),
]
DeviceOption = Annotated[str, typer.Option(help="With --profile here: cpu, cuda or cuda:N.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead.")]


def submit(
    tables: TablesArgument,
    profile: ProfileOption,
    protocol: ProtocolOption = "proxy",
    row: RowOption = None,
    seeds: SeedsOption = None,
    results_dir: ResultsOption = "results",
    retry: Annotated[bool, typer.Option("--retry", help="Also what failed.")] = False,
    parallel: ParallelOption = None,
    dry_run: DryRunOption = False,
    check: CheckOption = False,
    max_gpu_hours: HoursOption = None,
    yes: YesOption = False,
    notebook: NotebookOption = True,
    jobs: JobsOption = 0,
    device: DeviceOption = "cpu",
    data_file: DataFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Submit what is missing of whole tables, and return at once.

    Runs that are complete, running or queued are left alone, so the same command again submits
    only what was lost. Jobs that are preempted, time out or lose their node go on by themselves.
    """
    from vswin.launch.slurm.submit import ABSENT, FAILED

    use_data_file(data_file)
    standings = ABSENT + FAILED if retry else ABSENT
    plans = _plans(tables, protocol, seeds, results_dir, row)
    if profile == HERE:
        _refuse_here(check, parallel, max_gpu_hours, as_json)
        _run_here(plans, standings, jobs, device, notebook, dry_run)
        return
    _refuse("a cluster's profile", jobs=jobs, device=device != "cpu")
    request = _request(plans, profile, standings, parallel, notebook)
    _hand_in(request, dry_run, check, max_gpu_hours, yes, as_json)


def retry(
    tables: TablesArgument,
    profile: ProfileOption,
    protocol: ProtocolOption = "proxy",
    row: RowOption = None,
    seeds: SeedsOption = None,
    run: Annotated[
        list[str] | None, typer.Option("--run", help="Only this run, by its id (repeatable).")
    ] = None,
    results_dir: ResultsOption = "results",
    parallel: ParallelOption = None,
    dry_run: DryRunOption = False,
    check: CheckOption = False,
    max_gpu_hours: HoursOption = None,
    yes: YesOption = False,
    notebook: NotebookOption = True,
    jobs: JobsOption = 0,
    device: DeviceOption = "cpu",
    data_file: DataFileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Submit what failed again, with the same seeds, from the last checkpoints; nothing else."""
    from vswin.launch.slurm.submit import FAILED

    use_data_file(data_file)
    plans = _plans(tables, protocol, seeds, results_dir, row)
    only = _known_runs(plans, run) if run else None
    if profile == HERE:
        _refuse_here(check, parallel, max_gpu_hours, as_json)
        _run_here(plans, FAILED, jobs, device, notebook, dry_run, only)
        return
    _refuse("a cluster's profile", jobs=jobs, device=device != "cpu")
    request = _request(plans, profile, FAILED, parallel, notebook, only)
    _hand_in(request, dry_run, check, max_gpu_hours, yes, as_json)


def _refuse_here(
    check: bool, parallel: int | None, max_gpu_hours: float | None, as_json: bool
) -> None:
    hours = max_gpu_hours is not None
    _refuse(HERE, check=check, parallel=parallel, max_gpu_hours=hours, json=as_json)


def _refuse(profile: str, **options: object) -> None:
    """Refuses options that would be without effect."""
    for name, value in options.items():
        if value not in (None, False, 0):
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} has no meaning with --profile {profile}; leave it out")


def _plans(
    tables: list[str], protocol: str, seeds: int | None, results_dir: str, rows: list[str] | None
) -> tuple[Any, ...]:
    from vswin.experiments.library import Library
    from vswin.experiments.planning import plan_study
    from vswin.project import experiments_dir

    if "all" in tables:
        library = Library(experiments_dir())
        library.protocol(protocol)  # a name that does not exist is said to be that
        names = [t for t in library.tables() if protocol in library.experiment(t).protocols]
        if len(tables) > 1 or not names or rows:
            raise UsageError("`all` stands alone, without --row, for every table of a protocol")
        tables = names
    return tuple(
        plan_study(table, protocol, seeds, results_dir, rows or ())
        for table in dict.fromkeys(tables)
    )


def _known_runs(plans: tuple[Any, ...], run: list[str]) -> frozenset[str]:
    known = {planned.config.run_id for plan in plans for planned in plan.runs}
    for run_id in run:
        if run_id not in known:
            raise UsageError(f"--run {run_id}: not a run of those tables; see `vswin status`")
    return frozenset(run)


def _request(
    plans: tuple[Any, ...],
    profile: str,
    standings: tuple[Any, ...],
    parallel: int | None,
    notebook: bool,
    only: frozenset[str] | None = None,
) -> Request:
    from vswin.launch.slurm.profile import load_profile
    from vswin.launch.slurm.submit import Request

    cluster = load_profile(profile)
    if parallel is not None:
        cluster = cluster.model_copy(update={"parallel": parallel})
    return Request(plans, cluster, standings, only, notebook)


def _hand_in(
    request: Request,
    dry_run: bool,
    check: bool,
    max_gpu_hours: float | None,
    yes: bool,
    as_json: bool,
) -> None:
    from vswin.launch.estimate import price
    from vswin.launch.slurm import submit as slurm
    from vswin.launch.slurm.sbatch import test_only
    from vswin.runs.requirements import require_inputs

    if dry_run or check:
        proposal = slurm.propose(request)
        bill, texts = price(request, proposal.configs), slurm.scripts(request, proposal)
        waits = "#SBATCH --dependency=afterany:JOBS\n"
        names = [f"{len(array.configs)} runs" for array in proposal.arrays] + ["notebooks"]
        asked = [(name, text.replace(waits, "")) for name, text in zip(names, texts, strict=False)]
        answers = [f"{name}: {test_only(text, name)}" for name, text in asked if check]
        if as_json:
            print(json.dumps(_as_json(request, proposal, bill, [], texts, answers), indent=2))
            return
        print(f"{_summary(request, proposal)}\nestimate: {bill}")
        if dry_run:
            print("\n".join(f"  would submit {config.run_id}" for config in proposal.configs))
            print("\n\n".join(texts))
        print("\n".join(answers))
        return

    bill = None

    def approve(proposal: Proposal) -> None:
        nonlocal bill
        bill = price(request, proposal.configs)
        if not as_json:
            print(f"{_summary(request, proposal)}\nestimate: {bill}", flush=True)
        require_inputs(proposal.configs, request.store)
        bill.require(max_gpu_hours)
        if proposal.configs and bill.gpu_hours != 0 and not yes:
            _ask(f"submit {len(proposal.configs)} runs ({bill})?")

    def tell(submission: Submission) -> None:
        if not as_json:
            _print_submission(submission)

    proposal, submissions = slurm.submit(request, approve, tell)
    if as_json:
        print(json.dumps(_as_json(request, proposal, bill, submissions), indent=2))
    else:
        print(f"next: {_status_command(request)}" if submissions else "nothing to submit")


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise UsageError("GPUs are used: give --yes to submit without being asked")
    if not typer.confirm(question):
        raise VswinError("nothing was submitted")


def _summary(request: Request, proposal: Proposal) -> str:
    """How many runs stand how."""
    tables = ", ".join(plan.experiment.table for plan in request.plans)
    counts = Counter(s.standing for s in proposal.seen.values())
    stand = ", ".join(f"{n} {standing}" for standing, n in counts.items())
    text = (
        f"{tables}, {request.plans[0].protocol.protocol}: {len(proposal.seen)} runs: {stand}; "
        f"{len(proposal.configs)} to submit"
    )
    left = counts["failed"] + counts["blocked"] if "failed" not in request.standings else 0
    if left:
        text += f"\n{left} failed or wait for one that did: `vswin status` says why, --retry or "
        text += "`vswin retry` submits them again"
    if proposal.problem is not None:
        text += f"\nthe queue cannot be asked: {proposal.problem}"
    return text


def _print_submission(submission: Submission) -> None:
    what = "runs" if submission.kind == "runs" else "notebooks, when those have ended"
    print(f"submitted {submission.token}: {len(submission.items)} {what}")
    pairs = list(zip(submission.job_ids, submission.items, strict=True))
    for job_id, item in pairs[:SHOWN]:
        print(f"  {job_id}  {item}")
    if len(pairs) > SHOWN:
        print(f"  and {len(pairs) - SHOWN} more, to {pairs[-1][0]}")


def _status_command(request: Request) -> str:
    tables = " ".join(plan.experiment.table for plan in request.plans)
    protocol = request.plans[0].protocol.protocol
    where = shlex.quote(str(request.store.results_dir))
    return f"vswin status {tables} --protocol {protocol} --results-dir {where}"


def _as_json(
    request: Request,
    proposal: Proposal,
    bill: Bill | None,
    submissions: list[Submission],
    scripts: Sequence[str] = (),
    answers: Sequence[str] = (),
) -> dict[str, Any]:
    return {
        "tables": [plan.experiment.table for plan in request.plans],
        "protocol": request.plans[0].protocol.protocol,
        "standings": {run_id: s.standing for run_id, s in proposal.seen.items()},
        "to_submit": [config.run_id for config in proposal.configs],
        "gpu_hours": bill and bill.gpu_hours,
        "submissions": [dataclasses.asdict(submission) for submission in submissions],
        "scripts": list(scripts),
        "checks": list(answers),
    }


def _run_here(
    plans: tuple[Any, ...],
    standings: tuple[Any, ...],
    jobs: int,
    device: str,
    notebook: bool,
    dry_run: bool,
    only: frozenset[str] | None = None,
) -> None:
    """The same in a pool on this machine; waits for it."""
    from vswin.launch.pool import decoders, pool_size
    from vswin.launch.progress import progress
    from vswin.launch.slurm.profile import Profile
    from vswin.launch.slurm.submit import Request, notebook_job, propose
    from vswin.launch.study import RunsFailedError, run_configs
    from vswin.report.notebooks import execute_notebook
    from vswin.runs.resources import Effort
    from vswin.training.distributed import require_device

    require_device(device)
    request = Request(plans, Profile(), standings, only, notebook)
    proposal = propose(request)
    print(_summary(request, proposal))
    if dry_run:
        print("\n".join(f"  would run {config.run_id}" for config in proposal.configs))
        return
    threads = plans[0].protocol.threads
    jobs = pool_size(jobs, device, threads)
    effort = Effort(workers=decoders(device, jobs))
    failed = None
    with resumable():
        try:
            with progress() as show:
                run_configs(proposal.configs, request.store, jobs, threads, device, show, effort)
        except RunsFailedError as error:
            failed = error
        for table in proposal.tables:  # also of what failed, as on a cluster
            job = notebook_job(request, table)
            names = ("protocol", "seeds", "results_dir")
            given = {name: getattr(job, name) for name in names} | {"run_missing": False}
            print(f"rendering {table} ...")
            print(f"  {execute_notebook(table, given)[0]}")
    if failed is not None:
        raise failed
    print(f"next: {_status_command(request)}")
