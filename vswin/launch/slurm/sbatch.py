"""From a profile to sbatch: the script's text, and its submission through submitit."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import submitit

from vswin.data.data_file import sources_file
from vswin.errors import VswinError
from vswin.launch.slurm.amounts import NONE, in_mb, memory_of_node
from vswin.launch.slurm.private import sbatch_script
from vswin.launch.slurm.profile import NOTEBOOK_GB, Profile
from vswin.runs.resources import ExecutionSettings

GPU_CPUS = 8
"""CPU cores of a process on a GPU, where the profile does not say: most decode its videos."""
DEFAULTS = ("account", "partition", "qos", "constraint", "reservation", "clusters")
"""What users set for all of their jobs through SBATCH_ACCOUNT and so on."""
LAUNCHER = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "VSWIN_ASSISTS")
"""Variables of a launcher that the submitter may live in; they would place the job's processes."""


class SubmissionError(VswinError):
    """Slurm refused a job, or there is no Slurm; carries sbatch's own words."""


@dataclasses.dataclass(frozen=True)
class Shape:
    """What one run gets of the cluster."""

    nodes: int
    gpus_per_node: int
    processes_per_node: int
    cpus_per_process: int
    threads: int
    """Of torch in each process."""

    @property
    def gpus(self) -> int:
        """Over all nodes."""
        return self.nodes * self.gpus_per_node

    def execute_arguments(self, profile: Profile) -> tuple[str, ...]:
        """What `vswin.runs.execute` is called with in each process."""
        settings = ExecutionSettings(
            micro_batch=profile.micro_batch,
            workers=max(1, self.cpus_per_process - 1) if self.gpus_per_node else 0,
            checkpoint_minutes=profile.checkpoint_minutes,
            max_replaced=profile.max_replaced,
        )
        device = "cuda" if self.gpus_per_node else "cpu"
        return ("--threads", str(self.threads), "--device", device, *settings.arguments())


def shape_of(profile: Profile, threads: int, is_on_videos: bool) -> Shape:
    """What a run gets. One of the embedded benchmark is a single process with at most one GPU."""
    gpus = profile.gpus_per_node.count if is_on_videos else min(1, profile.gpus_per_node.count)
    return Shape(
        profile.nodes if is_on_videos else 1,
        gpus,
        (profile.processes_per_node or gpus or 1) if is_on_videos else 1,
        profile.cpus_per_process or (GPU_CPUS if gpus else threads),
        threads,
    )


def run_parameters(
    profile: Profile, shape: Shape, name: str, code: Path, data_file: Path | None
) -> dict[str, Any]:
    """Parameters of sbatch for an array of runs, as submitit calls them."""
    options = profile.sbatch | _gpus(profile, shape)
    srun = ["--kill-on-bad-exit=1", f"--cpus-per-task={shape.cpus_per_process}"]
    if "gpus-per-task" in options:  # Slurm 22.05 binds none if it inherits a kind
        srun.append("--gpus-per-task=1")
    common = _common(profile, options, profile.setup, name, code, data_file, shape.threads)
    return common | _given(
        partition=profile.partition,
        account=profile.account,
        qos=profile.qos,
        constraint=profile.constraint,
        exclude=profile.exclude,
        time=profile.minutes,
        nodes=shape.nodes,
        ntasks_per_node=shape.processes_per_node,
        cpus_per_task=shape.cpus_per_process,
        mem=memory_of_node(profile.mem_gb_per_node),
        mem_per_cpu=in_mb(profile.mem_gb_per_cpu),
        mem_per_gpu=in_mb(profile.mem_gb_per_gpu),
        srun_args=[*srun, *profile.srun_args],
    )


def notebook_parameters(
    profile: Profile, name: str, code: Path, data_file: Path | None
) -> dict[str, Any]:
    """Parameters of sbatch for notebooks: a few CPU cores."""
    own = profile.notebook
    srun = ["--kill-on-bad-exit=1", f"--cpus-per-task={own.cpus}"]
    setup = profile.setup if own.setup is None else own.setup
    common = _common(profile, own.sbatch, setup, name, code, data_file, own.cpus)
    return common | _given(
        partition=_said(own.partition or profile.partition),
        account=_said(own.account or profile.account),
        qos=_said(own.qos or profile.qos),
        constraint=_said(own.constraint),
        exclude=_said(own.exclude),
        time=own.minutes,
        nodes=1,
        ntasks_per_node=1,
        cpus_per_task=own.cpus,
        **_notebook_memory(profile),
        srun_args=srun,
    )


def _said(word: str | None) -> str | None:
    """A word of a profile, None where it says that there shall be no such line."""
    return None if word == NONE else word


def _gpus(profile: Profile, shape: Shape) -> dict[str, str]:
    """The option of sbatch that asks for a run's GPUs, as the site wants it; empty without one."""
    option, kind = profile.gpu_option, profile.gpus_per_node
    if not shape.gpus or option == NONE:
        return {}
    if option == "gres":  # one line holds all of them
        others = [str(profile.sbatch["gres"])] if "gres" in profile.sbatch else []
        return {option: ",".join([f"gpu:{kind.times(shape.gpus_per_node)}", *others])}
    count = {"gpus": shape.gpus, "gpus-per-task": 1}.get(option, shape.gpus_per_node)
    return {option: kind.times(count)}


