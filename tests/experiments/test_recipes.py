"""Recipe books: what they say for the paper's rows, and where a broken one is broken."""

import shutil

import pytest
import yaml

from vswin.errors import UsageError
from vswin.experiments.recipes import (
    DATA_FIELDS,
    MODEL_FIELDS,
    RECIPE_FIELDS,
    read_recipe_book,
    recipe_names,
    split,
)
from vswin.models.registry import resolve_config
from vswin.project import experiments_dir
from vswin.reading import ExperimentError
from vswin.training.recipe import Recipe, lr_factor

FOLDER = experiments_dir() / "recipes"
K400, K600, SSV2 = "kinetics400", "kinetics600", "ssv2"
IN_1K, IN_21K = "imagenet_1k", "imagenet_21k"

# Every preset, dataset and pre-training that Tables 1 to 9 have.
ROWS = [
    ("swin_t", K400, IN_1K),
    ("swin_s", K400, IN_1K),
    ("swin_b", K400, IN_1K),
    ("swin_b", K400, IN_21K),
    ("swin_l", K400, IN_21K),
    ("swin_b", K600, IN_21K),
    ("swin_l", K600, IN_21K),
    ("swin_b", SSV2, K400),
]

# lr of the head, weight decay, drop_path: section 4.1 of the paper; Swin-L as in mmaction2.
PRINTED = [
    (3e-4, 0.02, 0.1),
    (3e-4, 0.02, 0.2),
    (3e-4, 0.05, 0.3),
    (3e-4, 0.05, 0.3),
    (3e-4, 0.05, 0.4),
    (3e-4, 0.05, 0.3),
    (3e-4, 0.05, 0.4),
    (3e-4, 0.05, 0.4),
]

# The same three of the released configurations; Swin-L as in mmaction2.
OFFICIAL = [
    (1e-3, 0.02, 0.1),
    (1e-3, 0.02, 0.1),
    (1e-3, 0.05, 0.3),
    (3e-4, 0.05, 0.2),
    (1e-3, 0.05, 0.4),
    (3e-4, 0.05, 0.2),
    (1e-3, 0.05, 0.4),
    (3e-4, 0.05, 0.4),
]

# What does not depend on the preset: Kinetics, Something-Something.
TRAINING = {
    "steps_per_epoch": (None, None),
    "epochs": (30, 60),
    "warmup_epochs": (2.5, 2.5),
    "batch_size": (64, 64),
    "backbone_lr_ratio": (0.1, 0.1),
    "betas": ((0.9, 0.999), (0.9, 0.999)),
    "grad_clip": (None, None),
    "linear_std": (0.02, 0.02),
    "bias_std": (0.02, 0.02),
    "label_smoothing": (0.0, 0.1),
    "head_dropout": (0.5, 0.5),
    "flip": (0.5, 0.0),
    "rand_augment": (None, (4, 7)),
    "erasing": (0.0, 0.25),
    "resize": (256, 256),
    "area": ((0.08, 1.0), (0.08, 1.0)),
    "ratio": ((3 / 4, 4 / 3), (3 / 4, 4 / 3)),
}
MAY_LACK = {"trains", "layer_decay", "patience", "balanced"}  # what the paper's models go without
PRINTED_OPTIMISER = {
    "cosine_by": "step",
    "warmup_from": None,
    "groups": "intended",
    "precision": "fp16",
}
OFFICIAL_OPTIMISER = {
    "cosine_by": "epoch",
    "warmup_from": 0.1,
    "groups": "official",
    "precision": "fp16",
}


def values(book, row):
    return {name: sourced.value for name, sourced in book.resolve(*row).items()}


@pytest.mark.parametrize(
    ("name", "by_row", "optimiser"),
    [("printed", PRINTED, PRINTED_OPTIMISER), ("official", OFFICIAL, OFFICIAL_OPTIMISER)],
)
def test_every_value_of_every_row_of_the_paper(name, by_row, optimiser):
    book = read_recipe_book(FOLDER, name)
    for row, (lr, decay, drop_path) in zip(ROWS, by_row, strict=True):
        wanted = {key: pair[row[1] == SSV2] for key, pair in TRAINING.items()} | optimiser
        wanted |= {"lr": lr, "weight_decay": decay, "drop_path": drop_path}
        if row[0] == "swin_l" and name == "official":
            wanted["groups"] = "intended"  # mmaction2's optimiser does as the configuration says
        assert values(book, row) == wanted, row


