"""`python -m benchmarks cuda` on the CPU: every cell, what fails, what is dropped, the table."""

import contextlib
import json
import re
import subprocess
import sys
import time

import pytest
import torch

from benchmarks import page
from benchmarks.__main__ import main
from benchmarks.cuda import attention as attention_cells
from benchmarks.cuda import command, compiled, parity
from benchmarks.cuda.cells import Cell, run_cells
from benchmarks.cuda.setting import OURS, THEIRS, VARIANTS, WITHOUT_TRITON, Setting
from benchmarks.cuda.table import read_lines, write_cuda_csv
from benchmarks.machine import RESULTS, BenchmarkError
from tests.peers import import_torchvision
from vswin.models.swin import attention
from vswin.project import project_root

CPU = torch.device("cpu")
LACKING = (
    "annotated_types", "pydantic", "fvcore", "iopath", "yacs", "termcolor", "av", "rich", "typer",
    "yaml", "safetensors", "sklearn", "scipy", "statsmodels", "matplotlib", "requests",
)  # fmt: skip


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("command", ["A", "B", "C"])
def test_every_cell_runs(command, tmp_path, capsys):
    import_torchvision()
    path = tmp_path / "lines.jsonl"
    assert main(["cuda", command, "--tiny", "--lines", str(path)]) == 0
    lines = lines_of(path)
    assert f"{len(lines)} cells measured, 0 failed" in capsys.readouterr().out
    for line in lines:
        assert {"case", "machine", "threads", "torch", "commit", "date", "took_s"} <= set(line)
        assert line["tiny"]
        assert line.get("right", True), line
        timed = {k: v for k, v in line.items() if k.endswith(("_per_s", "_ms")) and v is not None}
        assert all(v > 0 for v in timed.values()), line
    names = [line["case"] for line in lines]
    assert len(set(names)) == len(names)
    taken = Setting(CPU, tiny=True).variants
    assert all(any(name in case for case in names) for name in taken) or command == "C"
    with pytest.raises(BenchmarkError, match="measured with --tiny, which means nothing"):
        read_lines(path)


def test_a_and_b_import_nothing_that_an_image_with_a_gpu_lacks():
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({LACKING}))\n"  # None: importing it is an error
        "from benchmarks.cuda import command\n"
        "from benchmarks.cuda.setting import Setting\n"
        "import torch\n"
        "for name in 'AB':\n"
        "    with command.CELLS[name](Setting(torch.device('cpu'), tiny=True)) as cells:\n"
        "        assert len(cells) > 10\n"
        "        assert 'error' not in cells[0].measure()\n"
        "Setting(torch.device('cpu'), tiny=True).pair('swin_t')\n"
        "assert command.main(['C', '--tiny', '--lines', 'nowhere']) == 1\n"
        "for name in command.environment.OF_C:\n"  # what it is told to install is all it needs
        "    del sys.modules[name]\n"
        "import benchmarks.cuda.training\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=project_root(),
    )
    assert done.returncode == 0, done.stderr
    told = "pydantic annotated-types av pyyaml safetensors scikit-learn scipy rich, without"
    assert told in done.stderr


@pytest.mark.parametrize(
    ("name", "command", "told"),
    [
        ("torchvision", "A", "torchvision cannot be imported, beside which models are measured"),
        ("torchvision", "C", "torchvision cannot be imported, beside which models are measured"),
        ("benchmarks.cuda.command", "B", "pip install torch torchvision pandas numpy"),
    ],
)
def test_what_no_command_does_without_is_one_line(name, command, told, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, name, None)  # importing it is an error
    monkeypatch.delattr("benchmarks.cuda.command", raising=False)
    assert main(["cuda", command, "--tiny", "--lines", "nowhere"]) == 1
    assert re.fullmatch(f"error: .*{told}.*\n", capsys.readouterr().err)


def test_what_is_wrong_on_a_gpu_would_be_seen(monkeypatch):
    """A bias that is off by a little, in the logits' and the tables' errors."""
    import_torchvision()
    setting = Setting(CPU, tiny=True)
    found = parity.errors(setting, parity.Case(WITHOUT_TRITON, "fp32"))
    assert found["right"]
    assert 0 < found["worst_error"] < 1e-5
    frozen = parity.errors(setting, parity.Case(WITHOUT_TRITON, "fp32", learns="head"))
    assert frozen["table_error"] is None
    whole = attention.biases_of
    monkeypatch.setattr(attention, "biases_of", lambda *a: [1.01 * x for x in whole(*a)])
    found = parity.errors(setting, parity.Case(WITHOUT_TRITON, "fp32"))
    assert not found["right"]
    assert found["table_error"] > 1e-3


