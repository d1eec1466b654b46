"""Experiment and protocol files: what they mean, and that a broken one says where it is broken."""

import re
import shutil
from pathlib import Path

import pytest

from vswin import reading
from vswin.errors import UsageError
from vswin.experiments.library import Library
from vswin.experiments.planning import plan_study
from vswin.paper.printed import FOLDER, printed_table
from vswin.project import experiments_dir
from vswin.reading import PATTERNS, ExperimentError

LIBRARY = Library(experiments_dir())
PRINTED = [table for table in LIBRARY.tables() if printed_table(table)]
TRAINED = [table for table in PRINTED if not LIBRARY.experiment(table).awaits]


@pytest.mark.parametrize("table", PRINTED)
def test_every_printed_row_has_a_row_and_the_reverse(table):
    experiment, printed = LIBRARY.experiment(table), printed_table(table)
    assert [row.id for row in experiment.rows if not row.is_control and not row.only_on] == [
        row.id for row in printed.rows if row.system == "ours"
    ]
    if not experiment.awaits:
        assert experiment.videos.dataset == printed.dataset


def test_every_printed_table_has_an_experiment():
    assert {p.stem for p in FOLDER.glob("*/[tf]*[0-9].yaml")} == set(PRINTED)


@pytest.mark.parametrize("table", TRAINED)
def test_every_protocol_of_a_table_can_run_all_its_rows(table):
    varied = LIBRARY.variations("proxy")
    found = [p for p in LIBRARY.protocols_of(LIBRARY.experiment(table)) if p not in varied]
    has_small_models = table in ("table4", "table5", "table6", "table7", "table8", "table9")
    small = {"proxy", "smoke"} if has_small_models else set()
    assert set(found) == {"paper", "paper_printed", "rehearsal"} | small
    for protocol in found:
        assert plan_study(table, protocol).runs


def test_a_table_that_cannot_be_trained_yet_is_refused_in_one_line():
    """It says what is missing and what can be had instead."""
    for protocol in LIBRARY.protocols():
        with pytest.raises(UsageError) as refused:
            plan_study("tableA5", protocol)
        assert str(refused.value) == (
            "tableA5 cannot be trained yet: that takes Kinetics-400, GPUs and the recipe of "
            "section D.1, which no protocol has; `vswin cost tableA5` counts its costs"
        )
    assert {t for t in PRINTED if t not in TRAINED} == {t for t in PRINTED if "A" in t}


def test_a_row_of_another_system_is_counted_and_never_run():
    plan = plan_study("table1", "paper", 1)
    assert {planned.row.id for planned in plan.runs}.isdisjoint(("mvit_b_32x3", "mvit_b_64x3"))
    with pytest.raises(UsageError, match=r"mvit_b_32x3, cannot be run .*paper: its costs are co"):
        plan_study("table1", "paper", 1, rows=["mvit_b_32x3"])


def test_a_protocol_that_extends_another_says_only_in_what_it_differs(copy):
    printed, official = copy.protocol("paper_printed"), copy.protocol("paper")
    differ = {k for k, v in official if v != getattr(printed, k)}
    assert differ == {"protocol", "extends", "title", "shows", "recipe", "book"}
    file = "protocols/paper_printed.yaml"
    _, line = broken(copy, file, "extends: paper", "extends: papers")
    with pytest.raises(ExperimentError, match=rf"line {line}: extends: there is no other file pa"):
        copy.protocol("paper_printed")


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(experiments_dir(), tmp_path / "experiments")
    return Library(tmp_path / "experiments")


def broken(library, file, old, new):
    path = library.folder / file
    text = path.read_text()
    assert old in text
    line = text[: text.index(old)].count("\n") + 1
    path.write_text(text.replace(old, new, 1))
    return path, line


