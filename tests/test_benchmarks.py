"""The benchmarks run; what they measure is not a test's business."""

import subprocess
import sys

import pandas as pd
import pytest
import torch

from benchmarks import bench
from tests.peers import import_torchvision
from vswin.project import project_root


def test_a_case_is_measured_and_compared(monkeypatch):
    import_torchvision()
    case = bench.Case("swin_t", "train", 1, 4, 64, pairs=1)
    monkeypatch.setitem(bench.CASES, case.name, case)
    # At 64 pixels the last stages are clipped in space, where the two differ on purpose.
    monkeypatch.setattr(bench, "TOLERANCE", 1.0)
    line = bench.measure(case, pairs=1)
    assert line["case"] == "swin_t-train-1x4x64"
    assert line["speedup"] == line["torchvision_s"] / line["ours_s"]
    assert 0 < line["share_of_matmul_rate"] < 1.5
    monkeypatch.setattr(bench, "TOLERANCE", 1e-12)
    with pytest.raises(RuntimeError, match="logits differ"):
        bench.measure(case, pairs=1)


def test_a_training_step_changes_the_weights():
    ours, theirs = bench.build(bench.Case("swin_t", "train", 1, 2, 32, pairs=1))
    for model in (ours, theirs):
        before = model.head.weight.detach().clone()
        bench.step_of(model, bench.Case("swin_t", "train", 1, 2, 32, pairs=1))()
        assert not torch.equal(model.head.weight, before)


def test_memory_is_that_of_a_process_of_its_own(tmp_path):
    """Not its parent's, which Linux's rusage starts from."""
    ballast = torch.ones(2**27)  # 512 MiB
    code = "from benchmarks import bench; print(bench._high_water_mib())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=project_root(),
    )
    assert float(done.stdout) < ballast.numel() * 4 / 2**20


def test_the_committed_table_has_what_the_script_writes():
    paths = sorted(bench.RESULTS.glob("*.csv"))
    assert paths
    for path in paths:
        table = pd.read_csv(path)
        assert {"case", "speedup", "ours_peak_mib", "torchvision_peak_mib", "commit"} <= set(table)
        assert set(table["case"]) <= set(bench.CASES)
