"""Runs that start from another run's weights: loaded for real, trained once, never forgotten."""

import concurrent.futures
import dataclasses
import itertools
import json
import os

import pytest
import torch

import vswin
from vswin.errors import UsageError
from vswin.experiments.library import Library
from vswin.experiments.planning import plan_study
from vswin.experiments.tables import Row
from vswin.files import write_json
from vswin.launch.pool import prepare
from vswin.launch.study import run_study
from vswin.models.swin.inflation import inflate_bias_table, inflate_embedding
from vswin.models.swin.model import VideoSwinTransformer
from vswin.project import experiments_dir
from vswin.runs.execute import OtherWeightsError, execute
from vswin.runs.execution import Task
from vswin.runs.initial import initial_model
from vswin.runs.lock import run_lock
from vswin.runs.reporter import Interrupted, Reporter
from vswin.runs.resources import Effort
from vswin.runs.store import RunFolder, Store
from vswin.training.distributed import World
from vswin.weights.files import read_checkpoint, save_weights

LIBRARY = Library(experiments_dir())


def config(row="center", table="table9", seed=0):
    experiment = LIBRARY.experiment(table)
    return LIBRARY.protocol("smoke").run_config(experiment.row(row), seed, experiment.task)


def prepared(tmp_path, *configs):
    return prepare(configs, Store(tmp_path, "smoke"))


def without_times(result):
    return {k: v for k, v in result.items() if k not in ("seconds", "clips_per_second")}


def test_rows_of_tables_8_and_9_share_one_pretraining():
    rows = [("table8", "inflate"), ("table8", "center"), ("table9", "duplicate"),
            ("table9", "center")]  # fmt: skip
    configs = [config(row, table) for table, row in rows]
    assert len({c.init.pretraining.run_id for c in configs}) == 1
    # The default row of both tables is one run, as it is one model in the paper.
    assert len({c.run_id for c in configs}) == 3
    assert config("center", seed=1).init.pretraining.run_id != configs[0].init.pretraining.run_id
    image = configs[0].init.pretraining.model
    assert image.is_image_model
    assert (image.embed_dim, image.depths) == (configs[0].model.embed_dim, configs[0].model.depths)


def test_a_change_of_the_pretraining_changes_the_run():
    one = config()
    pretraining = dataclasses.replace(
        one.init.pretraining, recipe=dataclasses.replace(one.init.pretraining.recipe, epochs=3)
    )
    other = dataclasses.replace(one, init=dataclasses.replace(one.init, pretraining=pretraining))
    assert other.run_id != one.run_id
    assert json.loads(json.dumps(one.identity())) == one.identity()


def test_weights_are_those_of_the_pretraining_inflated(tmp_path):
    one = config("center", "table9")
    (folder,) = prepared(tmp_path, one)
    reporter = Reporter(folder, 1, lambda: True, os.getppid())
    model, loaded = initial_model(
        Task(one, folder, World(), Effort(), reporter, lambda other: execute(other) and None)
    )
    source = folder.path.with_name(one.init.pretraining.run_id)
    image = vswin.build_model("swin_t", **dataclasses.asdict(one.init.pretraining.model))
    report = vswin.load_weights(image, source / "weights.safetensors")
    assert loaded["digest"] == report.digest
    assert loaded["pretraining"] == source.name
    assert loaded["fresh"] == ["head.weight", "head.bias"]
    theirs = image.state_dict()
    for name, value in model.state_dict().items():
        if name.startswith("head."):
            continue
        wanted = theirs[name]
        if name == "patch_embed.proj.weight":
            wanted = inflate_embedding(wanted.squeeze(2), 2, "inflate")
        elif name.endswith("bias_table"):
            wanted = inflate_bias_table(wanted, one.model.window_size, "center")
            assert (wanted == -4.6).any()
        assert torch.equal(value, wanted), name


def test_the_result_is_the_same_whoever_trained_the_2d_model(tmp_path):
    one = config()
    (inline,) = prepared(tmp_path / "inline", one)
    first = execute(inline)
    source, other = prepared(tmp_path / "before", one.init.pretraining, one)
    execute(source)
    torch.rand(7)  # whatever else happened in the process
    assert without_times(execute(other)) == without_times(first)
    assert first["initialisation"]["pretraining_top1"] == source.result()["top1"]


def test_weights_that_were_removed_are_trained_again_not_replaced_by_random_ones(tmp_path):
    one = config()
    source, folder = prepared(tmp_path, one.init.pretraining, one)
    before = execute(source)
    digest = vswin.load_weights(
        vswin.build_model("swin_t", **dataclasses.asdict(one.init.pretraining.model)),
        source.weights,
    ).digest
    source.weights.unlink()  # a results folder that was committed has none
    assert execute(folder)["initialisation"]["digest"] == digest
    assert without_times(source.result()) == without_times(before)


