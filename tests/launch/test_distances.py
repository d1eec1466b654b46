"""Measuring what a table lacks, and `vswin distance`."""

import json
import statistics

import pytest
import torch

from tests.command import vswin
from tests.own import own_project, use_project
from vswin import attention_distance, build_model, save_weights
from vswin.data.sample_videos import sample_clips
from vswin.errors import UsageError
from vswin.launch import distances
from vswin.launch.distances import initialised, measure, measure_distances
from vswin.models.registry import NaturalClips, resolve_config
from vswin.runs.distances import DistanceRecord, Measured

SMALL = {
    "depths": (1, 1), "embed_dim": 8, "num_heads": 2, "frames": 4, "image_size": 32,
    "num_classes": 4,
}  # fmt: skip
SIZES = "depths: [1, 1], embed_dim: 8, num_heads: 2"
MINE = f"""\
table: mine
title: Distances
distances: true
image_size: 32
num_classes: 4
rows:
  - {{id: pooled, preset: mvit_b_16x4, frames: 4, model: {{{SIZES}}}}}
  - id: trained
    preset: mvit_b_16x4
    frames: 4
    model: {{{SIZES}}}
    start: {{from: kinetics400}}
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    found = own_project(tmp_path, MINE)
    use_project(monkeypatch, found)
    return found


def test_a_head_is_the_mean_over_clips_of_what_the_model_gives():
    model = initialised(resolve_config("mvit_b_16x4", **SMALL), seed=3)
    clips = sample_clips("digits", 3, NaturalClips(32, 4, 3, "half"))
    by_clip = [attention_distance(model, clip[None])["blocks.1"].tolist() for clip in clips]
    found = {(h.layer, h.head): h for h in measure(model, "digits", 3)}
    assert list(found) == [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2), (1, 3)]
    for head, values in enumerate(zip(*by_clip, strict=True)):
        one = found[1, head]
        assert one.grid == pytest.approx(statistics.mean(values))
        assert one.by_clip == pytest.approx(values, abs=1e-6)
    frame = attention_distance(model, clips, "frame")["blocks.0"]
    assert found[0, 1].frame == pytest.approx(frame[1].item())


def test_a_seed_gives_the_same_weights_and_leaves_random_numbers_alone():
    config = resolve_config("mvit_b_16x4", **SMALL)
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    first = initialised(config, seed=3).state_dict()
    assert torch.rand(1) == expected
    again, other = (initialised(config, seed=seed).state_dict() for seed in (3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["patch_embed.proj.weight"], other["patch_embed.proj.weight"])


def test_only_what_is_missing_is_measured(project, monkeypatch):
    seen = []
    digits = ["digits"]
    record = measure_distances("mine", 1, "results", digits, clips=2, on_clip=note(seen))
    assert seen == [(1, 2), (2, 2)]
    assert record == DistanceRecord(project / "results", "mine")
    first = record.read()
    seen.clear()
    measure_distances("mine", 2, "results", ["digits", "noise"], clips=2, on_clip=note(seen))
    assert seen[-1] == (6, 6)
    assert list(record.read()) == [
        Measured("pooled", f"seed{seed}", kind) for kind in ("digits", "noise") for seed in (0, 1)
    ]
    assert {m: heads for m, heads in record.read().items() if m in first} == first
    monkeypatch.setattr(distances, "measure", None)  # nothing more is
    measure_distances("mine", 2, "results", ["digits", "noise"], clips=2)
    assert record.about()["settings"]["clips"] == 2
    assert "host" not in record.about()["provenance"]


def note(seen):
    return lambda done, clips: seen.append((done, clips))


def test_other_settings_are_not_mixed(project):
    measure_distances("mine", kinds=["noise"], clips=1)
    with pytest.raises(UsageError, match="was measured with .*; remove it, or choose another"):
        measure_distances("mine", clips=2)


def test_trained_weights_belong_to_the_row_of_their_preset(project, tmp_path):
    torch.manual_seed(0)
    file = tmp_path / "weights.safetensors"
    model = build_model("mvit_b_16x4", **SMALL)
    save_weights(model, file)
    record = measure_distances("mine", 1, "results", ["digits"], [file], clips=1)
    start, trained = record.read().items()
    assert start[0] == Measured("pooled", "seed0", "digits")
    assert (trained[0].row, trained[0].clips, trained[0].seed) == ("trained", "digits", None)
    assert [head.grid for head in trained[1]] == pytest.approx(
        [head.grid for head in measure(model, "digits", 1)], abs=1e-6
    )


def test_weights_that_no_row_is_for_are_refused(project, tmp_path):
    file = tmp_path / "weights.safetensors"
    save_weights(build_model("mvit_b_32x3", **(SMALL | {"frames": 32})), file)
    with pytest.raises(UsageError, match="mine has rows for trained weights of: mvit_b_16x4"):
        measure_distances("mine", weights=[file])


def test_weights_of_another_model_are_no_row_of_their_preset(project, tmp_path):
    file, other = tmp_path / "weights.pth", SMALL | {"depths": (1, 2), "embed_dim": 16}
    free = {"num_classes": 9, "kv_pool_last_stage": True}
    save_weights(build_model("mvit_b_16x4", **(other | free)), file)
    words = r"depths=\(1, 2\), embed_dim=16, which row trained of mine has not"
    with pytest.raises(UsageError, match=words):
        measure_distances("mine", kinds=["digits"], weights=[file], clips=1)
    assert not DistanceRecord(project / "results", "mine").read()
    save_weights(build_model("mvit_b_16x4", **(SMALL | free)), file)
    record = measure_distances("mine", kinds=["digits"], weights=[file], clips=1)
    assert [measured.row for measured in record.read()] == ["pooled", "trained"]


def test_the_command_measures_a_table(project):
    done = vswin("distance", "mine", "--clips", "1", "--seeds", "2", cwd=project)
    assert done.returncode == 0, done.stderr
    assert "seed1" in done.stdout
    assert f"written: {project / 'results' / 'distances' / 'mine.csv'}" in done.stdout


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["figureB6"], "unknown preset or table 'figureB6'"),
        (["mine", "--kind", "films"], "unknown kind of clips 'films'; known: digits, photographs"),
        (["mine", "--json"], "--json is for presets"),
        (["table5"], "table5 is not about attention distances"),
        (["mvit_b_16x4", "--seeds", "2"], "mvit_b_16x4 is a preset: one seed"),
        (["mvit_b_16x4", "--kind", "films"], "unknown kind of clips 'films'"),
        (["mine", "--weights", "nowhere.pth"], "there is no file nowhere.pth"),
    ],
)
def test_the_command_refuses_in_a_line(args, words, project):
    done = vswin("distance", *args, cwd=project)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_command_shows_a_preset_with_trained_weights(project, tmp_path):
    file = tmp_path / "weights.safetensors"
    torch.manual_seed(0)
    model = build_model("mvit_b_16x4", **SMALL)
    save_weights(model, file)
    at = ["mvit_b_16x4", "--weights", file, "--clips", "1"]
    heads = measure(model, "digits", 1)
    shown = json.loads(vswin("distance", *at, "--json", cwd=project).stdout)
    assert [one["grid"] for one in shown] == pytest.approx([head.grid for head in heads])
    values = [head.grid for head in heads]
    done = vswin("distance", *at, cwd=project)
    assert "mvit_b_16x4, but with depths=(1, 1), embed_dim=8, num_heads=2" in done.stdout
    assert f"lowest {min(values):.4f}, highest {max(values):.4f}" in done.stdout