def test_a_model_computes_with_the_variant_that_a_cell_names():
    import_torchvision()
    setting = Setting(CPU, tiny=True)
    ours, theirs = setting.pair("swin_t")
    block = ours.layers[0].blocks[0]
    for name in setting.variants:
        with setting.taking("swin_t", name) as model:
            assert model is ours
            assert block.variant == block.attn.variant == VARIANTS[name]
            model(setting.clip(1)).sum().backward()
        assert block.variant is block.attn.variant is block.attn.qkv.weight.grad is None
    with setting.taking("swin_t", THEIRS) as model:
        assert model is theirs


def test_a_cell_that_fails_is_a_line_and_what_no_time_is_left_for_is_named(tmp_path):
    def fails():
        raise torch.OutOfMemoryError("CUDA out of memory. Tried\nto allocate")

    cells = [
        Cell("one", fails, 1, {"preset": "swin_t"}),
        Cell("two", lambda: {"step_ms": 1.0}, 1000),
        Cell("three", lambda: {"step_ms": 2.0}, 1),
    ]
    path = tmp_path / "lines.jsonl"
    outcome = run_cells(cells, 100, {"torch": "2.11"}, path)
    assert (outcome.measured, outcome.failed, outcome.dropped) == (1, 1, ["two"])
    one, two, three = lines_of(path)
    assert one["error"] == "OutOfMemoryError: CUDA out of memory. Tried"
    assert one["preset"] == "swin_t"
    assert two["dropped"].endswith("s left, it takes 1000")
    assert (three["step_ms"], three["torch"]) == (2.0, "2.11")


@pytest.fixture
def three_cells(monkeypatch):
    """A command of three cells, of which the second one sends a kernel astray; what it does."""
    done = []

    def measure(name):
        done.append(name)
        if name == "two":
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        return {"step_ms": 1.0}

    def cells(setting):
        yield [Cell(name, lambda name=name: measure(name), 1) for name in ("one", "two", "three")]

    monkeypatch.setitem(command.CELLS, "A", contextlib.contextmanager(cells))
    return done


def test_after_a_kernel_that_goes_astray_a_new_process_does_the_rest(
    three_cells, tmp_path, monkeypatch, capsys
):
    """The line is written, although nothing can be asked of the GPU any more."""
    import_torchvision()
    started = []

    def asked():
        if "two" in three_cells:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "synchronize", asked)
    monkeypatch.setattr(torch.cuda, "empty_cache", asked)
    monkeypatch.setattr(command.os, "execv", lambda program, argv: started.append(argv))
    path = tmp_path / "lines.jsonl"
    assert main(["cuda", "A", "--tiny", "--seconds", "100", "--lines", str(path)]) == 1
    assert [line["case"] for line in lines_of(path)] == ["one", "two"]
    (argv,) = started
    assert argv[1:8] == ["-m", "benchmarks", "cuda", "A", "--rest", "--lines", str(path)]
    assert 0 < float(argv[9]) <= 100
    assert argv[10:] == ["--tiny"]


def test_the_rest_is_what_the_file_has_no_line_of(three_cells, tmp_path, capsys):
    import_torchvision()
    path = tmp_path / "lines.jsonl"
    asked = ["cuda", "A", "--tiny", "--rest", "--lines", str(path)]
    assert main(asked) == 1
    first, second, _ = path.read_text().splitlines(keepends=True)
    path.write_text(first + second)  # it was killed
    three_cells.clear()
    assert main(asked) == 1
    assert three_cells == ["three"]
    assert "1 cells measured, 1 failed" in capsys.readouterr().out
    path.write_text(first + json.dumps(json.loads(first) | {"case": "two", "commit": "another"}))
    with pytest.raises(SystemExit):
        main([*asked, "--seconds", "nan"])
    three_cells.clear()
    main(asked)
    assert three_cells == ["two", "three"]


