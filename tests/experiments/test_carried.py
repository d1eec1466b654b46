"""What rows say of their models arrives in the small geometries, or is refused by name."""

import dataclasses
import math

import pytest

from vswin.errors import UsageError
from vswin.experiments.library import Library
from vswin.experiments.planning import study_runs
from vswin.experiments.tables import Experiment
from vswin.models.registry import resolve_config
from vswin.project import experiments_dir
from vswin.runs.identity import digest

LIBRARY = Library(experiments_dir())
SMALL = ("smoke", "proxy", "rehearsal")


def experiment(*rows, **table):
    """A table of Swin-T rows; each a model, or a whole row."""
    rows = [row if "id" in row else {"id": f"r{i}", "model": row} for i, row in enumerate(rows)]
    content = {"table": "mine", "title": "t", "videos": {"dataset": "kinetics400"}} | table
    return Experiment.model_validate(content | {"rows": [{"preset": "swin_t"} | r for r in rows]})


def runs(protocol, *rows, **table):
    """The runs of the rows, in order."""
    found = study_runs(experiment(*rows, **table), LIBRARY.protocol(protocol), [0])
    return [planned.config for planned in found]


def refusal(protocol, *rows, **table):
    """The one line with which they are refused."""
    with pytest.raises(UsageError) as error:
        runs(protocol, *rows, **table)
    said = str(error.value)
    assert "\n" not in said
    assert said.startswith("mine.yaml, row")
    assert f"cannot be run under protocol {protocol}: " in said
    return said


def window(*size):
    return {"window_size": list(size)}


# The six rows of an ablation that all became one run.
SIX = (
    window(8, 7, 7),
    window(8, 5, 5),
    window(8, 14, 14),
    {"embed_dim": 48},
    {"drop_path": 0.3},
    {"depths": [2, 2, 2, 2]},
)


@pytest.mark.parametrize("protocol", SMALL)
def test_rows_that_say_different_things_are_different_runs(protocol):
    usual, narrow, wide, thin, dropping = runs(protocol, *SIX[:5])
    side = {"rehearsal": (4, 3, 8)}.get(protocol, (3, 2, 6))
    found = [config.model.window_size[1:] for config in (usual, narrow, wide)]
    assert found == [(m, m) for m in side]
    assert thin.model == dataclasses.replace(usual.model, embed_dim=usual.model.embed_dim // 2)
    assert dropping.model == dataclasses.replace(usual.model, drop_path=0.3)
    assert len({digest(config.identity()) for config in runs(protocol, *SIX[:5])}) == 5


@pytest.mark.parametrize("protocol", SMALL)
def test_depths_that_have_no_place_in_two_stages_are_refused_by_name(protocol):
    said = refusal(protocol, *SIX)
    assert "mine.yaml, row r5, " in said
    assert "model.depths [2, 2, 2, 2] is no multiple of [2, 2, 6, 2], which has [2, 2]" in said
    assert "choose another protocol" in said


def test_at_the_papers_size_each_is_as_it_says():
    found = runs("paper", *SIX, {"head_dropout": 0.0}, {"drop_path": 0.0})
    for said, config in zip((*SIX, {"head_dropout": 0.0}, {"drop_path": 0.0}), found, strict=True):
        assert config.model == resolve_config("swin_t", **said)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"depths": [1, 1, 3, 1]}, None),
        ({"depths": [4, 4, 12, 4], "num_heads": [6, 12, 24, 48]}, None),
        ({"depths": [2, 2, 6], "num_heads": [3, 6, 12]}, "[2, 2, 6] is no multiple of"),
        ({"depths": [2, 2, 6, 4]}, "model.depths [2, 2, 6, 4] is no multiple of"),
        ({"embed_dim": 100, "num_heads": [5, 10, 20, 40]}, "model.embed_dim 100 is 25/24 of 96"),
        ({"embed_dim": 32, "num_heads": [1, 2, 4, 8]}, "model.embed_dim 32 is 1/3 of 96, but"),
        (window(3, 7, 7), "temporal window 3 cannot be divided"),
        (
            window(8, 7, 6),
            "spatial window 6 has nothing in its place (model.window_size [8, 7, 6])",
        ),
        (window(8, 28, 28), "has something for 5, 7, 8, 12, 14"),
        ({"design": "factorized", "window_size": [2, 7, 7]}, "would be 1 here, which stands for"),
        ({"patch_size": [2, 16, 16]}, "24 pixels are no whole number of tokens of 16 × 16"),
        ({"patch_size": [3, 4, 4]}, "16 frames are no whole number of tokens of 3"),
        ({"num_classes": 10}, "model.num_classes 10: the data says how many classes"),
        ({"in_channels": 1}, "model.in_channels 1: the protocol has 1 for every row"),
    ],
)
def test_sizes_are_carried_over_where_that_is_exact(model, words):
    """Under smoke: 8 channels, depths 2 and 2, heads 1 and 2, in the place of Swin-T's."""
    if words is not None:
        assert words in refusal("smoke", model)
        return
    (config,) = runs("smoke", model)
    factor = model["depths"][0] / 2
    assert config.model.depths == (2 * factor, 2 * factor)
    assert config.model.num_heads == ((2, 4) if "num_heads" in model else (1, 2))


