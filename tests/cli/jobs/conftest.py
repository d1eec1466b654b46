"""What the commands about jobs need: a results folder and a substitute for Slurm, the only one."""

import io
import sys

import pytest

from tests.launch.fake_slurm import FakeSlurm
from vswin.cli.main import main


@pytest.fixture
def vswin(capfd, monkeypatch):
    """Runs a command here; returns its exit code, stdout and stderr."""

    def call(*args):
        monkeypatch.setattr(sys, "argv", ["vswin", *map(str, args)])
        with pytest.raises(SystemExit) as end:
            main()
        return end.value.code or 0, *capfd.readouterr()

    monkeypatch.setattr("sys.stdin", io.StringIO())  # no terminal to ask on
    monkeypatch.setenv("COLUMNS", "200")  # processes of pytest-xdist have a narrow one
    return call


@pytest.fixture(autouse=True)
def slurm(tmp_path, monkeypatch):
    fake = FakeSlurm(tmp_path / "bin")
    monkeypatch.setenv("PATH", fake.path)
    monkeypatch.setattr("vswin.launch.slurm.queue.RETRY_S", 0.01)
    return fake


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"
