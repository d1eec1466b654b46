"""`vswin cost --memory` as a user types it."""

import json

import pytest

from tests.command import vswin


def test_memory_of_a_preset_is_said_with_what_it_rests_on():
    done = vswin("cost", "mvit_b_16x4", "--memory")
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if "16×224×224" in line]
    assert line.replace("│", " ").split() == [
        *("mvit_b_16x4", "16×224×224", "4", "1.229", "0.280", "0.545", "6.6")
    ]
    assert "GiB = [n (S + A) + 16 P] / 2^30" in done.stdout


def test_memory_for_programs():
    done = vswin("cost", "swin_t", "table5", "table3", "--memory", "--batch", "8", "--json")
    preset, *rows = json.loads(done.stdout)
    of_table_3 = [row["row"] for row in rows if row["name"] == "table3"]
    assert of_table_3 == ["swin_b", "mvit_b_64x3", "mvit_b_24_32x3"]  # as `vswin cost table3`
    rows = [row for row in rows if row["name"] == "table5"]
    assert (preset["name"], preset["row"], preset["batch"], preset["printed"]) == (
        *("swin_t", None, 8, None),
    )
    assert [row["row"] for row in rows] == ["dim16", "dim8", "dim4", "win8", "win4"]
    (same,) = [row for row in rows if row["row"] == "win8"]
    assert same | {"name": "swin_t", "row": None} == preset
    clips = preset["saved_bytes_per_clip"] + preset["scores_bytes_per_clip"]
    assert preset["total_bytes"] == 8 * clips + preset["parameters_bytes"]


def test_memory_of_a_table_stands_beside_what_is_printed():
    said = vswin("cost", "tableA5", "tableA6", "--memory").stdout
    assert "not in it: v6 above v1, v6 above v2, v6 above v3." in said
    assert "Without what is suspicious: 10 of 10 pairs of rows are in the printed order." in said
    assert "Printed memory of v6 is 11.3. V6 has fewer" in said
    assert "Printed memory of none is 16.3. The scores" in said
    (row,) = [line for line in said.splitlines() if "adaptive_1x8x8" in line]
    assert row.replace("│", " ").split()[-2:] == ["6.7", "6.8"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["swin_t", "--batch", "4"], "--batch is for --memory"),
        (["swin_t", "--json"], "--json is for --memory"),
        (["table5", "--memory", "--frames", "8"], "--frames is for presets"),
        (["swin_t", "--memory", "--size", "9999999"], "more than fits into this machine's memory"),
    ],
)
def test_what_does_not_go_together_is_refused(args, said):
    done = vswin("cost", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
