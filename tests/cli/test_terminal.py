"""What a terminal, a pipe, a closed stream or another encoding gets to see of each command."""

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.command import vswin
from tests.own import own_project
from tests.results import complete
from tests.videos import write_video
from vswin import build_model, save_weights
from vswin.cli import listing
from vswin.experiments.library import Library
from vswin.experiments.planning import plan_study
from vswin.project import experiments_dir, project_root, results_path
from vswin.report import load_study

REFERENCE = project_root() / "results" / "reference"
SMALL = {"embed_dim": 8, "depths": (2,), "num_heads": (2,), "window_size": (2, 2, 2)}
CLIP = ("--frames", 4, "--stride", 1, "--size", 16, "--views", "1x1")


def saved(path, num_classes):
    torch.manual_seed(0)
    save_weights(build_model("swin_t", **SMALL, num_classes=num_classes), path)
    return path


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    """Three files, of which two are no videos, and lists of them."""
    folder = tmp_path_factory.mktemp("videos")
    rng = np.random.default_rng(0)
    write_video(folder / "good.mp4", rng.integers(0, 256, size=(8, 16, 16, 3), dtype=np.uint8))
    (folder / "empty.mp4").write_bytes(b"")
    (folder / "text.mp4").write_text("no video\n")
    names = ("good", "empty", "text", "gone")
    lines = [f"{name}.mp4 {label}\n" for label, name in enumerate(names)]
    (folder / "list.txt").write_text("".join(lines))
    many = [f"absent_{k:02}.mp4 {k % 10}\n" for k in range(25)]
    (folder / "many.txt").write_text("".join([lines[0], *many]))
    return folder


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


# Files that are not what they should be


FILES = {"none": None, "folder": "folder", "empty": b"", "junk": bytes(range(256)) * 8,
         "text": b"some words\nin lines\n"}  # fmt: skip
TAKERS = {
    "weights": ("weights", "inspect", "{}"),
    "source": ("weights", "convert", "{}", "out.pth"),
    "tested": ("eval", "-w", "{}", "-d", "digits_kinetics", "--annotations", "good.txt"),
    "annotations": ("eval", "-w", "x.pth", "-d", "kinetics400", "--annotations", "{}"),
    "checked": ("data", "check", "kinetics400", "--annotations", "{}"),
    "labels": ("data", "check", "kinetics400", "--annotations", "good.txt", "--labels", "{}"),
    "data file": ("list", "table1", "-p", "paper", "--data-file", "{}"),
    "video": ("predict", "{}", "-w", "x.pth"),
    "profile": ("submit", "table5", "-p", "smoke", "--dry-run", "--profile", "{}"),
}


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("taker", TAKERS)
def test_a_file_that_is_not_what_it_should_be_is_one_line_and_wrong_usage(taker, kind, tmp_path):
    name = {"weights": "f.pth", "source": "f.pth", "tested": "f.pth", "video": "f.mp4",
            "data file": "f.yaml", "profile": "f.toml"}.get(taker, "f.txt")  # fmt: skip
    (tmp_path / "good.txt").write_text("a.mp4 0\n")
    if kind == "folder":
        (tmp_path / name).mkdir()
    elif kind != "none":
        (tmp_path / name).write_bytes(FILES[kind])
    if (taker, kind) == ("profile", "empty"):
        return  # a profile may say nothing
    words = [word.format(tmp_path / name) for word in TAKERS[taker]]
    done = vswin(*words, cwd=tmp_path, env={"XDG_CACHE_HOME": str(tmp_path / "cache")})
    lines = [line for line in done.stderr.splitlines() if not line.startswith("project: ")]
    assert (done.returncode, len(lines)) == (2, 1), done.stderr
    assert lines[0].startswith("error: ")
    assert not (tmp_path / "out.pth").exists()


# Paths


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


