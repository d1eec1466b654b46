"""Runs that start from another run's weights: loaded for real, trained once, never forgotten."""

import contextlib
import dataclasses
import json
import os

import pytest
import torch

import vswin
from tests.results import without_times
from vswin.errors import UsageError
from vswin.experiments.library import Library
from vswin.experiments.planning import plan_study
from vswin.experiments.tables import Row, Start
from vswin.launch.pool import launch, prepare
from vswin.launch.study import run_study
from vswin.models.swin.inflation import inflate_bias_table, inflate_embedding
from vswin.models.swin.model import VideoSwinTransformer
from vswin.project import experiments_dir
from vswin.runs.execute import OtherWeightsError, execute
from vswin.runs.execution import RunContext
from vswin.runs.initial import WrongInitialisationError, initial_model
from vswin.runs.lock import run_lock
from vswin.runs.reporter import Reporter
from vswin.runs.requirements import SourceNotReadyError
from vswin.runs.resources import ExecutionSettings
from vswin.runs.result import write_result
from vswin.runs.store import RunFolder, Store
from vswin.training.distributed import World
from vswin.weights.files import save_weights

LIBRARY = Library(experiments_dir())


def config(row="center", table="table9", seed=0):
    experiment = LIBRARY.experiment(table)
    return LIBRARY.protocol("smoke").configure(experiment, experiment.row(row), seed)


def prepared(tmp_path, *configs):
    return prepare(configs, Store(tmp_path, "smoke"))


def test_rows_of_tables_8_and_9_share_one_pretraining():
    rows = [("table8", "inflate"), ("table8", "center"), ("table9", "duplicate"),
            ("table9", "center")]  # fmt: skip
    configs = [config(row, table) for table, row in rows]
    assert len({c.source.run_id for c in configs}) == 1
    # The default row of both tables is one run, as it is one model in the paper.
    assert len({c.run_id for c in configs}) == 3
    assert config("center", seed=1).source.run_id != configs[0].source.run_id
    image = configs[0].source.model
    assert image.is_image_model
    assert (image.embed_dim, image.depths) == (configs[0].model.embed_dim, configs[0].model.depths)


def test_a_change_of_the_pretraining_changes_the_run():
    one = config()
    pretraining = dataclasses.replace(
        one.source, recipe=dataclasses.replace(one.source.recipe, epochs=3)
    )
    other = dataclasses.replace(one, init=dataclasses.replace(one.init, run=pretraining))
    assert other.run_id != one.run_id
    assert json.loads(json.dumps(one.identity())) == one.identity()


def test_weights_are_those_of_the_pretraining_inflated(tmp_path):
    one = config("center", "table9")
    source, folder = prepared(tmp_path, one.source, one)
    execute(source)
    reporter = Reporter(folder, 1, lambda: True, os.getppid())
    model, loaded = initial_model(RunContext(one, folder, World(), ExecutionSettings(), reporter))
    image = vswin.build_model("swin_t", **dataclasses.asdict(one.source.model))
    report = vswin.load_weights(image, source.weights)
    assert (loaded.kind, loaded.source, loaded.digest) == ("run", source.run_id, report.digest)
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


def test_a_run_does_not_begin_before_what_it_starts_from_is_complete(tmp_path):
    """Not without it, and not by training it on the side: the error says what to run first."""
    one = config()
    (folder,) = prepared(tmp_path, one)
    source = RunFolder(folder.path.with_name(one.source.run_id))
    with pytest.raises(SourceNotReadyError) as raised:
        execute(folder)
    assert f"python -m vswin.runs.execute {source.path}" in str(raised.value)
    assert folder.state() == "missing"  # no failure of its own
    # Weights are written before the result; those of a run half done are not started from.
    torch.manual_seed(1)
    save_weights(VideoSwinTransformer(one.source.model), source.weights)
    with pytest.raises(SourceNotReadyError, match="which is not complete"):
        execute(folder)
    first = execute(source)
    assert execute(folder).loaded.source_metrics == first.metrics


def test_a_pool_starts_a_run_once_its_own_pretraining_is_done_and_waits_for_no_other(tmp_path):
    one, other = config(), config(seed=1)
    run, source, held = prepared(tmp_path, one, one.source, other.source)
    seen = []
    with contextlib.ExitStack() as elsewhere:
        elsewhere.enter_context(run_lock(held.path))

        def give_up_once_done(statuses):
            if statuses[0].state == "done" and not seen:
                seen.append(statuses[2].state)
                elsewhere.close()

        found = launch(
            [run, source, held], 2, on_poll=give_up_once_done, after={one.run_id: source.run_id}
        )
    assert seen == ["running"]
    assert [s.state for s in found] == ["done"] * 3


