"""The command line as a user types it."""

import json
import re
import shutil
import subprocess
import sys

import pytest
import torch

import vswin as vswin_package
from tests.command import vswin, vswin_process
from vswin import build_model, load_weights, save_weights
from vswin.cli.options import model_keywords
from vswin.project import project_root


def test_help_names_every_command_without_importing_torch():
    code = (
        "import sys; sys.argv = ['vswin', '--help']; from vswin.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "assert 'torch' not in sys.modules and 'pandas' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for command in ("list", "run", "report", "notebook", "cost"):
        assert command in done.stdout


def test_a_refusal_and_an_answer_of_a_process_of_its_own(tmp_path):
    """The other tests call the command in their own process."""
    (tmp_path / "data.yaml").write_text("- a")
    at = ["--protocol", "paper", "--data-file", str(tmp_path / "data.yaml")]
    for args in (["run", "table9000"], ["list"], ["list", "table8", *at], ["--version"]):
        done, here = vswin_process(*args), vswin(*args)
        assert (done.returncode, done.stdout, done.stderr) == (
            here.returncode,
            here.stdout,
            here.stderr,
        )
        assert (done.returncode == 0) == (done.stderr == "")


WITH_RESULTS = ("run", "report", "notebook", "list")


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["run", "table9000"], 2, ["unknown table 'table9000'", "table5"]),
        (
            ["run", "table5", "--protocol", "papr"],
            2,
            ["unknown protocol 'papr'", "rehearsal, smoke"],
        ),
        (["run", "table5", "--row", "dim32"], 2, ["unknown row 'dim32' of table5", "dim16, dim8"]),
        (["run", "table5", "--seeds", "0"], 2, ["seeds=0"]),
        (["run", "table5", "--device", "cuda:9"], 2, ["cuda:9"]),
        (["run", "table1"], 2, ["table1 cannot be run under protocol proxy"]),
        (["report", "table5", "--protocol", "x"], 2, ["unknown protocol"]),
        (["cost", "swin_x"], 2, ["unknown preset or table 'swin_x'", "swin_t"]),
        (
            ["cost", "swin_t", "--rule", "flops"],
            2,
            ["unknown counting rule", "paper, macs, fvcore"],
        ),
        (["cost", "swin_t", "--window", "8,7,7"], 2, ["PxMxM"]),
        (["cost", "mvit_b_16x4", "--set", "kv_strid=1,4,4"], 2, ["'kv_stride'?"]),
        (["cost", "mvit_b_16x4", "--set", "q_pool_blocks=16,"], 2, ["the 16 blocks, 0 to 15"]),
        (["cost", "swin_t", "--set", "pooling"], 2, ["--set pooling: wanted KEY=VALUE"]),
        (
            ["cost", "mvit_b_16x4", "--frames", "8", "--set", "frames=16"],
            2,
            ["frames=16 contradicts", "8"],
        ),
        (["cost", "swin_t", "--set", "num_classes=5", "--classes", "6"], 2, ["num_classes"]),
        (["cost", "swin_t", "--set", "embed_dim=9999999999"], 2, ["machine's memory"]),
        (["cost", "tableA5", "--set", "pooling=max"], 2, ["--set is for presets"]),
        (["notebook", "table5", "--parameter", "sedes=3"], 2, ["'sedes'", "did you mean 'seeds'"]),
        (["notebook", "table5", "--parameter", "seeds=many"], 2, ["seeds='many'", "int"]),
        (["notebook", "table10"], 2, ["unknown table 'table10'", "table1, table2, table3"]),
        (
            ["run", "table8", "--protocol", "paper", "--row", "no_pretraining"],
            2,
            ["row no_pretraining is a check of the embedded benchmark"],
        ),
        (["run", "table5", "--processes", "0"], 2, ["--processes 0", "at least 1"]),
        (
            ["run", "table5", "--checkpoint-minutes", "0"],
            2,
            ["--checkpoint-minutes", "more than 0"],
        ),
        (["list", "table5", "--cost"], 2, ["is not on videos"]),
        (
            ["cost", "swin_t", "--design", "split", "--window", "8x7x7"],
            2,
            ["(8, 7, 7)", "window_size=(1, 7, 7)"],
        ),
        (["weights", "inspect", "none.pth"], 2, ["there is no file none.pth"]),
        (["weights", "convert", "a.pth", "b.pth", "--to", "timm"], 2, ["'timm'", "timm_2d"]),
        (["predict", "a.mp4", "-w", "none.pth"], 2, ["a.mp4: there is no such file"]),
        (["predict", "a.mp4", "-w", "none.pth", "--views", "4x2"], 2, ["--views 4x2", "4x3"]),
        (["eval", "-w", "none.pth", "-d", "kinetics40"], 2, ["unknown dataset 'kinetics40'"]),
        (["eval", "-w", "none.pth", "-d", "ssv2", "--split", "val"], 2, ["--split val"]),
        (["eval", "-w", "x.pth", "-d", "ssv2", "--precision", "fp8"], 2, ["--precision fp8"]),
        (["eval", "-w", "x.pth", "-d", "ssv2", "--device", "tpu"], 2, ["--device tpu"]),
        (["eval", "-w", "x.pth", "-d", "ssv2", "--window", "8,7,7"], 2, ["PxMxM"]),
        (["data", "make-digits", "x", "--layout", "ucf"], 2, ["--layout ucf", "kinetics or ssv2"]),
    ],
)
def test_errors_are_one_line_and_name_what_is_known(args, code, words, tmp_path):
    done = vswin(*args, *(["--results-dir", str(tmp_path)] if args[0] in WITH_RESULTS else []))
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_value_out_of_range_is_refused_by_the_options_name(tmp_path):
    done = vswin("run", "table5", "--jobs", "-1", "--results-dir", tmp_path)
    assert done.returncode == 2
    assert "Invalid value for '--jobs'" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_results_dir_is_said_before_training(tmp_path):
    (tmp_path / "file").write_text("")
    for command in ("run", "report", "notebook"):
        done = vswin(
            command, "table5", "--protocol", "smoke", "--results-dir", str(tmp_path / "file")
        )
        assert done.returncode == 2
        assert f"results_dir {tmp_path / 'file'} is a file; wanted a folder" in done.stderr
        assert "Traceback" not in done.stderr


