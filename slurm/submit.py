"""Submits the missing runs of a table to a Slurm cluster, one array element for each run.

    python slurm/submit.py table5 --protocol proxy --seeds 3 --partition gpu --dry-run

It returns at once. A job that is preempted, times out or dies can be requeued or submitted again:
every run goes on from its newest checkpoint, and a run that is complete is left alone.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import submitit

from vswin.errors import VswinError
from vswin.runs.effort import Effort
from vswin.runs.launch import decoders, prepare
from vswin.runs.requirements import require_inputs
from vswin.runs.study import plan_study


class RunJob:
    """One run, as a job. It holds no state: everything is in the run's folder."""

    def __init__(self, folder: Path, threads: int, gpus: int) -> None:
        self.folder, self.threads, self.gpus = folder, threads, gpus

    def __call__(self) -> int:
        """Executes the run; raises if it failed, so that Slurm knows."""
        from vswin.runs.execute import main  # in the job, where torch is wanted

        device, processes = "cuda" if self.gpus else "cpu", max(1, self.gpus)
        effort = Effort(processes=processes, workers=decoders(device, processes))
        code = main(
            [
                *(str(self.folder), "--threads", str(self.threads), "--device", device),
                *effort.arguments(),
            ]
        )
        if code:
            raise RuntimeError(f"{self.folder.name} ended with code {code}; see its error.json")
        return code

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """What submitit requeues after a signal: the same job, which finds its checkpoint."""
        return submitit.helpers.DelayedSubmission(self)


def main(argv: list[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table")
    parser.add_argument("--protocol", default="proxy")
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--results-dir", default="results")
    parser.add_argument("--partition", help="Slurm partition (default: the cluster's)")
    parser.add_argument("--minutes", type=int, default=60, help="time limit of a run")
    parser.add_argument("--mem-gb", type=int, default=8)
    parser.add_argument("--gpus", type=int, default=0, help="GPUs for each run; 0 trains on CPU")
    parser.add_argument("--cpus", type=int, default=0, help="CPU cores (0: the protocol's threads)")
    parser.add_argument("--parallel", type=int, default=32, help="runs at a time")
    parser.add_argument("--cluster", default="slurm", choices=["slurm", "local"])
    parser.add_argument("--dry-run", action="store_true", help="only say what would be submitted")
    args = parser.parse_args(argv)
    try:
        return submit(args)
    except (VswinError, RuntimeError) as error:  # submitit: no Slurm here, sbatch's own words
        print(f"error: {error}", file=sys.stderr)
        return 1


def submit(args: argparse.Namespace) -> int:
    """Submits what is neither complete nor running."""
    plan = plan_study(args.table, args.protocol, args.seeds, args.results_dir)
    configs = {planned.config.run_id: planned.config for planned in plan.runs}
    missing = {i: c for i, c in configs.items() if plan.store.run(i).state() != "done"}
    missing = {i: c for i, c in missing.items() if plan.store.run(i).state() != "running"}
    print(f"{len(configs) - len(missing)} of {len(configs)} runs are complete or running")
    for run_id in missing:
        print(f"  {'would submit' if args.dry_run else 'submitting'} {run_id}")
    require_inputs(list(missing.values()), plan.store)
    if args.dry_run or not missing:
        return 0
    runs = prepare(list(missing.values()), plan.store)
    executor = submitit.AutoExecutor(plan.store.runs_dir.parent / "jobs", cluster=args.cluster)
    executor.update_parameters(
        name=args.table,
        timeout_min=args.minutes,
        mem_gb=args.mem_gb,
        cpus_per_task=args.cpus or plan.protocol.threads,
        gpus_per_node=args.gpus,
        slurm_array_parallelism=args.parallel,
        slurm_partition=args.partition,
        slurm_additional_parameters={"requeue": True},
    )
    with executor.batch():
        jobs = [executor.submit(RunJob(r.path, plan.protocol.threads, args.gpus)) for r in runs]
    for run, job in zip(runs, jobs, strict=True):
        print(f"  {job.job_id}: {run.run_id}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
