"""Training and testing a run on Moving Digits."""

from __future__ import annotations

import dataclasses
import time

import numpy as np

from vswin.data.moving_digits import GridTest, MovingDigits
from vswin.errors import UsageError
from vswin.evaluation.grid import evaluate_control, evaluate_grid
from vswin.runs.execution import Outcome, RunContext
from vswin.runs.initial import initial_model
from vswin.runs.result import DigitsDetails, Result, Seconds
from vswin.runs.stills import stills_kept
from vswin.training.batch import by_step
from vswin.training.loop import Options, train
from vswin.weights.checkpoint import checkpoint_of


def train_and_test_digits(context: RunContext) -> Outcome:
    """Trains and tests; raises what `vswin.training.loop.train` does."""
    config, device = context.config, context.world.device
    data, test, reporter = config.data, config.test, context.reporter
    assert isinstance(data, MovingDigits)
    assert isinstance(test, GridTest)
    if context.world.size > 1 or reporter is None:
        raise UsageError("a run of the embedded benchmark takes one process; wanted --processes 1")
    model, loaded = initial_model(context)
    train_seconds = train(
        model,
        by_step(lambda step: data.batch("train", (config.seed, step), config.recipe.batch_size)),
        config.recipe,
        config.seed,
        context.folder.checkpoints,
        context.world,
        Options(on_step=reporter.step, on_epoch=reporter.epoch),
        config.task,
    )
    reporter.state("testing")
    start = time.perf_counter()
    evaluation = evaluate_grid(model, data, test, device, config.task)
    easy = dataclasses.replace(
        test,
        coherence=(float(np.max(data.coherence)),),
        noise=(float(np.min(data.noise)),),
        clips_per_cell=test.control_clips,
    )
    easiest = evaluate_grid(model, data, easy, device, config.task).cells[0]
    tested_on = {
        control: evaluate_control(model, data, control, test.control_clips, device, config.task)
        for control in ("single_frame", "shuffled_frames")
        if data.frames > 1
    }
    stills = stills_kept(context, model)
    seconds = Seconds(train_seconds, time.perf_counter() - start)
    weights = checkpoint_of(model) if config.is_pretraining else None
    result = Result(
        metrics=evaluation.metrics,
        n=len(evaluation.predictions["cell"]),
        cost=context.cost(data.image_size),
        seconds=seconds,
        train_clips=config.recipe.steps * config.recipe.batch_size,
        execution=context.execution(micro_batch=None),
        details=DigitsDetails(
            cells=evaluation.cells,
            easiest=easiest,
            tested_on=tested_on,
            stills=stills,
        ),
        weights_digest=weights.digest if weights else None,
        loaded=loaded,
    )
    return Outcome(result, evaluation.predictions, weights)
