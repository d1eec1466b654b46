"""A store with a thousand runs is reported on without what makes a report slow."""

import dataclasses
import json
import os
import re
import subprocess
import sys

from vswin.experiments.planning import plan_study
from vswin.report import load_study

SEEDS = 143
"""Times the seven runs of Table 5 with its controls."""
SLOW = ("torch", "matplotlib", "papermill")
"""Packages whose import alone takes as long as the whole report should."""


def test_a_report_of_a_thousand_runs_loads_little(smoke_results, tmp_path):
    results = tmp_path / "results"
    _multiply(smoke_results, results)
    assert len(list((results / "smoke" / "runs").iterdir())) == 1001
    command = [sys.executable, "-X", "importtime", "-m", "vswin", "report", "table5", "-p", "smoke"]
    command += ["--results-dir", str(results)]
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    for _ in range(2):
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        assert "(715 runs;" in done.stdout
    loaded = set(re.findall(r"\|\s+(\w+)$", done.stderr, re.MULTILINE))
    assert "pydantic" in loaded
    assert not loaded & {*SLOW}  # the second time: costs and the picture are there
    # What was quick is right, too: each seed's result is its own.
    study = load_study("table5", "smoke", None, results)
    assert all(len(study.runs[row.id]) == SEEDS for row in study.all_rows)
    assert len(set(study.by_seed("win4").values())) == SEEDS


def _multiply(source, target):
    """Makes runs with other seeds of those with seed 0; only what a report reads."""
    for planned in plan_study("table5", "smoke", 1, source).runs:
        run = plan_study("table5", "smoke", 1, source).folder(planned)
        provenance = (run.path / "provenance.json").read_text()
        result = run.result()
        for seed in range(SEEDS):
            config = dataclasses.replace(planned.config, seed=seed)
            folder = target / "smoke" / "runs" / config.run_id
            folder.mkdir(parents=True, exist_ok=True)
            about = {"run_id": config.run_id, "results_version": 1, **dataclasses.asdict(config)}
            (folder / "run.json").write_text(json.dumps(about))
            metrics = {"top1": (1 + seed) / 1000, "top5": 1.0}
            other = dataclasses.replace(result, metrics=metrics)
            (folder / "result.json").write_text(json.dumps(dataclasses.asdict(other)))
            (folder / "provenance.json").write_text(provenance)
