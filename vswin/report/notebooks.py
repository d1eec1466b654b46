"""Notebooks: refusing wrong parameters, and executing one with papermill."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vswin.errors import UsageError, VswinError, unknown
from vswin.experiments.library import Library
from vswin.experiments.planning import StudyPlan, plan_study
from vswin.files import DamagedFileError, read_json, require_writable, write_text
from vswin.launch.pool import POLL_S, prepare
from vswin.launch.processes import environment_anywhere
from vswin.launch.progress import progress
from vswin.launch.study import with_sources
from vswin.project import experiments_dir, in_project, notebooks_dir, project_root, results_path
from vswin.report.kernel import KERNEL, own_kernel
from vswin.report.notebook_template import notebook_of
from vswin.report.page import report_path
from vswin.runs.status import read_status

PARAMETERS: dict[str, type] = {
    "protocol": str,
    "seeds": int,
    "results_dir": str,
    "jobs": int,
    "run_missing": bool,
}
"""What every table notebook takes."""
OVERVIEW = "overview"
"""The notebook that is of no table, and takes fewer of them."""


class NotebookError(VswinError):
    """A notebook stopped with an error, which its output holds."""


def check_parameters(namespace: Mapping[str, Any]) -> None:
    """Refuses a notebook's parameters if one is unknown or of the wrong type.

    Papermill itself only warns about names that a notebook does not have, and then runs it with
    the defaults.

    Args:
        namespace: `globals()` of the notebook, right after its parameters.

    Raises:
        UsageError: naming the parameter and what is known or wanted.
    """
    # Parameters are scalars; what else is there was made by the notebook in an earlier pass.
    given = {
        name: value
        for name, value in namespace.items()
        if name in PARAMETERS or (not name.startswith("_") and isinstance(value, (str, int, float)))
    }
    for name, value in given.items():
        if name not in PARAMETERS:
            raise unknown("notebook parameter", name, PARAMETERS)
        wanted = PARAMETERS[name]
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise UsageError(f"notebook parameter {name}={value!r}: wanted {wanted.__name__}")


def parse_parameters(pairs: list[str]) -> dict[str, Any]:
    """From "name=value" to typed parameters.

    Raises:
        UsageError: if a name is unknown or a value is not of its type.
    """
    parsed: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(f"parameter {pair!r}: wanted name=value")
        if name not in PARAMETERS:
            raise unknown("notebook parameter", name, PARAMETERS)
        parsed[name] = _convert(name, text)
    return parsed


def _convert(name: str, text: str) -> Any:
    wanted = PARAMETERS[name]
    if wanted is bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if text.lower() in words:
            return words[text.lower()]
    else:
        with contextlib.suppress(ValueError):
            return wanted(text)
    raise UsageError(f"notebook parameter {name}={text!r}: wanted {wanted.__name__}")


def execute_notebook(
    table: str, parameters: dict[str, Any], output: Path | None = None
) -> tuple[Path, dict[str, Any]]:
    """Executes a table's notebook with papermill, showing the progress of its runs here.

    Args:
        table: an experiment; one that has no notebook in notebooks/ gets it from the template. Or
            `overview`.
        parameters: some of `PARAMETERS`; the others keep the notebook's defaults.
        output: where the executed notebook goes; None is <results>/reports/<table>.ipynb.

    Returns:
        The path of the executed notebook, and all its parameters.

    Raises:
        UsageError: if a name or value is unknown.
        NotWritableError: if the results folder cannot be written.
        NotebookError: if a cell failed.
    """
    library = Library(experiments_dir())
    if table != OVERVIEW:
        library.experiment(table)  # or it is unknown
    source = notebooks_dir() / f"{table}.ipynb"
    if source.exists():
        return _execute(table, source, parameters, output)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / source.name
        write_text(source, notebook_of(table, library))
        return _execute(table, source, parameters, output)


def _execute(
    table: str, source: Path, parameters: dict[str, Any], output: Path | None
) -> tuple[Path, dict[str, Any]]:
    """What `execute_notebook` does, with the notebook `source`."""
    import papermill  # slow, and most commands do without

    defaults = {
        name: ast.literal_eval(entry["default"])  # papermill gives it as Python source
        for name, entry in papermill.inspect_notebook(str(source)).items()
    }
    for name in parameters.keys() - defaults.keys():
        raise unknown(f"parameter of notebook {source.name}", name, defaults)
    final = defaults | parameters
    watched = None
    # Where nothing can be trained yet, there is no plan; whoever asks for one is told why.
    if table != OVERVIEW and _is_trained(table, final["run_missing"]):
        plan = plan_study(table, final["protocol"], final["seeds"], final["results_dir"])
        watched = plan if final["run_missing"] else None
    root = require_writable(results_path(final["results_dir"]))
    target = output or report_path(root, table, final["protocol"], "ipynb")
    if target.is_dir():
        raise UsageError(f"--output {target} is a folder; wanted the path of a notebook in it")
    require_writable(target.parent, "--output" if output else "--results-dir")
    partial = target.with_name(
        f".tmp-{os.getpid()}-{target.name}"
    )  # papermill rewrites it at every cell
    try:
        if "results_dir" in parameters:  # which says the same on every machine
            parameters = {**parameters, "results_dir": str(in_project(root))}
        code, words = _papermill(source, partial, parameters, watched)
        if code:
            failed = target.with_name(f"{target.stem}.failed.ipynb")
            raise NotebookError(f"{source.name} stopped: {_why(partial, failed) or words}")
        write_text(target, _without_paths(partial))
    finally:
        partial.unlink(missing_ok=True)
    return target, final


def _is_trained(table: str, asked: bool) -> bool:
    """Whether an experiment can be trained, or somebody asks for it although it cannot."""
    experiment = Library(experiments_dir()).experiment(table)
    return not experiment.awaits or (asked and not experiment.distances)


def _without_paths(executed: Path) -> str:
    """An executed notebook as text; where it lay on this machine is nobody's business."""
    content = json.loads(executed.read_text(encoding="utf-8"))
    for name in ("input_path", "output_path"):
        content["metadata"].get("papermill", {}).pop(name, None)
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _papermill(
    source: Path, target: Path, parameters: dict[str, Any], plan: StudyPlan | None
) -> tuple[int, str]:
    """Executes `source` in a process of its own; its exit code and the last line it printed.

    Meanwhile the progress of the plan's runs, read off the store, is shown here. On Ctrl-C the
    process is ended; its kernel and the runs notice and stop, and the runs can be resumed.
    """
    configs = [planned.config for planned in plan.runs] if plan else []
    runs = prepare(with_sources(configs, plan.store), plan.store) if plan else []
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", "--kernel", KERNEL]
    command += ["--parameters_yaml", json.dumps(parameters), str(source), str(target.absolute())]
    with own_kernel() as variables, tempfile.TemporaryFile() as printed, progress() as show:
        process = subprocess.Popen(
            command,
            cwd=project_root(),
            env=environment_anywhere() | variables,
            stdin=subprocess.DEVNULL,  # papermill takes a pipe here for the notebook itself
            stdout=printed,
            stderr=printed,
            start_new_session=True,
        )
        try:
            while process.poll() is None:
                if runs:  # where nothing is trained, there is no progress to show
                    show([read_status(run) for run in runs])
                time.sleep(2 * POLL_S)
        finally:
            process.terminate()
            process.wait()
        if runs:
            show([read_status(run) for run in runs])
        printed.seek(0)
        lines = printed.read().decode(errors="replace").strip().splitlines()
    return process.returncode, lines[-1] if lines else f"exit code {process.returncode}"


def _why(partial: Path, failed: Path) -> str | None:
    """The error of the cell that failed; the notebook that holds it is kept as `failed`."""
    content = None
    with contextlib.suppress(DamagedFileError):  # papermill itself was stopped while it wrote
        content = read_json(partial)
    for cell in content["cells"] if content else ():
        for output in cell.get("outputs", ()):
            if output["output_type"] == "error":
                partial.replace(failed)
                name, value = output["ename"], output["evalue"]
                return f"{name}: {value} (the notebook as far as it came: {failed})"
    return None
