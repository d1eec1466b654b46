"""Protocol paper: every row of Tables 1 to 9 is a complete run, as section 4.1 has it."""

import dataclasses

import pytest
import torch

from tests import results
from vswin.cli.listing import list_costs
from vswin.data.clips import VideoData, ViewsTest
from vswin.data.datasets import class_names
from vswin.errors import UsageError
from vswin.experiments.embedded import EmbeddedProtocol
from vswin.experiments.library import Library
from vswin.experiments.planning import plan_study
from vswin.files import write_json
from vswin.launch.estimate import (
    Speed,
    TooExpensiveError,
    cost_of,
    estimate,
    estimate_all,
    speed_in,
)
from vswin.launch.proposal import Request
from vswin.launch.slurm.profile import Profile
from vswin.models.registry import resolve_config
from vswin.models.swin.layouts import LAYOUTS
from vswin.models.swin.model import VideoSwinTransformer
from vswin.paper.printed import printed_table
from vswin.project import experiments_dir
from vswin.reading import ExperimentError
from vswin.runs.config import FromCheckpoint, TestOnly
from vswin.runs.result import Execution, Seconds
from vswin.runs.store import Store
from vswin.weights.checkpoint import checkpoint_of
from vswin.weights.files import load_weights, to_layout

LIBRARY = Library(experiments_dir())
EIGHT_GPUS = Profile(gpus_per_node=8, peak_tflops=312, share=0.15)
TABLES = [f"table{number}" for number in range(1, 10)]
PAPER = LIBRARY.protocol("paper")


def configured(table, row, protocol="paper", seed=0):
    experiment = LIBRARY.experiment(table)
    return LIBRARY.protocol(protocol).configure(experiment, experiment.row(row), seed)


@pytest.mark.parametrize("protocol", ["paper", "paper_printed", "rehearsal"])
@pytest.mark.parametrize("table", TABLES)
def test_every_printed_row_is_a_complete_run(table, protocol, tmp_path):
    plan = plan_study(table, protocol, 1, tmp_path)
    ours = {row.id: row.cells for row in printed_table(table).rows if row.system == "ours"}
    assert {p.row.id for p in plan.runs} == ours.keys()
    for planned in plan.runs:
        config = planned.config
        assert config.data.kind == "videos"
        assert config.init.kind != "random"  # nothing in the paper starts from random weights
        assert config.model.num_classes == len(class_names(config.data.dataset))
        printed = ours[planned.row.id].get("views")
        if printed is not None:
            assert str(config.test) == printed
        if protocol != "rehearsal":
            assert config.model.num_classes == {"table2": 600, "table3": 174}.get(table, 400)
            assert config.data.size == (planned.row.image_size or 224)
            assert (config.recipe.epochs, config.recipe.batch_size) == (
                60 if table == "table3" else 30,
                64,
            )


def test_section_4_1_word_by_word():
    printed = configured("table1", "swin_t", "paper_printed")
    assert printed.recipe.lr == 3e-4
    assert printed.recipe.backbone_lr_ratio == 0.1  # 3e-5
    assert printed.recipe.warmup_epochs == 2.5
    assert printed.data == VideoData("kinetics400", 32, 2, "dense", 224, 256)
    assert printed.test == ViewsTest(4, 3)
    rates = {
        row: (
            configured("table1", row, "paper_printed").model.drop_path,
            configured("table1", row, "paper_printed").recipe.weight_decay,
        )
        for row in ("swin_t", "swin_s", "swin_b")
    }
    assert rates == {"swin_t": (0.1, 0.02), "swin_s": (0.2, 0.02), "swin_b": (0.3, 0.05)}
    ssv2 = configured("table3", "swin_b", "paper_printed")
    assert ssv2.model.window_size == (16, 7, 7)
    assert ssv2.model.drop_path == 0.4
    assert ssv2.recipe.epochs == 60
    assert ssv2.recipe.label_smoothing == 0.1
    assert ssv2.data.sampling == "segments"
    assert (ssv2.data.flip, ssv2.data.rand_augment, ssv2.data.erasing) == (0, (4, 7), 0.25)
    assert ssv2.test == ViewsTest(1, 3)
    assert ssv2.init.expect == "video"


