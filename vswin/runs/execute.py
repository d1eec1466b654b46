"""Executing one run, from its folder to its result. `python -m vswin.runs.execute FOLDER`."""

from __future__ import annotations

import argparse
import dataclasses
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from vswin.cost import cost
from vswin.errors import VswinError
from vswin.files import write_json
from vswin.models.checkpoint import Checkpoint, checkpoint_of
from vswin.models.errors import WeightsError
from vswin.models.initialisation import initialise_
from vswin.models.video_swin import VideoSwinTransformer
from vswin.runs.identity import RunConfig
from vswin.runs.lock import LockedError, run_lock
from vswin.runs.provenance import now, provenance
from vswin.runs.store import RunFolder
from vswin.training.evaluate import Evaluation, evaluate_control, evaluate_grid
from vswin.training.loop import Progress, train
from vswin.training.recipe import build_optimizer, group_summary
from vswin.weights import load_weights, read_checkpoint, save_weights

STATUS_S = 1.0
"""Time between two looks at the lock and writes of status.json while steps go by."""
WAIT_S = 1.0
"""Time between two looks at a pre-training that another process executes."""
CONTROL_CLIPS = 960


class Interrupted(BaseException):
    """The process was asked to stop; the run can be resumed."""


class OtherWeightsError(VswinError):
    """A pre-training was repeated, and gave other weights than runs have been started from."""


def execute(folder: RunFolder, device: torch.device, parent: int | None = None) -> dict[str, Any]:
    """Trains and tests the run in `folder` and completes it; resumes what was begun.

    The result is written last, so that a folder with a result.json is complete.

    Args:
        folder: a run's folder with its run.json.
        device: where to train and test.
        parent: process without which the run shall stop; None is this process's own parent.

    Returns:
        The content of result.json.

    Raises:
        LockedError: if another process is executing the run.
        DivergedError: if training fails; so does anything unexpected, after error.json is written.
        OtherWeightsError: if a pre-training without its weights was repeated with another outcome.
    """
    config = folder.config()
    with run_lock(folder.path) as is_ours:
        done = folder.result()
        if done is not None and (folder.can_be_started_from or not config.is_pretraining):
            return done
        attempt = int(folder.status().get("attempt", 0)) + 1
        reporter = _Reporter(folder, attempt, is_ours, parent or os.getppid())
        (folder.path / "error.json").unlink(missing_ok=True)
        try:
            origin = provenance(device)
            result, evaluation, weights = _train_and_test(config, folder, device, reporter)
            if weights is not None:
                _require_same_weights(folder, done, weights.digest)
                save_weights(weights, folder.weights)
            folder.write_predictions(**dataclasses.asdict(evaluation.predictions))
            write_json(folder.path / "provenance.json", origin | {"finished": now()})
            write_json(folder.path / "result.json", result)
        except Interrupted:
            reporter.state("interrupted")
            raise
        except Exception as error:
            write_json(
                folder.path / "error.json",
                {
                    "type": type(error).__name__,
                    "message": str(error),
                    "traceback": traceback.format_exc(),
                    "attempt": attempt,
                },
            )
            reporter.state("failed")
            raise
        reporter.state("done")
        for checkpoint in folder.checkpoints.glob("*"):
            checkpoint.unlink()
    return result


def _train_and_test(
    config: RunConfig, folder: RunFolder, device: torch.device, reporter: _Reporter
) -> tuple[dict[str, Any], Evaluation, Checkpoint | None]:
    """The run's result, its predictions, and the weights if others start from them."""
    model, loaded = _initial_model(config, folder, device, reporter)
    model.to(device)
    train_seconds = train(
        model,
        lambda step: config.data.batch("train", (config.seed, step), config.recipe.batch_size),
        config.recipe,
        folder.checkpoints,
        device,
        on_step=reporter.step,
        on_epoch=reporter.epoch,
    )
    reporter.state("testing")
    start = time.perf_counter()
    evaluation = evaluate_grid(model, config.data, config.test, device)
    easy = dataclasses.replace(
        config.test,
        coherence=(config.data.coherence,),
        noise=(config.data.noise,),
        clips_per_cell=CONTROL_CLIPS,
    )
    in_distribution = evaluate_grid(model, config.data, easy, device).cells[0]
    weights = checkpoint_of(model) if config.is_pretraining else None
    size = (config.model.in_channels, config.data.frames, *[config.data.image_size] * 2)
    counted = cost(model, size)
    result = {
        "top1": evaluation.top1,
        "top5": evaluation.top5,
        "n": len(evaluation.predictions.label),
        "per_class": evaluation.per_class,
        "cells": [dataclasses.asdict(cell) for cell in evaluation.cells],
        "in_distribution": dataclasses.asdict(in_distribution),
        # The same model, tested (not trained) on clips whose evidence is destroyed.
        "tested_on": {
            control: evaluate_control(model, config.data, control, CONTROL_CLIPS, device)
            for control in ("single_frame", "shuffled_frames")
            if config.data.frames > 1
        },
        "initialisation": loaded,
        "weights_digest": weights.digest if weights else None,
        "cost": {"flops": counted.flops, "params": counted.params, "rule": counted.rule},
        "optimizer_groups": group_summary(build_optimizer(model, config.recipe)),
        "seconds": {"train": train_seconds, "test": time.perf_counter() - start},
        "clips_per_second": config.recipe.steps * config.recipe.batch_size / train_seconds,
    }
    return result, evaluation, weights


