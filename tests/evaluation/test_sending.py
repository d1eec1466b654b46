"""Videos go to a GPU one ahead; which stream does what is told by stand-ins, as there is no GPU."""

import contextlib
import dataclasses

import pytest
import torch

from vswin.data.clips import SharedViews
from vswin.evaluation.sending import sent_ahead

GPU, CPU = torch.device("cuda"), torch.device("cpu")
WAYS = pytest.mark.parametrize(
    "device",
    [
        CPU,
        pytest.param(
            GPU, marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
        ),
    ],
    ids=str,
)


def videos(count):
    """Every third one cannot be read."""
    return [
        SharedViews(torch.full((2, 3), n), ((0, 1),)) if n % 3 != 1 else f"unreadable {n}"
        for n in range(count)
    ]


@WAYS
@pytest.mark.parametrize("count", [0, 1, 2, 7])
def test_all_come_in_their_order(count, device):
    given = videos(count)
    found = list(sent_ahead(iter(given), device))
    assert len(found) == count
    for one, other in zip(found, given, strict=True):
        if isinstance(other, str):
            assert one == other
        else:
            assert one.places == other.places
            assert one.views.device.type == device.type
            assert torch.equal(one.views.cpu(), other.views)


def test_on_the_cpu_nothing_is_read_ahead_or_copied():
    given = videos(3)
    left = iter(given)
    assert next(sent_ahead(left, CPU)) is given[0]
    assert list(left) == given[1:]


@dataclasses.dataclass
class Views:
    """Stands for the views of a video; notes what is done with them, and on which stream."""

    name: str
    log: list[str]
    streams: list[str]
    device: str = "cpu"

    def to(self, device, non_blocking):
        assert non_blocking
        self.log.append(f"{self.streams[-1]} copies {self.name}")
        return dataclasses.replace(self, device=device)

    def record_stream(self, stream):
        self.log.append(f"memory of {self.name} is kept for {stream.name}")


@pytest.fixture
def log(monkeypatch):
    """What is done, in order; streams are names."""
    done, streams = [], ["computing"]

    @dataclasses.dataclass
    class Stream:
        device: str
        name: str = "copying"

        def record_event(self):
            return done[-1]

        def wait_event(self, event):
            done.append(f"{self.name} waits until {event}")

    @contextlib.contextmanager
    def on(stream):
        streams.append(stream.name)
        yield
        streams.pop()

    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", on)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: Stream(device, streams[-1]))
    return done, streams


def test_a_copy_begins_before_the_video_ahead_of_it_is_computed_with(log):
    done, streams = log
    given = [SharedViews(Views(name, done, streams), ()) for name in "ab"]
    for video in sent_ahead([given[0], "unreadable", given[1]], GPU):
        name = video if isinstance(video, str) else video.views.name
        done.append(f"{streams[-1]} scores {name}")
    assert done == [
        "copying copies a",
        "computing waits until copying copies a",
        "memory of a is kept for computing",
        "computing scores a",
        "copying copies b",
        "computing scores unreadable",
        "computing waits until copying copies b",
        "memory of b is kept for computing",
        "computing scores b",
    ]
