"""The benchmarks run; what they measure is not a test's business."""

import dataclasses
import shutil
import subprocess
import sys
import time

import pandas as pd
import pytest
import torch

from benchmarks import kernels, machine, models, page, profile, report, training
from benchmarks.__main__ import main
from benchmarks.machine import BenchmarkError
from tests.peers import import_torchvision
from vswin.errors import VswinError
from vswin.project import project_root
from vswin.runs.store import Store

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
    monkeypatch.setattr(models, "TOLERANCE", 0.0)
    with pytest.raises(RuntimeError, match="logits differ"):
        models.measure(tiny)


def test_a_training_step_changes_the_weights_and_a_forward_pass_does_not(tiny):
    for mode, changes in (("train", True), ("forward", False)):
        for model in models.build(tiny):
            before = model.head.weight.detach().clone()
            logits = models.case_step(model, dataclasses.replace(tiny, mode=mode))()
            assert logits.shape == (2, 12)
            assert torch.equal(model.head.weight, before) != changes


def test_every_case_builds_the_model_that_it_names():
    expected = {"swin_t": 28_158_070, "swin_b": 88_048_984, "proxy": 79_416}
    for preset in {case.preset for case in models.CASES.values()}:
        case = models.Case(preset, "forward", 1, 32, 224, pairs=1)
        for who in models.WHO:
            with torch.device("meta"):
                model = models.build_one(case, who)
            assert sum(p.numel() for p in model.parameters()) == expected[preset]


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
    assert 0 < models.peak_memory(tiny, "ours") < 512


def test_kernel_variants_are_measured_one_by_one(tiny, monkeypatch):
    monkeypatch.setattr(kernels, "CASES", (tiny,))
    lines = kernels.run()
    assert [line["variant"] for line in lines] == list(kernels.VARIANTS)
    assert lines[0]["times_as_long"] == 1
    assert all(line["step_s"] > 0 for line in lines)


def test_mvit_is_measured_likewise(monkeypatch):
    import_torchvision()
    config = dataclasses.replace(
        models.resolve_config("mvit_b_16x4"), depths=(1, 1), embed_dim=8, frames=4, image_size=32
    )
    monkeypatch.setattr(models, "resolve_config", lambda _: config)
    case = models.Case("mvit_b_16x4", "train", 1, 4, 32, pairs=1)
    line = models.measure(case)
    assert line["case"] == "mvit_b_16x4-train-1x4x32"
    assert 0 <= line["largest_difference"] < 1e-5
    lines = kernels.run([case], kernels.MVIT_VARIANTS)
    assert [line["variant"] for line in lines] == list(kernels.MVIT_VARIANTS)
    found = {line["kind"] for line in profile.run([case]) if line["model"] == "ours"}
    assert {"linear layers", "attention products", "convolutions"} <= found


def test_the_training_loop_is_taken_apart():
    parts = training.parts_of_a_step(4)
    assert set(parts) == {"data_ms", "forward_ms", "backward_ms", "optimizer_ms"}
    assert all(value > 0 for value in parts.values())
    assert training.matrix_products(3) > 0


def test_the_training_loop_is_timed_as_a_whole(monkeypatch):
    config = models.proxy_config()
    short = dataclasses.replace(config.recipe, steps_per_epoch=2, batch_size=2)
    monkeypatch.setattr(training, "proxy_config", lambda: dataclasses.replace(config, recipe=short))
    start = time.perf_counter()
    rate = training.loop_rate(epochs=2)  # the second is timed: 4 clips
    assert rate > 4 / (time.perf_counter() - start)


def test_a_step_is_compared_with_another_commit():
    """The last one here, which may well differ from what is on disk."""
    root = project_root()
    head = subprocess.run(
        ["git", "-C", root, "rev-parse", "HEAD"], check=False, capture_output=True, text=True
    )
    if head.returncode:
        pytest.skip("not in a git clone")
    line = training.compared_with(head.stdout.strip(), 4)
    assert line["step_ms"] > 0
    assert line["before_ms"] > 0
    assert line["speedup"] == pytest.approx(line["before_ms"] / line["step_ms"], rel=0.9)


def test_a_failed_comparison_is_one_line_that_names_the_case(monkeypatch):
    monkeypatch.setattr(training, "loop_rate", lambda: 1.0)
    monkeypatch.setattr(training, "parts_of_a_step", lambda steps: {})
    monkeypatch.setattr(training, "matrix_products", lambda steps: 1.0)
    with pytest.raises(BenchmarkError, match="^proxy-loop: commit nosuch cannot be read") as caught:
        training.run(2, "nosuch")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "worker",
    [
        "import sys; sys.exit(3)",  # the pipe to it breaks
        "import sys; sys.stdin.readline(); sys.exit(3)",  # it answers nothing
        "import sys; sys.stdin.readline(); print('hello', flush=True)",  # it answers something else
    ],
)
def test_a_timed_process_that_dies_is_an_error_of_its_own(monkeypatch, worker):
    monkeypatch.setattr(training, "WORKER", worker)

    def ask():
        with training._worker(project_root()) as process:
            if "readline" not in worker:
                process.wait()
            training._ask(process, "this code")

    with pytest.raises(VswinError, match="the process that times this code has died"):
        ask()


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (RuntimeError("too little memory\nTraceback"), "case: too little memory"),
        (subprocess.CalledProcessError(1, ["git"]), "case: Command '['git']' returned"),
        (BrokenPipeError(), "case: BrokenPipeError"),
        (ModuleNotFoundError("No module named 'torchvision'"), "case: No module named 'torchv"),
    ],
)
def test_whatever_goes_wrong_in_a_case_is_one_line_that_names_it(error, line):
    def fails():
        with machine.naming("case"):
            raise error

    with pytest.raises(BenchmarkError) as caught:
        fails()
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_a_case_that_fails_in_its_process_is_named(tiny, monkeypatch):
    missing = dataclasses.replace(tiny, preset="swin_x")
    monkeypatch.setattr(models, "CASES", {"tiny": missing})
    with pytest.raises(BenchmarkError, match="^tiny: .*'swin_x'"):
        models.run(["tiny"], 1)
    monkeypatch.setattr(kernels, "CASES", (missing,))
    with pytest.raises(BenchmarkError, match="^swin_x-train-2x16x24: .*'swin_x'"):
        kernels.run()


