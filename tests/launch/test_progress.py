"""Where runs stand, as it is shown where there is neither a terminal nor a notebook."""

import io

import pytest
from rich.console import Console

from vswin.launch import progress as module
from vswin.launch.pool import Snapshot
from vswin.launch.progress import progress
from vswin.runs.store import RunFolder


@pytest.fixture
def runs(tmp_path):
    return [RunFolder(tmp_path / name) for name in ("first", "second", "third")]


def shown(polls):
    """What is printed on a console that is a file."""
    file = io.StringIO()
    with progress(Console(file=file, force_terminal=False)) as show:
        for snapshots in polls:
            show(snapshots)
    return file.getvalue().splitlines()


def test_a_line_for_a_run_that_ends_and_none_for_what_was_complete(runs):
    first, second, third = runs
    running = [Snapshot(first, "done"), Snapshot(second, "running"), Snapshot(third, "pending")]
    ended = [
        Snapshot(first, "done"),
        Snapshot(second, "failed", detail="ValueError: no"),
        Snapshot(third, "running", 3, 9, detail="training"),
    ]
    assert shown([running, running, ended, ended]) == ["second: failed: ValueError: no"]


def test_now_and_then_a_line_about_all_of_them(runs, monkeypatch):
    monkeypatch.setattr(module, "LINE_S", 0.0)
    first, second, third = runs
    poll = [
        Snapshot(first, "done"),
        Snapshot(second, "running", 30, 90, 12.34, 65, "training"),
        Snapshot(third, "pending"),
    ]
    assert shown([poll]) == [
        "1 of 3 runs done, 1 running, 1 pending; "
        "second: training, step 30 of 90, 12.3 clips/s, 1:05 left"
    ]