def test_no_word_of_a_header_is_broken_beside_long_names(tmp_path, monkeypatch):
    rows = "".join(
        f"  - {{id: a_name_of_a_row_that_is_long_{n}, preset: swin_t}}\n" for n in range(2)
    )
    project = own_project(tmp_path, f"table: mine\ntitle: t\nrows:\n{rows}")
    monkeypatch.setattr("vswin.project.project_root", lambda: project)
    plan = plan_study("mine", "smoke", 1)
    folder = plan.folder(plan.runs[0])
    folder.create(plan.runs[0].config)
    folder.write_status(attempt=1, seconds=7.0, gpus=0, state="testing")
    complete(folder)
    done = vswin("status", "mine", "-p", "smoke", env={"COLUMNS": "80"})
    header = "".join(re.findall(r"(?m)^┃.*$", done.stdout))
    words = {"row", "runs", "tries", "top-1,", "mean", "spent"}
    assert words <= set(header.replace("┃", " ").split()), done.stdout


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


# Options that would count for nothing


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("cost", "table5", "--window", "1x1x1"), "--window is for presets; table5 says it itself"),
        (("cost", "swin_t", "table5", "--frames", 8), "--frames is for presets"),
        (("cost", "swin_t", "--frames", 10**9), "more than fits into this machine's memory"),
        (("run", "table5", "-p", "smoke", "--processes", 3), "--jobs runs several at a time"),
        (("eval", "-w", "x.pth", "-d", "ssv2", "-o", "."), "is a folder"),
        (("predict", "good.mp4", "-w", "x.pth", "--dataset", "ssv3"), "unknown dataset 'ssv3'"),
    ],
)
def test_they_are_refused(args, words, videos, tmp_path):
    at = ("--results-dir", tmp_path / "results") if args[0] == "run" else ()
    done = vswin(*args, *at, cwd=videos)
    assert done.returncode == 2
    assert words in done.stderr.splitlines()[-1]
    assert not (tmp_path / "results").exists()


def test_jobs_below_none_are_refused_by_the_notebook_too():
    assert vswin("notebook", "table5", "--jobs", "-1").returncode == 2


# predict


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none.mp4", "none.mp4: there is no such file"),
        (".", ". is a folder; wanted a video file"),
        ("empty.mp4", "empty.mp4 cannot be read as a video: it is empty"),
        ("text.mp4", "text.mp4 cannot be read as a video: "),
        ("list.txt", "list.txt cannot be read as a video: "),
    ],
)
def test_predict_looks_for_the_video_before_anything_else(name, words, videos):
    done = vswin("predict", name, "-w", "none.pth", cwd=videos)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {words}")
    assert len(done.stderr.splitlines()) == 1


def test_predict_works_with_any_number_of_classes(videos, tmp_path):
    weights = saved(tmp_path / "seven.pth", 7)
    words = ("predict", videos / "good.mp4", "-w", weights, *CLIP)
    done = vswin(*words, "--top", 7)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sorted(line.split("%  ")[1] for line in lines[:7]) == [f"class {k}" for k in range(7)]
    assert lines[7:] == ["(numbers from 0: 7 classes are no known dataset's; --classes names them)"]
    (tmp_path / "names.txt").write_text("".join(f"gesture {k}\n" for k in "abcdefg"))
    (tmp_path / "names.json").write_text(json.dumps({f"gesture {k}": n for n, k in
                                                     enumerate("abcdefg")}))  # fmt: skip
    found = [json.loads(vswin(*words, "--json").stdout)]
    for name in ("names.txt", "names.json"):
        found.append(json.loads(vswin(*words, "--json", "--classes", tmp_path / name).stdout))
    assert found[1] == found[2]
    for number, named in zip(*found[:2], strict=True):
        assert number["class"] == f"class {number['label']}"
        assert named["class"] == f"gesture {'abcdefg'[named['label']]}"
        assert number["score"] == named["score"]
    (tmp_path / "few.txt").write_text("a\nb\n")
    done = vswin(*words, "--classes", tmp_path / "few.txt")
    assert done.returncode == 2
    assert "few.txt names 2 classes, and the model has 7" in done.stderr
    done = vswin(*words, "--dataset", "kinetics400")
    assert "the model has 7 classes, and kinetics400 has 400" in done.stderr


