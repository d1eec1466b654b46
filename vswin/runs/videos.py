"""Training and testing a run on videos (section 4.1)."""

from __future__ import annotations

import dataclasses
import time

from torch import nn

from vswin.data.annotations import VideoList
from vswin.data.data_file import MissingDataError, load_sources
from vswin.data.datasets import class_names
from vswin.data.datasets import dataset as known_dataset
from vswin.data.listed import listed_videos, require_apart
from vswin.data.video_data import VideoData, ViewsTest
from vswin.errors import VswinError
from vswin.evaluation.views import VideoEvaluation, evaluate_videos
from vswin.files import read_json, write_json
from vswin.runs.execution import Outcome, RunContext
from vswin.runs.initial import initial_model
from vswin.runs.result import (
    Inputs,
    ListOfVideos,
    Loaded,
    Result,
    Seconds,
    VideosDetails,
)
from vswin.training.feeding import video_batches
from vswin.training.loop import Options, train
from vswin.training.recipe import Recipe
from vswin.training.validation import Validation, latest_best
from vswin.weights.checkpoint import checkpoint_of
from vswin.weights.files import save_weights


class OtherInputsError(VswinError):
    """A run that was begun is continued with other videos or other initial weights."""


def train_and_test_videos(context: RunContext) -> Outcome:
    """Trains and tests; raises what `train` and `evaluate_videos` do.

    Raises:
        MissingDataError: if this machine lacks the videos or weights.
        OtherInputsError: if the run was begun with other ones.
        AnnotationError: if a video is in two splits.
    """
    config, reporter = context.config, context.reporter
    data, test = config.data, config.test
    assert isinstance(data, VideoData)
    assert isinstance(test, ViewsTest)
    sources = load_sources()
    training = listed_videos(sources, data.dataset, "train")
    testing = listed_videos(sources, data.dataset, "test")
    validating = None
    if config.is_trained and config.recipe.patience is not None:
        validating = listed_videos(sources, data.dataset, "validation")
    lists = [*filter(None, (training, validating, testing))]
    for videos in lists:
        _require_some(videos)
    if validating or known_dataset(data.dataset).is_own:  # published lists are what they are
        require_apart(*lists)
    recipe = config.recipe.for_clips(len(training.videos))
    model, loaded = initial_model(context)
    inputs = Inputs(
        _about(training),
        _about(testing),
        loaded.digest if loaded else None,
        _about(validating) if validating else None,
    )
    _require_same_inputs(context, inputs)
    train_seconds = 0.0
    if config.is_trained:
        validation = _validation(context, model, validating) if validating else None
        train_seconds = _train(context, model, training, recipe, validation)
    context.state("testing")
    start = time.perf_counter()
    evaluation = evaluate_videos(
        model,
        testing,
        data,
        test,
        context.world,
        recipe.precision,
        context.settings.workers,
        context.folder.checkpoints,
        reporter.video if reporter is not None else lambda done, videos: None,
        config.task,
    )
    seconds = Seconds(train_seconds, time.perf_counter() - start)
    return _outcome(context, model, recipe, evaluation, inputs, loaded, seconds)


def _validation(context: RunContext, model: nn.Module, videos: VideoList) -> Validation:
    """Tests in one view of each video of the validation split; keeps the last weights, too."""
    config, settings, reporter = context.config, context.settings, context.reporter
    assert isinstance(config.data, VideoData)
    data, headline = config.data, next(iter(config.task.METRICS))

    def score() -> float:
        found = evaluate_videos(
            model,
            videos,
            data,
            ViewsTest(1, 1),
            context.world,
            config.recipe.precision,
            settings.workers,
            on_video=lambda done, videos: reporter.check() if reporter else None,
            task=config.task,
        )
        return found.metrics[headline]

    def keep_last() -> None:
        if context.world.is_main:
            save_weights(checkpoint_of(model), context.folder.last_weights)

    assert config.recipe.patience is not None
    return Validation(score, config.recipe.patience, keep_last)


def _train(
    context: RunContext,
    model: nn.Module,
    videos: VideoList,
    recipe: Recipe,
    validation: Validation | None,
) -> float:
    config, settings = context.config, context.settings
    assert isinstance(config.data, VideoData)
    options = Options(
        checkpoint_minutes=settings.checkpoint_minutes, max_replaced=settings.max_replaced
    )
    if context.reporter is not None:
        options = dataclasses.replace(
            options, on_step=context.reporter.step, on_epoch=context.reporter.epoch
        )
    batches = video_batches(
        videos,
        config.data,
        recipe,
        config.seed,
        context.world,
        settings.micro_batch,
        settings.workers,
    )
    return train(
        model,
        batches,
        recipe,
        config.seed,
        context.folder.checkpoints,
        context.world,
        options,
        config.task,
        validation,
    )


def _outcome(
    context: RunContext,
    model: nn.Module,
    recipe: Recipe,
    evaluation: VideoEvaluation,
    inputs: Inputs,
    loaded: Loaded | None,
    seconds: Seconds,
) -> Outcome:
    config, data = context.config, context.config.data
    assert isinstance(data, VideoData)
    weights = checkpoint_of(model)
    metrics = context.folder.metrics() if context.world.is_main and config.is_trained else []
    steps = metrics[-1]["step"] if metrics else recipe.steps
    scores = [line["validation"] for line in metrics if "validation" in line]
    result = Result(
        metrics=evaluation.metrics,
        n=evaluation.listed,
        cost=context.cost(data.size),
        seconds=seconds,
        train_clips=steps * recipe.batch_size if seconds.train else 0,
        execution=context.execution(context.settings.micro_batch),
        details=VideosDetails(
            present=evaluation.present,
            views=str(config.test),
            inputs=inputs,
            replaced=sum(line["replaced"] for line in metrics),
            best_epoch=latest_best(scores) if scores else None,
        ),
        weights_digest=weights.digest,
        loaded=loaded,
    )
    return Outcome(result, evaluation.predictions, weights)


def _require_some(videos: VideoList) -> None:
    """Refuses a list of which no file is there: days of training later is too late to notice."""
    if not any(video.path.exists() for video in videos.videos):
        raise MissingDataError(
            f"none of the {len(videos.videos)} files that {videos.source} lists is there, "
            f"{videos.videos[0].path} for one"
        )


def _about(videos: VideoList) -> ListOfVideos:
    """What a result says of a list of videos."""
    return ListOfVideos(len(videos.videos), len(class_names(videos.dataset)), videos.digest)


def _require_same_inputs(context: RunContext, inputs: Inputs) -> None:
    """Notes what the run starts from; refuses to go on with something else."""
    path, now = context.folder.path / "inputs.json", dataclasses.asdict(inputs)
    if inputs.validation is None:
        del now["validation"]  # as in runs that were begun before there was one
    if context.world.is_main and (before := read_json(path)) != now:
        if before is not None:
            differ = ", ".join(name for name in now if before.get(name) != now[name])
            raise OtherInputsError(
                f"{path} says that the run was begun with other inputs ({differ}): put them back, "
                "or remove the run's folder to begin anew"
            )
        write_json(path, now)
