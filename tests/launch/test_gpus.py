"""GPUs shared out among runs: each process of a pool sees its own. No GPU is needed for that."""

import sys

import pytest

from vswin.errors import UsageError
from vswin.launch import pool as launching
from vswin.launch.gpus import Slots, runs_at_a_time, visible_gpus
from vswin.runs.store import Store

PYTHON = """
import os, pathlib, runpy, sys, time
if sys.argv[2] == "vswin.launch.warm":
    sys.executable, sys.argv = __file__, sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__")
pathlib.Path(sys.argv[3], "gpus").write_text(os.environ["CUDA_VISIBLE_DEVICES"])
time.sleep(0.6)  # longer than the pool needs to see what has ended
"""


def test_what_is_visible_is_shared_and_nothing_else():
    assert visible_gpus(3, {}) == ["0", "1", "2"]
    assert visible_gpus(2, {"CUDA_VISIBLE_DEVICES": "5, 2"}) == ["5", "2"]
    uuids = {"CUDA_VISIBLE_DEVICES": "GPU-8932f937,MIG-GPU-a1/1/0"}
    assert visible_gpus(2, uuids) == ["GPU-8932f937", "MIG-GPU-a1/1/0"]
    # CUDA knows no GPU behind a name that it does not know.
    assert visible_gpus(1, {"CUDA_VISIBLE_DEVICES": "3,-1,2"}) == ["3"]
    assert visible_gpus(0, {"CUDA_VISIBLE_DEVICES": ""}) == []


def test_slots_are_disjoint_and_given_back():
    slots = Slots(["0", "1", "2", "3", "4"], each=2)
    assert slots.count == 2
    assert slots.take("a") == {"CUDA_VISIBLE_DEVICES": "0,1"}
    assert slots.take("b") == {"CUDA_VISIBLE_DEVICES": "2,3"}
    slots.give_back("a")
    slots.give_back("a")  # a second time frees nothing
    slots.give_back("never started")
    assert slots.take("c") == {"CUDA_VISIBLE_DEVICES": "0,1"}
    assert slots.free == []


@pytest.mark.parametrize(
    ("jobs", "gpus", "processes", "found"), [(0, 8, 2, 4), (3, 8, 2, 3), (1, 1, 1, 1), (0, 5, 2, 2)]
)
def test_runs_at_a_time(jobs, gpus, processes, found):
    assert runs_at_a_time(jobs, gpus, processes) == found


def test_more_than_there_are_is_refused_by_name():
    with pytest.raises(UsageError, match="--jobs 3 --processes 2 takes 6 GPUs.* 4 here.*--jobs 2"):
        runs_at_a_time(3, 4, 2)
    with pytest.raises(UsageError, match="--processes 2 takes 2 GPUs, one for each.*is 1 here$"):
        runs_at_a_time(0, 1, 2)
    with pytest.raises(UsageError, match="there are 0 here"):
        launching.pool_size(1, "cuda")
    with pytest.raises(UsageError, match="jobs=-1"):
        launching.pool_size(-1, "cpu")
    assert launching.pool_size(0, "cuda:0") == 1
    assert launching.pool_size(0, "cpu", threads=10_000) == 1


def test_runs_of_a_pool_see_gpus_of_their_own(tmp_path, monkeypatch):
    """Real processes that say what they see, in place of runs; and no GPU."""
    monkeypatch.setattr(launching, "visible_gpus", lambda: ["7", "GPU-b", "2", "3"])
    monkeypatch.setattr("vswin.launch.processes.sys.executable", _echoing_interpreter(tmp_path))
    runs = [Store(tmp_path, "smoke").run(f"run-{number}") for number in range(4)]
    for run in runs:
        run.path.mkdir(parents=True)
    settings = launching.ExecutionSettings(processes=2)
    found = launching.launch(runs, jobs=0, device="cuda", settings=settings)
    seen = [(run.path / "gpus").read_text() for run in runs]
    assert sorted(seen[:2]) == ["2,3", "7,GPU-b"]  # two at a time
    assert sorted(seen[2:]) == ["2,3", "7,GPU-b"]  # and again, when those have ended
    assert all("its process was ended with code 0" in s.detail for s in found)


def _echoing_interpreter(folder):
    """Called as Python is, it starts `-m vswin.runs.execute FOLDER ...` as itself."""
    script = folder / "python"
    script.write_text(f"#!{sys.executable}\n{PYTHON}")
    script.chmod(0o755)
    return str(script)
