"""tools/study.py: what is registered and missing is run, and nothing else."""

import datetime
import subprocess
import sys

import pytest

from tests.own import own_project, use_project
from tools.study import main
from vswin.experiments.library import Library
from vswin.experiments.preregistration import Plan, as_yaml, read_preregistration, register
from vswin.experiments.registered_runs import runs_of_study
from vswin.project import experiments_dir, preregistration_file, project_root, results_path
from vswin.runs.record import read_records, write_record
from vswin.runs.store import Store


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project in which one seed of Table 6 is registered under protocol smoke."""
    folder = own_project(tmp_path)
    use_project(monkeypatch, folder)
    plans = [Plan("smoke", ("table6",), 1)]
    now = datetime.datetime.now(datetime.timezone.utc)
    registered = register(Library(folder / "experiments"), plans, now, 0.95)
    (folder / "experiments" / "preregistration.yaml").write_text(as_yaml(registered))
    return folder


def test_it_runs_what_is_missing_and_goes_on(project, smoke_results, capfd):
    """Of three rows, one is recorded (Table 5 has it, too) and two are trained."""
    source, record = Store(smoke_results, "smoke"), Store(project / "record", "smoke")
    write_record(record.record("table5"), source)
    runs = project / "runs"
    given = ["--results-dir", str(runs), "--record", str(project / "record")]
    assert main([*given, "--list"]) == 0
    said = capfd.readouterr().out
    assert "2 registered runs are missing" in said
    assert "smoke table6: shift_spatial, shift_none; seeds 0" in said
    assert not runs.exists()
    assert main(given) == 0
    made = [run for run in Store(runs, "smoke") if run.result() is not None]
    assert len(made) == 2
    assert not {run.run_id for run in made} & read_records(record).runs.keys()
    capfd.readouterr()
    assert main(given) == 0
    assert capfd.readouterr().out == "0 registered runs are missing\n"


def test_what_the_record_lacks_is_listed(tmp_path, capsys):
    """Of this project's own study, counted in another way."""
    assert main(["--results-dir", str(tmp_path), "--list"]) == 0
    wanted = set()
    for study in read_preregistration(preregistration_file()).studies:
        recorded = read_records(Store(results_path("results/reference"), study.protocol)).runs
        runs = runs_of_study(study, Library(experiments_dir()))
        wanted |= {(study.protocol, run_id) for run_id in runs if run_id not in recorded}
    assert f"{len(wanted)} registered runs are missing" in capsys.readouterr().out


def test_what_is_wrong_is_said_in_a_line(project, capsys):
    (project / "experiments" / "preregistration.yaml").unlink()
    assert main(["--results-dir", "runs"]) == 2
    assert capsys.readouterr().err.startswith("error: there is no ")
    done = subprocess.run(
        [sys.executable, "tools/study.py", "--results-dir", "runs", "--code", str(project / "no")],
        capture_output=True,
        text=True,
        check=False,
        cwd=project_root(),
    )
    assert done.returncode == 2
    assert "is no clone of vswin" in done.stderr
