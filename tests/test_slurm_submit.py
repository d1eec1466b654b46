"""The submission script, with submitit's local executor in the place of Slurm."""

import shutil
import subprocess
import sys
import time

from vswin.project import project_root


def submit(results, *args):
    return subprocess.run(
        [sys.executable, str(project_root() / "slurm" / "submit.py"), "table5", "--protocol",
         "smoke", "--results-dir", str(results), *args],
        capture_output=True, text=True, check=False)  # fmt: skip


def test_missing_runs_are_submitted_once_and_complete(smoke_results, tmp_path):
    results = tmp_path / "results"
    shutil.copytree(smoke_results, results)
    (missing,) = (results / "smoke" / "runs").glob("swin_t-t2-*")
    shutil.rmtree(missing)
    dry = submit(results, "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert f"would submit {missing.name}" in dry.stdout
    assert "6 of 7 runs are complete" in dry.stdout
    assert not missing.exists()
    done = submit(results, "--cluster", "local", "--minutes", "10")
    assert done.returncode == 0, done.stderr
    deadline = time.monotonic() + 120
    while not (missing / "result.json").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert (missing / "result.json").exists(), "\n".join(
        p.read_text() for p in (results / "smoke" / "jobs").glob("*.err")
    )
    assert "7 of 7 runs are complete" in submit(results, "--cluster", "local").stdout


def test_unknown_names_are_one_line(tmp_path):
    done = submit(tmp_path, "--protocol", "papr")
    assert done.returncode == 1
    assert done.stderr.startswith("error: unknown protocol 'papr'")