@pytest.mark.parametrize("name", recipe_names(FOLDER))
def test_every_value_has_a_source_and_silence_is_named(name):
    book = read_recipe_book(FOLDER, name)
    for row in ROWS:
        for setting, sourced in book.resolve(*row).items():
            assert sourced.source.strip(), setting
            assert ("not said" in sourced.source) == ("chosen" in sourced.source), setting
            if name == "printed":
                assert "Section 4.1" in sourced.source or "not said" in sourced.source, setting


def test_where_neither_paper_nor_release_says_it_mmaction2_is_named():
    for name in ("printed", "official"):
        found = read_recipe_book(FOLDER, name).resolve("swin_l", K400, IN_21K)
        assert "mmaction2" in found["drop_path"].source
        assert "mmaction2" in found["weight_decay"].source
    assert "mmaction2" in found["lr"].source


@pytest.mark.parametrize("name", recipe_names(FOLDER))
def test_a_recipe_and_a_model_can_be_made_of_every_row(name):
    book = read_recipe_book(FOLDER, name)
    for row in ROWS:
        recipe, model, data = split(values(book, row))
        given = [*recipe, *model, *data]
        assert given == [n for n in (*RECIPE_FIELDS, *MODEL_FIELDS, *DATA_FIELDS) if n in given]
        assert {*RECIPE_FIELDS, *MODEL_FIELDS, *DATA_FIELDS} - {*given} <= MAY_LACK
        assert Recipe(**recipe).for_clips(10 * recipe["batch_size"]).steps == 10 * recipe["epochs"]
        assert resolve_config(row[0], **model).drop_path == model["drop_path"]
        assert hash((*recipe.values(), *model.values(), *data.values()))  # lists became tuples


def test_the_official_book_gives_the_learning_rate_of_a_published_log():
    """A user's log of the released code: backbone, epoch 6, iteration 2120 of 3230: 9.330e-05."""
    book = read_recipe_book(FOLDER, "official")
    recipe = Recipe(**split(values(book, ("swin_t", K400, IN_1K)))[0]).for_clips(3230 * 64)
    rate = recipe.lr * recipe.backbone_lr_ratio * lr_factor(recipe, 5 * 3230 + 2119)
    assert f"{rate:.3e}" == "9.330e-05"


def test_a_model_from_random_weights_has_nothing_to_preserve():
    book = read_recipe_book(FOLDER, "printed")
    assert values(book, ("swin_t", K400, None))["backbone_lr_ratio"] == 1.0


@pytest.fixture
def copy(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "recipes")
    return tmp_path / "recipes"


def change(folder, setting, entries):
    """Puts other entries in a setting of the official book."""
    path = folder / "official.yaml"
    content = yaml.safe_load(path.read_text())
    content["fields"][setting] = entries
    path.write_text(yaml.safe_dump(content))
    return read_recipe_book(folder, "official")


def test_the_last_value_whose_conditions_all_hold_wins(copy):
    entries = [
        {"value": 1, "source": "all"},
        {"value": 2, "source": "two presets", "when": {"preset": ["swin_t", "swin_b"]}},
        {"value": 3, "source": "both", "when": {"preset": "swin_b", "pretrained": IN_21K}},
        {"value": 4, "source": "600", "when": {"dataset": K600}},
    ]
    book = change(copy, "epochs", entries)
    wanted = {
        ("swin_s", K400, IN_1K): 1,
        ("swin_t", K400, IN_21K): 2,
        ("swin_b", K400, IN_1K): 2,
        ("swin_b", K400, IN_21K): 3,
        ("swin_b", K600, IN_21K): 4,
        ("swin_b", K400, None): 2,
    }
    for row, value in wanted.items():
        found = book.resolve(*row)["epochs"]
        assert (found.value, found.source) == (value, entries[value - 1]["source"])
    assert change(copy, "epochs", entries[::-1]).resolve(*ROWS[3])["epochs"].value == 1


