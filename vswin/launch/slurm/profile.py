"""The profile of a cluster: one TOML file that says how this project's jobs run there.

It holds what belongs to the cluster, never what belongs to a run: two profiles give the same
results. `slurm/cluster.example.toml` shows every key.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from vswin.errors import VswinError
from vswin.launch.slurm.amounts import GpuCount, GpuOption, Gpus, Memory
from vswin.launch.slurm.options import (
    OptionValue,
    require_no_gpus,
    require_notebook_option,
    require_run_option,
)
from vswin.launch.slurm.profile_errors import problem_lines, syntax_line
from vswin.launch.slurm.toml_lines import tomllib
from vswin.runs.resources import ExecutionSettings

LEAST_MINUTES = 5
"""A job needs some of its time to start and to load what it goes on from."""
SIGNAL_MARGIN_S = 180
"""Seconds of work that a time limit must leave before the signal: Slurm may send that up to 60 s
early, and Python ends at once if it comes before the job can handle it."""
NOTEBOOK_GB = 8
"""Memory of the notebook's job, where the profile does not say."""


class ProfileError(VswinError):
    """A profile is not what it should be; one line for each problem, with file, line and key."""

    exit_code = 2


def _word(text: str) -> str:
    if not text or re.search(r"\s", text):
        raise ValueError(f"wanted a word without spaces, not {text!r}")
    return text


def _minutes(value: Any) -> int:
    """Whole minutes of a time limit, rounded up as Slurm does.

    Raises:
        ValueError: if it is in none of Slurm's forms, or less than `LEAST_MINUTES`.
    """
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"wanted minutes or a text such as '2-00:00:00', not {value!r}")
    minutes = _minutes_of_text(str(value))
    if minutes < LEAST_MINUTES:
        raise ValueError(f"{value!r} is {minutes} minutes; wanted at least {LEAST_MINUTES}")
    return minutes


def _minutes_of_text(text: str) -> int:
    found = re.fullmatch(r"(?:(\d+)-)?(\d+)(?::(\d\d))?(?::(\d\d))?", text, re.ASCII)
    if not found:
        raise ValueError(
            f"{text!r} is no time limit; wanted minutes, MM:SS, HH:MM:SS, D-HH, D-HH:MM or "
            "D-HH:MM:SS"
        )
    days, *rest = found.groups()
    numbers = [int(part) for part in rest if part is not None]
    if days is not None:  # then hours come first
        hours, minutes, seconds = [*numbers, 0, 0][:3]
    elif len(numbers) == 3:
        hours, minutes, seconds = numbers
    else:  # the first number is minutes
        hours, (minutes, seconds) = 0, [*numbers, 0][:2]
    return 24 * 60 * int(days or 0) + 60 * hours + minutes + (seconds > 0)


def _setup_line(line: str) -> str:
    if line.lstrip().startswith("#SBATCH"):
        raise ValueError("sbatch does not read options there; put them into [sbatch]")
    if "\n" in line:
        raise ValueError("wanted one line of the shell for each item of the list")
    return line


def _option_name(name: str) -> str:
    return require_run_option(name, Profile.model_fields)


def _notebook_option_name(name: str) -> str:
    return require_notebook_option(name, NotebookProfile.model_fields)


