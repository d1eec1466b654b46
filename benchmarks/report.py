"""How long `vswin report` takes on 1,000 runs: `python -m benchmarks report`.

The runs are copies of those in the record (results/reference), one for each row and 125 seeds,
in a store of their own that is thrown away. What is timed is the command, imports and all, and the
report itself in a warm process.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from rich.progress import track

from benchmarks.machine import RESULTS, last_words, naming, seconds
from vswin.errors import VswinError
from vswin.experiments.planning import StudyPlan, plan_study
from vswin.files import write_json
from vswin.report import load_study, write_report
from vswin.runs.record import read_records
from vswin.runs.result import write_result
from vswin.runs.store import Store

TABLE, PROTOCOL = "table5", "proxy"
RECORD = RESULTS.parents[1] / "results" / "reference"
CPU = torch.device("cpu")


def run(runs: int, repeats: int) -> list[dict[str, Any]]:
    """The table's one line.

    Raises:
        BenchmarkError: if the record is not there to be copied, or the command fails.
    """
    with naming(f"report-{TABLE}-{runs}"), tempfile.TemporaryDirectory() as folder:
        plan = fill(Path(folder), runs)
        call = "import sys; from vswin.cli.main import main; sys.exit(main())"
        command = [sys.executable, "-c", call, "report", TABLE, "--protocol", PROTOCOL]
        command += ["--results-dir", folder]
        environment = os.environ | {"PYTHONPATH": str(RESULTS.parents[1])}

        def whole() -> None:
            done = subprocess.run(
                command, check=False, capture_output=True, text=True, env=environment
            )
            if done.returncode:
                raise VswinError(f"vswin report failed: {last_words(done)}")

        def warm() -> None:
            write_report(load_study(TABLE, PROTOCOL, results_dir=folder))

        warm()
        steps = track(range(repeats), description=f"{len(plan.runs)} runs")
        times = [(seconds(whole, CPU), seconds(warm, CPU)) for _ in steps]
    command_s, warm_s = (statistics.median(column) for column in zip(*times, strict=True))
    return [
        {
            "case": f"report-{TABLE}-{len(plan.runs)}",
            "runs": len(plan.runs),
            "repeats": repeats,
            "command_s": command_s,
            "warm_s": warm_s,
        }
    ]


def fill(folder: Path, runs: int) -> StudyPlan:
    """A store with at least that many complete runs, copied from the record by row."""
    rows = len(plan_study(TABLE, PROTOCOL, 1, folder).runs)
    plan = plan_study(TABLE, PROTOCOL, -(-runs // rows), folder)
    recorded = read_records(Store(RECORD, PROTOCOL)).runs
    first = plan_study(TABLE, PROTOCOL, 1, RECORD).runs
    sources = {planned.row.id: recorded.get(planned.config.run_id) for planned in first}
    for planned in track(plan.runs, description="copying runs"):
        source, target = sources[planned.row.id], plan.folder(planned)
        if source is None:
            raise VswinError(
                f"row {planned.row.id} is not recorded in {RECORD}; the benchmark copies the record"
            )
        if target.path.exists():  # two rows, one run
            continue
        target.create(planned.config)
        write_result(target.path / "result.json", source.result)
        write_json(target.path / "provenance.json", source.provenance)
    return plan
