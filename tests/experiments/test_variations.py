"""Sensitivity studies: protocols that differ from proxy in what they say, and in nothing else."""

import dataclasses

import pytest

from tests.command import vswin
from vswin.experiments.library import Library
from vswin.experiments.planning import first_runs
from vswin.project import experiments_dir
from vswin.reading import ExperimentError
from vswin.runs.identity import digest

LIBRARY = Library(experiments_dir())
VARIED = LIBRARY.variations("proxy")
TEMPORAL = ["table4", "table5", "table6"]
APPEARANCE = ["table8", "table9"]


def runs(protocol, table):
    return first_runs(LIBRARY.experiment(table), LIBRARY.protocol(protocol))


def parts(run):
    """What a run is, in parts."""
    return {field.name: getattr(run, field.name) for field in dataclasses.fields(run)}


def test_these_are_studied():
    assert VARIED == [
        "proxy_border",
        "proxy_double",
        "proxy_half",
        "proxy_ratio1",
        "proxy_speed2",
    ]
    for name in VARIED:
        protocol = LIBRARY.protocol(name)
        assert protocol.tests_claims
        assert not protocol.comparable
        assert "\n" not in protocol.varies.strip()
    assert LIBRARY.variations("smoke") == []


@pytest.mark.parametrize("name", VARIED)
def test_every_row_differs_from_proxy_in_data_or_recipe_alone(name):
    tables = [*TEMPORAL, *(APPEARANCE if name in ("proxy_half", "proxy_double") else [])]
    for table in TEMPORAL + APPEARANCE:
        is_possible = not LIBRARY.why_not(LIBRARY.experiment(table), name)
        assert is_possible == (table in tables), table
    differ = "data" if name in ("proxy_speed2", "proxy_border") else "recipe"
    for table in tables:
        usual, varied = runs("proxy", table), runs(name, table)
        assert usual.keys() == varied.keys()
        for row, run in varied.items():
            before, after = parts(usual[row]), parts(run)
            assert {key for key in before if before[key] != after[key]} == {differ}, row
            assert digest(run.identity()) != digest(usual[row].identity())


@pytest.mark.parametrize(("name", "factor"), [("proxy_half", 0.5), ("proxy_double", 2)])
def test_half_and_double_are_of_the_same_schedule(name, factor):
    for table in (TEMPORAL[0], APPEARANCE[0]):
        for row, run in runs(name, table).items():
            usual, recipe = runs("proxy", table)[row].recipe, run.recipe
            assert recipe.steps == factor * usual.steps
            assert recipe.warmup_epochs == factor * usual.warmup_epochs
            assert (
                dataclasses.replace(recipe, epochs=usual.epochs, warmup_epochs=usual.warmup_epochs)
                == usual
            )


def test_with_ratio_1_the_backbone_keeps_its_rate():
    usual, recipe = LIBRARY.protocol("proxy").recipe, LIBRARY.protocol("proxy_ratio1").recipe
    assert recipe.backbone_lr_ratio == 1.0
    assert recipe.lr == pytest.approx(usual.lr * usual.backbone_lr_ratio)
    assert dataclasses.replace(recipe, lr=usual.lr, backbone_lr_ratio=0.1) == usual


def test_the_other_border_is_one_of_short_and_of_shifted_windows_alone():
    found = runs("proxy_border", "table5")
    baseline, short = found["win8"], found["win4"]
    switch = baseline.data.timeline // 2 + baseline.data.switch_offset

    def frames(run):
        return run.model.window_size[0] * run.model.patch_size[0]

    assert switch % frames(baseline) == frames(baseline) // 2  # where shifted windows begin
    assert switch % frames(short) == 0
    shortest = found["dim4"].data
    shown = range(0, shortest.timeline, shortest.timeline // shortest.frames)
    assert sum(frame < switch for frame in shown) >= 1
    assert sum(frame >= switch for frame in shown) >= 2  # a motion takes two frames to see


def test_twice_the_speed_is_twice_that_of_proxy():
    usual, data = LIBRARY.protocol("proxy").data, LIBRARY.protocol("proxy_speed2").data
    assert data == dataclasses.replace(usual, speed=2 * usual.speed)


def test_they_are_listed_with_what_they_vary():
    said = vswin("list").stdout
    assert "Sensitivity studies" in said
    for name in VARIED:
        (line,) = [line for line in said.splitlines() if name in line]
        assert LIBRARY.protocol(name).varies.split()[0] in line


def test_what_varies_nothing_cannot_say_so(tmp_path):
    folder = tmp_path / "protocols"
    folder.mkdir()
    text = (experiments_dir() / "protocols" / "proxy.yaml").read_text()
    (folder / "proxy.yaml").write_text(text + "varies: the weather\n")
    with pytest.raises(ExperimentError, match="varies wants `extends`"):
        Library(tmp_path).protocol("proxy")


def test_keys_within_keys_are_taken_over_and_lists_are_not(tmp_path):
    folder = tmp_path / "protocols"
    folder.mkdir()
    text = (experiments_dir() / "protocols" / "proxy.yaml").read_text()
    (folder / "proxy.yaml").write_text(text)
    (folder / "mine.yaml").write_text(
        "protocol: mine\nextends: proxy\ndata: {speed: 3.0, noise: [0.1]}\nappearance: null\n"
    )
    usual, mine = (Library(tmp_path).protocol(name) for name in ("proxy", "mine"))
    assert mine.data == dataclasses.replace(usual.data, speed=3.0, noise=(0.1,))
    assert mine.recipe == usual.recipe
    assert mine.appearance is None
    assert (mine.extends, mine.varies) == ("proxy", "")