def test_list(smoke_results):
    tables = vswin("list").stdout
    assert "table5" in tables
    assert "proxy, rehearsal, smoke" in tables
    rows = vswin("list", "table5", "--protocol", "smoke", "--results-dir", str(smoke_results))
    assert rows.stdout.count("done") == 8
    assert "16, 16×7×7" in rows.stdout


def test_run_trains_only_what_is_missing(smoke_results, tmp_path):
    results = tmp_path / "results"
    shutil.copytree(smoke_results, results)
    (missing,) = (results / "smoke" / "runs").glob("swin_t-t2-*")
    shutil.rmtree(missing)
    before = {p: p.stat().st_mtime_ns for p in results.rglob("result.json")}
    done = vswin("run", "table5", "--protocol", "smoke", "--results-dir", str(results))
    assert done.returncode == 0, done.stderr
    assert "7 runs complete" in done.stdout
    assert (missing / "result.json").exists()
    assert all(p.stat().st_mtime_ns == t for p, t in before.items())
    # The same run again ends with the same result.
    again, first = (
        json.loads((root / "smoke" / "runs" / missing.name / "result.json").read_text())
        for root in (results, smoke_results)
    )
    assert (again["metrics"], again["details"]) == (first["metrics"], first["details"])


def test_a_failing_run_makes_the_command_fail(smoke_results, tmp_path):
    results = tmp_path / "results"
    shutil.copytree(smoke_results, results)
    run = next((results / "smoke" / "runs").glob("swin_t-t2-*"))
    (run / "result.json").unlink()
    (run / "run.json").write_text("{}")
    done = vswin("run", "table5", "--protocol", "smoke", "--results-dir", str(results))
    assert done.returncode == 1
    assert "1 of 7 runs did not complete" in done.stderr
    assert run.name in done.stderr
    assert "log.txt" in done.stderr


