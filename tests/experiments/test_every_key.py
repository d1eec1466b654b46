"""Nothing that a row or its table says is dropped in silence: every key, under every protocol.

Each key of an experiment file is listed here with what each kind of protocol does with it. A new
key makes `test_every_key_is_decided` fail until it is listed, too.
"""

import dataclasses

import pytest

from vswin.errors import UsageError
from vswin.experiments.library import Library
from vswin.experiments.planning import study_runs
from vswin.experiments.recipes import DATA_FIELDS, MODEL_FIELDS, RECIPE_FIELDS
from vswin.experiments.tables import Experiment, OnVideos, Row, RowOnVideos, Start
from vswin.models.swin.config import VideoSwinConfig
from vswin.project import experiments_dir
from vswin.reading import ExperimentError
from vswin.runs.identity import digest
from vswin.training.recipe import Recipe

LIBRARY = Library(experiments_dir())
VARIED = {name for base in LIBRARY.protocols() for name in LIBRARY.variations(base)}
BY_NAME = {"finetune"}  # tests/test_own_dataset.py
PROTOCOLS = [name for name in LIBRARY.protocols() if name not in VARIED | BY_NAME]
"""Those with a geometry of their own: sensitivity studies have that of the one they vary."""
KINDS = {"digits": ("smoke", "proxy"), "small": ("rehearsal",), "full": ("paper", "paper_printed")}
TABLE = {
    "table": "mine",
    "title": "t",
    "task": "appearance",
    "start": {"from": "imagenet_1k"},
    "videos": {"dataset": "kinetics400", "views": "4x3"},
}
ROW = {"id": "a", "preset": "swin_t"}

# Of two rows that differ in a key alone: `carried` into two different runs; `refused` by name; or
# `stood_for`, one thing that takes the place of both, so that a table cannot have the two of them.
CARRIED = {"digits": "carried", "small": "carried", "full": "carried"}
REFUSED = {"digits": "refused", "small": "refused", "full": "refused"}
OF_VIDEOS = CARRIED | {"digits": "refused"}
OF_ROWS = {
    "preset": ("swin_s", OF_VIDEOS),  # digits have a small model of swin_t alone
    "frames": (16, CARRIED),
    "image_size": (384, OF_VIDEOS),
    "control": ("single_frame", REFUSED | {"digits": "carried"}),
    "recipe.lr_factor": (0.1, CARRIED),
    "start.from": ("random", CARRIED),
    "start.checkpoint": ("x.pth", {"digits": "stood_for", "small": "stood_for", "full": "carried"}),
    "start.inflation": ({"bias": "center"}, CARRIED),
    "videos.views": ("1x1", OF_VIDEOS),
}
OF_MODELS = {
    "embed_dim": (48, CARRIED),
    "depths": ([4, 4, 12, 4], CARRIED),
    "num_heads": ([6, 12, 24, 48], CARRIED),
    "num_classes": (10, REFUSED),
    "window_size": ([8, 14, 14], CARRIED),
    "patch_size": ([4, 4, 4], CARRIED),
    "in_channels": (1, REFUSED),
    "mlp_ratio": (2.0, CARRIED),
    "drop_path": (0.25, CARRIED),
    "head_dropout": (0.25, CARRIED),
    "design": ("factorized", CARRIED),
    "shift": ("none", CARRIED),
    "activation_checkpointing": (True, CARRIED),
}
OF_RECIPES = {  # values that no recipe has, or both of two
    "steps_per_epoch": 7,
    "epochs": 7,
    "warmup_epochs": 1.5,
    "batch_size": 24,
    "lr": 5e-5,
    "backbone_lr_ratio": 0.3,
    "weight_decay": 0.3,
    "betas": [0.8, 0.9],
    "grad_clip": 3.0,
    "linear_std": 0.3,
    "bias_std": 0.3,
    "cosine_by": ("step", "epoch"),
    "warmup_from": 0.3,
    "groups": ("intended", "official"),
    "label_smoothing": 0.3,
    "precision": "bf16",
    "trains": ("all", "head"),
    "layer_decay": 0.7,
    "patience": 3,
    "drop_path": 0.35,
    "head_dropout": 0.35,
    "flip": 0.3,
    "rand_augment": [2, 9],
    "erasing": 0.3,
    "resize": 300,
    "area": [0.4, 0.9],
    "ratio": [0.8, 1.25],
    "balanced": True,
}
OF_TABLES = {  # what the same table is without it, and with it
    "image_size": (384, OF_VIDEOS),
    "task": ("temporal", {"digits": "carried", "small": "the same", "full": "the same"}),
    "start.from": ("random", CARRIED),
    "start.checkpoint": ("x.pth", {"digits": "the same", "small": "the same", "full": "carried"}),
    "start.inflation": ({"bias": "center"}, CARRIED),
    "videos.views": ("1x1", CARRIED | {"digits": "the same"}),  # "one view", its deviations say
    "videos.dataset": ("ssv2", CARRIED | {"digits": "the same"}),  # "Moving Digits", they say
    "choices": (["c"], {"digits": "the same", "small": "the same", "full": "the same"}),
    "test_clips": ([1, 3], {"digits": "the same", "small": "the same", "full": "the same"}),
    "title": ("other", {"digits": "the same", "small": "the same", "full": "the same"}),
}
ELSEWHERE = {
    "row.id",  # a name; two rows cannot have one
    "row.title",  # tests/report/test_own.py
    "row.only_on",  # test_a_row_for_one_kind_of_protocol_is_left_out_under_others
    "row.min_seeds",  # tests/experiments/test_planning.py
    "row.published",  # tests/report/test_published.py; a run is the same with it
    "row.tests",  # test_a_row_that_tests_another_is_that_one_in_other_views
    "table.table",  # the file's name
    "table.rows",
    "table.distances",  # tests/launch/test_distances.py
    "table.num_classes",  # test_classes_are_those_of_the_data
    "table.awaits",  # test_a_table_that_cannot_be_trained_yet_is_refused_in_one_line
    "table.protocols",  # tests/experiments/test_own.py
    "table.claims",  # likewise
}