def test_the_released_settings_where_they_differ():
    assert configured("table1", "swin_t").recipe.lr == 1e-3
    assert configured("table1", "swin_s").model.drop_path == 0.1
    assert configured("table1", "swin_b").recipe.lr == 3e-4  # from ImageNet-21K
    assert configured("table1", "swin_b").model.drop_path == 0.2
    recipe = configured("table1", "swin_t").recipe
    assert (recipe.groups, recipe.cosine_by, recipe.warmup_from) == ("official", "epoch", 0.1)
    assert recipe.precision == "fp16"


def test_table_5_spreads_fewer_frames_over_the_same_time():
    for row, frames, window in (("dim16", 32, 16), ("dim8", 16, 8), ("dim4", 8, 4)):
        config = configured("table5", row)
        assert (config.data.frames, config.data.stride) == (frames, 64 // frames)
        assert config.model.window_size == (window, 7, 7)
    assert configured("table5", "dim16").run_id == configured("table5", "win16").run_id
    assert configured("table5", "win8").run_id == configured("table1", "swin_t").run_id
    assert configured("table8", "inflate").run_id == configured("table1", "swin_t").run_id


def test_tables_7_8_and_9_change_one_thing():
    printed = filter(PAPER.includes, LIBRARY.experiment("table7").rows)
    ratios = {row.id: configured("table7", row.id) for row in printed}
    assert {k: c.recipe.backbone_lr_ratio for k, c in ratios.items()} == {
        "ratio_0_1_1k": 0.1,
        "ratio_1_0_1k": 1.0,
        "ratio_0_1_21k": 0.1,
        "ratio_1_0_21k": 1.0,
    }
    assert ratios["ratio_0_1_21k"].run_id == configured("table1", "swin_b").run_id
    assert configured("table8", "center").init.inflation == {"embedding": "center"}
    assert configured("table9", "center").init.inflation == {"bias": "center"}


def test_fifty_views_test_the_model_of_the_row_above():
    for table in ("table1", "table2"):
        trained = configured(table, "swin_l_384")
        tested = configured(table, "swin_l_384_50")
        assert tested.init == TestOnly(trained)
        assert tested.test == ViewsTest(10, 5)
        assert trained.data.size == 384
        assert trained.data.resize == 438  # 256 at 224 pixels
        assert trained.init.file == "swin_large_patch4_window12_384_22k.pth"


@pytest.mark.parametrize("table", TABLES)
def test_checkpoints_of_the_named_kind_fit_the_rows(table):
    """Each row's model, two blocks deep, takes a checkpoint of the layout that its file has."""
    for row in LIBRARY.experiment(table).rows:
        if not PAPER.includes(row) or row.tests or row.preset not in ("swin_t", "swin_b"):
            continue
        config = PAPER.configure(LIBRARY.experiment(table), row, 0)
        assert isinstance(config.init, FromCheckpoint)
        small = dataclasses.replace(config.model, depths=(1, 1), num_heads=(3, 6), embed_dim=96)
        model = VideoSwinTransformer(small)
        source = small
        if config.init.expect == "2d":
            source = resolve_config(
                "swin_t",
                depths=(1, 1),
                num_heads=(3, 6),
                patch_size=(1, 4, 4),
                window_size=(1, 7, 7),
                num_classes=1000,
            )
        layout = LAYOUTS["official_2d" if config.init.expect == "2d" else "official_video"]
        with torch.no_grad():
            saved = to_layout(checkpoint_of(VideoSwinTransformer(source)), layout)
        init = config.init
        report = load_weights(
            model, {layout.wrapper: saved}, expect=init.expect, head=False, **init.inflation
        )
        assert {"head.weight", "head.bias"} <= set(report.fresh)


def test_what_cannot_be_run_on_videos_is_refused_by_name(tmp_path):
    with pytest.raises(UsageError, match="row no_pretraining is a check of the embedded benchmark"):
        plan_study("table8", "paper", 1, tmp_path, ["no_pretraining"])
    assert isinstance(LIBRARY.protocol("proxy"), EmbeddedProtocol)
    own = LIBRARY.experiment("table8").model_copy(update={"videos": None})
    with pytest.raises(UsageError, match="table8 cannot be run on videos"):
        PAPER.configure(own, own.rows[0], 0)
    bare = PAPER.model_copy(update={"weights": {}})
    experiment = LIBRARY.experiment("table8")
    with pytest.raises(UsageError, match="no checkpoint of swin_t that was trained on imagenet_1k"):
        bare.configure(experiment, experiment.rows[0], 0)


def test_gpu_hours_follow_from_multiply_accumulates(tmp_path):
    """By hand: Swin-T, 246,534 clips, 30 epochs, 6 operations for each of 87.889 G."""
    from vswin.costs.counting import cost

    config = configured("table1", "swin_t")
    with torch.device("meta"):
        counted = cost(VideoSwinTransformer(config.model), (3, 32, 224, 224))
    found = estimate(config, counted, Store(tmp_path, "paper"), Speed(312, 0.15))
    assert found.train == pytest.approx(
        6 * 87.889e9 * 246_534 * 30 / (312e12 * 0.15) / 3600, rel=1e-3
    )
    assert found.test == pytest.approx(
        2 * 87.889e9 * 19_906 * 12 / (312e12 * 0.15) / 3600, rel=1e-3
    )
    tested = configured("table1", "swin_l_384_50")
    assert estimate(tested, counted, Store(tmp_path, "paper"), Speed(312, 0.15)).train == 0


def complete(store, config, rate, processes=8, **told):
    """A run that trained 1000 clips of 10^9 operations and more at a rate per process."""
    folder = store.run(config.run_id)
    folder.create(config)
    seconds = Seconds(train=6e12 / rate / processes, test=360.0)
    results.complete(folder, seconds=seconds, execution=Execution(processes))
    for name, content in told.items():
        write_json(folder.path / f"{name}.json", content)
    return folder


def test_what_gpus_were_measured_to_do_outweighs_what_is_declared(tmp_path):
    store = Store(tmp_path, "paper")
    asked, other, third = (configured("table1", "swin_t", seed=seed) for seed in range(3))
    counted = dataclasses.replace(cost_of(asked), flops=10**9)
    assert speed_in(store, 312, 0.15) == Speed(312, 0.15)
    complete(store, other, 100e12, status={"gpus": 8})
    complete(store, third, 300e12, provenance={"device": "NVIDIA H200"})
    speed = speed_in(store, 312, 0.15)
    assert speed.measured == pytest.approx({"fp16": 200e12})
    found = estimate(asked, counted, store, speed)
    assert found.train == pytest.approx(6e9 * 246_534 * 30 / 200e12 / 3600)
    assert found.basis == "measured, 200 TFLOP/s in other runs"
    exact = dataclasses.replace(asked, recipe=dataclasses.replace(asked.recipe, precision="fp32"))
    assert estimate(exact, counted, store, speed).basis == "15 % of 312 TFLOP/s"
    found = estimate(other, counted, store, speed)
    assert (found.test, found.basis) == (0.8, "measured, this run")


def test_cpus_tell_nothing_of_gpus(tmp_path):
    store = Store(tmp_path, "paper")
    runs = [configured("table1", "swin_t", seed=seed) for seed in range(5)]
    complete(store, runs[0], 1e9, status={"gpus": 0}, provenance={"device": "NVIDIA H200"})
    complete(store, runs[1], 1e9, provenance={"device": "AMD Ryzen 7 with Radeon Graphics"})
    complete(store, runs[2], 1e9)
    complete(store, runs[3], 1e9, status={"gpus": 8}).path.joinpath("result.json").write_text("{")
    speed = speed_in(store, 312, 0.15)
    assert speed.measured == {}
    for config in (runs[0], runs[4]):
        assert estimate(config, cost_of(config), store, speed).basis == "15 % of 312 TFLOP/s"


def test_a_rows_own_word_counts_in_a_rehearsal_and_stays_its_own(tmp_path):
    """Table 7 is about one setting; the images that its rows start from know nothing of it."""
    rows = {
        row.id: configured("table7", row.id, "rehearsal")
        for row in filter(PAPER.includes, LIBRARY.experiment("table7").rows)
    }
    assert {k: c.recipe.backbone_lr_ratio for k, c in rows.items()} == {
        "ratio_0_1_1k": 0.1,
        "ratio_1_0_1k": 1.0,
        "ratio_0_1_21k": 0.1,
        "ratio_1_0_21k": 1.0,
    }
    first, second = rows["ratio_0_1_1k"], rows["ratio_1_0_1k"]
    assert first.source == second.source
    assert first.recipe.lr == 2e-3  # the rehearsal's


def test_settings_that_are_reported_are_those_of_the_run():
    for name in ("paper", "rehearsal"):
        protocol = LIBRARY.protocol(name)
        for table in ("table1", "table3", "table7"):
            experiment = LIBRARY.experiment(table)
            for row in filter(protocol.includes, experiment.rows):
                run = protocol.configure(experiment, row, 0)
                kept = vars(run.recipe) | vars(run.model) | vars(run.data)
                for setting, found in protocol.settings(experiment, row).items():
                    if setting != "resize" or name == "rehearsal" or row.image_size is None:
                        assert found.value == kept[setting], (name, table, row.id, setting)


OWN = """
table: own
title: t
start: {from: imagenet_1k}
videos: {dataset: kinetics400}
rows: [{id: a, preset: swin_t, videos: {recipe: RECIPE}}]
"""


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ("{backbone_lr_ration: 1.0}", "did you mean 'backbone_lr_ratio'"),
        ("{epochs: 0}", "epochs: should be greater than or equal to 1, not 0"),
        ("{lr: fast}", "lr: should be a number"),
    ],
)
def test_a_rows_own_settings_are_checked(recipe, words, tmp_path):
    (tmp_path / "own.yaml").write_text(OWN.replace("RECIPE", recipe))
    with pytest.raises(ExperimentError, match=words):
        Library(tmp_path).experiment("own")


