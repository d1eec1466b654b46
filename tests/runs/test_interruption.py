"""A run that is interrupted while it writes a file has not failed."""

import io

import pytest
import torch

from tests.runs.test_pretraining import config, prepared
from vswin.runs import execute as module
from vswin.runs.execute import execute
from vswin.runs.reporter import Interrupted


class Stops:
    """Something that is interrupted as it is pickled, as by a signal."""

    def __init__(self, stop):
        self.stop = stop

    def __reduce__(self):
        raise self.stop


@pytest.mark.parametrize("stop", [Interrupted("signal 15"), SystemExit(-1)])
def test_a_stop_within_a_checkpoint_is_no_failure(tmp_path, monkeypatch, stop):
    """torch's writer turns it into a RuntimeError of its own."""
    (folder,) = prepared(tmp_path, config("no_pretraining"))

    def interrupted(context):
        torch.save({"weights": torch.zeros(9), "rest": Stops(stop)}, io.BytesIO())

    monkeypatch.setitem(module.EXECUTORS, "moving_digits", interrupted)
    with pytest.raises(type(stop)):
        execute(folder)
    assert folder.status()["state"] == "interrupted"
    assert not (folder.path / "error.json").exists()


def test_an_error_is_one_all_the_same(tmp_path, monkeypatch):
    (folder,) = prepared(tmp_path, config("no_pretraining"))

    def fails(context):
        raise RuntimeError("unexpected pos 64 vs 0")

    monkeypatch.setitem(module.EXECUTORS, "moving_digits", fails)
    with pytest.raises(RuntimeError, match="unexpected pos"):
        execute(folder)
    assert folder.status()["state"] == "failed"
    assert (folder.path / "error.json").exists()
