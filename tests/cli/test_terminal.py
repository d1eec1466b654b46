"""What a terminal, a pipe, a closed stream or another encoding gets to see of each command."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.small import saved
from tests.command import vswin
from tests.own import own_project, use_project
from tests.results import complete
from vswin.cli import listing
from vswin.experiments.library import Library
from vswin.experiments.planning import plan_study
from vswin.project import experiments_dir, project_root
from vswin.report import load_study

REFERENCE = project_root() / "results" / "reference"


# Tables


def rows_of(table):
    return [row.id for row in load_study(table, "smoke").all_rows]


def trained_rows_of(table):
    rows = Library(experiments_dir()).experiment(table).rows
    return [row.id for row in rows if row.only_on != "costs"]


TABLES = [f"table{k}" for k in range(1, 10)]
AT_REFERENCE = ("--results-dir", REFERENCE)
SHOWN = {
    "list": (("list",), lambda: [*TABLES, "paper_printed", "rehearsal"]),
    "list TABLE": (("list", "table5", *AT_REFERENCE), lambda: rows_of("table5")),
    "list of videos": (("list", "table1", "-p", "paper"), lambda: rows_of("table1")),
    "list --cost": (("list", "table1", "-p", "paper", "--cost"), lambda: trained_rows_of("table1")),
    "cost TABLE": (("cost", "table2"), lambda: rows_of("table2")),
    "status": (
        ("status", "table8", *AT_REFERENCE),
        lambda: ["starts from swin_t-t1-w1x3x3-stills-150_scans", *rows_of("table8")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("columns", [80, 60])
@pytest.mark.parametrize("command", SHOWN)
def test_no_table_cuts_anything_or_breaks_what_tells_rows_apart(command, columns):
    args, names = SHOWN[command]
    done = vswin(*args, env={"COLUMNS": str(columns)})
    assert done.returncode == 0, done.stderr
    assert "…" not in done.stdout
    for name in names():
        assert re.search(rf"(?m)(^|[│ ]){re.escape(name)}($|[│ ])", done.stdout), name


def test_the_check_of_videos_and_checkpoints_are_shown_whole_too(videos, tmp_path):
    weights = saved(tmp_path / "model.pth", 7)
    at = ("--annotations", videos / "list.txt", "--state", tmp_path / "state", "-j", 1)
    for args in (("weights", "inspect", weights), ("data", "check", "digits_kinetics", *at)):
        done = vswin(*args, env={"COLUMNS": "60"})
        assert "…" not in done.stdout
    assert f"missing: {videos / 'gone.mp4'}: " in done.stdout
    for name in ("in the public list", "frames per second", "digest of the list"):
        assert name in done.stdout or name == "in the public list"  # there is none of these


def test_reports_are_shown_whole(smoke_results):
    at = ("-p", "smoke", "--results-dir", smoke_results)
    for columns in ("80", "60"):
        done = vswin("report", "table5", *at, env={"COLUMNS": columns})
        assert "…" not in done.stdout
        for row in load_study("table5", "smoke").rows:
            assert re.search(r"[^│]*?[│ ]".join(row.labels.values()), done.stdout)


def test_in_a_pipe_a_row_is_a_line():
    """For grep and awk; $COLUMNS alone says otherwise."""
    done = vswin("list", "table1", "-p", "paper", env={"COLUMNS": ""})
    (line,) = [line for line in done.stdout.splitlines() if "│ swin_l_384_50 " in line]
    assert "10×5" in line
    assert "tests swin_l-t16-w8x12x12-kinetics400-pretrained-s0-" in line
    assert "lacks data or weights" in line


def test_a_record_is_not_nothing():
    done = vswin("list", "table3", "-p", "rehearsal", *AT_REFERENCE)
    assert done.stdout.count("recorded") == 1
    assert "missing" not in done.stdout


def test_no_word_of_a_header_is_broken_beside_long_names(tmp_path, monkeypatch):
    rows = "".join(
        f"  - {{id: a_name_of_a_row_that_is_long_{n}, preset: swin_t}}\n" for n in range(2)
    )
    project = own_project(tmp_path, f"table: mine\ntitle: t\nrows:\n{rows}")
    use_project(monkeypatch, project)
    plan = plan_study("mine", "smoke", 1)
    folder = plan.folder(plan.runs[0])
    folder.create(plan.runs[0].config)
    folder.write_status(attempt=1, seconds=7.0, gpus=0, state="testing")
    complete(folder)
    done = vswin("status", "mine", "-p", "smoke", env={"COLUMNS": "80"})
    header = "".join(re.findall(r"(?m)^┃.*$", done.stdout))
    words = {"row", "runs", "tries", "top-1,", "mean", "spent"}
    assert words <= set(header.replace("┃", " ").split()), done.stdout


# Streams


def in_a_shell(command, **environ):
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {sys.executable} -m vswin {command}"],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env=os.environ | environ,
        check=False,
        timeout=120,
    )


def test_nobody_who_reads_is_no_error():
    done = in_a_shell("list | head -1")
    assert (done.stdout, done.stderr) == (b"Tables\n", b"")


def test_a_closed_stream_is_none():
    assert in_a_shell("list >&-").stderr == b""
    assert in_a_shell("list table9000 2>&-").returncode == 2


def test_a_full_disk_is_one_line():
    done = in_a_shell("list > /dev/full")
    assert (done.returncode, done.stderr) == (1, b"error: No space left on device\n")


def test_an_encoding_without_the_characters_shows_others():
    ascii_only = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C", "TERM": "dumb"}
    done = in_a_shell("list table5", **ascii_only)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"16?7?7" in done.stdout
    assert done.stdout.isascii()


def test_a_file_name_that_is_no_utf8_is_printed_as_it_is(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xe9.txt")
    Path(path).write_text("a.mp4 0\n")
    done = subprocess.run(
        [sys.executable, "-m", "vswin", "data", "check", "digits_kinetics", "--annotations", path,
         "--state", str(tmp_path / "state"), "-j", "1", "--videos", str(tmp_path)],
        capture_output=True, stdin=subprocess.DEVNULL, check=False, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, b"")
    assert b"missing: " in done.stdout


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (KeyboardInterrupt(), 130, ""),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), 1,
         "error: /x: Permission denied\n"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), 1, "error: Cannot allocate memory\n"),
    ],
)  # fmt: skip
def test_what_no_command_expects_is_one_line_too(error, code, words, monkeypatch):
    def fail():
        raise error

    monkeypatch.setattr(listing, "list_all", fail)
    done = vswin("list")
    assert (done.returncode, done.stderr) == (code, words)


def test_the_help_says_what_exit_codes_mean():
    text = " ".join(vswin("--help").stdout.split())
    for words in ("0, done", "1, the work failed", "2, what was asked for is wrong", "130"):
        assert words in text