def put(content, key, value):
    """A copy in which a dotted key has a value."""
    name, _, rest = key.partition(".")
    return content | {name: put(content.get(name, {}), rest, value) if rest else value}


def runs_of(table, rows, protocol):
    """The runs of rows by id."""
    experiment = Experiment.model_validate(table | {"rows": rows})
    chosen = LIBRARY.protocol(protocol)
    LIBRARY.require_possible(experiment, protocol)
    wanted = list(experiment.rows)  # by name, so that controls are asked for, too
    return {p.row.id: p.config for p in study_runs(experiment, chosen, [0], wanted)}


def content_of(run):
    """What a run is, whatever it is called."""
    return digest(run.identity())


def keys(kind, prefix):
    names = {(field.alias or name) for name, field in kind.model_fields.items()}
    return {f"{prefix}{name}" for name in names}


def test_every_key_is_decided():
    of_rows = keys(Row, "") - {"model", "start", "videos", "recipe"}
    of_rows |= keys(Start, "start.") | keys(RowOnVideos, "videos.") - {"videos.recipe"}
    elsewhere = {key.removeprefix("row.") for key in ELSEWHERE if key.startswith("row.")}
    assert of_rows | {"recipe.lr_factor"} == OF_ROWS.keys() | elsewhere
    of_tables = keys(Experiment, "") - {"start", "videos"}
    of_tables |= keys(Start, "start.") | keys(OnVideos, "videos.")
    elsewhere = {key.removeprefix("table.") for key in ELSEWHERE if key.startswith("table.")}
    assert of_tables == OF_TABLES.keys() | elsewhere
    fields = {field.name for field in dataclasses.fields(VideoSwinConfig)}
    assert fields == OF_MODELS.keys() | {"initial_gate"}  # test_a_gate_is_carried_everywhere
    assert {field.name for field in dataclasses.fields(Recipe)} <= OF_RECIPES.keys()
    assert {*RECIPE_FIELDS, *MODEL_FIELDS, *DATA_FIELDS} == OF_RECIPES.keys()
    assert {p for of_kind in KINDS.values() for p in of_kind} == set(PROTOCOLS)


CASES = [
    (protocol, key, value, outcomes[kind])
    for key, (value, outcomes) in (
        *OF_ROWS.items(),
        *((f"model.{name}", case) for name, case in OF_MODELS.items()),
        *((f"videos.recipe.{name}", (value, OF_VIDEOS)) for name, value in OF_RECIPES.items()),
        *(
            (f"recipe.{name}", (OF_RECIPES[name], OF_VIDEOS if name == "patience" else CARRIED))
            for name in RECIPE_FIELDS
        ),
    )
    for kind, protocols in KINDS.items()
    for protocol in protocols
]