@pytest.mark.skipif(
    not Store(report.RECORD, report.PROTOCOL).record(report.TABLE).exists(),
    reason="no run of the benchmark is recorded yet",
)
def test_reports_of_many_runs_are_of_many_runs(tmp_path):
    plan = report.fill(tmp_path, 20)
    assert len(plan.runs) == 24
    assert all(plan.folder(planned).state() == "done" for planned in plan.runs)
    assert report.run(8, 1)[0]["runs"] == 8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        # The committed table stays whole.
        (["--case", "proxy-train-32x16x24"], "say where to with --output"),
        (["models", "--case", "swin_x"], "unknown case swin_x; known: swin_t-forward-1x32x224"),
        (["cuda", "A"], "torch sees no GPU here; --tiny runs all of it on the CPU"),
        (["cuda", "B", "--tiny"], "say where its lines go with --lines FILE"),
        (["--pairs", "0"], "--pairs: '0' is not a whole number of at least 1"),
        (["--runs=-1"], "--runs: '-1' is not a whole number of at least 1"),
        (["--runs", "many"], "--runs: 'many' is not a whole number of at least 1"),
        (["page", "--output", "elsewhere"], "page is made of the tables in benchmarks/results"),
    ],
)
def test_the_command_says_what_is_wrong(arguments, words, capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert words in capsys.readouterr().err.splitlines()[-1]


def test_a_measurement_that_fails_ends_the_command_in_one_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(report, "RECORD", tmp_path / "nowhere")
    assert main(["report", "--runs", "8", "--output", str(tmp_path / "tables")]) == 1
    [line] = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert line.startswith("error: report-table5-8: ")
    assert "the benchmark copies the record" in line
    assert not (tmp_path / "tables").exists()


def test_the_committed_tables_say_where_they_were_measured():
    found = {path.stem: pd.read_csv(path) for path in machine.RESULTS.glob("*.csv")}
    assert {"cpu", "training", "report", "kernels"} <= set(found)
    for table in found.values():
        assert {"case", "machine", "threads", "torch", "commit", "date"} <= set(table)
        assert not table["commit"].str.endswith("+").any()  # measured on committed code
    assert set(found["cpu"]["case"]) == set(models.CASES)
    assert set(found["mvit"]["case"]) == {case.name for case in models.MVIT_CASES}


def test_the_committed_pages_are_those_that_the_tables_make():
    for path, text in page.pages().items():
        assert path.read_text() == text, f"{path}: run `python -m benchmarks page`"


@pytest.fixture
def tables(tmp_path):
    """A copy of the tables, to be changed."""
    return shutil.copytree(machine.RESULTS, tmp_path / "results")


def test_a_changed_table_changes_the_pages(tables):
    """Every figure of a line, what the text says about it, and what was derived from it."""
    cpu = pd.read_csv(tables / "cpu.csv")
    proxy = cpu["case"].str.startswith("proxy")
    cpu.loc[proxy, ["speedup", "speedup_min", "speedup_max"]] = [3.25, 3.125, 3.5]
    cpu.loc[0, ["speedup_min", "torchvision_peak_mib"]] = [0.5, 1.0]
    cpu.to_csv(tables / "cpu.csv", index=False)
    training = pd.read_csv(tables / "training.csv")
    training[["step_ms", "matrix_products_ms", "clips_per_s"]] = [100.0, 20.0, 320.0]
    training.to_csv(tables / "training.csv", index=False)
    benchmarks, readme = (" ".join(text.split()) for text in page.pages(tables).values())
    assert "3.25 (3.12 to 3.50)" in benchmarks
    assert "`swin_t-forward-1x32x224` at 1.98 (0.50 to 2.03), whose ratios range" in benchmarks
    assert "`proxy-train-32x16x24` at" not in benchmarks
    assert "took less memory" not in benchmarks
    assert "and `proxy` are 1.7 to 3.2 times as fast, the other cases not for certain" in readme
    assert "would leave 30 ms" in benchmarks
    assert "320 clips/s: 100 ms for each step" in benchmarks


def test_a_missing_table_is_named(tables):
    (tables / "kernels.csv").unlink()
    with pytest.raises(BenchmarkError, match=r"kernels\.csv is missing"):
        page.pages(tables)
