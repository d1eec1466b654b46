"""What the documents point to is there."""

import re
from urllib.parse import urldefrag

import pandas as pd
import pytest
import torch

import vswin
from tests.documents import DOCUMENTS
from tools import readme
from vswin.data.video_files import SUFFIXES
from vswin.experiments.laying import lay_project
from vswin.paper.printed import printed_table
from vswin.project import project_root
from vswin.report import load_study
from vswin.report.audit.collect import load_audit
from vswin.report.overview.collect import load_overview

ROOT = project_root()
MODELS = ROOT / "docs" / "models.md"


def require_links(document):
    """Every link of a document leads to a heading, to a file or to a place in one."""
    text = document.read_text()
    for target in re.findall(r"\]\(([^)]+)\)|^\[[^\]]+\]: (\S+)$", text, re.M):
        file, place = urldefrag("".join(target))
        if not file:
            assert f"# {place}\n" in text.lower(), f"{document}: {target}"
        elif not file.startswith("http"):
            assert (document.parent / file).exists(), f"{document}: {target}"
            assert not place or f'id="{place}"' in (document.parent / file).read_text(), target


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    require_links(ROOT / document)


def test_links_of_a_laid_project_lead_somewhere(tmp_path):
    documents = [*lay_project(tmp_path / "project").rglob("*.md")]
    assert len(documents) > 10
    for document in documents:
        require_links(document)


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "benchmarks/README.md"])
def test_paths_in_documents_exist(document):
    text = (ROOT / document).read_text()
    folders = "vswin|experiments|notebooks|results|slurm|benchmarks|tests|tools"
    paths = set(re.findall(rf"`((?:{folders})/[\w./]*)`", text))
    assert len(paths) >= 3
    for path in paths:
        assert (ROOT / path).exists(), path


def test_files_that_protocols_cite_exist():
    for path in (ROOT / "experiments" / "protocols").glob("*.yaml"):
        for cited in re.findall(r"experiments/\w+\.\w+", path.read_text()):
            assert (ROOT / cited).exists(), f"{path.name}: {cited}"


def test_the_list_of_commands_is_whole():
    from typer.main import get_command

    from vswin.cli.main import app

    commands = set(get_command(app).commands)
    listed = set(re.findall(r"^vswin (\w+)", (ROOT / "docs" / "commands.md").read_text(), re.M))
    assert listed == commands


def test_the_suffixes_of_videos_are_named():
    lines = (ROOT / "docs" / "videos.md").read_text().splitlines()
    row = next(line for line in lines if line.startswith("| videos |"))
    assert set(re.findall(r" (\.\w+)", row)) == set(SUFFIXES)


def test_the_committed_measurements_are_shown():
    """Line by line what is in benchmarks/results/cpu.csv, and the README's summary of it."""
    table = pd.read_csv(ROOT / "benchmarks" / "results" / "cpu.csv")
    text = (ROOT / "benchmarks" / "README.md").read_text()

    def rate(x):
        return f"{x:,.0f}" if x >= 100 else f"{x:.3g}"

    for line in table.itertuples():
        speed = f"{rate(line.ours_clips_per_s)} | {rate(line.torchvision_clips_per_s)}"
        ratio = f"{line.speedup:.2f} ({line.speedup_min:.2f} to {line.speedup_max:.2f})"
        memory = f"{line.ours_peak_mib:,.0f} / {line.torchvision_peak_mib:,.0f}"
        assert f"| `{line.case}` | {speed} | {ratio} | {memory} |" in text
    faster = table[table.case.str.startswith("swin")]
    assert (faster.speedup_min > 1).all()
    assert (table.ours_peak_mib < table.torchvision_peak_mib).all()
    times = f"{faster.speedup.min():.1f} to {faster.speedup.max():.1f} times as fast in less memory"
    readme = " ".join((ROOT / "README.md").read_text().split())
    assert f"`swin_t` and `swin_b` are {times}" in readme
    for line in pd.read_csv(ROOT / "benchmarks" / "results" / "mvit.csv").itertuples():
        assert f"{line.speedup:.2f} times as fast" in readme


def test_the_readme_shows_the_committed_rehearsal():
    found = load_study("table3", "rehearsal", results_dir="results/reference").by_seed("swin_b")
    first, second, third = (f"{found[seed]:.1f}" for seed in range(3))
    text = " ".join((ROOT / "README.md").read_text().split())
    assert f"top-1 of {first}, {second} and {third} % where chance is 8.3 %" in text


def test_the_readme_shows_what_the_record_says():
    if not (ROOT / readme.RECORD / "reports" / "overview.md").exists():
        pytest.skip("no study is recorded")
    text = (ROOT / "README.md").read_text()
    shown = readme.of_record(load_overview("proxy", readme.RECORD), load_audit(readme.RECORD))
    assert readme.updated(text, shown) == text, "run python tools/readme.py"


def test_the_readmes_part_that_is_written_is_found_again():
    text = f"first\n{readme.BEGIN}\nold\n\n{readme.END}last\n"
    once = readme.updated(text, "| new |\n")
    assert once == f"first\n{readme.BEGIN}\n| new |\n\n{readme.END}last\n"
    assert readme.updated(once, "| new |\n") == once


def test_what_is_called_printed_is_printed():
    """Of the models of the MViT appendix, some in tables of the other paper."""
    lines = re.findall(r"^\| `(\w+)` .*\| (.+) in Table (A?)\.?(\d) \|", MODELS.read_text(), re.M)
    assert len(lines) == 5
    for preset, cells, appendix, number in lines:
        printed = printed_table(f"table{appendix}{number}")
        row = preset.removesuffix("_8x8")
        for text, unit in re.findall(r"([\d.]+) ([MG])\b", cells):
            assert printed.number(row, {"M": "params", "G": "flops"}[unit]) == text


def test_the_models_are_as_counted_and_as_printed():
    """Parameters and FLOPs are counted for the table, and stand beside those of Table 1."""
    text = MODELS.read_text()
    lines = re.findall(r"^\| `(swin_\w)` \| 32×(\d+)² \| (.+) \|$", text, re.M)
    assert len(lines) == 6
    rows = {}
    for row in printed_table("table1").rows:
        if row.system == "ours" and row.cells["views"] == "4×3":
            size = 384 if "384" in row.cells["method"] else 224
            rows[row.id.removesuffix("_1k").removesuffix("_384"), size, row.cells["top1"]] = row
    published = (ROOT / "experiments" / "protocols" / "paper.yaml").read_text()
    published += (ROOT / "experiments" / "table1.yaml").read_text()
    for (preset, size, rest), row in zip(lines, rows.values(), strict=True):
        both, flops_both, top1, source, _ = rest.split(" | ")
        (params, params_printed), (flops, flops_printed) = (
            both.split(" / "),
            flops_both.split(" / "),
        )
        assert rows[preset, int(size), top1] is row
        window = (8, 12, 12) if size == "384" else (8, 7, 7)
        with torch.device("meta"):
            model = vswin.build_model(preset, window_size=window)
        cost = vswin.cost(model, (3, 32, int(size), int(size)))
        assert (params, flops) == (f"{cost.mparams:.1f}", f"{cost.gflops:.0f}")
        assert (params_printed, flops_printed) == (row.cells["params"], row.cells["flops"])
        assert source.strip("`") in published