def test_report_and_cost(smoke_results):
    done = vswin("report", "table5", "--protocol", "smoke", "--results-dir", str(smoke_results))
    assert done.returncode == 0, done.stderr
    assert "10 of 10 printed cells" in done.stdout
    for line in done.stdout.split("written:")[1].split():
        assert project_root() not in __import__("pathlib").Path(line).parents
    cost = vswin("cost", "swin_b", "--window", "16x7x7", "--classes", "174")
    assert "320.599 G" in cost.stdout
    assert "88,834,038 parameters" in cost.stdout
    split = vswin("cost", "swin_t", "--design", "split")
    assert "83.334 G" in split.stdout
    assert "42,007,306 parameters" in split.stdout


def test_cost_takes_every_keyword_of_a_model():
    """Row V6 of Table A.5."""
    words = ("pooling=max", "kv_stride=2x4x4", "depths=[2, 2, 10, 2]", "head_dropout=0.0")
    done = vswin("cost", "mvit_b_16x4", *(text for word in words for text in ("--set", word)))
    assert done.returncode == 0, done.stderr
    assert "depths=(2, 2, 10, 2), " in done.stdout
    assert "86.382 G multiply-accumulates, 34,850,608 parameters" in done.stdout


def test_words_and_numbers_of_set_are_what_the_keyword_takes():
    """Of ViT-B in Table A.2: 6 is a tuple of blocks where one is wanted, and no stride."""
    pairs = ["q_pool_blocks=6", "kv_pool_last_stage=true", "positions=none", "kv_stride=8"]
    assert model_keywords(pairs, ["vit_b_8x8"]) == {
        "q_pool_blocks": (6,),
        "kv_pool_last_stage": True,
        "positions": "none",
        "kv_stride": 8,
    }
    assert model_keywords(["q_pool_blocks=none"], ["swin_t", "vit_b_8x8"]) == {
        "q_pool_blocks": None
    }


def test_list_says_what_a_row_varies():
    rows = vswin("list", "table4", "--protocol", "smoke").stdout
    assert "factorized" in rows
    rows = vswin("list", "table9", "--protocol", "smoke").stdout
    assert "-stills-150_scans-s0-" in rows
    assert "bias center" in rows
    assert "not under proxy" in vswin("list", "table1").stdout


def test_costs_of_tables_of_both_papers_at_once():
    """Each by the rule of its paper, unless one is asked for."""
    done = vswin("cost", "tableA5", "table5", "tableA7")
    assert done.returncode == 0, done.stderr
    for words in ("tableA5, rule macs", "table5, rule paper", "tableA7, rule macs", "68.937"):
        assert words in done.stdout
    (v5,) = [line for line in done.stdout.splitlines() if "v5" in line and "flops" in line]
    said = " ".join(word for word in v5.split() if word not in ("│", "|"))
    assert said == "v5 flops 83.6 83.548 as printed 83.548, 83.55, 83.6: rounded twice"
    assert "vswin cost tableA5 --memory" in done.stdout
    assert "of v6, printed 11.3" in done.stdout
    other = vswin("cost", "tableA5", "--rule", "fvcore").stdout
    assert "tableA5, rule fvcore" in other
    assert "differs" in other


def test_costs_of_other_systems_are_counted_by_the_rule_of_their_paper():
    done = vswin("cost", "table3")
    assert "table3, rule paper, macs for mvit_b_64x3 and mvit_b_24_32x3" in done.stdout
    (line,) = [x for x in done.stdout.splitlines() if "mvit_b_24_32x3" in x and "params" in x]
    for words in ("53.2", "52.982", "suspicious", "174 classes"):
        assert words in line


def test_a_table_that_awaits_its_recipe_is_listed_reported_and_not_run(tmp_path):
    refused = vswin("run", "tableA5", "--results-dir", tmp_path)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "tableA5 cannot be trained yet: that takes Kinetics-400" in refused.stderr
    assert "costs only" in vswin("list", "tableA5").stdout
    (line,) = [x for x in vswin("list").stdout.splitlines() if "tableA5" in x]
    assert "costs only" in line
    assert not list(tmp_path.iterdir())