def test_predict_takes_no_model_of_ten_classes_for_one_of_digits(videos, tmp_path):
    weights = saved(tmp_path / "ten.pth", 10)
    words = ("predict", videos / "good.mp4", "-w", weights, *CLIP)
    assert "class " in vswin(*words).stdout
    assert "digit " in vswin(*words, "--dataset", "digits_kinetics").stdout


@pytest.mark.parametrize("name", ["good.mp4", "a.mkv", "a.wav"])
def test_predict_wants_a_list_of_classes(name, videos, tmp_path):
    (tmp_path / "a.mkv").write_bytes(b"\x1aE\xdf\xa3\xff")
    (tmp_path / "a.wav").write_bytes(b"RIFF\xff\xff\xff\xffWAVE")
    path = (videos if name == "good.mp4" else tmp_path) / name
    done = vswin("predict", videos / "good.mp4", "-w", "none.pth", "--classes", path)
    assert done.returncode == 2
    assert done.stderr.endswith("; wanted a list of classes\n")


def test_predict_says_where_names_are_assumed(videos, tmp_path):
    words = ("predict", videos / "good.mp4", "-w", saved(tmp_path / "k.pth", 400), *CLIP)
    assumed = "(the 400 classes are assumed to be those of kinetics400; --classes gives others)"
    assert vswin(*words).stdout.splitlines()[-1] == assumed
    assert "assumed" not in vswin(*words, "--dataset", "kinetics400").stdout
    json.loads(vswin(*words, "--json").stdout)
    (tmp_path / "own.txt").write_text("".join(f"act {k}.\n" for k in range(400)))
    assert "assumed" not in vswin(*words, "--classes", tmp_path / "own.txt").stdout


# eval


def test_eval_names_what_it_could_not_read(videos, tmp_path):
    weights = saved(tmp_path / "ten.pth", 10)
    words = ("eval", "-w", weights, "-d", "digits_kinetics", *CLIP, "--annotations")
    done = vswin(*words, videos / "list.txt", "-o", tmp_path / "out.npz")
    assert done.returncode == 0, done.stderr  # every listed video counts; nothing failed
    assert "1 of 4 videos read" in done.stdout
    bad = {"empty": "it is empty", "gone": "there is no such file"}
    for name, reason in bad.items():
        assert f"  counted as wrong: {videos / name}.mp4: {reason}\n" in done.stdout
    facts = json.loads(vswin(*words, videos / "list.txt", "--json").stdout)
    assert [each["path"] for each in facts["unreadable"]] == [
        str(videos / f"{name}.mp4") for name in ("empty", "text", "gone")
    ]
    kept = np.load(tmp_path / "out.npz")
    assert [bool(reason) for reason in kept["unreadable"]] == [False, True, True, True]
    assert kept["unreadable"][3] == "there is no such file"


def test_eval_is_short_where_many_are_missing(videos, tmp_path):
    weights = saved(tmp_path / "ten.pth", 10)
    words = ("eval", "-w", weights, "-d", "digits_kinetics", *CLIP, "--annotations")
    done = vswin(*words, videos / "many.txt")
    assert done.stdout.count("counted as wrong: ") == 10
    assert "  … and 15 more; --json has all\n" in done.stdout
    facts = json.loads(vswin(*words, videos / "many.txt", "--json").stdout)
    assert len(facts["unreadable"]) == 25


@pytest.mark.parametrize("weights", ["none.pth", "."])
def test_eval_looks_for_the_weights_before_the_data(weights, videos, monkeypatch):
    monkeypatch.setenv("VSWIN_DATA", str(videos / "none.yaml"))
    done = vswin("eval", "-w", weights, "-d", "kinetics400", cwd=videos)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = [line for line in done.stderr.splitlines() if "error" in line]
    words = "there is no file none.pth" if weights == "none.pth" else ". is a folder, wanted a file"
    assert line == f"error: {words}"