def test_defaults_that_gave_way_are_carried_over_like_what_was_said():
    """64 channels have no place for 3 heads: they are 2 then, and 2/3 of 2 heads there are not."""
    said = refusal("proxy", {"embed_dim": 64})
    assert "model.num_heads [2, 4, 8, 16] is 2/3 of [3, 6, 12, 24], but the same of [2, 4]" in said


@pytest.mark.parametrize("name", SMALL)
def test_windows_in_space_are_as_many_to_a_side_as_in_the_paper(name):
    """In the last two stages, of 14 and 7 tokens at 224 pixels."""
    protocol = LIBRARY.protocol(name)
    geometry = protocol.small.geometry if name == "rehearsal" else protocol.geometry
    size = protocol.small.size if name == "rehearsal" else protocol.data.image_size
    stages = (size // 4, size // 8)
    for paper, small in geometry.model_extra["swin"]["spatial_window"].items():
        wanted = [math.ceil(tokens / paper) for tokens in (14, 7)]
        assert [math.ceil(tokens / small) for tokens in stages] == wanted, paper


def test_a_grid_of_windows_is_as_many_runs():
    grid = [window(p, m, m) for p in (2, 4, 8, 16) for m in (5, 7, 8, 12, 14)]
    assert len({config.run_id for config in runs("proxy", *grid)}) == len(grid)


@pytest.mark.parametrize(
    ("protocol", "frames", "words"),
    [
        ("smoke", 10, "row r wants 5 frames (10 in the row), which cannot be spread evenly"),
        ("proxy", 10, "row r wants 5 frames (10 in the row), which cannot be spread evenly"),
        ("rehearsal", 10, "10 frames cannot be spread evenly over the 64"),
        ("paper", 10, "10 frames cannot be spread evenly over the 64"),
        ("smoke", 9, "frames 9 cannot be divided by the protocol's temporal_divisor 2"),
        ("smoke", 2, "frames 2 become 1 of 24 × 24 pixels here, and 1 frames are no whole number"),
        ("smoke", 24, "12 frames (24 in the row)"),
        ("smoke", 64, "32 frames (64 in the row)"),
        ("rehearsal", 2, "frames 2 cannot be divided by the protocol's temporal_divisor 4"),
        ("rehearsal", 4, "frames 4 become 1 of 32 × 32 pixels here, and 1 frames are no whole"),
        ("paper", 128, "128 frames cannot be spread evenly over the 64"),
    ],
)
def test_frames_are_never_rounded(protocol, frames, words):
    assert words in refusal(protocol, {"id": "r", "frames": frames})


def test_frames_of_segments_are_as_many_as_a_row_says():
    """Of Something-Something each clip spans the whole video: no stride is to be rounded."""
    (config,) = runs("paper", {"id": "r", "frames": 10}, videos={"dataset": "ssv2"})
    assert config.data.frames == 10


TWO = {"start": {"from": "imagenet_1k"}}


@pytest.mark.parametrize(
    ("protocol", "one", "two", "key"),
    [
        ("smoke", window(1, 7, 7), window(2, 7, 7), "model.window_size is [1, 7, 7] in the one"),
        ("smoke", {"drop_path": 0.0}, {}, "model.drop_path is 0.0 in the one and 0.1 in the other"),
        ("rehearsal", {"drop_path": 0.0}, {}, "model.drop_path is 0.0 in the one and 0.1"),
        ("smoke", {"id": "a"} | TWO, {"id": "b"}, "start.from is imagenet_1k in the one and rand"),
        (
            "smoke",
            {"id": "a", "control": "no_pretraining", "start": {"from": "random"}},
            {"id": "b"},
            "control is no_pretraining in the one and none in the other",
        ),
        (
            "proxy",
            {"shift": "spatial", **window(2, 7, 7)},
            window(2, 7, 7),
            "model.shift is spatial in the one and 3d in the other",
        ),
        (
            "rehearsal",
            {"id": "a", "start": {"from": "imagenet_1k", "checkpoint": "x.pth"}},
            {"id": "b"} | TWO,
            "start.checkpoint is x.pth in the one and None in the other",
        ),
    ],
)
def test_rows_that_would_become_one_run_are_refused_with_both_names(protocol, one, two, key):
    said = refusal(protocol, one, two)
    first, second = (one.get("id", "r0"), two.get("id", "r1"))
    assert f"mine.yaml, rows {first} and {second}, cannot be run under protocol {protocol}" in said
    assert key in said
    for row in (one, two):  # each of them alone is possible
        assert len(runs(protocol, row)) == 1


def test_presets_with_one_small_model_are_refused_too():
    """The label in a run's name is all that would tell them apart."""
    proxy = LIBRARY.protocol("proxy")
    models = proxy.models | {"swin_s": proxy.models["swin_t"]}
    both = proxy.model_copy(update={"models": models})
    rows = experiment({"id": "a"}, {"id": "b", "preset": "swin_s"})
    with pytest.raises(UsageError, match="rows a and b, .* preset is swin_t in the one and swin_s"):
        list(study_runs(rows, both, [0]))


@pytest.mark.parametrize("protocol", sorted({*LIBRARY.protocols()} - {"finetune"}))
@pytest.mark.parametrize(
    "same",
    [
        window(8, 7, 7),
        {"drop_path": 0.1},
        {"embed_dim": 96, "depths": [2, 2, 6, 2]},
        {"shift": "3d"},
    ],
)
def test_what_says_the_same_in_other_words_is_no_contradiction(protocol, same):
    usual, other = runs(protocol, {}, same)
    if "drop_path" not in same:  # a rate is as a row says, and that row says one
        assert usual.run_id == other.run_id


@pytest.mark.parametrize("protocol", ["paper", "paper_printed"])
def test_what_a_row_says_of_its_recipe_may_be_the_usual(protocol):
    same = {"id": "b", "videos": {"recipe": {"backbone_lr_ratio": 0.1}}}
    usual, other = runs(protocol, {"id": "a"}, same, start={"from": "imagenet_1k"})
    assert usual.run_id == other.run_id


@pytest.mark.parametrize("table", [f"table{number}" for number in range(1, 10)])
def test_every_printed_row_has_a_run_of_its_own_but_for_those_printed_twice(table):
    found = LIBRARY.experiment(table)
    for name in LIBRARY.protocols_of(found):
        contents = [
            digest(p.config.identity()) for p in study_runs(found, LIBRARY.protocol(name), [0])
        ]
        repeated = len(contents) - len(set(contents))
        assert repeated == (1 if table == "table5" else 0), name


def test_images_that_rows_start_from_know_nothing_of_their_rates():
    usual, own = runs(
        "smoke", {}, {"drop_path": 0.3}, task="appearance", start={"from": "imagenet_1k"}
    )
    assert (usual.model.drop_path, own.model.drop_path) == (0.0, 0.3)
    assert usual.source == own.source
    usual, own = runs("rehearsal", {}, {"drop_path": 0.3}, start={"from": "imagenet_1k"})
    assert usual.source == own.source


@pytest.mark.parametrize("protocol", ["paper", "paper_printed", "rehearsal"])
def test_a_rows_own_rates_outweigh_the_recipe(protocol):
    chosen, mine = LIBRARY.protocol(protocol), experiment({"drop_path": 0.3, "head_dropout": 0.0})
    (config,) = runs(protocol, {"drop_path": 0.3, "head_dropout": 0.0})
    assert (config.model.drop_path, config.model.head_dropout) == (0.3, 0.0)
    found = chosen.settings(mine, mine.rows[0])
    assert (found["drop_path"].value, found["drop_path"].source) == (0.3, "the row")


def test_a_rows_own_resize_is_for_224_pixels_as_the_recipes_is():
    row = {"id": "a", "image_size": 384, "videos": {"recipe": {"resize": 280}}}
    (config,) = runs("paper", row)
    assert config.data.resize == 480
    assert (
        LIBRARY.protocol("paper").settings(experiment(row), experiment(row).rows[0])["resize"].value
        == 480
    )
    (config,) = runs("rehearsal", row)
    assert config.data.resize == 280 * 48 // 224


def test_settings_of_a_row_that_tests_another_are_those_it_was_trained_with():
    paper, table = LIBRARY.protocol("paper"), LIBRARY.experiment("table1")
    one, other = (paper.settings(table, table.row(r)) for r in ("swin_l_384", "swin_l_384_50"))
    assert one == other
    assert one["resize"].value == 438
    assert one["resize"].source.startswith("256 at 224 × 224 pixels, rounded down; ")


@pytest.mark.parametrize(
    ("table", "row", "words"),
    [
        ({}, {"start": {"checkpoint": "x.pth"}}, "start.checkpoint is x.pth, but nothing is said"),
        ({"start": {"checkpoint": "x.pth"}}, {}, "start.checkpoint is x.pth, but nothing is said"),
        ({}, {"start": {"inflation": {"bias": "center"}}}, "but nothing is inflated"),
        ({"start": {"inflation": {"bias": "center"}}}, {}, "but nothing is inflated"),
        (
            {},
            {"start": {"from": "kinetics400", "inflation": {"bias": "center"}}},
            "is for models of images, and one from kinetics400 is none",
        ),
        (
            {},
            {"model": {"drop_path": 0.3}, "videos": {"recipe": {"drop_path": 0.2}}},
            "model.drop_path is 0.3, but videos.recipe.drop_path 0.2; leave one of them out",
        ),
    ],
)
def test_what_contradicts_itself_is_refused_as_it_is_read(table, row, words):
    with pytest.raises(ValueError, match=words.replace(".", r"\.")):
        experiment({"id": "a"} | row, **table)


def test_a_row_takes_from_its_table_what_it_does_not_say_itself():
    mine = experiment(
        {"id": "a", "start": {"inflation": {"embedding": "center"}}},
        {"id": "b", "start": {"from": "imagenet_21k"}},
        {"id": "c", "start": {"from": "random"}},
        start={"from": "imagenet_1k", "checkpoint": "x.pth", "inflation": {"bias": "center"}},
    )
    a, b, c = (mine.start_of(row) for row in mine.rows)
    assert a.inflation == {"bias": "center", "embedding": "center"}
    assert (a.checkpoint, b.checkpoint, c.checkpoint) == ("x.pth", None, None)
    said = "starts from random weights|nothing is pre-trained in task temporal"
    with pytest.raises(UsageError, match=said):
        list(study_runs(mine, LIBRARY.protocol("smoke"), [0]))


@pytest.mark.parametrize(("name", "table"), [("proxy", "table5"), ("rehearsal", "table3")])
def test_what_the_pages_say_of_every_row_is_true(name, table):
    protocol = LIBRARY.protocol(name)
    config = next(study_runs(LIBRARY.experiment(table), protocol, [0])).config
    model, data, said = config.model, config.data, " ".join(protocol.deviations)
    assert f"{model.embed_dim} channels, two stages of two blocks" in said
    assert model.depths == (2, 2)
    assert f"M = {model.window_size[1]}" in said
    side = data.size if name == "rehearsal" else data.image_size
    assert f"{side} × {side} pixels" in said
    assert "no stochastic depth, no dropout" in said
    assert model.drop_path == model.head_dropout == 0
    if name == "proxy":
        assert f"Batch {config.recipe.batch_size}, {config.recipe.steps:,} steps" in said