@pytest.mark.parametrize("damage", ["cut", "foreign"])
def test_damaged_or_foreign_weights_are_made_again_not_started_from(tmp_path, damage):
    one = config()
    source, folder = prepared(tmp_path, one.init.pretraining, one)
    digest = execute(source)["weights_digest"]
    if damage == "cut":
        source.weights.write_bytes(source.weights.read_bytes()[:-100])
    else:
        save_weights(VideoSwinTransformer(one.init.pretraining.model), source.weights)
    assert execute(folder)["initialisation"]["digest"] == digest
    assert read_checkpoint(source.weights).digest == digest


def test_another_machines_weights_are_not_put_in_the_place_of_lost_ones(tmp_path):
    """Rows that were started from the lost ones would be compared with rows that were not."""
    one = config()
    source, folder = prepared(tmp_path, one.init.pretraining, one)
    before = execute(source)
    source.weights.unlink()
    result = json.loads((source.path / "result.json").read_text())
    write_json(source.path / "result.json", result | {"weights_digest": "0" * 64})
    with pytest.raises(OtherWeightsError, match="gives other weights than those that runs"):
        execute(folder)
    assert not source.can_be_started_from
    assert source.result() | {"weights_digest": before["weights_digest"]} == before
    assert folder.state() == "failed"


def test_two_runs_that_need_the_same_pretraining_train_it_once(tmp_path):
    folders = prepared(tmp_path, config("duplicate"), config("center"))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = list(pool.map(execute, folders))
    first, second = (result["initialisation"] for result in results)
    (source,) = (RunFolder(path) for path in tmp_path.glob("smoke/runs/*stills*"))
    assert first["digest"] == second["digest"] == source.result()["weights_digest"]
    assert first["pretraining_top1"] == second["pretraining_top1"] == source.result()["top1"]
    assert source.status()["attempt"] == 1


def test_weights_without_a_result_are_not_started_from(tmp_path):
    """They are written first; a run that looked in between would start from a run half done."""
    one = config()
    source, folder = prepared(tmp_path, one.init.pretraining, one)
    torch.manual_seed(1)
    save_weights(VideoSwinTransformer(one.init.pretraining.model), source.weights)
    assert not source.can_be_started_from
    stray = read_checkpoint(source.weights).digest
    loaded = execute(folder)["initialisation"]
    assert loaded["digest"] == source.result()["weights_digest"] != stray


def test_a_run_that_waits_for_a_pretraining_stops_with_its_parent(tmp_path):
    one = config()
    source, folder = prepared(tmp_path, one.init.pretraining, one)
    nobody = 2**22 + 1
    with run_lock(source.path), pytest.raises(Interrupted, match="started this run is gone"):
        execute(folder, parent=nobody)
    assert folder.state() == "interrupted"
    assert source.state() == "pending"


def test_a_study_trains_first_what_its_runs_start_from(tmp_path):
    plan = plan_study("table9", "smoke", 1, tmp_path, rows=["duplicate", "center"])
    seen = []
    run_study(plan, on_poll=lambda snapshots: seen.append({s.run.run_id for s in snapshots}))
    (source,) = (RunFolder(path) for path in tmp_path.glob("smoke/runs/*stills*"))
    stages = [ids for ids, _ in itertools.groupby(seen)]
    assert stages == [{source.run_id}, {planned.config.run_id for planned in plan.runs}]
    assert source.result()["tested_on"] == {}
    # Lost weights are trained again in that first stage, if a row needs them.
    source.weights.unlink()
    assert source.state() != "done"
    (plan.folder(plan.runs[0]).path / "result.json").unlink()
    seen.clear()
    run_study(plan, on_poll=lambda snapshots: seen.append({s.run.run_id for s in snapshots}))
    assert seen[0] == {source.run_id}
    assert source.state() == "done"
    # A complete study looks at its rows alone.
    seen.clear()
    source.weights.unlink()
    run_study(plan, on_poll=lambda snapshots: seen.append({s.run.run_id for s in snapshots}))
    assert {run_id for ids in seen for run_id in ids} == stages[1]


def test_a_pretraining_that_nothing_stands_for_is_refused_by_name():
    experiment = LIBRARY.experiment("table8")
    row = experiment.rows[0].model_copy(
        update={"init": experiment.rows[0].init.model_copy(update={"dataset": "imagenet_21k"})}
    )
    protocol = LIBRARY.protocol("smoke")
    with pytest.raises(ValueError, match="no_pretraining excludes init"):
        Row(id="x", preset="swin_t", control="no_pretraining", init={"dataset": "imagenet_1k"})
    with pytest.raises(UsageError, match="starts from imagenet_21k, for which protocol smoke"):
        protocol.run_config(row, 0, "appearance")
    with pytest.raises(UsageError, match="in task temporal"):
        protocol.run_config(row, 0)
    bare = protocol.model_copy(update={"appearance": None})
    with pytest.raises(UsageError, match="protocol smoke has no appearance task"):
        bare.run_config(row, 0, "appearance")