@pytest.mark.parametrize(("protocol", "key", "value", "outcome"), CASES)
def test_what_a_row_says_is_carried_over_or_refused_by_name(protocol, key, value, outcome):
    usual = runs_of(TABLE, [ROW], protocol)["a"]
    if isinstance(value, tuple):  # of two values the one that is not there anyway
        value = next(v for v in value if v != getattr(usual.recipe, key.rpartition(".")[2]))
    other = put(ROW, key, value) | {"id": "b"}
    if outcome == "carried":
        changed = runs_of(TABLE, [ROW, other], protocol)["b"]
        assert content_of(changed) != content_of(usual)
        return
    alone = [other]
    if outcome == "stood_for":
        assert content_of(runs_of(TABLE, alone, protocol)["b"]) == content_of(usual)
        alone = [ROW, other]
    with pytest.raises(UsageError) as error:
        runs_of(TABLE, alone, protocol)
    said = str(error.value)
    assert "\n" not in said
    if key == "preset":
        assert f"mine cannot be run under protocol {protocol}, which has no small model of " in said
        assert "swin_s (row b); it can be run under: paper, paper_printed, rehearsal" in said
        return
    assert "mine.yaml, row" in said
    assert f"cannot be run under protocol {protocol}: " in said
    assert ("row b is a check of the embedded benchmark" if key == "control" else key) in said
    assert key == "control" or str(value) in said


@pytest.mark.parametrize(
    ("protocol", "key", "value", "outcome"),
    [
        (protocol, key, value, outcomes[kind])
        for key, (value, outcomes) in OF_TABLES.items()
        for kind, protocols in KINDS.items()
        for protocol in protocols
    ],
)
def test_what_a_table_says_is_carried_over_or_refused_by_name(protocol, key, value, outcome):
    usual = runs_of(TABLE, [ROW], protocol)["a"]
    table = put(TABLE, key, value)
    if outcome == "refused":
        with pytest.raises(UsageError, match=rf"mine.yaml, row a, .* {protocol}: {key} {value}"):
            runs_of(table, [ROW], protocol)
        return
    changed = runs_of(table, [ROW], protocol)["a"]
    assert (content_of(changed) == content_of(usual)) == (outcome == "the same")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_row_that_tests_another_is_that_one_in_other_views(protocol):
    other = {"id": "b", "preset": "swin_t", "tests": "a", "videos": {"views": "1x1"}}
    if protocol in KINDS["digits"]:
        with pytest.raises(
            UsageError, match=f"mine.yaml, row b, .* {protocol}: .*tests other views"
        ):
            runs_of(TABLE, [ROW, other], protocol)
        return
    found = runs_of(TABLE, [ROW, other], protocol)
    assert found["b"].init.run == found["a"]
    assert str(found["b"].test) == "1×1"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("preset", "swin_s"),
        ("frames", 16),
        ("image_size", 384),
        ("model", {"drop_path": 0.3}),
        ("start.from", "imagenet_21k"),
        ("start.checkpoint", "x.pth"),
        ("start.inflation", {"bias": "center"}),
        ("control", "single_frame"),
        ("videos.recipe", {"lr": 0.1}),
        ("recipe", {"lr": 0.1}),
    ],
)
def test_a_row_that_tests_another_cannot_say_that_it_is_not_that_one(key, value):
    other = put({"id": "b", "preset": "swin_t", "tests": "a"}, key, value)
    inner = next(iter(value)) if isinstance(value, dict) else ""
    with pytest.raises(ValueError, match=rf"row b tests a, whose {key}\.?{inner} is .*; leave"):
        Experiment.model_validate(TABLE | {"rows": [ROW, other]})
    same = {"model": {"drop_path": 0.1}, "frames": 32, "start": {"from": "imagenet_1k"}}
    assert Experiment.model_validate(
        TABLE | {"rows": [ROW, {"id": "b", "preset": "swin_t", "tests": "a"} | same]}
    )


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_row_for_one_kind_of_protocol_is_left_out_under_others(protocol):
    """Its preset, too, is then no reason why the table cannot be run."""
    mine, other = ("moving_digits", "videos")[:: 1 if protocol in KINDS["digits"] else -1]
    rows = [ROW, ROW | {"id": "b", "frames": 16, "only_on": mine}]
    rows += [{"id": "c", "preset": "swin_s", "only_on": other}]
    experiment, chosen = (
        Experiment.model_validate(TABLE | {"rows": rows}),
        LIBRARY.protocol(protocol),
    )
    assert not chosen.why_not(experiment)
    assert [p.row.id for p in study_runs(experiment, chosen, [0])] == ["a", "b"]
    with pytest.raises(
        UsageError, match=f"mine.yaml, row c, .* {protocol}: (only_on {other}|.*swin_s)"
    ):
        runs_of(TABLE, rows, protocol)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_gate_is_carried_everywhere(protocol):
    zero, one = (
        ROW | {"id": name, "model": {"design": "factorized", "initial_gate": gate}}
        for name, gate in (("a", 0), ("b", 1))
    )
    temporal = TABLE | {"task": "temporal"}
    found = runs_of(temporal, [zero, one], protocol).values()
    assert [run.model.initial_gate for run in found] == [0.0, 1.0]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_factor_is_of_the_protocols_own_rate_and_of_nothing_before_it(protocol):
    rows = [ROW, ROW | {"id": "b", "recipe": {"lr_factor": 0.1}}]
    usual, found = runs_of(TABLE, rows, protocol).values()
    assert found.recipe == dataclasses.replace(usual.recipe, lr=pytest.approx(usual.recipe.lr / 10))
    assert len(str(found.recipe.lr)) < 8  # no 2.9999999999999997e-05
    assert found.init == usual.init  # what it starts from is trained as for every row