def test_a_pretraining_whose_weights_were_removed_is_not_done(tmp_path):
    one = config()
    source, folder = prepared(tmp_path, one.source, one)
    before = execute(source)
    assert source.state() == "done"
    source.weights.unlink()  # weights are never committed
    assert source.state() == "interrupted"
    with pytest.raises(SourceNotReadyError, match="which is not complete"):
        execute(folder)
    assert without_times(execute(source)) == without_times(before)
    assert execute(folder).loaded.digest == before.weights_digest


@pytest.mark.parametrize("damage", ["cut", "foreign"])
def test_damaged_or_foreign_weights_are_not_started_from(tmp_path, damage):
    one = config()
    source, folder = prepared(tmp_path, one.source, one)
    digest = execute(source).weights_digest
    if damage == "cut":
        source.weights.write_bytes(source.weights.read_bytes()[:-100])
    else:
        save_weights(VideoSwinTransformer(one.source.model), source.weights)
    with pytest.raises(WrongInitialisationError, match="remove the file; `vswin run` then trains"):
        execute(folder)
    source.weights.unlink()
    execute(source)
    assert execute(folder).loaded.digest == digest


def test_another_machines_weights_are_not_put_in_the_place_of_lost_ones(tmp_path):
    """Rows that were started from the lost ones would be compared with rows that were not."""
    one = config()
    (source,) = prepared(tmp_path, one.source)
    before = execute(source)
    source.weights.unlink()
    lost = dataclasses.replace(before, weights_digest="0" * 64)
    write_result(source.path / "result.json", lost)
    with pytest.raises(OtherWeightsError, match="gives other weights than those that runs"):
        execute(source)
    assert not source.has_weights
    assert source.result() == lost
    assert source.state() == "failed"


def test_a_study_trains_first_what_its_runs_start_from(tmp_path):
    plan = plan_study("table9", "smoke", 1, tmp_path, rows=["duplicate", "center"])
    rows = {planned.config.run_id for planned in plan.runs}
    seen = []

    def poll(statuses):
        seen.append({s.run.run_id: s.state for s in statuses})

    found = run_study(plan, on_poll=poll)
    assert [s.run.run_id for s in found] == [planned.config.run_id for planned in plan.runs]
    (source,) = (RunFolder(path) for path in tmp_path.glob("smoke/runs/*stills*"))
    assert all(states.keys() == rows | {source.run_id} for states in seen)
    before = [states for states in seen if states[source.run_id] != "done"]
    assert before
    assert all(states[row] == "missing" for states in before for row in rows)
    assert source.result().details.tested_on == {}
    # Lost weights are trained again, if a row needs them.
    source.weights.unlink()
    assert source.state() != "done"
    (plan.folder(plan.runs[0]).path / "result.json").unlink()
    run_study(plan)
    assert source.state() == "done"
    # A complete study looks at its rows alone.
    seen.clear()
    source.weights.unlink()
    run_study(plan, on_poll=poll)
    assert {run_id for states in seen for run_id in states} == rows


def test_what_a_row_cannot_start_from_is_refused_by_name():
    experiment, protocol = LIBRARY.experiment("table8"), LIBRARY.protocol("smoke")
    row = experiment.rows[1]
    with pytest.raises(ValueError, match="no_pretraining wants `start: {from: random}`"):
        Row(id="x", preset="swin_t", control="no_pretraining")
    with pytest.raises(ValueError, match="embedding: middle is no choice of swin_t; embedding: in"):
        Row(id="x", preset="swin_t", start={"inflation": {"embedding": "middle"}})
    other = row.model_copy(update={"start": Start.model_validate({"from": "kinetics400"})})
    with pytest.raises(UsageError, match="starts from kinetics400, and protocol smoke has noth"):
        protocol.configure(experiment, other, 0)
    temporal = experiment.model_copy(update={"task": "temporal"})
    with pytest.raises(UsageError, match="nothing is pre-trained in task temporal"):
        protocol.configure(temporal, row, 0)
    bare = protocol.model_copy(update={"appearance": None})
    assert "nothing for `task: appearance`" in bare.why_not(experiment)
    with pytest.raises(UsageError, match="protocol smoke has no appearance task"):
        bare.configure(experiment, row, 0)
