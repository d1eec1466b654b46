"""What the tests of profiles and of scripts share."""

import pytest

from vswin.launch.slurm.profile import load_profile


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "cluster.toml"
        path.write_text(text)
        return load_profile(path)

    return read