@pytest.mark.parametrize("protocol", KINDS["digits"] + KINDS["full"])
def test_a_setting_that_the_protocol_has_anyway_makes_no_other_run(protocol):
    usual = runs_of(TABLE, [ROW], protocol)["a"]
    same = {name: getattr(usual.recipe, name) for name in ("lr", "backbone_lr_ratio", "epochs")}
    assert runs_of(TABLE, [ROW, ROW | {"id": "b", "recipe": same}], protocol)["b"] == usual


@pytest.mark.parametrize("protocol", KINDS["digits"])
def test_digits_have_no_last_clip(protocol):
    with pytest.raises(UsageError, match="row a, .*: recipe.steps_per_epoch null: Moving Digits"):
        runs_of(TABLE, [ROW | {"recipe": {"steps_per_epoch": None}}], protocol)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"recipe": {"flip": 0.5}}, "unknown setting 'flip'; known: .*lr_factor"),
        ({"recipe": {"drop_path": 0.5}}, "unknown setting 'drop_path'"),
        ({"recipe": {"lr_factor": 0}}, "lr_factor: should be greater than 0, not 0"),
        ({"recipe": {"lr": 1e-3, "lr_factor": 0.1}}, "lr_factor multiplies the protocol's lr"),
        (
            {"recipe": {"lr_factor": 0.1}, "videos": {"recipe": {"lr": 1e-3}}},
            "recipe.lr_factor multiplies the protocol's lr; leave it out, or videos.recipe.lr",
        ),
        (
            {"recipe": {"epochs": 3}, "videos": {"recipe": {"epochs": 4}}},
            "recipe.epochs is 3, but videos.recipe.epochs 4; leave one of them out",
        ),
        ({"only_on": "paper"}, "moving_digits"),
        ({"only_on": "videos", "control": "single_frame"}, "leave only_on out"),
    ],
)
def test_what_a_row_cannot_say_of_its_training_is_refused_as_it_is_read(row, words):
    with pytest.raises(ValueError, match=words):
        Row.model_validate(ROW | row)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_classes_are_those_of_the_data(protocol, tmp_path):
    (tmp_path / "mine.yaml").write_text(
        "table: mine\ntitle: t\nnum_classes: 10\nvideos: {dataset: kinetics400}\n"
        "rows: [{id: a, preset: swin_t}]\n"
    )
    (tmp_path / "protocols").symlink_to(experiments_dir() / "protocols")
    with pytest.raises(ExperimentError, match="num_classes is 10, but videos.dataset, kinetics400"):
        Library(tmp_path).experiment("mine")
    same = put(ROW, "model.num_classes", 400)
    assert runs_of(TABLE, [same], protocol) == runs_of(TABLE, [ROW], protocol)
