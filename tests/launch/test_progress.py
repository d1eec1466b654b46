"""Where runs stand, as it is shown where there is neither a terminal nor a notebook."""

import io

import pytest
from rich.console import Console

from vswin.launch import progress as module
from vswin.launch.progress import progress
from vswin.runs.status import RunStatus
from vswin.runs.store import RunFolder


@pytest.fixture
def runs(tmp_path):
    return [RunFolder(tmp_path / name) for name in ("first", "second", "third")]


def shown(polls):
    """What is printed on a console that is a file."""
    file = io.StringIO()
    with progress(Console(file=file, force_terminal=False)) as show:
        for statuses in polls:
            show(statuses)
    return file.getvalue().splitlines()


def test_a_line_for_a_run_that_fails_and_none_for_what_was_complete(runs):
    first, second, third = runs
    running = [RunStatus(first, "done"), RunStatus(second, "running"), RunStatus(third, "missing")]
    ended = [
        RunStatus(first, "done"),
        RunStatus(second, "failed", detail="ValueError: no"),
        RunStatus(third, "running", step=3, steps=9, activity="training"),
    ]
    assert shown([running, running, ended, ended]) == ["second: failed: ValueError: no"]


def test_now_and_then_a_line_about_all_of_them(runs, monkeypatch):
    monkeypatch.setattr(module, "LINE_S", 0.0)
    first, second, third = runs
    poll = [
        RunStatus(first, "done"),
        RunStatus(second, "running", "", "training", 30, 90, 12.34, 65),
        RunStatus(third, "missing"),
    ]
    assert shown([poll]) == [
        "1 of 3 runs done, 1 running, 1 missing; "
        "second: training, step 30 of 90, 12.3 clips/s, 1:05 left"
    ]


def test_nothing_is_said_of_no_runs(monkeypatch):
    monkeypatch.setattr(module, "LINE_S", 0.0)
    assert shown([[], []]) == []


def test_many_runs_that_end_well_are_one_line(tmp_path):
    many = [RunFolder(tmp_path / f"run{number}") for number in range(40)]
    polls = [
        [RunStatus(run, "done" if place <= ended else "missing") for place, run in enumerate(many)]
        for ended in range(40)
    ]
    assert shown(polls) == ["40 of 40 runs done"]


def test_a_notebook_shows_counts_and_what_is_busy_or_failed(runs, monkeypatch):
    shown = []
    monkeypatch.setattr(module._NotebookTable, "_show", lambda self, content: shown.append(content))
    first, second, third = runs
    show = module._NotebookTable()
    show([RunStatus(first, "running", activity="loading"), RunStatus(second, "missing")])
    show(
        [
            RunStatus(first, "done"),
            RunStatus(second, "failed", detail="no"),
            RunStatus(third, "done"),
        ]
    )
    assert [repr(content) for content in shown] == [
        "0 of 2 runs done, 1 running, 1 missing\nfirst: loading",
        "2 of 3 runs done, 1 failed\nsecond: failed: no",
    ]
    assert "<li>second: failed: no</li>" in shown[-1]._repr_html_()
