"""What we know of submitit beyond its public API is so in the version that is installed."""

import importlib.metadata
from pathlib import Path

import submitit
from submitit.core import utils

from vswin.launch.slurm.private import PICKLE, log_path, remove_cut_files
from vswin.launch.slurm.toml_lines import tomllib
from vswin.project import project_root


def test_the_version_is_bounded_above():
    project = tomllib.loads((project_root() / "pyproject.toml").read_text())["project"]
    assert "submitit>=1.5,<1.6" in project["optional-dependencies"]["slurm"]
    assert importlib.metadata.version("submitit").split(".")[:2] == ["1", "5"]


def test_the_names_of_files(tmp_path):
    for job_id in ("7", "7_3"):
        paths = utils.JobPaths(tmp_path, job_id, 2)
        assert paths.submitted_pickle.name == f"{job_id}{PICKLE}"
        assert paths.stdout == log_path(tmp_path, job_id, 2)
        assert submitit.SlurmJob(tmp_path, job_id).paths.stdout == log_path(tmp_path, job_id, 0)


def test_files_that_were_cut_off(tmp_path):
    """submitit refuses to write over one."""
    first, second = (utils.JobPaths(tmp_path, "7", process) for process in (0, 1))
    cut = [first.submitted_pickle, first.result_pickle, second.result_pickle]
    for path in cut:
        with utils.temporary_save_path(path) as temporary:
            Path(temporary).touch()
            Path(temporary).with_name(f"kept-{path.name}").write_text(str(temporary))
    names = [(tmp_path / f"kept-{path.name}").read_text() for path in cut]
    for name in names:
        Path(name).touch()
    remove_cut_files(tmp_path, "7", 1)
    assert [Path(name).exists() for name in names] == [True, True, False]
    remove_cut_files(tmp_path, "7", 0)
    assert [Path(name).exists() for name in names] == [False, False, False]
