"""What several tests of launching need: a profile that is read, a Slurm, a place to be asked."""

import pytest

from tests.launch.fake_slurm import FakeSlurm
from tests.launch.place import Place
from vswin.launch.slurm.profile import load_profile


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "cluster.toml"
        path.write_text(text)
        return load_profile(path)

    return read


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A substitute that takes jobs and runs none."""
    fake = FakeSlurm(tmp_path / "bin")
    monkeypatch.setenv("PATH", fake.path)
    monkeypatch.delenv("VSWIN_DATA", raising=False)
    return fake


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)
