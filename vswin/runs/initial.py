"""What a run's weights are before its first step (section 3.4)."""

from __future__ import annotations

import torch
from torch import nn

from vswin.data.data_file import load_sources
from vswin.errors import VswinError
from vswin.models.errors import WeightsError
from vswin.models.registry import build, family_of, initialise_
from vswin.runs.config import FromCheckpoint, FromRun, Random, RunConfig, TestOnly
from vswin.runs.execution import RunContext
from vswin.runs.requirements import source_folder
from vswin.runs.result import Loaded, Result
from vswin.runs.store import RunFolder
from vswin.weights.files import load_weights, read_checkpoint
from vswin.weights.local import require_intact


class WrongInitialisationError(VswinError):
    """The weights that a run would start from are not those that its row names."""


def initial_model(context: RunContext) -> tuple[nn.Module, Loaded | None]:
    """The model as training begins, on the process's device, and what was loaded into it.

    Raises:
        MissingDataError, WeightsError, WrongInitialisationError: if what the run starts from is
            not there, not what it is called, or does not fit. It never starts without it.
    """
    config, init = context.config, context.config.init
    torch.manual_seed(config.seed)
    model = build(config.model)
    initialise_(model, config.recipe.linear_std, config.recipe.bias_std, config.seed)
    loaded = None
    if isinstance(init, FromCheckpoint):
        loaded = _load_file(model, init, inflation_of(config))
    elif not isinstance(init, Random):
        loaded = _load_run(
            model, init, source_folder(context.folder, init.run), inflation_of(config)
        )
    return model.to(context.world.device), loaded


def inflation_of(config: RunConfig) -> dict[str, str]:
    """How an image model is inflated for this run, spelled out; empty if it starts from none."""
    init, family = config.init, family_of(config.model)
    match init:
        case FromCheckpoint(expect="2d"):
            given = init.inflation
        case FromRun() if family.is_image_model(init.run.model):
            given = init.inflation
        case _:
            return {}
    return {choice: options[0] for choice, options in family.inflation.items()} | given


def _load_file(model: nn.Module, init: FromCheckpoint, inflation: dict[str, str]) -> Loaded:
    path = load_sources().require_checkpoint(init.file)
    try:
        require_intact(path)
        report = load_weights(model, path, expect=init.expect, head=False, **inflation)
    except WeightsError as error:
        raise WrongInitialisationError(f"the run starts from {init.file}: {error}") from error
    if init.digest not in (None, report.digest):
        raise WrongInitialisationError(
            f"{path} holds other weights than the file that the row starts from: their digest is "
            f"{report.digest}, wanted {init.digest}"
        )
    verified = init.digest is not None
    return Loaded("file", init.file, report.layout, report.digest, inflation, verified)


def _load_run(
    model: nn.Module,
    init: FromRun | TestOnly,
    source: RunFolder,
    inflation: dict[str, str],
) -> Loaded:
    before = source.result()
    assert before is not None  # this run does not begin before that one is complete
    _require_intact(source, init.run, before)
    report = load_weights(
        model,
        source.weights,
        expect="2d" if family_of(init.run.model).is_image_model(init.run.model) else "video",
        head=isinstance(init, TestOnly),
        **inflation,
    )
    return Loaded(
        "run", source.run_id, report.layout, report.digest, inflation, source_metrics=before.metrics
    )


def _require_intact(source: RunFolder, config: RunConfig, result: Result) -> None:
    """Refuses weights that are not those that the other run's result names.

    Raises:
        WrongInitialisationError: says what to do.
    """
    try:
        if read_checkpoint(source.weights).digest == result.weights_digest:
            return
        problem = "holds other weights than its run's result names"
    except WeightsError:  # it says what is to be done of a file that was downloaded
        problem = "is damaged"
    again = (
        "remove the file; `vswin run` then trains it again"
        if config.is_pretraining
        else "put it back, or remove the folder to train it again"
    )
    raise WrongInitialisationError(f"{source.weights} {problem}: {again}")
