"""What a run's weights are before its first step (section 3.4)."""

from __future__ import annotations

import sys
import time
from typing import Any

import torch

from vswin.data.data_file import load_sources
from vswin.errors import VswinError
from vswin.models.errors import WeightsError
from vswin.models.swin.initialisation import initialise_
from vswin.models.swin.model import VideoSwinTransformer
from vswin.runs.execution import Task
from vswin.runs.identity import Initialisation, PretrainedFile, RunConfig
from vswin.runs.lock import LockedError
from vswin.runs.store import RunFolder
from vswin.weights.files import load_weights, read_checkpoint

WAIT_S = 1.0
"""Time between two looks at a pre-training that another process executes."""


class WrongInitialisationError(VswinError):
    """The weights that a run would start from are not those that its row names."""


def initial_model(task: Task) -> tuple[VideoSwinTransformer, dict[str, Any] | None]:
    """The model as training begins, on the task's device, and what was loaded into it.

    Raises:
        MissingDataError, WeightsError, WrongInitialisationError: if what the run's row starts from
            is not there, not what it is called, or does not fit. It never starts without it.
    """
    config, init = task.config, task.config.init
    source = _pretrained(task, init.pretraining) if isinstance(init, Initialisation) else None
    torch.manual_seed(config.seed)  # whether or not the pre-training has just been run here
    model = VideoSwinTransformer(config.model)
    initialise_(model, config.recipe.linear_std, config.recipe.bias_std)
    loaded = None
    if isinstance(init, PretrainedFile):
        loaded = _load_file(model, init)
    elif init is not None and source is not None:
        loaded = _load_run(model, init, source)
    return model.to(task.world.device), loaded


def _load_file(model: VideoSwinTransformer, init: PretrainedFile) -> dict[str, Any]:
    path = load_sources().require_checkpoint(init.file)
    how = {"embedding": init.embedding, "bias": init.bias} if init.kind == "2d" else {}
    try:
        report = load_weights(model, path, expect=init.kind, head=False, **how)
    except WeightsError as error:
        raise WrongInitialisationError(f"the run starts from {init.file}: {error}") from error
    if init.digest not in (None, report.digest):
        raise WrongInitialisationError(
            f"{path} holds other weights than the file that the row starts from: their digest is "
            f"{report.digest}, wanted {init.digest}"
        )
    return {
        "file": init.file,
        "is_verified": init.digest is not None,
        "layout": report.layout,
        "digest": report.digest,
        **how,
        "inflated": len(report.inflated),
        "fresh": list(report.fresh),
    }


def _load_run(
    model: VideoSwinTransformer, init: Initialisation, source: RunFolder
) -> dict[str, Any]:
    from_images = init.pretraining.model.is_image_model
    how = {"embedding": init.embedding, "bias": init.bias} if from_images else {}
    kind = "2d" if from_images else "video"
    report = load_weights(model, source.weights, expect=kind, head=init.only_test, **how)
    return {
        "pretraining": source.run_id,
        "pretraining_top1": (source.result() or {})["top1"],
        "digest": report.digest,
        **how,
        "inflated": len(report.inflated),
        "fresh": list(report.fresh),
    }


def _pretrained(task: Task, config: RunConfig) -> RunFolder:
    """The folder of a complete pre-training; runs it, or waits for the process that does.

    Weights that are damaged, or not those that the result names, are made again: to the same
    ones, or it is an error. All processes of the run do the same at the same time, as the main one
    says.
    """
    source = RunFolder(task.folder.path.with_name(config.run_id))
    if task.world.is_main:
        source.create(config)
    task.state("pretraining")
    while not task.world.agree(_is_ready(source, config) if task.world.is_main else None):
        task.check()
        try:
            task.execute(source)
        except LockedError:
            time.sleep(WAIT_S)
    return source


def _is_ready(source: RunFolder, config: RunConfig) -> bool:
    if source.can_be_started_from and _are_intact(source):
        return True
    if source.result() is None:
        return False
    if config.is_on_videos:  # too much work to be repeated without being asked
        raise WrongInitialisationError(
            f"{source.path} is complete, but its weights.safetensors is missing or damaged: put it "
            "back, or remove the folder to train it again"
        )
    if not source.weights.exists():
        return False
    print(f"{source.weights} is damaged or foreign; it is made again", file=sys.stderr)
    source.weights.unlink(missing_ok=True)
    return False


def _are_intact(source: RunFolder) -> bool:
    result = source.result() or {}
    try:
        digest = read_checkpoint(source.weights).digest
    except WeightsError:
        return False
    return digest == result.get("weights_digest", digest)
