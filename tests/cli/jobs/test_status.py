"""`vswin status` as a user types it."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.cli.jobs.by_hand import ERROR, STATUS, complete, planned, submit
from vswin.files import write_json
from vswin.runs.lock import run_lock

WITHOUT_TORCH = (
    "import sys; sys.argv[0] = 'vswin'; from vswin.cli.main import main\n"
    "try: main()\nexcept SystemExit as end: code = end.code\n"
    "heavy = {'torch', 'pandas', 'scipy', 'sklearn', 'av', 'matplotlib'} & sys.modules.keys()\n"
    "assert not heavy, heavy\nsys.exit(code)"
)


def line_of(text, word):
    """The line of a table that holds a word."""
    (line,) = [line for line in text.splitlines() if line.startswith("│") and word in line]
    return line


def test_status_of_a_table(results, vswin, slurm):
    store, runs = planned(results, seeds=3)
    for seed, top1 in ((0, 0.5), (1, 0.6)):
        complete(runs["dim16", seed], top1)
        write_json(runs["dim16", seed].path / "status.json", STATUS | {"state": "done"})
    write_json(runs["dim16", 2].path / "status.json", STATUS | {"epoch": 1, "eta_s": 3700})
    write_json(runs["dim8", 0].path / "status.json", STATUS | {"gpus": 0, "job": "7_1"})
    waiting = [runs["dim8", seed].run_id for seed in (0, 1)]
    submit(store, waiting, ["7_0", "7_1"], ["PENDING", "RUNNING"], slurm)
    with run_lock(runs["dim16", 2].path):
        code, out, err = vswin("status", "table5", "-p", "smoke", "--results-dir", results)
    assert (code, err) == (0, "")
    row = line_of(out, "dim16")
    for words in ("2 of 3 done, 1 running", " 2 ", "epoch 1 of ", "loss 1.25", "top-1 50.0 %",
                  "55.0 %", "1:01:40", "6 GPU-h"):  # fmt: skip
        assert words in row, words
    row = line_of(out, "dim8")
    assert "0 of 3 done, 1 running, 1 queued, 1 missing" in row
    assert "30:00 on CPU" in row
    # win16 is dim16's run under another name: it is counted once.
    assert out.splitlines()[-1] == "2 of 21 done, 2 running, 1 queued, 16 missing"


def test_what_went_wrong_is_named_and_makes_the_command_fail(results, vswin, slurm):
    store, runs = planned(results, seeds=2)
    everyone = list(dict.fromkeys(runs.values()))
    for run in everyone[:6]:
        write_json(run.path / "error.json", ERROR)
        run.log.write_text("words\n")
    lost = everyone[7]
    submit(store, [lost.run_id], ["7"], [None], slurm)
    code, out, _ = vswin("status", "table5", "-p", "smoke", "--results-dir", results)
    assert code == 1
    assert out.count("failed: DivergedError: loss is nan at step 7") == 5
    assert f"  log: {everyone[0].log}" in out
    assert "and 2 more that are failed, blocked or unknown" in out
    for run in everyone[:6]:
        (run.path / "error.json").unlink()
    code, out, _ = vswin("status", "table5", "-p", "smoke", "--results-dir", results)
    assert code == 0  # nobody knows that it failed
    assert f"{lost.run_id}: unknown: job 7 is not in the queue any more" in out


def test_a_queue_that_cannot_be_asked_is_said_once(results, vswin, slurm):
    store, runs = planned(results, seeds=2)
    complete(runs["dim16", 0])
    ids = [run.run_id for run in runs.values()]
    (slurm.folder / "down").touch()
    code, out, _ = vswin("status", "-p", "smoke", "--results-dir", results)
    assert "queue cannot" not in out  # nothing was submitted: it does not matter
    submit(store, ids, [f"7_{k}" for k in range(len(ids))], ["PENDING"] * len(ids), slurm)
    code, out, _ = vswin("status", "-p", "smoke", "--results-dir", results)
    assert code == 0
    words = "Unable to contact slurm controller (connect failure)"
    assert f"the queue cannot be asked: squeue: error: {words}" in out
    assert out.count("the queue cannot be asked") == 1
    assert out.splitlines()[-1] == "1 of 14 done, 13 unknown"


def test_status_of_a_real_store_needs_neither_slurm_nor_torch(smoke_results, tmp_path):
    command = [sys.executable, "-c", WITHOUT_TORCH, "status", "-p", "smoke"]
    done = subprocess.run(
        [*command, "--results-dir", str(smoke_results)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PATH": str(tmp_path / "nothing")},
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "7 of 7 done"
    assert "table5: " in done.stdout
    assert "table4" not in done.stdout  # its run that is also one of Table 5's is shown there


def test_a_submitted_store_needs_no_torch_either(results, slurm):
    store, runs = planned(results)
    submit(store, [runs["dim16", 0].run_id], ["7"], ["PENDING"], slurm)
    command = [sys.executable, "-c", WITHOUT_TORCH, "status", "table5", "-p", "smoke"]
    done = subprocess.run(
        [*command, "--results-dir", str(results)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "0 of 7 done, 1 queued, 6 missing"


def test_without_a_table_every_run_is_shown_once_where_it_belongs(results, vswin):
    store, five = planned(results)
    _, eight = planned(results, "table8", seeds=2)
    for run in {**five, **eight}.values():
        complete(run)
    shutil.copytree(five["dim8", 0].path, store.runs_dir / "my_own-t8-w1x1x1-s0-0123456789")
    code, out, _ = vswin("status", "-p", "smoke", "--results-dir", results)
    assert code == 0
    titles = [line.split(":")[0] for line in out.splitlines() if line.startswith(("table", "othe"))]
    assert [title.strip() for title in titles] == ["table5", "table8", "other runs"]
    assert "my_own-t8-w1x1x1" in out
    assert "1 of 1 done" in line_of(out, "dim16")
    assert "2 of 2 done" in line_of(out, "inflate ")
    assert "0 of 2 done, 2 missing" in line_of(out, "starts from ")
    assert out.splitlines()[-1] == "14 of 16 done, 2 missing"


def test_runs_that_start_from_one_that_failed_are_blocked_even_unplanned(results, vswin):
    _, runs = planned(results, "table8")
    source = next(p for p in (results / "smoke" / "runs").iterdir() if "stills" in p.name)
    write_json(source / "error.json", ERROR)
    shutil.rmtree(runs["inflate", 0].path)
    code, out, _ = vswin("status", "table8", "-p", "smoke", "--results-dir", results)
    assert code == 1
    assert "1 blocked" in line_of(out, "│ inflate")
    assert f"blocked: starts from {source.name}, which failed" in out
    assert out.splitlines()[-1] == "0 of 4 done, 1 failed, 2 blocked, 1 missing"


def test_seeds_are_those_that_were_begun_unless_it_is_said(results, vswin):
    def total(*options):
        return vswin("status", "table5", "-p", "smoke", "--results-dir", results, *options)[1]

    assert total().splitlines()[-1] == "0 of 7 done, 7 missing"  # the protocol's number
    planned(results, seeds=3)
    assert total().splitlines()[-1] == "0 of 21 done, 21 missing"
    assert total("--seeds", 2).splitlines()[-1] == "0 of 14 done, 14 missing"


def test_status_as_json(results, vswin, slurm):
    store, runs = planned(results)
    run = runs["dim8", 0]
    write_json(run.path / "status.json", STATUS)
    submission = submit(store, [run.run_id], ["7"], ["TIMEOUT"], slurm)
    submission.log("7").write_text("words\n")
    code, out, _ = vswin("status", "table5", "-p", "smoke", "--results-dir", results, "--json")
    found = json.loads(out)
    assert (code, found["queue_problem"]) == (0, None)
    assert found["states"] == {"interrupted": 1, "missing": 6}
    rows = {row["row"]: row["runs"] for row in found["tables"][0]["rows"]}
    (seen,) = rows["dim8"]
    assert seen["run_id"] == run.run_id
    assert (seen["state"], seen["job_id"], seen["attempts"]) == ("interrupted", "7", 2)
    assert (seen["gpu_hours"], seen["log"]) == (2.0, str(submission.log("7")))
    assert "TIMEOUT" in seen["detail"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("table50",), "unknown table 'table50'"),
        (("-p", "smok"), "unknown protocol 'smok'"),
        (("table5", "--seeds", "0"), "seeds=0"),
    ],
)
def test_mistakes_are_one_line(results, vswin, words, why):
    planned(results)
    code, out, err = vswin("status", *words, "--results-dir", results)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert err.startswith("error: ")
    assert why in err


def test_where_there_are_no_runs_it_says_of_which_protocol_there_are_some(results, vswin):
    planned(results)
    code, out, _ = vswin("status", "-p", "smoke", "--results-dir", results / "none")
    assert code == 0
    assert out.splitlines() == [
        f"protocol smoke, results in {results / 'none'}, a folder that does not exist",
        f"no runs in {results / 'none' / 'smoke' / 'runs'}",
    ]
    code, out, _ = vswin("status", "-p", "proxy", "--results-dir", results)
    assert out.splitlines()[2:] == ["there are some of another protocol: --protocol smoke"]


def test_status_names_its_protocol_and_folder_and_every_run(results, vswin):
    _, runs = planned(results, seeds=2)
    complete(runs["dim4", 1])
    _, out, _ = vswin("status", "table5", "-p", "smoke", "--results-dir", results)
    assert out.splitlines()[0] == f"protocol smoke, results in {results}"
    for (row, _), run in runs.items():
        (line,) = [line for line in out.splitlines() if run.run_id in line]
        assert row in line.split("  ")[-1].split(", ")  # all its rows: dim16 is win16, too
    assert f"  {runs['dim4', 1].run_id}  done  dim4" in out.splitlines()
    assert f"  {runs['dim4', 0].run_id}  missing  dim4" in out.splitlines()
    assert f"  {runs['dim16', 0].run_id}  missing  dim16, win16" in out.splitlines()
    out = vswin("status", "-p", "smoke", "--results-dir", results)[1]
    assert all(run.run_id in out for run in runs.values())


def test_status_says_when_there_is_no_such_folder(results, vswin):
    none = results / "none"
    code, out, _ = vswin("status", "table5", "-p", "smoke", "--results-dir", none)
    assert (code, not none.exists()) == (0, True)
    (line,) = [line for line in out.splitlines() if str(none) in line]
    assert line == f"protocol smoke, results in {none}, a folder that does not exist"
    assert out.splitlines()[-1] == "0 of 7 done, 7 missing"
    found = json.loads(vswin("status", "-p", "smoke", "--results-dir", none, "--json")[1])
    assert (found["results_dir"], found["exists"]) == (str(none), False)
    code, _, err = vswin("logs", "win4", "--results-dir", none)
    assert (code, "a folder that does not exist" in err) == (2, True)


def test_status_of_a_thousand_runs_is_not_a_thousand_lines(results, vswin, monkeypatch):
    _, runs = planned(results, seeds=2)
    monkeypatch.setattr("vswin.cli.status.MOST_LISTED", 3)
    out = vswin("status", "table5", "-p", "smoke", "--results-dir", results)[1]
    assert sum(run.run_id in out for run in set(runs.values())) == 3
    assert "  and 11 more; see --json" in out


def test_status_tells_the_error_of_another_process(results, vswin, slurm):
    store, runs = planned(results)
    log = submit(store, [runs["dim16", 0].run_id], ["7"], ["FAILED"], slurm).log
    log("7").write_text("main\n")
    log("7", 1).write_text("error: no such video\n")
    code, out, _ = vswin("status", "table5", "-p", "smoke", "--results-dir", results)
    assert code == 1
    assert "failed: job 7: FAILED: error: no such video" in out
    assert f"  log: {log('7', 1)}" in out
