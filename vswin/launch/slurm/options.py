"""Further options of sbatch in a profile: which it may hold, and which its keys set."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

OF_RUNS = {
    **{name: name for name in ("partition", "account", "qos", "constraint", "exclude", "nodes")},
    **dict.fromkeys(("gpus", "gpus-per-node", "gpus-per-task", "gpus-per-socket"), "gpus_per_node"),
    **dict.fromkeys(("ntasks", "ntasks-per-node", "ntasks-per-gpu"), "processes_per_node"),
    **dict.fromkeys(("cpus-per-task", "cpus-per-gpu"), "cpus_per_process"),
    **{"mem": "mem_gb_per_node", "mem-per-cpu": "mem_gb_per_cpu", "mem-per-gpu": "mem_gb_per_gpu"},
    **{"time": "time", "time-min": "time", "signal": "signal_delay_s"},
    **dict.fromkeys(("requeue", "no-requeue"), "requeue"),
}
"""Options of the runs' jobs that keys of a profile set, with the key."""
OF_NOTEBOOK = {
    **{name: name for name in ("partition", "account", "qos", "constraint", "exclude")},
    **{"cpus-per-task": "cpus", "mem": "mem_gb", "mem-per-cpu": "mem_gb_per_cpu"},
    **dict.fromkeys(("time", "time-min"), "minutes"),
}
"""The same of the notebook's job, with the key of [notebook]."""
_OURS = ("array", "job-name", "output", "error", "open-mode", "dependency", "test-only", "wrap")
_OURS_OF_NOTEBOOK = ("nodes", "ntasks", "ntasks-per-node", "signal", "requeue", "no-requeue")
_WITH_GPUS = ("gres", "tres-per-node", "tres-per-task", "tres-per-job", "tres-per-socket")
"""Options that can ask for GPUs among other things."""


def require_run_option(name: str, keys: Collection[str]) -> str:
    """Refuses a name in [sbatch] that would contradict a key, or is no option.

    Args:
        name: what was given.
        keys: of a profile.

    Raises:
        ValueError: says what to write instead.
    """
    if name in keys and name not in OF_RUNS:
        raise ValueError(
            "this is a key of the profile and no option of sbatch; put it above the first [...]"
        )
    return _require(name, OF_RUNS, _OURS, "the profile's key")


def require_notebook_option(name: str, keys: Collection[str]) -> str:
    """The same in [notebook.sbatch], with the keys of [notebook]. A site may want a GPU even here.

    Raises:
        ValueError: says what to write instead.
    """
    if name in keys and name not in OF_NOTEBOOK:
        raise ValueError(
            "this is a key of [notebook] and no option of sbatch; put it above [notebook.sbatch]"
        )
    return _require(name, OF_NOTEBOOK, (*_OURS, *_OURS_OF_NOTEBOOK), "[notebook]'s key")


def _require(name: str, keys: Mapping[str, str], ours: Collection[str], whose: str) -> str:
    if name in keys:
        raise ValueError(f"{whose} {keys[name]!r} sets this; use that")
    if name in ours:
        raise ValueError("`vswin submit` sets this itself; remove it")
    if not re.fullmatch(r"[a-z][a-z0-9-]+", name):
        raise ValueError("wanted a long option of sbatch without its dashes, such as mail-user")
    return name


def require_no_gpus(options: Mapping[str, Any]) -> None:
    """Refuses GPUs that would not be counted.

    Raises:
        ValueError: names the option, and the keys to use.
    """
    for name in _WITH_GPUS:
        if re.search(r"\bgpu\b", str(options.get(name, ""))):
            how = ', with gpu_option = "gres"' if name == "gres" else ""
            raise ValueError(f"{name}: the profile's key 'gpus_per_node' sets GPUs; use that{how}")


def _option_value(value: Any) -> Any:
    if value is False:
        raise ValueError("wanted true or a value; an option that is not wanted is left out")
    if not isinstance(value, str | int) or (isinstance(value, str) and "\n" in value):
        raise ValueError(f"wanted one line of text, an integer or true, not {value!r}")
    return value


OptionValue = Annotated[str | int | bool, BeforeValidator(_option_value)]
"""Of an option of sbatch; true for one without a value."""
