"""`vswin logs` as a user types it: which run it finds, and what it prints."""

import os
import shutil

import pytest

from tests.cli.jobs.by_hand import ERROR, complete, planned, submit
from vswin.files import write_json
from vswin.runs.lock import run_lock


def test_logs_takes_a_row(results, vswin):
    _, runs = planned(results, seeds=2)
    _, others = planned(results, "table8")
    for (row, seed), run in {**runs, **others}.items():
        run.log.write_text(f"words of {row}, seed {seed}\n")
    at = ("--results-dir", results)
    assert vswin("logs", "inflate", *at)[1] == "words of inflate, seed 0\n"
    assert vswin("logs", "table8", "--row", "inflate", *at)[1] == "words of inflate, seed 0\n"
    assert vswin("logs", "win4", "--seed", 1, *at)[1] == "words of win4, seed 1\n"
    assert (
        vswin("logs", "table5", "--row", "win4", "--seed", 1, *at)[1] == "words of win4, seed 1\n"
    )
    # A row that another table shares, and one that is the beginning of every id.
    assert vswin("logs", "joint", "--seed", 0, *at)[1] == "words of win8, seed 0\n"
    code, _, err = vswin("logs", "swin_t", *at)
    assert (code, "fits" in err) == (2, True)
    code, out, err = vswin("logs", "win4", *at)
    assert (code, out) == (2, "")
    ids = ", ".join(f"{runs['win4', seed].run_id} (smoke)" for seed in (0, 1))
    assert f"'win4' fits 2 runs: {ids}; name one of them (of a row, --seed chooses)" in err


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("table5", "--row", "win5"), "unknown row 'win5' of table5; known: dim16, "),
        (("table50", "--row", "win4"), "unknown table 'table50'"),
        (("table8", "--row", "center"), "there is no run of table8's row 'center' in "),
        (("nothing",), "there is no run 'nothing'"),
        (("swin_t-t8",), "fits 5 runs: swin_t-t8-"),
        (("win4", "--seed", "7"), "there is no run 'win4' with seed 7 in "),
    ],
)
def test_mistakes_are_one_line(results, vswin, words, why):
    planned(results)
    code, out, err = vswin("logs", *words, "--results-dir", results)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert err.startswith("error: ")
    assert why in err


def test_a_name_in_two_protocols_is_ambiguous(results, vswin):
    _, runs = planned(results)
    run = runs["dim16", 0]
    run.log.write_text("words\n")
    shutil.copytree(run.path, results / "other" / "runs" / run.run_id)
    code, _, err = vswin("logs", run.run_id, "--results-dir", results)
    assert code == 2
    assert f"{run.run_id} (other), {run.run_id} (smoke)" in err
    at = ("--results-dir", results, "--protocol", "smoke")
    assert vswin("logs", run.run_id, *at)[1] == "words\n"


def test_logs_prints_the_log_that_was_written_last(results, vswin, slurm):
    store, runs = planned(results)
    run = runs["dim16", 0]
    at = ("--results-dir", results)
    code, out, err = vswin("logs", run.run_id[:-3], *at)
    assert (code, out, err) == (0, "", f"{run.run_id} has printed nothing yet\n")
    run.log.write_text("".join(f"line {k}\n" for k in range(100)))
    code, out, err = vswin("logs", run.run_id[:-3], *at)
    assert (code, err) == (0, f"{run.log}:\n")
    assert out.splitlines() == [f"line {k}" for k in range(50, 100)]
    assert vswin("logs", run.run_id[5:], *at, "--lines", 1)[1] == "line 99\n"  # a part of the id
    assert len(vswin("logs", run.run_id, *at, "-n", 0)[1].splitlines()) == 100
    assert len(vswin("logs", run.run_id, *at, "-n", 1000)[1].splitlines()) == 100
    log = submit(store, [run.run_id], ["7"], ["RUNNING"], slurm).log("7")
    log.write_text("from the job, without an end")
    os.utime(run.log, (1, 1))
    write_json(run.path / "error.json", ERROR)
    code, out, err = vswin("logs", run.run_id, *at)
    assert (code, err) == (0, f"{log}:\n")
    assert out.split("end")[0] == "from the job, without an "
    assert out.endswith("error: DivergedError: loss is nan at step 7\n")


def test_logs_of_other_processes(results, vswin, slurm):
    """Each process of a job prints to its own file; what the main one knows may be the least."""
    store, runs = planned(results)
    run = runs["dim16", 0]
    at = (run.run_id, "--results-dir", results)
    run.log.write_text("here\n")
    log = submit(store, [run.run_id], ["7"], ["RUNNING"], slurm).log
    log("7").write_text("main\n")
    for process in range(1, 7):
        log("7", process).write_text(f"words of {process}\nValueError: it is {process}\n")
        os.utime(log("7", process), (process, process))
    os.utime(run.log, (1, 1))
    with run_lock(run.path):
        assert vswin("logs", *at) == (0, "main\n", f"{log('7')}:\n")
        code, out, err = vswin("logs", *at, "--process", 2, "-n", 1)
        assert (code, out, err) == (0, "ValueError: it is 2\n", f"{log('7', 2)}:\n")
        code, out, err = vswin("logs", *at, "--process", 9)
        assert (code, out) == (0, "")
        assert err == f"process 9 of {run.run_id} has printed nothing yet\n"
    code, out, err = vswin("logs", *at)
    assert (code, out) == (0, "main\n")
    lines = err.splitlines()
    assert lines[:3] == [
        f"{log('7')}:",
        "process 1 of job 7 printed: ValueError: it is 1",
        f"  all of it: vswin logs {run.run_id} --process 1",
    ]
    assert lines[-1] == "and 2 more processes printed errors"
    assert len(lines) == 10
    assert "it is 1" not in vswin("logs", *at, "--process", 1)[2]
    complete(run)
    assert vswin("logs", *at)[2] == f"{log('7')}:\n"


def test_a_long_log_is_cut_at_the_right_line(results, vswin):
    _, runs = planned(results)
    run = runs["dim16", 0]
    lines = [f"{k} " + "x" * (k % 700) for k in range(1000)]  # several blocks
    run.log.write_text("\n".join(lines) + "\n\n")
    for n in (1, 2, 300, 999, 1001, 2000):
        out = vswin("logs", run.run_id, "--results-dir", results, "-n", n)[1]
        assert out.split("\n")[:-1] == [*lines, ""][-n:]