def test_a_number_is_the_same_run_however_it_is_written(tmp_path):
    ids = set()
    for ratio in ("1", "1.0"):
        recipe = f"{{backbone_lr_ratio: {ratio}}}"
        (tmp_path / "own.yaml").write_text(OWN.replace("RECIPE", recipe))
        experiment = Library(tmp_path).experiment("own")
        ids.add(PAPER.configure(experiment, experiment.rows[0], 0).run_id)
    assert len(ids) == 1


def test_runs_on_rendered_videos_have_no_estimate_and_can_be_submitted(tmp_path):
    asked = Request((plan_study("table7", "rehearsal", 1, tmp_path),), EIGHT_GPUS)
    total = estimate_all(list(asked.configs.values()), asked.store, EIGHT_GPUS)
    assert str(total).startswith("GPU-hours unknown: Moving Digits as Kinetics is rendered")
    total.require(None)
    with pytest.raises(TooExpensiveError):
        total.require(100)


def test_a_store_is_read_once_for_all_estimates(tmp_path, monkeypatch, capsys):
    """It may hold a thousand runs, and a table has a dozen rows."""
    looks, iterate = [], Store.__iter__
    monkeypatch.setattr(Store, "__iter__", lambda self: looks.append(self) or iterate(self))
    store = Store(tmp_path, "paper")
    complete(store, configured("table1", "swin_t", seed=7), 100e12, status={"gpus": 8})
    monkeypatch.setenv("COLUMNS", "200")
    list_costs("table7", "paper", str(tmp_path), 312, 0.15)
    said = capsys.readouterr().out
    assert said.count("measured, 100 TFLOP/s in other runs") == 4
    assert looks == [store]
    asked = Request((plan_study("table7", "paper", 1, tmp_path),), EIGHT_GPUS)
    looks.clear()
    total = estimate_all(list(asked.configs.values()), asked.store, EIGHT_GPUS)
    assert total.basis == "measured, 100 TFLOP/s in other runs"
    assert f"One seed: {total.gpu_hours:.3g} GPU-hours" in said
    assert looks == [store]