def test_every_pattern_that_a_text_must_match_is_known_in_words():
    source = "".join(
        f.read_text(encoding="utf-8") for f in Path(reading.__file__).parent.rglob("*.py")
    )
    assert set(re.findall(r"Field\(pattern=r\"([^\"]+)\"", source)) == set(PATTERNS)


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("table5.yaml", "frames: 32", "frame: 32", ["rows.0.frame: unknown key"]),
        ("table5.yaml", "frames: 32", "frames: many", ["frames", "integer", "'many'"]),
        ("table5.yaml", "title: Temp", "title: [Temp", ["not valid YAML"]),
        ("table5.yaml", "table: table5", "table: table6", ["'table6'", "'table5'"]),
        ("table5.yaml", "id: dim8", "id: dim4", ["repeated: dim4"]),
        ("table5.yaml", "id: dim8", "id: dim-8", ["rows.1.id", "lower-case letters", "'dim-8'"]),
        (
            "table5.yaml",
            "preset: swin_t",
            "preset: swin_x",
            ["rows.0", "'swin_x'", "swin_t, swin_s"],
        ),
        ("table5.yaml", "window_size: [16", "window: [16", ["rows.0", "'window'", "window_size"]),
        ("protocols/proxy.yaml", "batch_size:", "batchsize:", ["recipe.batchsize: unknown key"]),
        ("protocols/proxy.yaml", "  speed: 1.0", "  speed: fast", ["data.speed", "'fast'"]),
        (
            "protocols/proxy.yaml",
            "spatial_window: {5: 2, 7: 3, 8: 4, 12: 5, 14: 6}",
            "spatial_window: 0",
            ["the file", "spatial_window, an integer >= 1"],
        ),
        (
            "protocols/proxy.yaml",
            "swin: {spatial",
            "swim: {spatial",
            ["geometry", "swim is no model family"],
        ),
        (
            "protocols/proxy.yaml",
            "kind: moving_digits",
            "kind: audio",
            ["kind", "videos", "'audio'"],
        ),
    ],
)
def test_a_broken_file_names_file_line_and_key(copy, file, old, new, words):
    path, line = broken(copy, file, old, new)
    with pytest.raises(ExperimentError) as error:
        copy.protocol(path.stem) if "protocols" in file else copy.experiment(path.stem)
    message = str(error.value)
    assert str(path) in message
    for word in words:
        assert word in message
    if "unknown key" in message or "should be an integer" in message or "'fast'" in message:
        assert f"line {line}:" in message


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("epochs: 30", "epochs: 0", ["recipe.epochs", "greater than or equal to 1"]),
        ("lr: 4.0e-3", "lr: .nan", ["recipe.lr", "not nan"]),
        ("coherence: 1.0", "coherence: 3", ["data.coherence", "less than or equal to 1"]),
        ("clips_per_cell: 480", "clips_per_cell: 5", ["test.clips_per_cell", "12"]),
        (
            "  noise: [0.2, 0.4, 0.6]\n\nappearance",
            "  noise: []\n\nappearance",
            ["test.noise", "at least 1"],
        ),
        ("scans: [1137, 1187]", "scans: [1187, 1137]", ["data.scans is [1187, 1137], wanted the"]),
        ("scans: [1137, 1187]", "scans: [1137, 1288]", ["data.scans", "equal to 1287"]),
        ("in_channels: 1", "in_channels: 3", ["swin_t.in_channels is 3", "the clips have 1"]),
        ("embed_dim: 24", "embed_dimm: 24", ["'embed_dimm'", "embed_dim"]),
        ("epochs: 30 ", "epochs: 30\n  epochs: 31 ", ["epochs: key is given twice"]),
    ],
)
def test_values_out_of_range_are_refused_with_file_and_key(copy, old, new, words):
    path, _ = broken(copy, "protocols/proxy.yaml", old, new)
    with pytest.raises(ExperimentError) as error:
        copy.protocol("proxy")
    for word in (str(path), *words):
        assert word in str(error.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "wanted keys and values"),
        (b"- a\n- b\n", "wanted keys and values"),
        (b"title: \xff\xfe\n", "cannot be read as UTF-8 YAML"),
        (b"title: \x01\n", "cannot be read as UTF-8 YAML"),
        (b"title: 'a\n", "not valid YAML"),
    ],
)
def test_files_that_are_no_experiment_at_all(copy, content, words):
    (copy.folder / "table5.yaml").write_bytes(content)
    with pytest.raises(ExperimentError, match=f"table5.yaml.*{words}"):
        copy.experiment("table5")


def test_a_missing_key_is_named(copy):
    broken(copy, "table5.yaml", "title: ", "# title: ")
    with pytest.raises(ExperimentError, match="title: required key is missing"):
        copy.experiment("table5")


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(UsageError, match=r"unknown table 'table55'; known: .*table5.*did you mean"):
        LIBRARY.experiment("table55")
    with pytest.raises(
        UsageError, match=r"unknown protocol 'prox'; known: .*proxy, .*rehearsal, smoke"
    ):
        LIBRARY.protocol("prox")
    with pytest.raises(UsageError, match=r"unknown row 'dim' of table5; known: dim16"):
        plan_study("table5", "smoke", rows=["dim"])
    with pytest.raises(UsageError, match="table1 cannot be run under protocol proxy"):
        plan_study("table1", "proxy")
    for seeds in (0, -1, True, 1.5):
        with pytest.raises(UsageError, match="seeds="):
            plan_study("table5", "smoke", seeds=seeds)


def test_a_new_ablation_is_one_more_file(copy):
    (copy.folder / "my_ablation.yaml").write_text("""
table: my_ablation
title: Spatial shift only
rows:
  - {id: spatial, preset: swin_t, model: {shift: spatial}}
""")
    experiment = copy.experiment("my_ablation")
    possible = ["proxy", *copy.variations("proxy"), "smoke"]  # nothing is said of videos
    assert copy.protocols_of(experiment) == possible
    config = copy.protocol("smoke").configure(experiment, experiment.rows[0], seed=3)
    assert config.model.shift == "spatial"
    assert config.model.window_size == (4, 3, 3)
    assert config.seed == 3


def test_sizes_that_cannot_be_scaled_down_are_refused(copy):
    broken(copy, "table5.yaml", "frames: 8", "frames: 9")
    experiment = copy.experiment("table5")
    with pytest.raises(
        UsageError, match="frames 9 cannot be divided by the protocol's temporal_divisor 2"
    ):
        copy.protocol("proxy").configure(experiment, experiment.row("dim4"), 0)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "    precision: fp32",
            "    precision: fp32\n    drop_path: 0.1",
            "recipe cannot have drop",
        ),
        ("{area: [0.3, 1.0]}", "{lr: 0.1}", "data.kinetics400 cannot have lr"),
        ("recipe: {epochs: 15}", "recipe: {flip: 0.1}", "pretraining.imagenet_21k.recipe cannot"),
        ("by_ratio: [embed_dim", "by_ratio: [embed_dims", "embed_dims is nothing that `models` ma"),
        ("{5: 3, 7: 4", "{5: 4, 7: 4", "two windows would become the same one"),
    ],
)
def test_what_a_rehearsal_cannot_set_is_refused(copy, old, new, words):
    broken(copy, "protocols/rehearsal.yaml", old, new)
    with pytest.raises(ExperimentError, match=words):
        copy.protocol("rehearsal")