def test_a_setting_without_a_value_for_a_row_is_named(copy):
    book = change(copy, "lr", [{"value": 1e-3, "source": "x", "when": {"pretrained": IN_1K}}])
    assert book.resolve("swin_t", K400, IN_1K)["lr"].value == 1e-3
    words = "official.yaml: fields.lr: no value is for preset swin_t, dataset ssv2, pretrained None"
    with pytest.raises(ExperimentError, match=words):
        book.resolve("swin_t", SSV2, None)


def test_names_that_no_condition_knows_are_refused():
    book = read_recipe_book(FOLDER, "printed")
    with pytest.raises(UsageError, match=r"unknown preset 'swin_x'; known: swin_t, swin_s"):
        book.resolve("swin_x", K400, IN_1K)
    with pytest.raises(UsageError, match=r"unknown dataset 'k400'; known: kinetics400"):
        book.resolve("swin_t", "k400", IN_1K)
    with pytest.raises(
        UsageError, match=r"unknown pretrained 'imagenet'; known: imagenet_1k.*None"
    ):
        book.resolve("swin_t", K400, "imagenet")
    with pytest.raises(UsageError, match=r"unknown recipe 'offical'; known: .*did you mean"):
        read_recipe_book(FOLDER, "offical")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("  lr:\n", "  learning_rate:\n", "fields.learning_rate: unknown key"),
        ("preset: swin_s}", "presets: swin_s}", "fields.drop_path.1.when.presets: unknown key"),
        ("{preset: swin_s}", "{preset: swin_x}", "preset.0: should be one of swin_t, swin_s"),
        ("pretrained: imagenet_21k}", "pretrained: imagenet}", "lr.1.when.pretrained.0: should be"),
        ("pretrained: imagenet_21k}", "pretrained: null}", "lr.1.when.pretrained.0: should be"),
        ("pretrained: imagenet_21k}", "pretrained: []}", "lr.1.when.pretrained: should have"),
        ("value: 3.0e-4", "value: fast", "fields.lr.1.value: should be a number"),
        ("value: [4, 7]", "value: [4]", "fields.rand_augment.1.value"),
        ("value: [0.08, 1.0]", "value: [1.0, 0.08]", "fields.area.0.value: the smaller number"),
        ("value: [0.08, 1.0]", "value: [8, 100]", "fields.area.0.value.0: should be less"),
        ("value: 256", "value: 0", "fields.resize.0.value: should be greater"),
        ("value: epoch", "value: epochs", "fields.cosine_by.0.value: should be 'step' or"),
        ("{value: 2.5, source", "{value: 2.5, sauce", "fields.warmup_epochs.0.sauce: unknown key"),
        (
            "drop_path:\n    - {when: {preset: swin_t}, value: 0.1",
            "drop_path:\n    - {when: {preset: swin_t}, value: 1.5",
            "fields.drop_path.0.value: should be less than 1",
        ),
    ],
)
def test_a_broken_book_names_file_line_and_key(copy, old, new, words):
    path = copy / "official.yaml"
    text = path.read_text()
    assert old in text
    # The line of the change, or of the last one if it begins before.
    line = text[: text.index(old)].count("\n") + 1 + old.rstrip("\n").count("\n")
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ExperimentError) as error:
        read_recipe_book(copy, "official")
    (found,) = [each for each in str(error.value).splitlines() if words in each]
    assert found.startswith(f"{path}, line {line}: ")


def test_a_missing_setting_or_source_is_named(copy):
    path = copy / "official.yaml"
    content = yaml.safe_load(path.read_text())
    del content["fields"]["grad_clip"]
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(ExperimentError, match="fields.grad_clip: required key is missing"):
        read_recipe_book(copy, "official")
    shutil.copy(FOLDER / "official.yaml", path)
    for entry in ({"value": 1}, {"value": 1, "source": " "}):
        with pytest.raises(
            ExperimentError, match=r"fields.epochs.0.source: (required|should not be empty)"
        ):
            change(copy, "epochs", [entry])
    with pytest.raises(ExperimentError, match="fields.epochs: should have at least 1"):
        change(copy, "epochs", [])


def test_a_book_under_another_name_is_refused(copy):
    (copy / "official.yaml").rename(copy / "mine.yaml")
    with pytest.raises(ExperimentError, match="key 'recipe' is 'official'.*'mine'"):
        read_recipe_book(copy, "mine")
