"""Shared by all tests: folders of their own, one CPU thread, and studies that were really run once.

Tests may run in several processes at a time (pytest-xdist). Whatever a process writes for the
user, as a cache, goes to a folder of the session, and so does what its own processes write.
"""

import os
import pwd
import shutil
from pathlib import Path

os.environ |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # before torch is imported

import pytest
import torch
from filelock import FileLock

from vswin.experiments.planning import plan_study
from vswin.launch.study import run_study

CACHE = Path(pwd.getpwuid(os.getuid()).pw_dir) / ".cache" / "vswin"
"""The user's own, whatever the environment says."""


def pytest_make_parametrize_id(val, argname):
    """Ids that processes agree on and a line can hold: bytes and long texts go by their parameter.

    pytest numbers what is then called the same.
    """
    text = isinstance(val, str) and (len(val) > 45 or not val.isprintable())
    return argname if text or isinstance(val, bytes) else None


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def session_folder(tmp_path_factory):
    """A folder that all test processes of this session share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session", autouse=True)
def _home_of_our_own(session_folder):
    """Counted costs, fonts and the history of kernels are kept for this session only."""
    for variable, name in (("HOME", "home"), ("XDG_CACHE_HOME", "cache")):
        folder = session_folder / name
        folder.mkdir(exist_ok=True)
        os.environ[variable] = str(folder)
    before = _times(CACHE)
    yield
    if "CI" in os.environ:  # elsewhere somebody may be working beside the tests
        assert _times(CACHE) == before, f"a test wrote to {CACHE}"


def _times(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@pytest.fixture(scope="session")
def made_once(session_folder, tmp_path_factory):
    """Makes a folder once for all test processes; each gets a copy of its own to read."""

    def copy(name, make):
        original = session_folder / "made" / name
        original.parent.mkdir(exist_ok=True)
        with FileLock(f"{original}.lock"):
            done = original.with_suffix(".done")
            if not done.exists():
                make(original)
                done.touch()
        return shutil.copytree(original, tmp_path_factory.mktemp(name) / "results")

    return copy


@pytest.fixture(scope="session")
def smoke_results(made_once):
    """A results folder with Table 5 under protocol smoke, complete. Read only, please."""
    return made_once("smoke", lambda folder: run_study(plan_study("table5", "smoke", 1, folder)))


@pytest.fixture(scope="session")
def appearance_results(made_once):
    """A results folder with Tables 8 and 9 under protocol smoke, complete. Read only, please."""

    def make(folder):
        for table in ("table8", "table9"):
            run_study(plan_study(table, "smoke", 1, folder))

    return made_once("appearance", make)
