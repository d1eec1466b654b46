"""The paper's whole way in small, on real video files, by the commands that a user types.

Kinetics' layout (MP4) and Something-Something's (WebM), from 2D weights over the video model that
stands for the Kinetics-400 one to Table 3, two processes for each run, one of them killed.
"""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests import command
from vswin.experiments.planning import plan_study
from vswin.runs.evaluated import Evaluations
from vswin.runs.store import Store
from vswin.weights.files import read_checkpoint

pytestmark = pytest.mark.heavy
CLIPS = ("--frames", "8", "--stride", "8")  # the size follows from the window


def vswin(data, *args, check=True):
    done = command.vswin(*args, env={"VSWIN_DATA": str(data)})
    assert done.returncode == 0 or not check, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The data file of both trees."""
    folder = tmp_path_factory.mktemp("digits")
    for layout in ("kinetics", "ssv2"):
        args = ("data", "make-digits", folder, "--layout", layout, "--train", 300, "--test", 60)
        vswin(folder / "data.yaml", *args)
    return folder / "data.yaml"


@pytest.fixture(scope="module")
def store(data, tmp_path_factory):
    """Table 3's rehearsal, killed once while it trained, and finished by the same command."""
    results = tmp_path_factory.mktemp("results")
    words = ("run", "table3", "--protocol", "rehearsal", "--processes", 2)
    words = (*words, "--results-dir", results, "--checkpoint-minutes", 0.01)
    (planned,) = plan_study("table3", "rehearsal", 1, results).runs
    folder = Store(results, "rehearsal").run(planned.config.run_id)
    first = subprocess.Popen(
        [sys.executable, "-m", "vswin", *map(str, words)],
        env=os.environ | {"VSWIN_DATA": str(data)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 900
    while folder.status().get("epoch", 0) < 5:
        assert first.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(folder.status()["pid"], signal.SIGKILL)  # its other process dies with it
    assert first.wait(timeout=60) == 1
    vswin(data, *words)
    return Store(results, "rehearsal")


@pytest.fixture(scope="module")
def runs(store):
    """The three runs: images, Kinetics' stand-in, Something-Something's."""
    (planned,) = plan_study("table3", "rehearsal", 1, store.results_dir).runs
    motion = planned.config
    kinetics = motion.source
    images = kinetics.source
    return [store.run(config.run_id) for config in (images, kinetics, motion)]


def test_every_stage_is_well_above_chance(runs):
    images, kinetics, motion = (run.result() for run in runs)
    assert images.metrics["top1"] > 0.5  # of ten classes
    assert kinetics.metrics["top1"] > 0.5
    assert motion.metrics["top1"] > 3 / 12  # of twelve
    assert motion.n == motion.details.present == 60
    found = images, kinetics, motion
    assert [r.details.views for r in found] == ["1×1", "4×3", "1×3"]
    assert {r.execution.processes for r in found} == {2}


def test_each_stage_started_from_the_one_before(runs):
    images, kinetics, motion = runs
    loaded = kinetics.result().loaded
    assert loaded.digest == read_checkpoint(images.weights).digest
    assert loaded.inflation == {"embedding": "inflate", "bias": "duplicate"}
    loaded = motion.result().loaded
    assert loaded.digest == read_checkpoint(kinetics.weights).digest


def test_the_killed_run_went_on(runs):
    motion = runs[2]
    assert motion.status()["attempt"] == 2
    metrics = motion.metrics()
    assert [line["epoch"] for line in metrics] == list(range(1, 31))
    assert metrics[-1]["loss"] < metrics[0]["loss"]
    assert sum(line["replaced"] for line in metrics) == 0


def test_eval_gives_what_the_run_gave(data, runs, tmp_path):
    out = tmp_path / "predictions.npz"
    for processes in (1, 2):
        done = vswin(
            data,
            *("eval", "--weights", runs[2].weights, "--data", "digits_ssv2", *CLIPS, "--json"),
            *("--processes", processes, "--output", out, "--results-dir", tmp_path / "results"),
        )
        facts = json.loads(done.stdout)
        (kept,) = Evaluations(tmp_path / "results").read()  # the second in the place of the first
        assert (kept.metrics["top1"], kept.n, kept.present) == (facts["top1"], 60, 60)
        assert facts["top1"] == runs[2].result().metrics["top1"]
        assert facts["top1_low"] < facts["top1"] < facts["top1_high"]
        assert facts["n"] == facts["n_present"] == 60
        kept = np.load(out)
        assert (kept["top1"] == runs[2].predictions()["top1"]).all()
        assert len(set(kept["id"])) == 60


def test_predict_names_what_a_video_shows(data, runs):
    kinetics, hits = runs[1], 0
    for digit in (3, 7):
        video = next((data.parent / "kinetics" / "test" / f"digit {digit}").glob("*.mp4"))
        words = ("predict", video, "--weights", kinetics.weights, *CLIPS, "--json")
        done = vswin(data, *words, "--dataset", "digits_kinetics")
        answers = json.loads(done.stdout)
        assert sum(answer["score"] for answer in answers) < 1.00001
        hits += answers[0]["class"] == f"digit {digit}"
    assert hits >= 1
    done = vswin(data, "predict", data, "--weights", kinetics.weights, *CLIPS, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {data} cannot be read as a video")
    assert len(done.stderr.splitlines()) == 1


def test_the_report_says_what_it_rests_on(data, store):
    done = vswin(
        data,
        *("report", "table3", "--protocol", "rehearsal", "--results-dir", store.results_dir),
    )
    assert "Tested on 60 videos present of 60 listed" in done.stdout
    page = (store.results_dir / "reports" / "table3.rehearsal.md").read_text()
    assert "Recipe: official" in page
    assert "| label_smoothing | 0.1 | all | swin_base_window1677_sthv2: LabelSmoothing |" in page
    assert "0 of 8640 training clips stood for a video" in page
    assert "not comparable" in page
    assert "Printed accuracies beside ours" not in page


def test_list_says_that_it_is_done_and_what_paper_lacks(data, store):
    where = ("--results-dir", store.results_dir)
    assert "done" in vswin(data, "list", "table3", "--protocol", "rehearsal", *where).stdout
    lacking = vswin(data, "list", "table3", "--protocol", "paper", *where).stdout
    assert "ssv2, train split: not in data.yaml" in lacking
    assert "weights swin_base_patch244_window1677_kinetics400_22k.pth" in lacking
    hours = vswin(data, "list", "table3", "--protocol", "paper", "--cost", *where).stdout
    assert "One seed:" in hours
    assert "15 % of a GPU's 312 TFLOP/s, as declared, not measured" in hours


def test_the_rendered_trees_pass_the_check_and_are_not_rendered_twice(data):
    for dataset in ("digits_kinetics", "digits_ssv2"):
        state = data.parent / f"{dataset}.jsonl"
        done = vswin(data, "data", "check", dataset, "--json", "--state", state)
        assert json.loads(done.stdout)
    video = next((data.parent / "ssv2" / "videos").glob("*.webm"))
    before = video.stat().st_mtime_ns
    args = ("data", "make-digits", data.parent, "--layout", "ssv2", "--test", 60)
    vswin(data, *args, "--train", 300)
    assert video.stat().st_mtime_ns == before
    done = vswin(data, *args, "--train", 299, check=False)
    assert done.returncode == 2
    assert "holds videos of other settings" in done.stderr
