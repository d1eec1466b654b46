"""`vswin submit` and `vswin retry`: whole tables on a Slurm cluster, or in a pool here."""

from __future__ import annotations

import dataclasses
import json
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vswin.cli.options import (
    DataFileOption,
    JobsOption,
    ProtocolOption,
    ResultsOption,
    RowOption,
    SeedsOption,
    YesOption,
    confirm,
    resumable,
    say_project,
    use_data_file,
)
from vswin.errors import UsageError
from vswin.extras import require_extra

if TYPE_CHECKING:  # `vswin --help` does without
    from vswin.experiments.planning import StudyPlan
    from vswin.launch.estimate import Total
    from vswin.launch.proposal import Proposal, Request
    from vswin.launch.slurm.journal import Submission

HERE = "here"
SHOWN = 12
"""Jobs that are printed before the rest is only counted."""
RETRY_HELP = """Submit what failed again, with the same seeds, from the last checkpoints.

Nothing else is submitted; otherwise as `vswin submit`."""


def submit(
    context: typer.Context,
    tables: Annotated[list[str], typer.Argument(help="Tables, e.g. table5; or `all`.")],
    profile: Annotated[
        str,
        typer.Option(
            envvar="VSWIN_PROFILE",
            help="The cluster's file (see slurm/cluster.example.toml), or `here`: this machine.",
        ),
    ],
    protocol: ProtocolOption = "proxy",
    row: RowOption = None,
    run: Annotated[
        list[str] | None, typer.Option(help="Only this run, by its id (repeat for several).")
    ] = None,
    seeds: SeedsOption = None,
    results_dir: ResultsOption = "results",
    retry: Annotated[bool, typer.Option("--retry", help="With submit: also what failed.")] = False,
    parallel: Annotated[
        int | None,
        typer.Option(min=1, help="Runs at a time on the cluster (default: the profile's)."),
    ] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Print what would be submitted, sbatch's scripts, and what this machine lacks.",
        ),
    ] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Ask the cluster whether it would take the jobs.")
    ] = False,
    max_gpu_hours: Annotated[
        float | None, typer.Option(min=0, help="Refuse to submit more than so many GPU-hours.")
    ] = None,
    yes: YesOption = False,
    notebook: Annotated[
        bool,
        typer.Option("--notebook/--no-notebook", help="Execute the notebooks afterwards."),
    ] = True,
    jobs: JobsOption = 0,
    device: Annotated[str, typer.Option(help="With --profile here: cpu, cuda or cuda:N.")] = "cpu",
    data_file: DataFileOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead.")] = False,
) -> None:
    """Submit what is missing of whole tables, and return at once.

    Runs that are complete, running or queued are left alone, so the same command again submits
    only what was lost. Jobs that are preempted, time out or lose their node go on by themselves.
    """
    for extra in ("slurm", "notebooks", "studies") if notebook else ("slurm",):
        require_extra(extra)
    from vswin.launch.proposal import ABSENT, FAILED, Request
    from vswin.launch.slurm.profile import Profile, load_profile

    say_project(quiet=as_json)
    use_data_file(data_file)
    only_failed = context.info_name == "retry"  # one function is both commands
    if only_failed and retry:
        raise UsageError("--retry has no meaning with `vswin retry`; leave it out")
    states = FAILED if only_failed else ABSENT + FAILED if retry else ABSENT
    plans = _plans(tables, protocol, seeds, results_dir, row)
    only = _known_runs(plans, run) if run else None
    notebooks = _notebooks(plans) if notebook else {}
    if profile == HERE:
        hours = max_gpu_hours is not None
        _refuse(HERE, check=check, parallel=parallel, max_gpu_hours=hours, json=as_json)
        request = Request(plans, Profile(), states, only, notebooks)
        _run_here(request, jobs, device, dry_run)
        return
    _refuse("a cluster's profile", jobs=jobs, device=device != "cpu")
    cluster = load_profile(profile)
    if parallel is not None:
        cluster = cluster.model_copy(update={"parallel": parallel})
    request = Request(plans, cluster, states, only, notebooks)
    if dry_run or check:
        _show(request, dry_run, check, max_gpu_hours, as_json)
    else:
        _hand_in(request, max_gpu_hours, yes, as_json)