def test_a_pattern_finds_cells_by_name(three_cells, tmp_path, capsys):
    path = tmp_path / "lines.jsonl"
    asked = ["cuda", "A", "--tiny", "--lines", str(path), "--only"]
    assert main([*asked, "^(one|three)$"]) == 0
    assert [line["case"] for line in lines_of(path)] == ["one", "three"]
    with pytest.raises(SystemExit):
        main([*asked, "("])
    assert "argument --only: (: missing )" in capsys.readouterr().err


def test_the_rest_needs_what_the_process_before_it_knew(tmp_path, monkeypatch):
    """Memory of steps, from which the most clips follow; what was compiled is compiled again."""
    import_torchvision()
    lines = []

    def cells(setting):
        first = [
            Cell("compiling", lambda: lines.append(setting.found) or {}, 1, prepares=("timed",))
        ]
        yield [*first, Cell("timed", dict, 1)]

    monkeypatch.setitem(command.CELLS, "B", contextlib.contextmanager(cells))
    path = tmp_path / "lines.jsonl"
    asked = ["cuda", "B", "--tiny", "--lines", str(path)]
    assert main(asked) == 0
    first, _ = lines_of(path)
    step = {
        "case": "eager",
        "preset": "swin_t",
        "mode": "train",
        "variant": OURS,
        "batch": 2,
    }
    kept = [first, first | step | {"compiled": False, "peak_gib": 0.5}]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in kept))
    assert main([*asked, "--rest"]) == 0
    assert lines[1]["bytes", ("swin_t", "train", OURS, 2)] == 2**29
    assert main([*asked, "--rest"]) == 0
    assert len(lines) == 2


def test_what_is_compiled_too_slowly_costs_no_more_time(monkeypatch):
    monkeypatch.setattr(compiled, "_process", lambda *a, **k: {"args": ["sleep", "60"]})
    setting = Setting(CPU, until=time.perf_counter())
    case = compiled.Case("swin_t", "train", 8, WITHOUT_TRITON)
    found = compiled.compile_all(setting, [case], "")
    assert (found["too_slow"], found["failed"]) == (1, 0)
    assert found["compile_s"] < 30
    with pytest.raises(RuntimeError, match=r"compiling was ended after \d+ s"):
        compiled.time_one(setting, case, "")


def test_sizes_of_windows_that_a_backend_refuses_cost_no_others(monkeypatch):
    whole = attention_cells.scaled_dot_product_attention

    def picky(q, k, v, attn_mask):
        if q.shape[2] == 196:
            raise RuntimeError("No execution plans support the graph.\n")
        return whole(q, k, v, attn_mask=attn_mask)

    monkeypatch.setattr(attention_cells, "scaled_dot_product_attention", picky)
    monkeypatch.setattr(attention_cells, "sdpa_kernel", lambda _: contextlib.nullcontext())
    found = attention_cells.attention(Setting(CPU, tiny=True), 4, 1, "CUDNN_ATTENTION")
    assert found["regular_forward_scores_per_s"] > 0
    assert found["shifted_sizes"]["196"]["error"] == "No execution plans support the graph."
    assert found["shifted_sizes"]["392"]["forward_ms"] > 0
    assert "shifted_forward_scores_per_s" not in found


