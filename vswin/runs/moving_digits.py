"""Training and testing a run on Moving Digits."""

from __future__ import annotations

import dataclasses
import time

from vswin.costs.counting import cost
from vswin.data.moving_digits import GridTest, MovingDigits
from vswin.errors import UsageError
from vswin.evaluation.grid import evaluate_control, evaluate_grid
from vswin.runs.execution import Outcome, Task
from vswin.runs.initial import initial_model
from vswin.runs.result import CountedCost, DigitsDetails, Result, Seconds
from vswin.training.batch import by_step
from vswin.training.loop import Options, train
from vswin.weights.checkpoint import checkpoint_of


def train_and_test_digits(task: Task) -> Outcome:
    """Trains and tests; raises what `vswin.training.loop.train` does."""
    config, device = task.config, task.world.device
    data, test, reporter = config.data, config.test, task.reporter
    assert isinstance(data, MovingDigits)
    assert isinstance(test, GridTest)
    if task.world.size > 1 or reporter is None:
        raise UsageError("a run of the embedded benchmark takes one process; wanted --processes 1")
    model, loaded = initial_model(task)
    train_seconds = train(
        model,
        by_step(lambda step: data.batch("train", (config.seed, step), config.recipe.batch_size)),
        config.recipe,
        config.seed,
        task.folder.checkpoints,
        task.world,
        Options(on_step=reporter.step, on_epoch=reporter.epoch),
    )
    reporter.state("testing")
    start = time.perf_counter()
    evaluation = evaluate_grid(model, data, test, device)
    easy = dataclasses.replace(
        test, coherence=(data.coherence,), noise=(data.noise,), clips_per_cell=test.control_clips
    )
    in_distribution = evaluate_grid(model, data, easy, device).cells[0]
    tested_on = {
        control: evaluate_control(model, data, control, test.control_clips, device)
        for control in ("single_frame", "shuffled_frames")
        if data.frames > 1
    }
    seconds = Seconds(train_seconds, time.perf_counter() - start)
    weights = checkpoint_of(model) if config.is_pretraining else None
    counted = cost(model, (config.model.in_channels, data.frames, *[data.image_size] * 2))
    result = Result(
        metrics={"top1": evaluation.top1, "top5": evaluation.top5},
        n=len(evaluation.predictions.label),
        cost=CountedCost(counted.flops, counted.params, counted.rule),
        seconds=seconds,
        train_clips=config.recipe.steps * config.recipe.batch_size,
        execution=task.execution(micro_batch=None),
        details=DigitsDetails(
            cells=evaluation.cells,
            in_distribution=in_distribution,
            tested_on=tested_on,
        ),
        weights_digest=weights.digest if weights else None,
        loaded=loaded,
    )
    return Outcome(result, dataclasses.asdict(evaluation.predictions), weights)
