"""A published checkpoint that `vswin eval` has tested: kept in the store, shown beside our runs."""

import json
import re

import pytest
import torch

import vswin
from tests.command import vswin as command
from tests.own import own_project, use_project
from tests.peers import randomise_
from tests.report.test_videos import complete
from tests.videos import moving, write_video
from vswin.evaluation import views
from vswin.experiments.library import Library
from vswin.experiments.recipes import MODEL_FIELDS
from vswin.files import DamagedFileError
from vswin.project import experiments_dir
from vswin.report import load_study, reports_in
from vswin.report.audit.basis import published_in
from vswin.report.page import make_page
from vswin.report.published import section
from vswin.report.table import the_table
from vswin.runs.evaluated import RATES, Evaluations
from vswin.weights.published import require

TINY = {"embed_dim": 8, "depths": (1, 1), "num_heads": (1, 2), "window_size": (2, 4, 4)}
ROW = """\
  - id: swin_t
    preset: swin_t
    frames: 4
    image_size: 32
    model: {embed_dim: 8, depths: [1, 1], num_heads: [1, 2], window_size: [2, 4, 4]}
    published: tiny.pth
"""
CLIPS = ("--frames", 4, "--stride", 16, "--size", 32)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose Table 1 has a tiny model in its first row, that model, and three videos."""
    folder = own_project(tmp_path)
    table = folder / "experiments" / "table1.yaml"
    text, count = re.subn(r"  - id: swin_t\n(    .*\n)+", ROW, table.read_text())
    assert count == 1
    table.write_text(text)
    model = randomise_(vswin.build_model("swin_t", num_classes=400, **TINY))
    with torch.no_grad():  # its first answer is class 0, the second 7
        model.head.bias[0], model.head.bias[7] = 60.0, 40.0
    vswin.save_weights(model, folder / "tiny.pth")
    for number, count in enumerate((70, 20)):
        write_video(folder / f"{number}.mp4", moving(count, side=40), fps=30)
    lines = [f"{folder / f'{n}.mp4'} {7 * n}" for n in range(3)]
    (folder / "list.txt").write_text("\n".join(lines) + "\n")
    use_project(monkeypatch, folder)
    return folder


def evaluate(project, *words):
    done = command(
        *("eval", "-w", project / "tiny.pth", "-d", "kinetics400", *words),
        *("--annotations", project / "list.txt", "--results-dir", project / "results"),
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def columns(study):
    """What the table of a page says of each row, by column."""
    found = the_table(study)
    return {line[0]: dict(zip(found.header, line, strict=True)) for line in found.lines}


def test_it_stands_in_a_column_of_its_own(project):
    said = evaluate(project, *CLIPS)
    assert "`vswin report table1 --protocol paper` shows it in row swin_t" in said
    facts = json.loads(evaluate(project, *CLIPS, "--json"))
    results = project / "results"
    assert len(Evaluations(results).read()) == 1  # the second test takes the place of the first
    complete(results, "table1", {"swin_t": [77.7], "swin_s": [80.0]})

    study = load_study("table1", "paper", results_dir=results)
    rows = columns(study)
    tested, trained = (
        f"top-1 / top-5, {what}" for what in ("published checkpoint tested here", "trained here")
    )
    assert (facts["top1"], facts["top5"]) == (pytest.approx(1 / 3), pytest.approx(2 / 3))
    top1, low, high = (100 * facts[f"top1{end}"] for end in ("", "_low", "_high"))
    videos = "3 of 19,906 videos"
    expected = f"{top1:.1f} [{low:.1f}, {high:.1f}] / {100 * facts['top5']:.1f}, {videos}"
    assert rows["swin_t"][tested] == expected
    assert rows["swin_t"][trained].startswith("77.7 [")
    assert rows["swin_s"][tested] == "not tested"
    assert rows["swin_s"][trained].startswith("80.0 [")
    assert (rows["swin_l"][tested], rows["swin_l"][trained]) == ("none published", "not run")
    assert rows["mvit_b_32x3"][tested] == rows["mvit_b_32x3"][trained] == "–"

    about, *others = section(study).items
    assert [item.verdict for item in others] == ["not tested"] * 3
    assert others[0].text.startswith("swin_s: `vswin eval --weights swin_small_patch244_window877_")
    for words in ("`tiny.pth`", facts["digest"][:12], facts["list_digest"][:12], "kinetics400"):
        assert words in about.text
    assert "2 of 3 listed videos read" in about.text
    assert "4×3 views of 4 frames at a stride of 16, 32 × 32 pixels, fp32" in about.text
    verdict = "\n".join(make_page(study).verdict)
    said = f"1 of 4; top-1 swin_t {top1:.1f} on {videos} (printed 78.8)."
    assert f"tested here, without training: {said}" in verdict
    assert ("table1", "paper") in reports_in(results)
    kept = published_in("table1", results)["swin_t"]
    assert (kept.file, kept.videos, kept.public) == ("tiny.pth", 2, 19_906)
    assert kept.metrics == {"top1": round(top1, 4), "top5": round(100 * facts["top5"], 4)}


def test_another_test_or_another_model_is_none_of_the_row(project):
    """Kept, and shown nowhere: other views, another stride, another model under the same name."""
    assert "shows it" not in evaluate(project, *CLIPS, "--views", "1x1")
    assert "shows it" not in evaluate(project, "--frames", 4, "--size", 32)
    other = randomise_(vswin.build_model("swin_t", num_classes=400, **TINY | {"embed_dim": 16}))
    vswin.save_weights(other, project / "tiny.pth")
    assert "shows it" not in evaluate(project, *CLIPS)
    assert len(Evaluations(project / "results").read()) == 3
    study = load_study("table1", "paper", results_dir=project / "results")
    assert {item.verdict for item in section(study).items} == {"not tested"}
    assert "not tested" in columns(study)["swin_t"].values()


def test_what_was_killed_goes_on_and_leaves_no_notes(project, monkeypatch):
    expected = json.loads(evaluate(project, *CLIPS, "--json"))
    scored, real = [], views.score_views

    def stop_after(count):
        def score(*args, **kwargs):
            if len(scored) == count:
                raise KeyboardInterrupt
            scored.append(1)
            return real(*args, **kwargs)

        monkeypatch.setattr(views, "score_views", score)

    monkeypatch.setattr(views, "SAVE_S", 0.0)
    words = ("eval", "-w", project / "tiny.pth", "-d", "kinetics400", *CLIPS, "--annotations")
    words += (project / "list.txt", "--results-dir", project / "killed")
    stop_after(1)
    assert command(*words).returncode != 0
    assert Evaluations(project / "killed").read() == []
    stop_after(2)  # in all: the first video is not scored again
    found = json.loads(command(*words, "--json").stdout)
    assert {k: v for k, v in found.items() if k != "kept"} == {
        k: v for k, v in expected.items() if k != "kept"
    }
    assert not (project / "killed" / "evaluated" / "unfinished").exists()


def test_a_damaged_result_is_one_line(project):
    evaluate(project, *CLIPS)
    (path,) = (project / "results" / "evaluated").glob("*/result.json")
    path.write_text(path.read_text().replace('"precision": "fp32"', '"precision": "bf16"'))
    with pytest.raises(DamagedFileError, match=r"result.json is not what .* writes \(it is of"):
        load_study("table1", "paper", results_dir=project / "results")


def test_rates_are_those_of_a_recipe():
    assert RATES == MODEL_FIELDS


def test_files_that_rows_name_are_in_the_list_of_published_ones():
    library = Library(experiments_dir())
    named = {
        row.published: (row.preset, experiment.videos.dataset)
        for experiment in map(library.experiment, library.tables())
        for row in experiment.rows
        if row.published
    }
    assert len(named) == 6
    found = {name: require(name).entry for name in named}
    assert {name: (entry.preset, entry.trained_on) for name, entry in found.items()} == named