@pytest.fixture
def measured(tmp_path):
    """Lines of a card that nobody has, and a file of them."""
    about = {"machine": "a card", "threads": 1, "torch": "2.11", "date": "2026-01-01"}
    about |= {"commit": "0123456789ab", "tiny": False}
    step = {"preset": "swin_t", "mode": "train", "batch": 8, "compiled": False}
    found = [
        {"case": "environment", "packages": {"torch": "2.11"}},
        {"case": "a", "variant": OURS, "clips_per_s": 250.0, "peak_gib": 7.0},
        {"case": "b", "variant": WITHOUT_TRITON, "clips_per_s": 200.0, "peak_gib": 7.5},
        {"case": "c", "variant": "torchvision", "clips_per_s": 100.0, "peak_gib": 20.0},
        {"case": "c", "variant": "torchvision", "clips_per_s": 110.0, "peak_gib": 20.0},
        {"case": "c", "variant": "torchvision", "error": "OutOfMemoryError"},
        {"case": "d", "right": True},
        {"case": "e", "right": False},
        {
            "case": "f",
            "preset": "swin_b",
            "variant": OURS,
            "batch": 40,
            "expected": 41,
            "free_gib": 75.0,
        },
        {
            "case": "g",
            "preset": "swin_b",
            "variant": THEIRS,
            "batch": 14,
            "expected": 14,
            "free_gib": 77.0,
        },
    ]
    path = tmp_path / "lines.jsonl"
    share = {"share_of_matmul_rate": 0.25}
    lines = [
        about | (step | share if line.get("variant") and "batch" not in line else {}) | line
        for line in found
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def test_the_last_measurement_of_a_cell_is_in_the_table_and_on_the_pages(measured, tmp_path):
    lines = read_lines(measured)
    assert [line["case"] for line in lines] == ["environment", *"abcdefg"]
    assert lines[3]["clips_per_s"] == 110.0
    for table in RESULTS.glob("*.csv"):
        (tmp_path / table.name).write_text(table.read_text())
    write_cuda_csv(lines, tmp_path / "cuda.csv")
    benchmarks, readme = page.pages(tmp_path).values()
    best = f"{OURS}: 250"
    row = f"| `swin_t` train | 8 | no | 250 | 200 | {best} | 110 | 2.27 | 25 % | 7.0 / 20.0 |"
    assert row in benchmarks
    assert "Measured on a card with torch 2.11" in benchmarks
    assert "1 of 2 comparisons came out right" in benchmarks
    assert "Not so: e." in benchmarks
    assert "`swin_b` 40 and 14 (75.0)." in benchmarks
    assert "GPU was measured yet" not in benchmarks + readme
    told = "on a card, with torch 2.11: `swin_t` train of 8 clips 2.3 times as fast in 0.35 of the"
    assert told in " ".join(readme.split())


def test_without_a_measurement_the_pages_say_so(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("benchmarks.cuda.command.TABLE", tmp_path / "cuda.csv")
    monkeypatch.setattr(page, "write", lambda: [])
    assert main(["cuda", "page", "--lines", str(tmp_path / "lines.jsonl")]) == 0
    assert "no GPU was measured" in capsys.readouterr().out


@pytest.mark.parametrize(
    "text",
    [
        b"hello",
        b"\xff\xfe",
        b'{"case": "\xe4", "tiny": false, "machine": "a"}',
        b"[1]",
        b'{"case": "a"}',
        b'{"case": [], "tiny": false, "machine": "a", "torch": "2", "commit": "b"}',
        b"",
    ],
)
def test_a_file_of_something_else_is_refused(text, tmp_path, capsys):
    path = tmp_path / "lines.jsonl"
    path.write_bytes(text + b"\n")
    assert main(["cuda", "page", "--lines", str(path)]) == 1
    told = capsys.readouterr().err
    assert told == f"error: {path}, line 1: no line of this command\n"
    assert main(["cuda", "C", "--tiny", "--lines", str(path)]) == 1  # it is not added to
    assert capsys.readouterr().err == told


def test_an_empty_file_makes_no_table(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("benchmarks.cuda.command.write_cuda_csv", None)
    path = tmp_path / "lines.jsonl"
    path.touch()
    assert main(["cuda", "page", "--lines", str(path)]) == 1
    assert capsys.readouterr().err == f"error: {path} is empty: nothing was measured\n"


@pytest.mark.parametrize(("what", "value"), [("machine", "another card"), ("torch", "2.13")])
def test_cards_and_versions_are_not_mixed_in_a_table(what, value, measured, capsys):
    """What is said is true of every figure; what was measured anew is not asked."""
    other = json.loads(measured.read_text().splitlines()[4]) | {what: value}
    lines = measured.read_text()
    measured.write_text(f"{json.dumps(other)}\n{lines}")
    assert value not in {line[what] for line in read_lines(measured)}
    measured.write_text(f"{lines}{json.dumps(other)}\n")
    assert main(["cuda", "page", "--lines", str(measured)]) == 1
    told = capsys.readouterr().err
    assert "lines of a card with torch 2.11 and of a" in told
    assert "and a table is of one" in told
    assert main(["cuda", "C", "--tiny", "--lines", str(measured)]) == 1  # nor does it begin
    assert "has lines of a card with torch 2.11, and this is" in capsys.readouterr().err


def test_a_file_that_cannot_be_read_or_written_is_one_line(tmp_path, capsys):
    for asked in (["page"], ["C", "--tiny"]):
        assert main(["cuda", *asked, "--lines", str(tmp_path)]) == 1
        assert capsys.readouterr().err.startswith("error: [Errno 21] Is a directory")
