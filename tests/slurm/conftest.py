"""A cluster for each test process; it is taken down at the end, however that comes.

Scenarios wait for Slurm most of the time, so that several clusters share a machine well.
"""

import contextlib
import os
import tempfile
from pathlib import Path

import pytest

from tests.slurm.cluster import Cluster, copy_of_project, one_machine, require_slurm
from tests.slurm.sweep import EPOCHS, ONE, Sweep, run_here


@contextlib.contextmanager
def running_cluster(folder):
    """A cluster in an empty folder, which is gone afterwards."""
    one_machine("up", folder)
    try:
        yield Cluster(Path(folder).resolve())
    finally:
        one_machine("down", folder)


@pytest.fixture(scope="session")
def _cluster():
    require_slurm()
    # Not pytest's own folder: paths of sockets must be short.
    parent = os.environ.get("VSWIN_TEST_SLURM_FOLDER") or tempfile.mkdtemp(prefix="vswin-slurm.")
    folder = Path(parent) / os.environ.get("PYTEST_XDIST_WORKER", "main")
    with running_cluster(folder) as cluster:
        yield cluster
    with contextlib.suppress(OSError):  # another process's cluster is in it
        Path(parent).rmdir()


@pytest.fixture
def slurm(_cluster):
    """The cluster, idle and whole before the test and after it."""
    _cluster.clear()
    yield _cluster
    _cluster.clear()


@pytest.fixture(scope="session")
def undisturbed(smoke_results):
    """Table 5 under protocol smoke as it comes out without Slurm. Read only, please."""
    return smoke_results


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A clone in which a smoke run trains for many epochs, so that something can happen to it."""
    return copy_of_project(tmp_path_factory.mktemp("clone") / "vswin", epochs=EPOCHS)


@pytest.fixture(scope="session")
def reference(project, made_once):
    """One run of that clone that nothing happened to; the results folder."""
    return made_once("undisturbed", lambda results: run_here(project, results, *ONE))


@pytest.fixture
def sweep(slurm, project, tmp_path):
    return Sweep(slurm, project, tmp_path, requeue=True)