def _notebook_memory(profile: Profile) -> dict[str, str | None]:
    """What its table says; else its default, said as the site wants the runs' memory said."""
    own, is_said = profile.notebook, "mem_gb" in profile.notebook.model_fields_set
    if own.mem_gb_per_cpu is not None:
        return {"mem_per_cpu": in_mb(own.mem_gb_per_cpu)}
    if profile.mem_gb_per_cpu is not None and not is_said:
        return {"mem_per_cpu": in_mb(NOTEBOOK_GB / own.cpus)}
    if profile.mem_gb_per_node == NONE and not is_said:
        return {}
    return {"mem": memory_of_node(own.mem_gb)}


def _common(
    profile: Profile,
    options: dict[str, Any],
    setup: Sequence[str],
    name: str,
    code: Path,
    data_file: Path | None,
    threads: int,
) -> dict[str, Any]:
    # A module that is not there must not go unnoticed.
    report = "trap 'echo \"error: setup failed at: $BASH_COMMAND\" >&2' ERR"
    lines = [report, "set -e", *setup, "set +e", "trap - ERR"] if setup else []
    if "export" in options:  # else srun would keep from the run what is set here
        lines.append("unset SLURM_EXPORT_ENV")
    lines += [
        f"unset {' '.join(LAUNCHER)}",
        f"export PYTHONPATH={shlex.quote(str(code))}${{PYTHONPATH:+:$PYTHONPATH}}",
        *([f"export VSWIN_DATA={shlex.quote(str(data_file))}"] if data_file else []),
        f"export OMP_NUM_THREADS={threads} MKL_NUM_THREADS={threads}",
        f"cd {shlex.quote(str(code))} || exit 1  # Python looks here first",
    ]
    requeue = {"requeue" if profile.requeue else "no-requeue": True}
    return {
        "job_name": name,
        "setup": lines,
        "signal_delay_s": profile.signal_delay_s,
        "stderr_to_stdout": True,
        "additional_parameters": requeue | options,
    }


def _given(**parameters: Any) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value is not None}


def script(profile: Profile, parameters: dict[str, Any], folder: Path, count: int) -> str:
    """The text that sbatch gets for `count` jobs; submitit writes the same one."""
    return sbatch_script(_python(profile), folder, count, parameters)


def test_only(text: str, what: str) -> str:
    """Asks sbatch whether and when it would start a job; submits nothing.

    Args:
        text: the script.
        what: what it is for, in words.

    Returns:
        sbatch's words.

    Raises:
        SubmissionError: if it would refuse the job, or there is no sbatch.
    """
    given = {name: True for name in DEFAULTS if f"#SBATCH --{name}=" in text}
    try:
        with _nothing_inherited(given):
            answer = subprocess.run(
                ["sbatch", "--test-only"],
                input=text,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SubmissionError(f"sbatch cannot be asked: {error}") from error
    words = (answer.stderr + answer.stdout).strip()
    if answer.returncode:
        raise SubmissionError(f"Slurm would refuse the {what}: {one_line(words)}")
    return words


def submit_array(
    profile: Profile,
    parameters: dict[str, Any],
    folder: Path,
    calls: Sequence[Callable[[], Any]],
) -> tuple[str, ...]:
    """Hands an array to Slurm, through submitit.

    Returns:
        The id of each call's job, in order.

    Raises:
        SubmissionError: with sbatch's own words, or if there is no Slurm here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        executor = submitit.AutoExecutor(
            folder,
            cluster="slurm",
            slurm_max_num_timeout=profile.max_timeouts,
            slurm_python=_python(profile),
        )
        executor.update_parameters(**{f"slurm_{name}": v for name, v in parameters.items()})
        # submitit prints what it raises, too
        quiet = contextlib.redirect_stderr(io.StringIO())
        said = parameters | parameters["additional_parameters"]
        with _nothing_inherited(said), quiet, executor.batch():
            jobs = [executor.submit(call) for call in calls]
    except (RuntimeError, OSError) as error:
        raise SubmissionError(f"Slurm did not take the jobs: {one_line(str(error))}") from error
    return tuple(job.job_id for job in jobs)


@contextlib.contextmanager
def _nothing_inherited(parameters: dict[str, Any]) -> Iterator[None]:
    """Hides variables that would outweigh the script.

    Those are sbatch's own (SBATCH_TIMELIMIT), but for defaults that the profile leaves open, and
    those of a job that the submitter may be in, whose size would become that of the new ones.
    """
    kept = {f"SBATCH_{name.upper()}" for name in DEFAULTS if name not in parameters}
    ours = [name for name in os.environ if name.startswith("SBATCH_") and name not in kept]
    if "SLURM_JOB_ID" in os.environ:
        inside = ("SLURM_", "SLURMD_", "SRUN_", "SUBMITIT_")
        ours += [n for n in os.environ if n.startswith(inside) and n != "SLURM_CONF"]
    hidden = {name: os.environ.pop(name) for name in ours}
    try:
        yield
    finally:
        os.environ.update(hidden)


def _python(profile: Profile) -> str:
    return profile.python or shlex.quote(sys.executable)


def one_line(words: str) -> str:
    """Several lines of a program's words as one."""
    return "; ".join(line.strip() for line in words.splitlines() if line.strip())


def data_file_of_jobs() -> Path | None:
    """The machine's data file, which jobs are told by an absolute path; None without one."""
    path = sources_file()
    return path.absolute() if path.is_file() else None
