"""Counted costs on disk: the same numbers, never those of other code, whatever is in the folder."""

import dataclasses
import json
import os
import subprocess
import sys

import pytest

from vswin.costs import cache as costs
from vswin.costs.cache import cost_at
from vswin.models.registry import resolve_config

SMALL = resolve_config("swin_t", embed_dim=8, depths=(1, 1), num_heads=(1, 2))
SIZE = (3, 4, 32, 32)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, on disk and in this process."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cost_at.cache_clear()
    yield tmp_path / "vswin" / "costs"
    cost_at.cache_clear()


def again(*args):
    """As another process would ask."""
    cost_at.cache_clear()
    return cost_at(*args)


@pytest.fixture
def counted(monkeypatch):
    """How often something was really counted."""
    calls, count = [], costs._count
    monkeypatch.setattr(costs, "_count", lambda *args: calls.append(args) or count(*args))
    return calls


@pytest.mark.parametrize("rule", ["paper", "macs", "fvcore"])
def test_what_is_read_is_what_was_counted(cache, counted, rule):
    fresh = cost_at(SMALL, SIZE, rule)
    assert fresh == again(SMALL, SIZE, rule) == costs._count(SMALL, SIZE, rule)
    assert type(again(SMALL, SIZE, rule).input_size) is tuple
    assert len(counted) == 2  # at first, and in the line above
    assert [p.suffix for p in cache.iterdir()] == [".json"]


def test_another_question_is_another_entry(cache, counted, monkeypatch):
    cost_at(SMALL, SIZE, "paper")
    again(dataclasses.replace(SMALL, num_classes=7), SIZE, "paper")
    again(SMALL, (3, 8, 32, 32), "paper")
    again(SMALL, SIZE, "macs")
    monkeypatch.setattr(costs, "digest_of_sources", lambda *parts: "edited")
    again(SMALL, SIZE, "paper")
    monkeypatch.setattr(costs.importlib.metadata, "version", lambda name: "0.1")
    again(SMALL, SIZE, "paper")
    assert len(counted) == len(list(cache.iterdir())) == 6


def _halve(text):
    return text[: len(text) // 2]


def _lie(text):
    content = json.loads(text)
    content["cost"]["flops"] += 1
    return json.dumps(content)


def _swap(text):
    content = json.loads(text)
    content["key"]["model"]["embed_dim"] = 16
    return json.dumps(content)


@pytest.mark.parametrize("damage", [_halve, _lie, _swap, lambda text: "[]", lambda text: ""])
def test_a_damaged_entry_is_counted_anew_and_mended(cache, counted, damage):
    fresh = cost_at(SMALL, SIZE, "paper")
    (entry,) = cache.iterdir()
    whole = entry.read_text()
    entry.write_text(damage(whole))
    assert again(SMALL, SIZE, "paper") == fresh
    assert len(counted) == 2
    assert entry.read_text() == whole


def test_a_cache_that_cannot_be_written_changes_nothing(tmp_path, counted, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert again(SMALL, SIZE, "paper") == again(SMALL, SIZE, "paper")
    assert len(counted) == 2


def test_a_relative_cache_folder_is_ignored(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "here")
    assert costs.cache_folder() == costs.Path("~/.cache/vswin").expanduser()


def test_a_second_report_imports_nothing_heavy(smoke_results, tmp_path):
    """Neither torch, for costs, nor matplotlib, for a picture that is there."""
    results = tmp_path / "results"
    (results / "smoke").mkdir(parents=True)
    (results / "smoke" / "runs").symlink_to(smoke_results / "smoke" / "runs")
    code = (
        "import sys; from vswin.cli.main import app\n"
        "try: app()\n"
        "except SystemExit as end: assert not end.code\n"
        "print(sorted({'torch', 'matplotlib'} & sys.modules.keys()))"
    )
    command = [sys.executable, "-c", code, "report", "table5", "-p", "smoke"]
    command += ["--results-dir", str(results)]
    files, said = [], []
    for _ in range(2):
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")},
        )
        said.append(done.stdout.splitlines())
        files.append({p: p.read_bytes() for p in results.glob("*/*") if p.is_file()})
    assert [lines[-1] for lines in said] == ["['matplotlib', 'torch']", "[]"]
    assert said[0][:-1] == said[1][:-1]
    assert files[0] == files[1]
