"""Runs on videos: killed at any step, begun without what they start from, continued elsewhere."""

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from tests import processes
from tests.results import without_times
from vswin.data.clips import VideoData, ViewsTest
from vswin.data.data_file import VARIABLE, MissingDataError, load_sources
from vswin.data.render_digits import make_digits
from vswin.files import read_json
from vswin.launch.study import RunsFailedError, run_configs
from vswin.models.registry import resolve_config
from vswin.models.swin.config import PRESETS
from vswin.runs.config import FromCheckpoint, FromRun, RunConfig, TestOnly
from vswin.runs.execute import execute
from vswin.runs.initial import WrongInitialisationError
from vswin.runs.requirements import SourceNotReadyError, missing_inputs, require_inputs
from vswin.runs.resources import ExecutionSettings
from vswin.runs.store import Store
from vswin.runs.videos import OtherInputsError
from vswin.training.distributed import World
from vswin.training.recipe import Recipe
from vswin.weights.files import read_checkpoint, save_weights
from vswin.weights.local import record, record_of

IMAGES = RunConfig(
    preset="swin_t",
    model=resolve_config(
        "swin_t",
        embed_dim=8,
        depths=(1, 1),
        num_heads=(1, 2),
        num_classes=10,
        patch_size=(1, 4, 4),
        window_size=(1, 2, 2),
    ),
    data=VideoData("digits_kinetics", frames=1, stride=1, size=16, resize=18),
    recipe=Recipe(epochs=1, batch_size=4, lr=1e-3, linear_std="fan_in"),
    test=ViewsTest(1, 1),
    seed=0,
)
TINY = dataclasses.replace(
    IMAGES,
    model=resolve_config(
        "swin_t",
        embed_dim=8,
        depths=(1, 1),
        num_heads=(1, 2),
        num_classes=10,
        window_size=(2, 2, 2),
        drop_path=0.2,
    ),
    data=VideoData(
        "digits_kinetics", frames=4, stride=8, size=16, resize=18, rand_augment=(2, 7), erasing=0.5
    ),
    recipe=dataclasses.replace(IMAGES.recipe, epochs=3, label_smoothing=0.1, cosine_by="epoch"),
    test=ViewsTest(2, 3),
    init=FromRun(IMAGES, {"embedding": "center"}),
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """The data file of a rendered tree: 20 training and 6 test videos."""
    return make_digits(tmp_path_factory.mktemp("digits"), "kinetics", 20, 6)


@pytest.fixture(autouse=True)
def _data(monkeypatch, request):
    monkeypatch.setenv(VARIABLE, str(request.getfixturevalue("tree")))


def folder_of(tmp_path, config=TINY):
    folder = Store(tmp_path, "rehearsal").run(config.run_id)
    folder.create(config)
    return folder


def facts(folder):
    """Everything that a run ends with but times."""
    timed = ("clips_per_second", "train_seconds")
    result = without_times(folder.result())
    metrics = [{k: v for k, v in line.items() if k not in timed} for line in folder.metrics()]
    predictions = {k: v.tolist() for k, v in folder.predictions().items()}
    return result, metrics, predictions, read_checkpoint(folder.weights).digest


def start(folder, *options, environment=None):
    words = (folder.path, "--threads", "1", *options)
    return processes.start("vswin.runs.execute", *words, env=environment)


@pytest.fixture(scope="module")
def calm(tree, tmp_path_factory):
    """A run that nothing happened to, and its pre-training."""
    place = tmp_path_factory.mktemp("calm")
    images, folder = folder_of(place, IMAGES), folder_of(place)
    for run in (images, folder):
        assert start(run, environment=os.environ | {VARIABLE: str(tree)}).wait() == 0
    return folder


def pretrained_folder(calm, tmp_path):
    """A run's folder beside that of the complete pre-training that it starts from."""
    folder = folder_of(tmp_path)
    shutil.copytree(calm.path.with_name(IMAGES.run_id), folder.path.with_name(IMAGES.run_id))
    return folder


def test_a_run_that_is_killed_at_any_step_ends_like_one_that_was_not(calm, tmp_path):
    folder = pretrained_folder(calm, tmp_path)
    # Killed in the middle of epochs, then just after one.
    options = ("--checkpoint-minutes", "0.0000001")
    waits = (2, 5, 8, 13)
    kills = 0
    for step in waits:
        process = start(folder, *options)
        deadline = time.monotonic() + 100
        while process.poll() is None:
            assert time.monotonic() < deadline
            reached = [int(p.stem[5:]) for p in folder.checkpoints.glob("step-*.pt")]
            if reached and max(reached) >= step:
                process.send_signal(signal.SIGKILL)
                kills += process.wait() == -signal.SIGKILL
                break
            time.sleep(0.002)
    assert kills == len(waits)
    assert start(folder, *options).wait() == 0
    assert folder.status()["attempt"] >= 4
    assert facts(folder) == facts(calm)
    assert list(folder.checkpoints.iterdir()) == []


def test_the_means_of_a_run_do_not_change_what_it_ends_with(calm, tmp_path):
    folder = pretrained_folder(calm, tmp_path)
    execute(folder, World(), ExecutionSettings(workers=2, checkpoint_minutes=1e-9))
    assert facts(folder) == facts(calm)


def test_what_a_complete_run_says(calm):
    result = calm.result()
    assert (result.n, result.details.present, result.details.views) == (6, 6, "2×3")
    assert (result.train_clips, result.details.replaced) == (60, 0)
    assert (result.loaded.kind, result.loaded.source) == ("run", IMAGES.run_id)
    assert result.loaded.inflation == {"embedding": "center", "bias": "duplicate"}
    source = read_checkpoint(calm.path.with_name(IMAGES.run_id) / "weights.safetensors")
    assert result.loaded.digest == source.digest
    assert result.details.inputs.train.listed == 20
    assert calm.state() == "done"
    assert [line["epoch"] for line in calm.metrics()] == [1, 2, 3]
    top1 = calm.predictions()["top1"] == calm.predictions()["label"]
    assert result.metrics["top1"] == pytest.approx(top1.mean())


def test_two_processes_do_the_same_run(calm, tmp_path):
    folder = pretrained_folder(calm, tmp_path)
    process = start(folder, "--processes", "2")
    assert process.wait(timeout=200) == 0
    result, metrics, predictions, _ = facts(folder)
    expected, lines, scores, _ = facts(calm)
    assert result["execution"]["processes"] == 2
    assert predictions["label"] == scores["label"]
    assert np.allclose(predictions["score"], scores["score"], atol=0.02)
    assert [m["loss"] for m in metrics] == pytest.approx([m["loss"] for m in lines], abs=0.1)
    for split in ("train", "test"):
        assert result["details"]["inputs"][split] == expected["details"]["inputs"][split]


def children(pid):
    """Processes that a process has started and that live."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and state != "Z":
                found.append(int(path.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
def test_if_one_process_dies_the_run_ends_and_can_be_resumed(calm, tmp_path):
    folder = pretrained_folder(calm, tmp_path)
    process = start(folder, "--processes", "2", "--checkpoint-minutes", "0.0000001")
    deadline = time.monotonic() + 100
    while not list(folder.checkpoints.glob("step-*.pt")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (other,) = children(process.pid)
    os.kill(other, signal.SIGKILL)
    assert process.wait(timeout=60) == 1
    assert folder.state() == "failed"
    assert (
        "process 1 of 2" in folder.error()["message"] or "Connection" in folder.error()["message"]
    )
    assert start(folder, "--processes", "2").wait(timeout=200) == 0
    assert folder.state() == "done"


def test_a_run_refuses_to_start_without_its_initialisation(tmp_path, monkeypatch, tree, calm):
    init = FromCheckpoint("swin_tiny_patch4_window7_224.pth", "2d")
    config = dataclasses.replace(TINY, init=init)
    folder = folder_of(tmp_path, config)
    with pytest.raises(MissingDataError, match=r"no swin_tiny.*never silently from random ones"):
        execute(folder)
    assert folder.state() == "failed"
    assert folder.error()["type"] == "MissingDataError"
    assert not list(folder.checkpoints.glob("*"))  # not one step
    with pytest.raises(MissingDataError, match="weights swin_tiny"):
        require_inputs([config], Store(tmp_path, "rehearsal"))

    data = tmp_path / "data.yaml"
    data.write_text(
        tree.read_text().replace("kinetics/", f"{tree.parent}/kinetics/") + "weights: [.]\n"
    )
    monkeypatch.setenv(VARIABLE, str(data))
    # A file of that name that holds something else: a trained video model.
    (tmp_path / init.file).unlink(missing_ok=True)
    save_weights(read_checkpoint(calm.weights), tmp_path / init.file, "official_video")
    with pytest.raises(WrongInitialisationError, match=r"starts from swin_tiny.*video"):
        execute(folder)
    # The right one.
    source = calm.path.with_name(IMAGES.run_id) / "weights.safetensors"
    save_weights(read_checkpoint(source), tmp_path / init.file, "official_2d")
    assert missing_inputs(config, Store(tmp_path, "rehearsal"), load_sources()) == []
    # Another file was downloaded under that name.
    record(tmp_path / init.file, "0" * 64)
    with pytest.raises(WrongInitialisationError, match="has changed since it was downloaded"):
        execute(folder)
    record_of(tmp_path / init.file).unlink()
    result = execute(folder)
    assert (result.loaded.kind, result.loaded.source) == ("file", init.file)
    assert result.loaded.digest == read_checkpoint(source).digest


def test_other_weights_than_the_declared_ones_are_refused(tmp_path, monkeypatch, tree, calm):
    init = FromCheckpoint("images.pth", "2d", digest="0" * 64)
    source = read_checkpoint(calm.path.with_name(IMAGES.run_id) / "weights.safetensors")
    save_weights(source, tmp_path / "images.pth", "official_2d")
    data = tmp_path / "data.yaml"
    data.write_text(
        tree.read_text().replace("kinetics/", f"{tree.parent}/kinetics/") + "weights: [.]\n"
    )
    monkeypatch.setenv(VARIABLE, str(data))
    config = dataclasses.replace(TINY, init=init)
    folder = folder_of(tmp_path, config)
    folder.path.joinpath("run.json").unlink()
    folder.create(config)
    with pytest.raises(WrongInitialisationError, match=f"digest is {source.digest}, wanted 0000"):
        execute(folder)


def test_a_run_is_not_continued_with_other_videos(tmp_path, monkeypatch, tree):
    folder = folder_of(tmp_path, IMAGES)
    inputs = {"train": {"listed": 3}, "test": {"listed": 6}, "initial_weights": None}
    (folder.path / "inputs.json").write_text(json.dumps(inputs))
    with pytest.raises(OtherInputsError, match=r"begun with other inputs \(train, test\)"):
        execute(folder)
    assert read_json(folder.path / "inputs.json") == inputs


def test_weights_that_were_removed_are_not_trained_again_unasked(calm, tmp_path):
    folder = pretrained_folder(calm, tmp_path)
    (folder.path.with_name(IMAGES.run_id) / "weights.safetensors").unlink()
    with pytest.raises(SourceNotReadyError, match="is missing: put it back, or remove the folder"):
        execute(folder)
    assert folder.state() == "missing"


def test_a_row_that_only_tests_another_rows_model(calm, tmp_path):
    more = dataclasses.replace(TINY, test=ViewsTest(10, 5), init=TestOnly(TINY))
    folder = folder_of(tmp_path, more)
    for name in (IMAGES.run_id, TINY.run_id):
        shutil.copytree(calm.path.with_name(name), folder.path.with_name(name))
    result = execute(folder)
    assert result.details.views == "10×5"
    assert result.weights_digest == calm.result().weights_digest
    assert (result.train_clips, result.clips_per_second) == (0, None)
    same = dataclasses.replace(more, test=TINY.test)
    folder = folder_of(tmp_path, same)
    assert execute(folder).metrics == calm.result().metrics


def test_a_pool_runs_pretraining_first_and_says_what_is_missing(tmp_path, calm):
    store = Store(tmp_path, "rehearsal")
    snapshots = run_configs(
        [TINY, TINY], store, jobs=1, settings=ExecutionSettings(checkpoint_minutes=1e-9)
    )
    assert [s.state for s in snapshots] == ["done"]
    assert facts(snapshots[0].run) == facts(calm)
    elsewhere = dataclasses.replace(
        TINY,
        data=dataclasses.replace(TINY.data, dataset="kinetics400"),
        model=dataclasses.replace(PRESETS["swin_t"]),
    )
    with pytest.raises(MissingDataError, match=r"kinetics400, train split: not in data.yaml"):
        run_configs([elsewhere], store)
    assert not store.run(elsewhere.run_id).path.exists()  # nothing was begun


def test_a_run_that_fails_takes_only_those_with_it_that_start_from_it(tmp_path):
    bad = dataclasses.replace(IMAGES, recipe=dataclasses.replace(IMAGES.recipe, lr=1e30))
    never = dataclasses.replace(IMAGES, model=TINY.model, init=FromRun(bad))
    alone = dataclasses.replace(IMAGES, seed=1)
    store = Store(tmp_path, "rehearsal")
    with pytest.raises(RunsFailedError) as raised:
        run_configs([never, alone], store, jobs=1)
    first, failed, skipped = str(raised.value).splitlines()
    assert first == "2 of 3 runs did not complete:"
    assert bad.run_id in failed
    assert "DivergedError" in failed
    assert skipped == f"  {never.run_id}: not started, for it starts from one of those"
    assert store.run(alone.run_id).state() == "done"
