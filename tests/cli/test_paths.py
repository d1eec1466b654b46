"""Paths that a user types: from where they count, how they are shown, which are refused."""

import json

import pytest

from tests.command import vswin
from vswin.project import project_root, results_path
from vswin.report import load_study


def test_a_typed_folder_counts_from_here_and_the_default_from_the_project(tmp_path):
    root = project_root()
    for typed, found in (
        (("--results-dir", "mine"), tmp_path / "mine"),
        (("--results-dir", "results"), tmp_path / "results"),
        (("--results-dir", tmp_path / "x"), tmp_path / "x"),
        ((), root / "results"),
    ):
        done = vswin("status", "-p", "smoke", "--json", *typed, cwd=tmp_path)
        assert json.loads(done.stdout)["results_dir"] == str(found)
    assert results_path("mine") == root / "mine"  # in Python and notebooks
    assert load_study("table5", "smoke", results_dir="mine").results_dir == root / "mine"


def test_a_typed_folder_has_no_dots_and_keeps_its_links(tmp_path):
    (tmp_path / "else" / "deep").mkdir(parents=True)
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there")
    (tmp_path / "far").symlink_to("else/deep")
    for typed, wanted in (
        ("../res", "res"),
        ("./../else/../res/", "res"),
        ("../link/res", "link/res"),
        ("../far/../res", "far/../res"),  # which is else/res
    ):
        done = vswin("status", "-p", "smoke", "--results-dir", typed, cwd=tmp_path / "else")
        assert f"{tmp_path / wanted}" in done.stdout + done.stderr, typed
        assert f"{tmp_path / 'else'}/.." not in done.stdout + done.stderr
    assert results_path(tmp_path / "else" / ".." / "res") == tmp_path / "res"
    done = vswin("list", "--data-file", "../none.yaml", cwd=tmp_path / "else")
    assert f"--data-file {tmp_path / 'none.yaml'}: there is no such file" in done.stderr


@pytest.mark.parametrize(
    "args",
    [
        ("list", "table5", "--results-dir", "file"),
        ("run", "table5", "--results-dir", "file"),
        ("report", "table5", "--results-dir", "file"),
        ("status", "table5", "--results-dir", "file"),
        ("logs", "x", "--results-dir", "file"),
        ("cancel", "table5", "--results-dir", "file"),
        ("record", "table5", "-o", "file"),
        ("record", "table5", "-o", "x", "--results-dir", "file"),
        ("notebook", "table5", "--results-dir", "file"),
        ("notebook", "table5", "--parameter", "results_dir=file"),
        ("submit", "table5", "--profile", "here", "--results-dir", "file"),
        ("retry", "table5", "--profile", "here", "--results-dir", "file"),
    ],
    ids=" ".join,
)
def test_a_results_folder_that_is_a_file_is_refused_from_where_it_was_typed(args, tmp_path):
    (tmp_path / "file").write_text("")
    done = vswin(*args, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        f"project: {project_root()}",
        f"error: results_dir {tmp_path / 'file'} is a file; wanted a folder",
    ]


def test_the_project_is_named_where_one_is_not_inside_it(tmp_path):
    said = f"project: {project_root()}\n"
    at = ("-p", "smoke", "--results-dir", tmp_path)
    assert vswin("status", *at, cwd=tmp_path).stderr == said
    assert vswin("list", cwd=tmp_path).stderr == said
    for folder in (project_root(), project_root() / "notebooks"):
        assert vswin("status", *at, cwd=folder).stderr == ""
    assert vswin("status", *at, "--json", cwd=tmp_path).stderr == ""
    (tmp_path / "vswin").mkdir()
    (tmp_path / "experiments").mkdir()
    assert vswin("list", cwd=tmp_path).stderr == said  # another project, and this one is used


def test_a_data_file_that_is_not_there_is_refused_by_every_command(tmp_path):
    for args in (("list",), ("list", "table5"), ("run", "table5", "--results-dir", tmp_path)):
        done = vswin(*args, "--data-file", "none.yaml", cwd=tmp_path)
        assert done.returncode == 2
        assert f"--data-file {tmp_path / 'none.yaml'}: there is no such file" in done.stderr


@pytest.mark.parametrize(
    "args",
    [
        ("weights", "inspect", "~nobody-at-all/x.pth"),
        ("predict", "~nobody-at-all/x.mp4", "-w", "x.pth"),
        ("list", "--data-file", "~nobody-at-all/x"),
        ("list", "table5", "--results-dir", "~nobody-at-all/x"),
        ("submit", "table5", "--profile", "~nobody-at-all/x"),
        ("eval", "-w", "x.pth", "-d", "kinetics400", "--annotations", "~nobody-at-all/x"),
        ("eval", "-w", "x.pth", "-d", "kinetics400", "-o", "~nobody-at-all/x"),
    ],
    ids=" ".join,
)
def test_the_home_of_nobody_is_one_line(args):
    done = vswin(*args)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1
