"""Executing one run, from its folder to its result. `python -m vswin.runs.execute FOLDER`."""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

import torch

from vswin.errors import VswinError
from vswin.files import TEMPORARY_PREFIX, naming, write_json
from vswin.models.errors import ModelError
from vswin.runs.execution import Outcome, RunContext
from vswin.runs.lock import run_lock
from vswin.runs.moving_digits import train_and_test_digits
from vswin.runs.provenance import now, provenance
from vswin.runs.reporter import Interrupted, Reporter
from vswin.runs.requirements import require_source
from vswin.runs.resources import ExecutionSettings, add_arguments, from_arguments
from vswin.runs.result import Result, write_result
from vswin.runs.store import RunFolder
from vswin.runs.videos import train_and_test_videos
from vswin.training.distributed import World, joined, require_device
from vswin.training.processes import assisted
from vswin.weights.files import save_weights

EXECUTORS: dict[str, Callable[[RunContext], Outcome]] = {
    "moving_digits": train_and_test_digits,
    "videos": train_and_test_videos,
}
"""How a run is trained and tested, by the kind of its data."""


class OtherWeightsError(VswinError):
    """A pre-training was repeated, and gave other weights than runs have been started from."""


def execute(
    folder: RunFolder,
    world: World | None = None,
    settings: ExecutionSettings | None = None,
    parent: int | None = None,
    patience_s: float = 0.0,
) -> Result | None:
    """Trains and tests the run in `folder` and completes it; resumes what was begun.

    The result is written last, so that a folder with a result.json is complete. Of several
    processes the main one locks the folder and writes to it; all must call this.

    Args:
        folder: a run's folder with its run.json.
        world: this process among those of the run; None is alone on the CPU.
        settings: how it is executed.
        parent: process without which the run shall stop; None is this process's own parent.
        patience_s: how long to wait for another host's process that holds the run and makes no
            sign of life.

    Returns:
        What result.json then says; None in processes that only assist.

    Raises:
        LockedError: if another process is executing the run.
        SourceNotReadyError: if the run that it starts from is not complete; nothing is begun then.
        DivergedError: if training fails; so does anything unexpected, after error.json is written.
        OtherWeightsError: if a pre-training without its weights was repeated with another outcome.
        NotWritableError: if a file cannot be written, for lack of space, say. No half result is
            left then; called again, it goes on from the last checkpoint.
    """
    world, settings = world or World(), settings or ExecutionSettings()
    if not world.is_main:
        if world.agree(False):  # the main process's word counts
            _train_and_test(folder, world, settings, None)
        return None
    told = _Decision(world)
    try:
        config = folder.config()
        with run_lock(folder.path, patience_s) as is_ours:
            done = folder.result()
            if done is not None and (folder.has_weights or not config.is_pretraining):
                return done
            require_source(folder, config)
            told.go()
            attempt = int(folder.status().get("attempt", 0)) + 1
            gpus = world.size if world.device.type == "cuda" else 0
            reporter = Reporter(
                folder, attempt, is_ours, parent or os.getppid(), settings.tensorboard, gpus
            )
            return _attempt(folder, world, settings, reporter, done)
    finally:
        told.stay()


class _Decision:
    """Tells the assisting processes once whether the run is executed."""

    def __init__(self, world: World) -> None:
        self.world, self.told = world, False

    def go(self) -> None:
        self._tell(True)

    def stay(self) -> None:
        if not self.told:
            self._tell(False)

    def _tell(self, value: bool) -> None:
        self.told = True
        self.world.agree(value)


def _attempt(
    folder: RunFolder,
    world: World,
    settings: ExecutionSettings,
    reporter: Reporter,
    before: Result | None,
) -> Result:
    _clear(folder)
    try:
        origin = provenance(world.device)
        outcome = _train_and_test(folder, world, settings, reporter)
        if outcome.weights is not None:
            _require_same_weights(folder, before, outcome.weights.digest)
            save_weights(outcome.weights, folder.weights)
        folder.write_predictions(**outcome.predictions)
        write_json(folder.path / "provenance.json", origin | {"finished": now()})
        write_result(folder.path / "result.json", outcome.result)
    except BaseException as error:
        if (stop := _stop_beneath(error)) is not None:
            reporter.state("interrupted")
            if stop is error:
                raise
            raise stop from error
        assert isinstance(error, Exception)
        _note_error(folder, error, reporter.attempt)
        reporter.state("failed")
        raise
    reporter.state("done")
    for checkpoint in folder.checkpoints.glob("*"):
        checkpoint.unlink()
    return outcome.result


