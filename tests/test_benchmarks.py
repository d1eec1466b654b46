"""The benchmarks run; what they measure is not a test's business."""

import dataclasses
import subprocess
import sys

import pandas as pd
import pytest
import torch

from benchmarks import machine, models, report, training, ways
from tests.peers import import_torchvision
from vswin.project import project_root

CPU = torch.device("cpu")


@pytest.fixture
def tiny():
    import_torchvision()
    return models.Case("proxy", "train", 2, 16, 24, pairs=1, threads=1)


def test_a_case_is_measured_and_compared(tiny, monkeypatch):
    line = models.measure(tiny)
    assert line["case"] == "proxy-train-2x16x24"
    ratio = line["ours_clips_per_s"] / line["torchvision_clips_per_s"]
    assert line["speedup"] == pytest.approx(ratio)
    assert 0 < line["share_of_matmul_rate"] < 1.5
    assert 0 <= line["largest_difference"] < 1e-6
    monkeypatch.setitem(models.TOLERANCE, torch.float32, 0.0)
    with pytest.raises(RuntimeError, match="logits differ"):
        models.measure(tiny)


def test_a_training_step_changes_the_weights_and_a_forward_pass_does_not(tiny):
    for mode, changes in (("train", True), ("forward", False)):
        for model in models.build(tiny):
            before = model.head.weight.detach().clone()
            logits = models.step_of(model, dataclasses.replace(tiny, mode=mode), 2)()
            assert logits.shape == (2, 12)
            assert torch.equal(model.head.weight, before) != changes


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_every_case_builds_the_model_that_it_names(device):
    expected = {"swin_t": 28_158_070, "swin_b": 88_048_984, "proxy": 79_416}
    for preset in {case.preset for case in models.cases(device).values()}:
        case = models.Case(preset, "forward", 1, 32, 224, pairs=1, device=device)
        for who in models.WHO:
            with torch.device("meta"):
                model = models.build_one(case, who)
            assert sum(p.numel() for p in model.parameters()) == expected[preset]


def test_the_most_clips_that_fit_are_found_in_steps_of_eight(monkeypatch):
    tried = []

    def measure(case, who, clips):
        tried.append(clips)
        return 1.0 if clips <= 88 else None

    monkeypatch.setattr(models, "_measure_memory", measure)
    case = models.Case("swin_t", "train", 0, 32, 224, pairs=1, device="cuda")
    assert models.largest_batch(case, "ours") == 80  # room for the other model's weights
    assert len(tried) < 12
    assert case.name == "swin_t-train-mostx32x224"


def test_memory_is_that_of_a_process_of_its_own(tiny):
    """Not its parent's, which Linux's rusage starts from."""
    ballast = torch.ones(2**27)  # 512 MiB
    code = (
        "import torch; from benchmarks import machine;"
        "print(machine.memory_mib(torch.device('cpu')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=project_root(),
    )
    assert float(done.stdout) < ballast.numel() * 4 / 2**20
    assert 0 < models.peak_memory(tiny, "ours", 2) < 512


def test_ways_are_measured_one_by_one(tiny, monkeypatch):
    monkeypatch.setattr(ways, "CASES", (tiny,))
    lines = ways.run()
    assert [line["way"] for line in lines] == list(ways.WAYS)
    assert lines[0]["times_as_long"] == 1
    assert all(line["step_s"] > 0 for line in lines)


def test_the_training_loop_is_taken_apart():
    parts = training.parts_of_a_step(4)
    assert set(parts) == {"data_ms", "forward_ms", "backward_ms", "optimizer_ms"}
    assert all(value > 0 for value in parts.values())
    assert training.matrix_products(3) > 0


def test_a_step_is_compared_with_another_commit(tmp_path, monkeypatch):
    """The commit is checked out in a folder of its own, which is gone afterwards."""
    root = project_root()
    head = subprocess.run(
        ["git", "-C", root, "rev-parse", "HEAD"], check=False, capture_output=True, text=True
    )
    if head.returncode:
        pytest.skip("not in a git clone")
    line = training.compared_with(head.stdout.strip(), 4)
    assert line["step_ms"] > 0
    assert line["before_ms"] > 0
    trees = subprocess.run(
        ["git", "-C", root, "worktree", "list"], check=False, capture_output=True, text=True
    )
    assert "before" not in trees.stdout


def test_reports_of_many_runs_are_of_many_runs(tmp_path):
    plan = report.fill(tmp_path, 20)
    assert len(plan.runs) == 24
    assert all(plan.folder(planned).state() == "done" for planned in plan.runs)
    assert report.run(8, 1)[0]["runs"] == 8


def test_the_command_says_what_it_does_not_know(tmp_path):
    def bench(*args):
        command = [sys.executable, "-m", "benchmarks", *args, "--output", str(tmp_path)]
        return subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=project_root()
        )

    part = [sys.executable, "-m", "benchmarks", "--case", "proxy-train-32x16x24"]
    done = subprocess.run(part, check=False, capture_output=True, text=True, cwd=project_root())
    assert "say where to with --output" in done.stderr  # the committed table stays whole
    done = bench("models", "--case", "swin_x")
    assert done.returncode == 2
    assert "unknown case swin_x; known: swin_t-forward-1x32x224" in done.stderr
    if not torch.cuda.is_available():
        assert "torch sees no GPU" in bench("--device", "cuda").stderr
    assert list(tmp_path.iterdir()) == []


def test_the_committed_tables_say_where_they_were_measured():
    found = {path.stem: pd.read_csv(path) for path in machine.RESULTS.glob("*.csv")}
    assert {"cpu", "training", "report", "ways"} <= set(found)
    for table in found.values():
        assert {"case", "machine", "threads", "torch", "commit", "date"} <= set(table)
        assert not table["commit"].str.endswith("+").any()  # measured on committed code
    assert set(found["cpu"]["case"]) == set(models.cases("cpu"))