Word = Annotated[str, AfterValidator(_word)]
Minutes = Annotated[int, BeforeValidator(_minutes)]
Texts = Annotated[tuple[str, ...], Strict(False)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Setup = Annotated[tuple[Annotated[str, AfterValidator(_setup_line)], ...], Strict(False)]


class _FromToml(BaseModel):
    """As `vswin.experiments.tables.Strict`, and "4" is no 4; that one would bring torch along."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        validate_default=True,
        use_attribute_docstrings=True,
    )


class NotebookProfile(_FromToml):
    """The job that renders the notebook when the runs have ended: one process, no GPU."""

    partition: Word | None = None
    """Partition; None takes the runs', "none" the cluster's default."""
    account: Word | None = None
    """Account; None takes the runs', "none" the user's default."""
    qos: Word | None = None
    """Quality of service; None takes the runs', "none" the account's default."""
    constraint: Word | None = None
    """Features of its node; None asks for none, whatever the runs ask for."""
    exclude: Word | None = None
    """Nodes that must not be used; None excludes none, whatever the runs exclude."""
    minutes: Annotated[int, Field(ge=LEAST_MINUTES)] = 60
    """Time limit in minutes."""
    mem_gb: Memory = NOTEBOOK_GB
    """Memory in GB; "all" is its node's, "none" takes the partition's default. Where the runs'
    memory is said for each CPU, or is "none", and this is left out, it is written as theirs."""
    mem_gb_per_cpu: Positive | None = None
    """Memory for each of its CPU cores in GB, in place of mem_gb."""
    cpus: Count = 2
    """CPU cores."""
    setup: Setup | None = None
    """Lines of the shell before it; None takes the runs'."""
    sbatch: dict[Annotated[str, AfterValidator(_notebook_option_name)], OptionValue] = {}
    """Any further option of sbatch; those of the runs are not taken."""

    @model_validator(mode="after")
    def _memory_is_said_once(self) -> NotebookProfile:
        if self.mem_gb_per_cpu is not None and "mem_gb" in self.model_fields_set:
            raise ValueError("give one of mem_gb and mem_gb_per_cpu; Slurm takes no two")
        return self


class Profile(_FromToml):
    """How a table's runs are executed on one cluster. Every key has a default."""

    partition: Word | None = None
    """Partition, or several with commas; None takes the cluster's default."""
    account: Word | None = None
    """Account that is charged; None takes the user's default."""
    qos: Word | None = None
    """Quality of service; None takes the account's default."""
    constraint: Word | None = None
    """Features that the nodes must have, such as `a100`."""
    exclude: Word | None = None
    """Nodes that must not be used, such as `node[07,12-14]`."""
    nodes: Count = 1
    """Nodes of one run."""
    gpus_per_node: GpuCount = Gpus(0)
    """GPUs of one run on each of its nodes, such as 4 or "a100:4"; 0 trains on CPU."""
    gpu_option: GpuOption = "gpus-per-node"
    """The option of sbatch that asks for them; "none" where GPUs come with the nodes. "gpus" is for
    runs on one node."""
    processes_per_node: Count | None = None
    """Training processes of one run on each of its nodes; None is one for each GPU, or one."""
    cpus_per_process: Count | None = None
    """CPU cores of each training process, with those of its decoders; None is 8 for one with a GPU,
    which wants them to decode its videos, and the protocol's number of threads on CPU."""
    mem_gb_per_node: Memory = None
    """Memory of one run on each of its nodes, in GB; "all" is all that the node has, None and
    "none" take the partition's default."""
    mem_gb_per_cpu: Positive | None = None
    """The same for each CPU core, where a site wants it so."""
    mem_gb_per_gpu: Positive | None = None
    """The same for each GPU."""
    signal_delay_s: Annotated[int, Field(ge=10, le=3600)] = 120
    """Seconds before the time limit at which a job is told to go back to the queue, from where it
    goes on from its last checkpoint."""
    time: Minutes = Field(default="1-00:00:00")  # type: ignore[assignment]
    """Time limit of a job in minutes, read from any of Slurm's forms. A run that needs longer
    goes on in the next job."""
    requeue: bool = True
    """Whether Slurm may put a job back into the queue after a preemption or a node's failure."""
    max_timeouts: Annotated[int, Field(ge=0)] = 100
    """Times that a run may go on after a time limit before it counts as failed."""
    parallel: Count = 64
    """Runs at a time."""
    max_array_size: Count = 1000
    """Runs in one job array; the cluster's own limit is `scontrol show config | grep
    MaxArraySize` less one."""
    setup: Setup = ()
    """Lines of the shell before the run: modules, the activation of an environment. A job ends at
    one that fails."""
    python: Annotated[str, Field(min_length=1)] | None = None
    """Python on the nodes; None is the one that submits."""
    srun_args: Texts = ()
    """Further arguments of srun, such as `--cpu-bind=none`."""
    micro_batch: Count = ExecutionSettings.micro_batch
    """Most clips that a process sends through the model at a time."""
    checkpoint_minutes: Positive = ExecutionSettings.checkpoint_minutes
    """Minutes between two checkpoints within an epoch."""
    max_replaced: Annotated[float, Field(ge=0, le=1)] = ExecutionSettings.max_replaced
    """Share of an epoch's clips that may stand for unreadable videos before training stops."""
    peak_tflops: Positive = 312.0
    """Peak of one GPU in TFLOP/s, for the estimate of GPU-hours; 312 is an A100 in bfloat16."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.15
    """Share of that peak that training reaches, for the same estimate."""
    sbatch: dict[Annotated[str, AfterValidator(_option_name)], OptionValue] = {}
    """Any further option of sbatch for the runs' jobs, such as mail-user."""
    notebook: NotebookProfile = NotebookProfile()
    """The job that renders the notebook."""

    @field_validator("processes_per_node")
    @classmethod
    def _one_process_for_each_gpu(cls, value: int | None, info: ValidationInfo) -> int | None:
        gpus = info.data.get("gpus_per_node", Gpus(0)).count
        if value is not None and gpus and value != gpus:
            raise ValueError(
                f"{value} processes cannot share {gpus} GPUs evenly, one for each; leave "
                "processes_per_node out"
            )
        return value

    @field_validator("gpu_option")
    @classmethod
    def _each_node_gets_its_gpus(cls, value: GpuOption, info: ValidationInfo) -> GpuOption:
        if value == "gpus" and info.data.get("nodes", 1) > 1:
            raise ValueError(
                "Slurm may spread these unevenly over several nodes; wanted 'gpus-per-node', "
                "'gres' or 'gpus-per-task'"
            )
        return value

    @field_validator("mem_gb_per_cpu", "mem_gb_per_gpu")
    @classmethod
    def _memory_is_said_once(cls, value: float | None, info: ValidationInfo) -> float | None:
        others = [name for name in ("mem_gb_per_node", "mem_gb_per_cpu") if info.data.get(name)]
        if value is not None and others:
            raise ValueError(f"{others[0]} is given, too; Slurm takes no two")
        gpus = info.data.get("gpus_per_node", Gpus(1)).count
        if value is not None and info.field_name == "mem_gb_per_gpu" and not gpus:
            raise ValueError("there is no GPU: gpus_per_node is 0")
        return value

    @field_validator("time")
    @classmethod
    def _leaves_time_to_work(cls, value: int, info: ValidationInfo) -> int:
        delay = info.data.get("signal_delay_s", 0)
        if value * 60 <= delay + SIGNAL_MARGIN_S:
            raise ValueError(
                f"{value} minutes leave no time to work before the signal; wanted more than the "
                f"{(delay + SIGNAL_MARGIN_S) / 60:.4g} of signal_delay_s + {SIGNAL_MARGIN_S} s"
            )
        return value

    @field_validator("sbatch")
    @classmethod
    def _gpus_are_named_once(cls, value: dict[str, Any]) -> dict[str, Any]:
        require_no_gpus(value)
        return value

    @property
    def minutes(self) -> int:
        """Time limit of a job in minutes."""
        return self.time

    @property
    def processes(self) -> int:
        """Training processes of one run, over all its nodes."""
        return self.nodes * (self.processes_per_node or self.gpus_per_node.count or 1)

    @property
    def gpus(self) -> int:
        """GPUs of one run, over all its nodes."""
        return self.nodes * self.gpus_per_node.count


def load_profile(path: str | Path) -> Profile:
    """Reads and validates a profile.

    Raises:
        ProfileError: if there is no such file, it is no TOML, or says what cannot be; all problems
            at once, one line each, with file, line and key.
    """
    path = Path(path).expanduser()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ProfileError(
            f"there is no profile {path}; copy slurm/cluster.example.toml and adapt it"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path} cannot be read as UTF-8 text: {error}") from error
    try:
        return Profile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(syntax_line(path, text, str(error))) from error
    except ValidationError as error:
        keys = {"": list(Profile.model_fields), "notebook": list(NotebookProfile.model_fields)}
        lines = problem_lines(path, text, error.errors(), keys)
        raise ProfileError("\n".join(lines)) from error