def test_weights_are_inspected_and_converted(tmp_path):
    torch.manual_seed(0)
    model = build_model("swin_t", num_classes=7)
    save_weights(model, tmp_path / "ours.safetensors")
    done = vswin("weights", "inspect", "ours.safetensors", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for words in ("swin_t (C=96", "(8, 7, 7)", "vswin", "num_classes=7", "video"):
        assert words in done.stdout
    for target, layout in (("tv.pth", "torchvision"), ("mm.safetensors", "mmaction2")):
        done = vswin("weights", "convert", "ours.safetensors", target, "--to", layout, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        found = json.loads(vswin("weights", "inspect", target, "--json", cwd=tmp_path).stdout)
        assert (found["layout"], found["window_size"]) == (layout, [8, 7, 7])
        assert found["parameters"] == sum(p.numel() for p in model.parameters())
    before = (tmp_path / "tv.pth").read_bytes()
    done = vswin("weights", "convert", "mm.safetensors", "tv.pth", cwd=tmp_path)
    assert done.returncode == 2
    assert "--force" in done.stderr
    assert (tmp_path / "tv.pth").read_bytes() == before
    line = dict(re.findall(r"^(\w+) +(.+)$", vswin("weights", "inspect", "mm.safetensors",
                                                    cwd=tmp_path).stdout, re.M))  # fmt: skip
    built = eval(line["model"], {"vswin": vswin_package})
    eval(
        line["load"], {"vswin": vswin_package, "model": built, "FILE": tmp_path / "mm.safetensors"}
    )
    assert torch.equal(built.head.weight, model.head.weight)
    back = ["weights", "convert", "mm.safetensors", "tv.pth", "--force"]
    assert vswin(*back, cwd=tmp_path).returncode == 0
    again = build_model("swin_t", num_classes=7)
    load_weights(again, tmp_path / "tv.pth")
    assert all(
        torch.equal(a, b) for a, b in zip(again.parameters(), model.parameters(), strict=True)
    )


def test_what_the_paper_protocol_lacks_is_listed_before_anything_starts(tmp_path):
    (tmp_path / "data.yaml").write_text("weights: [nowhere]\n")
    args = ("run", "table8", "--protocol", "paper", "--results-dir", str(tmp_path / "results"))
    done = vswin(*args, "--data-file", str(tmp_path / "data.yaml"))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines()[1:] == [
        "  kinetics400, train split: not in data.yaml",
        "  kinetics400, test split: not in data.yaml",
        "  weights swin_tiny_patch4_window7_224.pth: vswin weights download swin_t:imagenet_1k",
    ]
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("datasets: {kinetics40: {}}", ["datasets", "unknown dataset 'kinetics40'"]),
        ("datasets: {kinetics400: {val: {annotations: a}}}", ["line 1", "val"]),
        ("datasets: {kinetics400: {train: {annotation: a}}}", ["annotation", "unknown key"]),
        ("weight: []", ["weight", "unknown key"]),
        ("- a", ["wanted keys and values"]),
    ],
)
def test_mistakes_in_the_data_file_are_named(text, words, tmp_path):
    (tmp_path / "data.yaml").write_text(text)
    done = vswin(
        "list", "table8", "--protocol", "paper", "--data-file", str(tmp_path / "data.yaml")
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr
    done = vswin(
        "list", "table8", "--protocol", "paper", "--data-file", str(tmp_path / "none.yaml")
    )
    assert "there is no such file" in done.stderr


def test_the_example_of_a_data_file_is_one(tmp_path):
    import shutil

    from vswin.project import project_root

    shutil.copy(project_root() / "data.example.yaml", tmp_path / "data.yaml")
    done = vswin(
        "list", "table3", "--protocol", "paper", "--data-file", str(tmp_path / "data.yaml")
    )
    assert done.returncode == 0, done.stderr
    assert "no /data/ssv2/something-something-v2-train.json" in done.stdout


def test_a_preset_is_counted_as_its_authors_count():
    assert "rule macs: 70.518 G" in vswin("cost", "mvit_b_16x4").stdout
    assert "rule paper: " in vswin("cost", "swin_t").stdout
    assert "rule paper: " in vswin("cost", "mvit_b_16x4", "--rule", "paper").stdout