def _stop_beneath(error: BaseException) -> BaseException | None:
    """The interruption, or the exit of a job that was put back, that an error comes from, if any.

    A signal may come while a file is written, and what closes the file then raises an error of its
    own (torch's writer does so): the run is interrupted all the same, and has not failed.
    """
    found: BaseException | None = error
    while isinstance(found, Exception):
        found = found.__cause__ or found.__context__
    return found


def _clear(folder: RunFolder) -> None:
    """Removes what an earlier attempt left and no later one reads; cut checkpoints are gigabytes.

    The files that no run needs come first: they may be what fills the disk.
    """
    for parent in (folder.checkpoints, folder.path):
        for cut in parent.glob(f"{TEMPORARY_PREFIX}*"):
            with naming(cut):
                cut.unlink(missing_ok=True)
    with naming(folder.path / "error.json"):
        (folder.path / "error.json").unlink(missing_ok=True)


def _note_error(folder: RunFolder, error: Exception, attempt: int) -> None:
    content = {
        "type": type(error).__name__,
        "message": str(error),
        "traceback": "".join(traceback.format_exception(error)),
        "attempt": attempt,
    }
    # What does not fit on a full disk is in the log yet, and must not hide the error itself.
    with contextlib.suppress(OSError):
        write_json(folder.path / "error.json", content)


def _train_and_test(
    folder: RunFolder, world: World, settings: ExecutionSettings, reporter: Reporter | None
) -> Outcome:
    config = folder.config()
    return EXECUTORS[config.data.kind](RunContext(config, folder, world, settings, reporter))


def _require_same_weights(folder: RunFolder, before: Result | None, digest: str) -> None:
    """Refuses to replace weights that other runs were started from by different ones."""
    if before is not None and before.weights_digest not in (None, digest):
        raise OtherWeightsError(
            f"{folder.path} has a result and no weights; repeated here, it gives other weights "
            "than those that runs have been started from; use another results folder, or remove "
            "this run and those that name it in their result.json"
        )


def main(
    argv: list[str] | None = None,
    stop_signals: Sequence[signal.Signals] = (signal.SIGTERM, signal.SIGINT),
) -> int:
    """Entry point of a run's own process; 0 done, 1 failed, 130 interrupted.

    Args:
        argv: the command line; None is this process's own.
        stop_signals: on which the run ends in an orderly way, so that it can be resumed.
    """
    argv = sys.argv[1:] if argv is None else argv
    args = _parser().parse_args(argv)

    if args.threads:
        torch.set_num_threads(args.threads)
    command = [sys.executable, "-m", "vswin.runs.execute", *argv]
    folder = RunFolder(args.folder.resolve())
    try:
        settings = from_arguments(args)
        require_device(args.device)
        with (
            _stoppable(stop_signals),
            assisted(
                settings.processes, command, functools.partial(_note_death, folder)
            ) as give_up,
            joined(torch.device(args.device)) as world,
        ):
            try:
                execute(folder, world, settings, patience_s=args.patience)
            except BaseException:
                give_up()
                raise
    except Interrupted as reason:
        print(f"interrupted: {reason}; the run can be resumed", file=sys.stderr)
        return 130
    except (VswinError, ModelError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


@contextlib.contextmanager
def _stoppable(signals: Sequence[signal.Signals]) -> Iterator[None]:
    """Ends the run in an orderly way on these signals; it can be resumed afterwards."""

    def stop(signum: int, _: FrameType | None) -> None:
        raise Interrupted(f"signal {signum}")

    is_main = threading.current_thread() is threading.main_thread()
    before = {signum: signal.signal(signum, stop) for signum in signals} if is_main else {}
    try:
        yield
    finally:  # a job's process has other things to end after the run
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _note_death(folder: RunFolder, why: str) -> None:
    """What a run's main process leaves behind when it dies with another."""
    if (folder.path / "error.json").exists():  # it was quick enough to say more
        return
    attempt = folder.status().get("attempt", 0)
    error = {"type": "ProcessDiedError", "message": why, "traceback": "", "attempt": attempt}
    with contextlib.suppress(OSError):  # no room for it; the log has it
        write_json(folder.path / "error.json", error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m vswin.runs.execute", description=__doc__)
    parser.add_argument("folder", type=Path, help="a run's folder: <results>/<protocol>/runs/<id>")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (0: torch's default)")
    parser.add_argument("--device", default="cpu", help="cpu, cuda (its own GPU for each process)")
    parser.add_argument(
        "--patience",
        type=float,
        default=0.0,
        help="seconds to wait for another host's process that holds the run and makes no sign of "
        "life (default: %(default)s)",
    )
    add_arguments(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
