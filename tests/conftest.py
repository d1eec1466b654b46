"""Shared by all tests: one CPU thread, and a study that was really run once."""

import os

import pytest
import torch

from vswin.experiments.planning import plan_study
from vswin.launch.study import run_study


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session", autouse=True)
def _cache_of_our_own(tmp_path_factory):
    """Counted costs are kept for this session, and not in the user's cache."""
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def smoke_results(tmp_path_factory):
    """A results folder with Table 5 under protocol smoke, complete. Read only, please."""
    folder = tmp_path_factory.mktemp("smoke") / "results"
    run_study(plan_study("table5", "smoke", 1, folder))
    return folder


@pytest.fixture(scope="session")
def appearance_results(tmp_path_factory):
    """A results folder with Tables 8 and 9 under protocol smoke, complete. Read only, please."""
    folder = tmp_path_factory.mktemp("appearance") / "results"
    for table in ("table8", "table9"):
        run_study(plan_study(table, "smoke", 1, folder))
    return folder
