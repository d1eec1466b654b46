"""Two processes train one model: what they end with is what one process ends with."""

import os
import socket
from pathlib import Path

import pytest
import torch

from tests import processes
from vswin.training.distributed import joined


def run(folder, count, stop=0, grad_clip=0.0):
    """Exit codes of the processes."""
    folder.mkdir(exist_ok=True)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    words = (Path(__file__).with_name("worker.py"), folder, stop, grad_clip)
    started = [
        processes.start(*words, env=os.environ | place | {"RANK": str(r), "LOCAL_RANK": str(r)})
        for r in range(count)
    ]
    return [process.wait(timeout=120) for process in started]


@pytest.mark.parametrize("grad_clip", [0.0, 0.1])
def test_two_processes_end_with_the_weights_of_one(tmp_path, grad_clip):
    assert run(tmp_path / "one", 1, grad_clip=grad_clip) == [0]
    assert run(tmp_path / "two", 2, grad_clip=grad_clip) == [0, 0]
    one = torch.load(tmp_path / "one" / "0.pt")
    first, second = (torch.load(tmp_path / "two" / f"{rank}.pt") for rank in range(2))
    for name, value in one["model"].items():
        assert torch.equal(first["model"][name], second["model"][name]), name
        torch.testing.assert_close(first["model"][name], value, rtol=1e-3, atol=2e-5)
    assert first["lines"] == second["lines"]  # sums over both processes, in both
    for expected, found in zip(one["lines"], first["lines"], strict=True):
        assert found == pytest.approx(expected, rel=1e-4)


def test_two_processes_that_were_stopped_go_on(tmp_path):
    assert run(tmp_path / "whole", 2) == [0, 0]
    assert run(tmp_path / "cut", 2, stop=4) == [7, 7]
    assert run(tmp_path / "cut", 2) == [0, 0]
    whole, cut = (torch.load(tmp_path / name / "0.pt") for name in ("whole", "cut"))
    for name, value in whole["model"].items():
        torch.testing.assert_close(cut["model"][name], value, rtol=1e-4, atol=1e-6)
    # The first epoch was over; of the second, the part before the stop is in its figures.
    assert cut["lines"][-1] == pytest.approx(whole["lines"][-1], rel=1e-5)


def test_fp32_on_a_gpu_is_not_rounded_to_tf32(monkeypatch):
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)  # torch's own default
    with joined(torch.device("cuda", 0)):
        assert not torch.backends.cudnn.allow_tf32
        assert not torch.backends.cuda.matmul.allow_tf32
