"""What a fine-tuned backbone still knows of its images: exact where it can be said beforehand."""

import os

import pytest
import torch

from tools.calibrate_proxy import Candidate, line_of
from vswin.experiments.library import Library
from vswin.launch.pool import prepare
from vswin.project import experiments_dir
from vswin.report import load_study
from vswin.report.claims.sources import measured
from vswin.runs.execute import execute
from vswin.runs.execution import RunContext
from vswin.runs.initial import initial_model
from vswin.runs.reporter import Reporter
from vswin.runs.resources import ExecutionSettings
from vswin.runs.stills import stills_kept
from vswin.runs.store import Store
from vswin.training.distributed import World

LIBRARY = Library(experiments_dir())
ONE_IMAGE = 1 / 40
"""Of the 40 that smoke tests with; numbers that are added in another order may tip one."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A pre-training that is complete, and a run from it that is not."""
    experiment = LIBRARY.experiment("table7")
    config = LIBRARY.protocol("smoke").configure(experiment, experiment.row("ratio_1_0_21k"), 0)
    store = Store(tmp_path_factory.mktemp("results"), "smoke")
    source, folder = prepare([config.source, config], store)
    execute(source)
    return config, source, folder


def context_of(config, folder):
    reporter = Reporter(folder, 1, lambda: True, os.getppid())
    return RunContext(config, folder, World(), ExecutionSettings(), reporter)


def test_a_backbone_that_was_not_trained_knows_what_the_image_model_knew(runs):
    config, source, folder = runs
    context = context_of(config, folder)
    found = stills_kept(context, initial_model(context)[0])
    assert found.before == pytest.approx(source.result().metrics["top1"], abs=ONE_IMAGE)
    assert found.after == found.before
    assert found.moved == 0


def test_a_backbone_without_weights_knows_nothing_and_has_moved_by_its_length(runs):
    config, _, folder = runs
    context = context_of(config, folder)
    model, _ = initial_model(context)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.mul_(float(name.startswith("head.")))
    found = stills_kept(context, model)
    assert found.after == 1 / 10  # one answer for all, and as many images of each digit
    assert found.moved == pytest.approx(1)


def test_a_run_says_what_it_kept_and_a_study_has_it_by_seed(runs):
    _, source, folder = runs
    result = execute(folder)
    kept = result.details.stills
    assert kept.before == pytest.approx(source.result().metrics["top1"], abs=ONE_IMAGE)
    assert 0 < kept.moved < 1
    study = load_study("table7", "smoke", results_dir=folder.path.parents[2])
    assert study.by_seed("ratio_1_0_21k", "stills") == {0: 100 * kept.after}
    easiest = result.details.easiest
    assert study.by_seed("ratio_1_0_21k", "easiest") == {0: 100 * easiest.metrics["top1"]}
    assert study.by_seed("ratio_1_0_21k", "order") == {}  # digits and directions have none
    assert source.result().details.stills is None  # it started from random numbers


def test_claims_and_the_calibration_count_the_same(runs):
    config, _, folder = runs
    kept = 100 * execute(folder).details.stills.after  # complete already, or else now
    study = load_study("table7", "smoke", results_dir=folder.path.parents[2])
    assert measured(study, "ratio_1_0_21k", "stills") == {0: kept}
    line = line_of(Candidate("table7.ratio_1_0_21k", config), folder)
    assert line["stills_accuracy"] == kept