def _require_same_weights(folder: RunFolder, before: dict[str, Any] | None, digest: str) -> None:
    """Refuses to replace weights that other runs were started from by different ones."""
    known = (before or {}).get("weights_digest", digest)
    if known != digest:
        raise OtherWeightsError(
            f"{folder.path} has a result and no weights; repeated here, it gives other weights "
            "than those that runs have been started from; use another results folder, or remove "
            "this run and those that name it in their result.json"
        )


def _initial_model(
    config: RunConfig, folder: RunFolder, device: torch.device, reporter: _Reporter
) -> tuple[VideoSwinTransformer, dict[str, Any] | None]:
    """The model as training begins, and what was loaded into it."""
    source = _pretrained(config.init.pretraining, folder, device, reporter) if config.init else None
    torch.manual_seed(config.seed)  # whether or not the pre-training has just been run here
    model = VideoSwinTransformer(config.model)
    initialise_(model, config.recipe.linear_std, config.recipe.bias_std)
    if config.init is None or source is None:
        return model, None
    how = {"embedding": config.init.embedding, "bias": config.init.bias}
    report = load_weights(model, source.weights, expect="2d", **how)
    return model, {
        "pretraining": source.run_id,
        "pretraining_top1": (source.result() or {})["top1"],
        "digest": report.digest,
        **how,
        "inflated": len(report.inflated),
        "fresh": list(report.fresh),
    }


def _pretrained(
    config: RunConfig, folder: RunFolder, device: torch.device, reporter: _Reporter
) -> RunFolder:
    """The folder of a complete pre-training; runs it, or waits for the process that does.

    Weights that are damaged, or not those that the result names, are made again: to the same
    ones, or it is an error.
    """
    source = RunFolder(folder.path.with_name(config.run_id))
    source.create(config)
    reporter.state("pretraining")
    while True:
        if source.can_be_started_from:
            if _are_intact(source):
                return source
            print(f"{source.weights} is damaged or foreign; it is made again", file=sys.stderr)
            source.weights.unlink(missing_ok=True)
        reporter.check()
        try:
            execute(source, device, reporter.parent)
        except LockedError:
            time.sleep(WAIT_S)


def _are_intact(source: RunFolder) -> bool:
    result = source.result() or {}
    try:
        digest = read_checkpoint(source.weights).digest
    except WeightsError:
        return False
    return digest == result.get("weights_digest", digest)


class _Reporter:
    """Keeps status.json and metrics.jsonl up to date; stops the run when its parent is gone."""

    def __init__(
        self, folder: RunFolder, attempt: int, is_ours: Callable[[], bool], parent: int
    ) -> None:
        self.folder, self.attempt, self.is_ours, self.parent = folder, attempt, is_ours, parent
        self.fields: dict[str, Any] = {}
        self.checked = time.monotonic()
        self.state("starting")

    def state(self, state: str) -> None:
        self.fields["state"] = state
        self._write()

    def step(self, step: int, steps: int) -> None:
        self.fields |= {"state": "training", "step": step, "steps": steps}
        self.check()

    def check(self) -> None:
        if os.getppid() != self.parent:
            raise Interrupted("the process that started this run is gone")
        if time.monotonic() - self.checked >= STATUS_S:
            self.checked = time.monotonic()
            if not self.is_ours():
                raise Interrupted("another process has taken this run over")
            self._write()

    def epoch(self, progress: Progress) -> None:
        line = dataclasses.asdict(progress)
        self.folder.append_metrics(line)
        self.fields |= {k: line[k] for k in ("epoch", "loss", "top1", "clips_per_second")}
        self._write()

    def _write(self) -> None:
        self.folder.write_status(
            **self.fields, attempt=self.attempt, heartbeat=time.time(), pid=os.getpid()
        )


def main(argv: list[str] | None = None) -> int:
    """Entry point of a run's own process; 0 done, 1 failed, 130 interrupted."""
    parser = argparse.ArgumentParser(prog="python -m vswin.runs.execute", description=__doc__)
    parser.add_argument("folder", type=Path, help="a run's folder: <results>/<protocol>/runs/<id>")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (0: torch's default)")
    parser.add_argument("--device", default="cpu", help="a torch device (default: cpu)")
    args = parser.parse_args(argv)

    def stop(signum: int, _: FrameType | None) -> None:
        raise Interrupted(f"signal {signum}")

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        execute(RunFolder(args.folder.resolve()), torch.device(args.device))
    except Interrupted as reason:
        print(f"interrupted: {reason}; the run can be resumed", file=sys.stderr)
        return 130
    except VswinError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