def _refuse(profile: str, **options: object) -> None:
    """Refuses options that would be without effect."""
    for name, value in options.items():
        if value not in (None, False, 0):
            option = f"--{name.replace('_', '-')}"
            raise UsageError(f"{option} has no meaning with --profile {profile}; leave it out")


def _plans(
    tables: list[str], protocol: str, seeds: int | None, results_dir: str, rows: list[str] | None
) -> tuple[StudyPlan, ...]:
    from vswin.experiments.library import Library
    from vswin.experiments.planning import plan_study
    from vswin.project import experiments_dir

    if "all" in tables:
        library = Library(experiments_dir())
        chosen = library.protocol(protocol)
        names = [t for t in library.tables() if not chosen.why_not(library.experiment(t))]
        if len(tables) > 1 or not names or rows:
            raise UsageError("`all` stands alone, without --row, for every table of a protocol")
        tables = names
    return tuple(
        plan_study(table, protocol, seeds, results_dir, rows or ())
        for table in dict.fromkeys(tables)
    )


def _known_runs(plans: Sequence[StudyPlan], run: list[str]) -> frozenset[str]:
    known = {planned.config.run_id for plan in plans for planned in plan.runs}
    for run_id in run:
        if run_id not in known:
            raise UsageError(f"--run {run_id}: not a run of those tables; see `vswin status`")
    return frozenset(run)


def _notebooks(plans: Sequence[StudyPlan]) -> dict[str, tuple[str, ...]]:
    """By table, the arguments of the command that executes its notebook on what is in the store."""
    return {
        plan.experiment.table: (
            *("notebook", plan.experiment.table, "--protocol", plan.protocol.protocol),
            *("--seeds", str(len({planned.seed for planned in plan.runs}))),
            *("--results-dir", str(plan.store.results_dir), "--no-run-missing"),
        )
        for plan in plans
    }


def _show(
    request: Request, dry_run: bool, check: bool, max_gpu_hours: float | None, as_json: bool
) -> None:
    """Prints what would be submitted, and what the cluster says of it.

    Raises:
        MissingDataError: if `vswin submit` would, which is also the last that is said.
        TooExpensiveError: likewise.
    """
    from vswin.launch.estimate import estimate_all
    from vswin.launch.proposal import propose
    from vswin.launch.slurm.sbatch import test_only
    from vswin.launch.submit import scripts
    from vswin.runs.requirements import lacking_inputs, require_inputs

    proposal = propose(request)
    total = estimate_all(proposal.configs, request.store, request.profile)
    texts = scripts(request, proposal)
    waits = "#SBATCH --dependency=afterany:JOBS\n"
    names = [f"{len(array.configs)} runs" for array in proposal.arrays] + ["notebooks"]
    asked = [(name, text.replace(waits, "")) for name, text in zip(names, texts, strict=False)]
    answers = [f"{name}: {test_only(text, name)}" for name, text in asked if check]
    if as_json:
        content = _as_json(request, proposal, total, [], texts, answers)
        content["lacking"] = lacking_inputs(proposal.configs, request.store)
        print(json.dumps(content, indent=2))
    else:
        print(f"{_summary(request, proposal)}\nestimate: {total}")
        would = [f"  would submit {config.run_id}" for config in proposal.configs]
        for part in ("\n".join(would), "\n\n".join(texts)) if dry_run else ():
            if part:
                print(part)
        if answers:
            print("\n".join(answers))
    sys.stdout.flush()
    require_inputs(proposal.configs, request.store)
    total.require(max_gpu_hours)


def _hand_in(request: Request, max_gpu_hours: float | None, yes: bool, as_json: bool) -> None:
    """Submits, and prints what was submitted."""
    from vswin.launch.estimate import estimate_all
    from vswin.launch.submit import submit
    from vswin.runs.requirements import require_inputs

    total: Total | None = None

    def approve(proposal: Proposal) -> None:
        nonlocal total
        total = estimate_all(proposal.configs, request.store, request.profile)
        if not as_json:
            print(f"{_summary(request, proposal)}\nestimate: {total}", flush=True)
        require_inputs(proposal.configs, request.store)
        total.require(max_gpu_hours)
        if proposal.configs and total.gpu_hours != 0:
            question = f"submit {len(proposal.configs)} runs ({total})?"
            confirm(question, yes, "nothing was submitted")

    def tell(submission: Submission) -> None:
        if not as_json:
            _print_submission(submission)

    proposal, submissions = submit(request, approve, tell)
    if as_json:
        print(json.dumps(_as_json(request, proposal, total, submissions), indent=2))
    else:
        print(f"next: {_status_command(request)}" if submissions else "nothing to submit")


def _summary(request: Request, proposal: Proposal) -> str:
    """How many runs stand how."""
    tables = ", ".join(plan.experiment.table for plan in request.plans)
    counts = Counter(s.state for s in proposal.statuses.values())
    stand = ", ".join(f"{n} {state}" for state, n in counts.items())
    text = (
        f"{tables}, {request.plans[0].protocol.protocol}: {len(proposal.statuses)} runs: {stand}; "
        f"{len(proposal.configs)} to submit"
    )
    left = counts["failed"] + counts["blocked"] if "failed" not in request.states else 0
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
    total: Total | None,
    submissions: list[Submission],
    scripts: Sequence[str] = (),
    answers: Sequence[str] = (),
) -> dict[str, Any]:
    return {
        "tables": [plan.experiment.table for plan in request.plans],
        "protocol": request.plans[0].protocol.protocol,
        "states": {run_id: s.state for run_id, s in proposal.statuses.items()},
        "to_submit": [config.run_id for config in proposal.configs],
        "gpu_hours": total and total.gpu_hours,
        "submissions": [dataclasses.asdict(submission) for submission in submissions],
        "scripts": list(scripts),
        "checks": list(answers),
    }


def _run_here(request: Request, jobs: int, device: str, dry_run: bool) -> None:
    """The same in a pool on this machine; waits for it."""
    from vswin.launch.pool import decoders, pool_size
    from vswin.launch.processes import environment_anywhere
    from vswin.launch.progress import progress
    from vswin.launch.proposal import propose
    from vswin.launch.study import RunsFailedError, run_configs
    from vswin.project import project_root
    from vswin.runs.requirements import require_inputs
    from vswin.runs.resources import ExecutionSettings
    from vswin.training.distributed import require_device

    require_device(device)
    proposal = propose(request)
    print(_summary(request, proposal))
    if dry_run:
        print("\n".join(f"  would run {c.run_id}" for c in proposal.configs), flush=True)
        require_inputs(proposal.configs, request.store)
        return
    threads = request.plans[0].protocol.threads
    jobs = pool_size(jobs, device, threads)
    settings = ExecutionSettings(workers=decoders(device, jobs))
    failed, codes = None, []
    with resumable():
        try:
            with progress() as show:
                run_configs(proposal.configs, request.store, jobs, threads, device, show, settings)
        except RunsFailedError as error:
            failed = error
        for table in proposal.tables:  # also of what failed, and by the same command, as in a job
            print(f"executing the notebook of {table} ...", flush=True)
            command = [sys.executable, "-m", "vswin", *request.notebooks[table]]
            variables = environment_anywhere()
            done = subprocess.run(command, cwd=project_root(), env=variables, check=False)
            codes.append(done.returncode)
    if failed is not None:
        raise failed
    if any(codes):
        raise typer.Exit(1)  # the command has said why
    print(f"next: {_status_command(request)}")
